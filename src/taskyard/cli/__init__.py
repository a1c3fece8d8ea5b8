"""The command line: a command a file, each speaking to Taskyard through `access`, printing through `output`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the program with `arguments` (default: the process's) and exit as `taskyard.cli.exits` says."""
    try:
        # Here, for Ctrl-C may come while it is imported, which takes longest.
        from taskyard.cli.program import run

        code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        print("taskyard: stopped", file=sys.stderr)  # noqa: T201 - it is what a command line does
        code = 130  # Exit.INTERRUPTED, which may not be there yet
    sys.exit(code)
