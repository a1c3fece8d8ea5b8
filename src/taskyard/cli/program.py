"""The program `taskyard`: its commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer import TyperException

from taskyard.cli import commands
from taskyard.cli.exits import Exit, exit_code_of, one_line
from taskyard.errors import TaskyardError

_DEBUG_HINT = "`taskyard --debug …` shows where"

program = typer.Typer(
    name="taskyard",
    help="Taskyard executes tasks: it runs them in the right place, keeps them safe, and tells whoever asked.",
    epilog="Commands use the store in TASKYARD_DATABASE_URL, or the server in TASKYARD_URL with TASKYARD_TOKEN.",
    no_args_is_help=True,
    # Plain help: it is there at once, and the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.add_to(program)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"taskyard {version('taskyard')}")
        raise typer.Exit


@program.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    del version, debug


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Errors are told on stderr in one line."""
    debug = arguments[:1] == ["--debug"]
    try:
        result: Any = program(arguments, prog_name="taskyard", standalone_mode=False)
    except TyperException as error:
        if _is_help(error):
            print(error.format_message(), file=sys.stderr)  # noqa: T201 - it is what a command line does
            return Exit.REFUSED
        return _refuse(_usage(error), Exit.REFUSED)
    except typer.Abort:
        return _refuse("stopped", Exit.INTERRUPTED)
    except TaskyardError as error:
        if debug:
            raise
        return _refuse(one_line(error), exit_code_of(error))
    except Exception as error:
        if debug:
            raise
        return _refuse(f"{type(error).__name__}: {error}; {_DEBUG_HINT}", Exit.UNAVAILABLE)
    return result if isinstance(result, int) else Exit.DONE


def _is_help(error: TyperException) -> bool:
    """Whether a group was called without a command, which it refuses with its help."""
    context = getattr(error, "ctx", None)
    return context is not None and error.format_message() == context.get_help()


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "taskyard"
    message = error.format_message().rstrip(".").replace(": Value error, ", ": ")
    return f"{message}; see `{path} --help`"


def _refuse(message: str, code: Exit) -> int:
    print(f"taskyard: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - it is what a command line does
    return code
