"""The demo: an embedded server with a worker, real work on sample data, and a show of it in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from taskyard.cli.output import err, out, print_json, print_line
from taskyard.cli.quiet import configure_quiet_logs
from taskyard.demo import approval, sales, stock, workspace
from taskyard.demo.plan import PROCESS_STEPS, STEPS, Step
from taskyard.demo.show import show
from taskyard.interface.built import NOT_BUILT
from taskyard.orchestrators.bpmn.executor import is_installed
from taskyard.server import Address, serve
from taskyard.yard import Run, Taskyard

_TARGET = "taskyard.cli.sample_yard:yard"
_USUAL_PORT = 8420


class Demonstration:
    """One run of the demo in `folder`, which becomes the working directory of this process and its workers."""

    def __init__(self, folder: Path, host: str, port: int | None, *, once: bool, as_json: bool) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / ".taskyard"
        self._host = host
        self._port = port
        self._once = once
        self._as_json = as_json
        self._stop = asyncio.Event()

    async def run(self) -> bool:
        """Serve, run the samples, and go on serving unless `once`; whether every sample ended as planned."""
        async with stock.serving() as service:
            return await self._run(service)

    async def _run(self, service: stock.Service) -> bool:
        yard = self._prepare()
        ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        port = _free_port(self._host) if self._port is None else self._port
        serving = asyncio.create_task(
            serve(yard.app, host=self._host, port=port, target=_TARGET, ready=ready.set_result, stop=self._stop)
        )
        working = asyncio.create_task(self._work(yard, ready, service))
        try:
            await asyncio.wait({serving, working}, return_when=asyncio.FIRST_COMPLETED)
            interrupted = self._stop.is_set()
            if working.done() and not self._once and not working.exception():
                await serving
        finally:
            self._stop.set()
            if not working.done():
                working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await serving
        # Interrupted before the samples have ended, it has stopped as it was asked to.
        return interrupted or working.cancelled() or working.result()

    def _prepare(self) -> Taskyard:
        """Sample data, and settings that worker processes inherit: the demo's own store and nothing else's."""
        workspace.prepare(self._folder)
        os.chdir(self._folder)
        os.environ["TASKYARD_DATABASE_URL"] = f"sqlite:///{self._folder / 'taskyard.db'}"
        os.environ["TASKYARD_DATA_DIR"] = str(self._data)
        os.environ.setdefault("TASK_LOG_LEVEL", "ERROR")
        os.environ.setdefault("TASKYARD_EGRESS_ALLOW", stock.HOST)
        from taskyard.cli.sample_yard import yard

        configure_quiet_logs(yard.app.settings)
        return yard

    async def _work(self, yard: Taskyard, ready: asyncio.Future[Address], service: stock.Service) -> bool:
        address = await asyncio.shield(ready)  # who stops it early must not break the server's start
        if not self._as_json:
            self._introduce(address)
        await approval.prepare(yard.engine)
        await stock.prepare(yard.engine, yard.app.box, service)
        await asyncio.to_thread(sales.copy, self._data)
        await sales.prepare(yard.engine, yard.app.box)
        runs = [(step, await yard.start(step.key, step.input, **step.options)) for step in _steps()]
        refund = next(run for step, run in runs if step.key == approval.WORKFLOW)
        async with asyncio.TaskGroup() as group:
            shown = group.create_task(show(runs, err() if self._as_json else out()))
            group.create_task(approval.decide(yard.engine, int(refund.id)))
        as_planned = shown.result()
        if self._as_json:
            print_json({"url": address.url, "loginLink": address.login_link, "runs": [_told(run) for _, run in runs]})
        elif not self._once:
            self._invite(await approval.leave_one(yard.engine))
            print_line("the server goes on until Ctrl-C")
            _print_address(address)
        return as_planned

    def _introduce(self, address: Address) -> None:
        _print_address(address)
        print_line(f"its database and sample data are in {self._folder}")
        print_line(f"{len(_steps())} sample tasks run now; one is meant to fail, one waits until a person agrees")

    def _invite(self, task_id: int) -> None:
        print_line(f"an approval waits for {approval.PERSON} of {approval.GROUP}; in another terminal:")
        print_line(f"  export TASKYARD_DATABASE_URL=sqlite:///{self._folder / 'taskyard.db'}")
        print_line(f"  taskyard claim {task_id} --user {approval.PERSON}")
        print_line(f"  taskyard draft {task_id} --user {approval.PERSON} --output '{{\"approved\": false}}'")
        output = '{"approved": true}'
        print_line(f"  taskyard complete {task_id} --user {approval.PERSON} --outcome pay --output '{output}'")


def _steps() -> tuple[Step, ...]:
    return (*STEPS, stock.STEP, sales.STEP, *(PROCESS_STEPS if is_installed() else ()))


def _print_address(address: Address) -> None:
    print_line(f"Taskyard serves {address.url}")
    if address.login_link:
        print_line(f"log in with {address.login_link}")
    if address.services.interface is None:
        print_line(NOT_BUILT)


def _told(run: Run[object]) -> dict[str, object]:
    return {"taskId": run.id, "taskDefinitionId": run.task.task_definition_id}


def _free_port(host: str) -> int:
    """The usual port, or 0 for any when that is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, _USUAL_PORT))
        return _USUAL_PORT
    return 0
