"""Writes the pages of docs/reference from the code; `--check` only says which of them are out of date."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

from typer.main import get_command

from taskyard import errors
from taskyard.api.errors import STATUS
from taskyard.cli.exits import Exit
from taskyard.cli.program import program
from taskyard.domain.event import NAMES
from taskyard.domain.lifecycle import FINAL, MOVES, OUTCOME_MOVES, EventType, State
from taskyard.domain.system import SYSTEM_FUNCTIONS, SystemFunction
from taskyard.settings import FILE, SETTINGS, Setting

FOLDER = Path(__file__).parent / "reference"
_NOTICE = "<!-- Written by docs/generate.py from the code: change the code, then run it again. -->"

_WIDTH = 100

# Defaults that depend on the machine, in words.
_DEFAULTS = {"TASK_MAX_CONCURRENT": "the number of CPUs"}


def settings() -> str:
    """Every setting with its default."""
    rows = [(f"`{s.name}`", _default(s), s.help + (" (secret)" if s.secret else "")) for s in SETTINGS]
    return _page(
        "Settings",
        f"""
Each is read from the environment, else from `{FILE}` in the working directory, else it has its default.
`taskyard settings` prints each with its value and where that comes from; of a secret only whether it is set.
""",
        _table(("Setting", "Default", "Meaning"), rows),
    )


def lifecycle() -> str:
    """The moves, as a picture and as tables."""
    moves = [
        (f"`{m.name}`", _states(m.sources), f"`{m.target}`", _codes(NAMES[e].key for e in m.events))
        for m in MOVES.values()
    ]
    outcomes = [(f"`{outcome.name}`", f"`{move.name}`", f"`{move.target}`") for outcome, move in OUTCOME_MOVES.items()]
    return _page(
        "The lifecycle",
        f"""
These moves are all that can happen to a task. Each is made in one transaction with its events;
any other is refused with `ILLEGAL_TRANSITION` and changes nothing. Final: {_states(FINAL)}.
""",
        _diagram(),
        "## Moves",
        _table(("Move", "From", "To", "Events"), moves),
        "## How an attempt ends",
        _table(("Outcome", "Move", "To"), outcomes),
    )


def events() -> str:
    """Every event with its names and the moves that emit it."""
    rows = [
        (f"`{name.key}`", f"`{name.type}`", _codes(_emitters(type_)), _trigger(name.trigger))
        for type_, name in NAMES.items()
    ]
    return _page(
        "Events",
        """
Every event has a routing key, by which subscribers choose, and a type, which stands in its envelope.
Code in the same process listens to either, to `*`, or to a trigger name: `task<State>`, `task<Name><State>` or
`<causeType>_<cause>OwnedTask<Name><State>`, with the state given here and the definition's key in camel case.
""",
        _table(("Routing key", "Type", "Emitted by", "State in trigger names"), rows),
        """
A completion that came from a fallback is also told with the state `Fallback`.
Events that no move emits tell of something that leaves the task's state as it is.
""",
    )


def error_codes() -> str:
    """Every error with its code and HTTP status."""
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TaskyardError)
    ]
    rows = [
        (f"`{kind.code}`", str(STATUS.get(kind.code, "")), f"`{kind.__name__}`", _first_line(kind.__doc__))
        for kind in kinds
    ]
    return _page(
        "Errors",
        """
Over HTTP an error is `{"error": {"code", "message", "details"?}}`; in Python it is raised as the class named here.
Programs should switch on the code; the message is for people.
""",
        _table(("Code", "HTTP", "Python", "Meaning"), rows),
    )


def system_functions() -> str:
    """Every system function with what it takes and gives."""
    rows = [
        (f"[`{f.name}`](#{f.name.replace('.', '')})", f.says, _codes(f"{area}:…" for area in f.permissions) or "none")
        for f in SYSTEM_FUNCTIONS.values()
    ]
    return _page(
        "System functions",
        """
Ready-made functions. A definition names one in `implementation: {"kind": "system", "name", "permissions"}`; one that
brings no schemas has those of the function. See [how to use them](../how-to/use-system-functions.md).
""",
        _table(("Function", "Does", "Needs"), rows),
        *(part for function in SYSTEM_FUNCTIONS.values() for part in _function(function)),
    )


def _function(function: SystemFunction) -> Iterator[str]:
    yield f"## {function.name}"
    yield f"{function.says} {_joined(function.takes.__doc__)}"
    yield _table(("Input", "Type", "Default"), _fields(function.input_schema))
    yield f"Output: {_joined(function.gives.__doc__)}"
    yield _table(("Output", "Type", "Default"), _fields(function.output_schema))


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        yield f"`{name}`", _type(field), default


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"] if each.get("type") != "null") or "any"
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    kind = str(field.get("type", "any JSON"))
    return f"list of {_type(field['items'])}" if kind == "array" and field.get("items") else kind


def _joined(doc: str | None) -> str:
    return " ".join((doc or "").split())


def command_line() -> str:
    """Every command with its help."""
    return _page(
        "The command line",
        """
Commands use the store in `TASKYARD_DATABASE_URL` and leave execution to its workers; with `TASKYARD_URL` and
`TASKYARD_TOKEN` they go over HTTP; `--app module:yard` executes here. Errors are one line on stderr.
""",
        _table(("Exit code", "Means"), [(f"`{code.value}`", code.name.lower()) for code in Exit]),
        *_commands(get_command(program), "taskyard", None),
    )


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "lifecycle.md": lifecycle,
    "events.md": events,
    "errors.md": error_codes,
    "system-functions.md": system_functions,
    "command-line.md": command_line,
}


def outdated() -> list[Path]:
    """The pages whose file differs from what the code says now."""
    return [FOLDER / name for name, page in PAGES.items() if _read(FOLDER / name) != page()]


def write() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([_NOTICE, f"# {title}", *(part.strip() for part in parts)]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _commands(command: Any, name: str, parent: Any) -> Iterator[str]:
    """A command's help as a section, followed by those of its own commands."""
    context = command.make_context(name, [], parent, resilient_parsing=True, terminal_width=_WIDTH)
    yield f"## {context.command_path}"
    yield f"```text\n{command.get_help(context).rstrip()}\n```"
    for own, below in getattr(command, "commands", {}).items():
        yield from _commands(below, own, context)


def _diagram() -> str:
    """The moves between different states; several between the same two share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in MOVES.values():
        for source in sorted(move.sources) or ["[*]"]:
            arrows.setdefault((str(source), str(move.target)), []).append(move.name)
    lines = [f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _default(setting: Setting) -> str:
    if setting.name in _DEFAULTS:
        return _DEFAULTS[setting.name]
    value = setting.default
    if value is None or (isinstance(value, Sized) and not value):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _states(states: Iterable[State]) -> str:
    return _codes(sorted(str(state) for state in states))


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _emitters(type_: EventType) -> list[str]:
    return [move.name for move in MOVES.values() if type_ in move.events]


def _trigger(state: str | None) -> str:
    return "" if state is None else f"`{state}`"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def main() -> int:
    """Write, or check; 1 when a page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail when a page is out of date")
    if not parser.parse_args().check:
        write()
        return 0
    old = outdated()
    for path in old:
        print(f"{path} is out of date; run `.venv/bin/python docs/generate.py`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    raise SystemExit(main())
