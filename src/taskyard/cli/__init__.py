"""The command line: a command a file, each speaking to Taskyard through `access`, printing through `output`."""

from taskyard.cli.program import main

__all__ = ["main"]
