"""`taskyard connections [list|show|put|test|delete|import]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.cli.asking import ask, ask_and_tell, tell_page
from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="Name external systems, and see whether they are there.", rich_markup_mode=None)

_Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="YAML or JSON, one connection or many; - is stdin.")
]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The connection's id.", show_default=False)]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_connections(limit, cursor, app, as_json)


@group.command("list")
def list_connections(limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the connections, and how their breakers stand."""
    ask_and_tell(app, as_json, lambda access: access.connections(limit, cursor), tell_page(_print_table))


@group.command()
def show(connection_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Show a connection; of its secrets only the names."""
    ask_and_tell(app, as_json, lambda access: access.connection(connection_id), _print_details)


@group.command()
def put(files: _Files, app: YardName = None, as_json: AsJson = False) -> None:
    """Keep the connections in files; without `secrets` those they have stay."""
    from taskyard.cli.documents import read_all

    wanted = read_all(files, "connection")

    async def put_all(access: Any) -> dict[str, Any]:
        return {"items": [await access.put_connection(value) for value in wanted], "nextCursor": None}

    ask_and_tell(app, as_json, put_all, tell_page(_print_table))


@group.command("test")
def try_connection(connection_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """See whether the other side is there and lets us in; exit code 1 where it does not."""
    from taskyard.cli.output import hint, print_line

    found: dict[str, Any] = {}

    def tell(tested: dict[str, Any]) -> None:
        if tested["ok"]:
            print_line(f"{connection_id} answers, in {tested['latencyMs']:g} ms")
        else:
            hint(f"{connection_id}: {tested['error']['message']}")

    async def test(access: Any) -> dict[str, Any]:
        found.update(await access.try_connection(connection_id))
        return found

    ask_and_tell(app, as_json, test, tell)
    if not found["ok"]:
        raise typer.Exit(1)


@group.command()
def delete(connection_id: _Id, app: YardName = None) -> None:
    """Forget a connection with its secrets; tasks that go over it fail."""
    ask(app, lambda access: access.remove_connection(connection_id))


@group.command("import")
def import_openapi(
    connection_id: _Id,
    file: Annotated[str, typer.Argument(metavar="FILE", help="An OpenAPI 3 document, YAML or JSON; - is stdin.")],
    prefix: Annotated[str, typer.Option("--prefix", help="Stands before the definitions' keys; else the id.")] = "",
) -> None:
    """Make a definition of each operation of an API, as YAML; look at them, then `taskyard definitions push` them."""
    import yaml

    from taskyard.cli.documents import read_documents
    from taskyard.cli.output import print_line
    from taskyard.domain.openapi import definitions_of

    (document,) = read_documents(file, "document")[:1]
    made = definitions_of(document, connection_id, prefix or connection_id)
    print_line(yaml.safe_dump_all(made, sort_keys=False, allow_unicode=True).rstrip())


def _print_table(items: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import print_table

    rows = [(one["connectionId"], one["type"], one["title"], one["breaker"]["state"]) for one in items]
    print_table(["connection", "type", "title", "breaker"], rows, empty="there are no connections yet")


def _print_details(one: dict[str, Any]) -> None:
    from taskyard.cli.output import local_time, print_details

    secrets = one["secrets"]
    told = "sealed with another key" if secrets is None else ", ".join(secrets) or "none"
    allowed = one["allowedDefinitions"]
    print_details(
        [
            ("connection", one["connectionId"]),
            ("type", one["type"]),
            ("title", one["title"]),
            ("description", one["description"]),
            *((f"setting {name}", str(value)) for name, value in one["settings"].items()),
            ("secrets", told),
            ("definitions", "any" if allowed is None else ", ".join(allowed) or "none"),
            ("callers", ", ".join(one["allowedCallers"]) or "none"),
            ("breaker", f"{one['breaker']['state']}, {one['breaker']['failureRate']:.0%} failed"),
            ("changed", local_time(one["changedAt"])),
        ]
    )
