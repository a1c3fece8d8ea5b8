"""`taskyard workflows [list|deploy|start|show]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.cli.asking import ask_and_tell, tell_page
from taskyard.cli.options import AsJson, RawInput, YardName

group = typer.Typer(help="Deploy BPMN files, and start instances of their processes.", rich_markup_mode=None)

_Key = Annotated[str, typer.Argument(metavar="KEY", help="The process's id.", show_default=False)]
_Engine = Annotated[str, typer.Option("--engine", help="taskyard, or camunda for the engine at CAMUNDA_URL.")]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, engine: _Engine = "taskyard", app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_workflows(engine, app, as_json)


@group.command("list")
def list_workflows(engine: _Engine = "taskyard", app: YardName = None, as_json: AsJson = False) -> None:
    """List the processes that can be started."""

    async def list_all(access: Any) -> dict[str, Any]:
        return {"items": await access.workflows(engine), "nextCursor": None}

    ask_and_tell(app, as_json, list_all, tell_page(_print_table))


@group.command()
def deploy(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A BPMN file with one process.", show_default=False)],
    engine: _Engine = "taskyard",
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Check a BPMN file, and make its process known."""
    from taskyard.cli.fields import read_file
    from taskyard.cli.output import hint

    def tell(workflow: dict[str, Any]) -> None:
        _print_table([workflow])
        if workflow["missing"]:
            hint(f"nobody has registered yet what it asks for: {', '.join(workflow['missing'])}")

    source = read_file(file).decode(errors="replace")
    ask_and_tell(app, as_json, lambda access: access.deploy_workflow(source, engine), tell)


@group.command()
def start(
    key: _Key,
    input_: RawInput = None,
    correlation_id: Annotated[str | None, typer.Option(help="The business key, also of its tasks.")] = None,
    engine: _Engine = "taskyard",
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Start an instance with the input as its variables, and print its id."""
    from taskyard.cli.fields import read_input
    from taskyard.cli.output import hint, print_line

    def tell(instance: dict[str, Any]) -> None:
        print_line(instance["instanceId"])
        hint(f"its tasks: taskyard tasks --workflow-id {instance['instanceId']}")

    given = {"input": None if input_ is None else read_input(input_), "correlationId": correlation_id}
    body = {name: value for name, value in given.items() if value is not None}
    ask_and_tell(app, as_json, lambda access: access.start_workflow(key, body, engine), tell)


@group.command()
def show(key: _Key, engine: _Engine = "taskyard", app: YardName = None, as_json: AsJson = False) -> None:
    """Show a process, and the tasks that its steps are."""
    from taskyard.cli.output import print_details, print_table

    def tell(workflow: dict[str, Any]) -> None:
        facts = [(name, workflow[name]) for name in ("key", "title", "description", "version", "engine")]
        print_details([*facts, ("missing", ", ".join(workflow["missing"]) or None), ("fault", workflow["fault"])])
        rows = [(step["stepId"], step["name"], step["type"], step["taskDefinitionId"]) for step in workflow["steps"]]
        print_table(["step", "name", "type", "task"], rows)

    ask_and_tell(app, as_json, lambda access: access.workflow(key, engine), tell)


def _print_table(workflows: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import print_table

    rows = [(each["key"], each["title"], each["version"], len(each["steps"])) for each in workflows]
    print_table(["workflow", "title", "version", "steps"], rows, empty="there are no workflows yet")
