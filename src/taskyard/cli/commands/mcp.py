"""`taskyard mcp`."""

from __future__ import annotations

from taskyard.cli.options import YardName


def mcp(app: YardName = None) -> None:
    """Let an assistant run and follow tasks, over stdio.

    Speaks the Model Context Protocol, revision 2025-06-18.
    """
    from importlib.metadata import version

    from taskyard.cli.access import open_access
    from taskyard.cli.exits import Exit
    from taskyard.cli.mcp.session import Session
    from taskyard.cli.mcp.stdio import read_lines, write_line
    from taskyard.cli.mcp.tools import Toolbox
    from taskyard.cli.running import execute
    from taskyard.settings import load

    async def serve() -> None:
        async with open_access(app, work=True) as access:
            session = Session(Toolbox(access), write_line, version("taskyard"))
            await session.serve(read_lines(), load()["TASKYARD_GRACE"])

    execute(serve(), interrupted=Exit.DONE)
