"""`taskyard serve [MODULE:YARD]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taskyard.cli.options import AsJson, Yard

if TYPE_CHECKING:
    from taskyard.server import Address


def serve(
    yard: Yard = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Serve only; workers run elsewhere.")] = False,
    host: Annotated[str | None, typer.Option(help="The address to bind to; default TASKYARD_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port, 0 for any; default TASKYARD_PORT.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the HTTP interface, with a worker beside it.

    It stops on SIGTERM or SIGINT, within TASKYARD_GRACE seconds; what runs may finish in most of them.
    """
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import hint_at_misspelt
    from taskyard.cli.running import execute
    from taskyard.loading import load_yard
    from taskyard.logs import configure_logs
    from taskyard.server import serve as serve_app

    app = load_yard(yard).app
    settings = app.settings
    configure_logs(settings)
    hint_at_misspelt(settings)
    serving = serve_app(
        app,
        host=settings["TASKYARD_HOST"] if host is None else host,
        port=settings["TASKYARD_PORT"] if port is None else port,
        target=yard,
        worker=not no_worker,
        ready=_print_as_json if as_json else _print,
    )
    execute(serving, interrupted=Exit.DONE)


def _print(address: Address) -> None:
    from taskyard.cli.output import print_line
    from taskyard.interface.built import NOT_BUILT

    print_line(f"Taskyard serves {address.url}")
    if address.login_link:
        print_line(f"log in with {address.login_link}")
    if address.services.interface is None:
        print_line(NOT_BUILT)


def _print_as_json(address: Address) -> None:
    from taskyard.cli.output import print_json

    print_json({"url": address.url, "loginLink": address.login_link})
