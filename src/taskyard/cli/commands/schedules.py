"""`taskyard schedules [list|put|show|pause|resume|run|backfill|remove]`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from taskyard.cli.asking import ask, ask_and_tell, tell_page
from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="List, put, pause, run and backfill schedules.", rich_markup_mode=None)

_Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON, one schedule or many.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.", show_default=False)]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_schedules(limit, cursor, app, as_json)


@group.command("list")
def list_schedules(limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the schedules, each with its next time and its latest run."""
    ask_and_tell(app, as_json, lambda access: access.schedules(limit, cursor), tell_page(_print_table))


@group.command()
def put(files: _Files, app: YardName = None, as_json: AsJson = False) -> None:
    """Check files of schedules and store all they hold, or nothing when one is wrong in itself."""
    from taskyard.cli.documents import read_all
    from taskyard.domain.schedule import parse_schedule

    wanted = read_all(files, "schedule")
    for value in wanted:
        parse_schedule(value)

    async def put_all(access: Any) -> dict[str, Any]:
        return {"items": [await access.put_schedule(value) for value in wanted], "nextCursor": None}

    ask_and_tell(app, as_json, put_all, tell_page(_print_table))


@group.command()
def show(schedule_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Show a schedule, with what it did last and does next."""
    ask_and_tell(app, as_json, lambda access: access.schedule(schedule_id), _print_details)


@group.command()
def pause(schedule_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Let a schedule start nothing; what runs goes on."""
    ask_and_tell(app, as_json, lambda access: access.pause_schedule(schedule_id, paused=True), _print_one)


@group.command()
def resume(schedule_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Let a paused schedule go on from now; what it would have started meanwhile is not made up for."""
    ask_and_tell(app, as_json, lambda access: access.pause_schedule(schedule_id, paused=False), _print_one)


@group.command()
def run(schedule_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Start a schedule's task once, now, even while it is paused."""
    from taskyard.cli.output import print_task_line

    ask_and_tell(
        app, as_json, lambda access: access.run_schedule(schedule_id), lambda task: print_task_line(task, as_json=False)
    )


@group.command()
def backfill(
    schedule_id: _Id,
    since: Annotated[datetime, typer.Option("--from", formats=_FORMATS, help="Local time where no zone is given.")],
    until: Annotated[datetime, typer.Option("--to", formats=_FORMATS, help="The same; both ends count.")],
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Start a task now for each of the schedule's times between two moments that has none."""
    from taskyard.cli.output import print_line

    body = {"from": since.astimezone().isoformat(), "to": until.astimezone().isoformat()}

    def tell(answer: dict[str, Any]) -> None:
        count = len(answer["taskIds"])
        print_line(f"{count} {'task' if count == 1 else 'tasks'} started")

    ask_and_tell(app, as_json, lambda access: access.backfill(schedule_id, body), tell)


@group.command()
def remove(schedule_id: _Id, app: YardName = None) -> None:
    """Forget a schedule; the tasks it has started go on."""
    ask(app, lambda access: access.remove_schedule(schedule_id))


def _print_one(schedule: dict[str, Any]) -> None:
    _print_table([schedule])


def _print_table(schedules: Iterable[dict[str, Any]]) -> None:
    from taskyard.cli.output import local_time, print_table

    rows = [
        (
            one["scheduleId"],
            one["taskDefinitionId"],
            _when(one),
            "paused" if one["paused"] else local_time(next(iter(one["nextRuns"]), None)),
            local_time((one["lastRun"] or {}).get("at")),
            _error(one),
        )
        for one in schedules
    ]
    print_table(["schedule", "task", "when", "next", "last", "error"], rows, empty="there are no schedules yet")


def _print_details(schedule: dict[str, Any]) -> None:
    from taskyard.cli.output import local_time, print_details

    last = schedule["lastRun"] or {}
    print_details(
        [
            ("schedule", schedule["scheduleId"]),
            ("task", schedule["taskDefinitionId"]),
            ("input", schedule["input"]),
            ("when", _when(schedule)),
            ("jitter", f"{schedule['jitter']:g} s" if schedule["jitter"] else None),
            ("overlap", schedule["overlap"]),
            ("catch up", f"{schedule['catchUp']:g} s"),
            ("paused", "yes" if schedule["paused"] else None),
            ("next", ", ".join(map(local_time, schedule["nextRuns"]))),
            ("last", f"{local_time(last['at'])}, task {last['taskId']}" if last else None),
            ("error", _error(schedule)),
        ]
    )


def _when(schedule: dict[str, Any]) -> str:
    if schedule["interval"] is not None:
        return f"every {schedule['interval']:g} s"
    return f"{schedule['cron']} {schedule['timezone']}"


def _error(schedule: dict[str, Any]) -> str:
    from taskyard.cli.output import error_line

    return error_line(schedule["lastError"])
