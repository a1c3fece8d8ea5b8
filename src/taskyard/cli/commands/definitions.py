"""`taskyard definitions [list|show|validate|push]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.cli.options import AsJson, YardName
from taskyard.domain.category import CATEGORIES, category_label

group = typer.Typer(help="List task definitions, check and push files of them.", rich_markup_mode=None)

_Category = Annotated[str | None, typer.Option(help=f"Only these: {', '.join(CATEGORIES)}, or one of your own.")]
_Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="YAML or JSON, one definition or many; or source code, .py .js .ts .sh."),
]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, category: _Category = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_definitions(category, app, as_json)


@group.command("list")
def list_definitions(category: _Category = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the definitions that can be run."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json, print_table
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            found = [one for one in await access.definitions() if category in (None, one["category"])]
        if as_json:
            print_json({"items": found, "nextCursor": None})
            return
        rows = [
            (one["key"], one.get("title"), _kind(one), category_label(one["category"]), one.get("version"))
            for one in found
        ]
        print_table(["key", "title", "kind", "category", "version"], rows, empty="there are no definitions yet")

    execute(ask())


@group.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY")],
    versions: Annotated[bool, typer.Option("--versions", help="All its versions, newest first.")] = False,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Show a definition with the options it takes."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import local_time, print_json, print_table
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            found = await access.versions(key) if versions else [await access.definition(key)]
        if as_json:
            print_json({"items": found, "nextCursor": None} if versions else found[0])
        elif versions:
            rows = [(one.get("version"), local_time(one.get("createdAt")), one.get("title")) for one in found]
            print_table(["version", "since", "title"], rows)
        else:
            _print(found[0])

    execute(ask())


@group.command()
def diff(
    key: Annotated[str, typer.Argument(metavar="KEY")],
    old: Annotated[str | None, typer.Argument(metavar="[OLD]", help="A version; the one before NEW.")] = None,
    new: Annotated[str | None, typer.Argument(metavar="[NEW]", help="A version; the last one.")] = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions of a definition."""
    from taskyard.cli.access import open_access
    from taskyard.cli.definition_diff import diff_versions
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            lines = diff_versions(await access.versions(key), old, new)
        if as_json:
            print_json({"key": key, "diff": lines})
        else:
            print_line("\n".join(lines))

    execute(ask())


@group.command()
def validate(files: _Files, as_json: AsJson = False) -> None:
    """Check files of definitions, every error with its place; exit code 2 when there are any."""
    from taskyard.cli.definition_files import Finding, check_files
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import hint, print_json, print_line

    checked = check_files(files)
    findings: list[Finding] = checked.findings
    keys = [definition["key"] for definition in checked.definitions]
    if as_json:
        print_json({"valid": keys, "errors": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            print_line(f"{finding.file}: {finding.definition}{finding.path} {finding.message}")
        hint(f"{len(keys)} valid, {len(findings)} errors")
    if findings:
        raise typer.Exit(Exit.REFUSED)


@group.command()
def push(files: _Files, app: YardName = None, as_json: AsJson = False) -> None:
    """Check files of definitions and store all they hold, or nothing when one is wrong."""
    from taskyard.cli.access import open_access
    from taskyard.cli.definition_files import read_definitions
    from taskyard.cli.output import print_json, print_table
    from taskyard.cli.running import execute

    wanted = read_definitions(files)

    async def ask() -> None:
        async with open_access(app) as access:
            pushed = [await access.push(definition) for definition in wanted]
        if as_json:
            print_json({"items": pushed, "nextCursor": None})
        else:
            print_table(["key", "version"], [(one["key"], one.get("version")) for one in pushed])

    execute(ask())


def _kind(definition: dict[str, Any]) -> str:
    return str((definition.get("implementation") or {}).get("kind", ""))


def _print(definition: dict[str, Any]) -> None:
    from taskyard.cli.output import print_details, print_line, print_table
    from taskyard.domain.forms.fields import form_for

    names = ("key", "title", "description", "version", "taskType", "category", "tags", "danger", "expense")
    policies = ("priority", "timeout", "retryPolicy", "expire", "maxConcurrent", "rateLimit", "trigger", "action")
    rows = [(name, definition.get(name)) for name in (*names, *policies)]
    print_details([*rows, ("kind", _kind(definition))])
    schema = definition.get("inputSchema")
    fields = [one for one in form_for(schema)["fields"] if one["key"]] if schema else []
    if fields:
        print_line("")
        print_table(
            ["field", "type", "required", "default", "meaning"],
            [
                (
                    f"--{one['key']}",
                    one["type"],
                    "yes" if one["required"] else "",
                    one.get("default"),
                    one.get("help") or one["label"],
                )
                for one in fields
            ],
        )
