"""`taskyard schedules`, on the store and over HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.command import Command

FILE = """
scheduleId: nightly
taskDefinitionId: count
cron: 0 3 * * *
timezone: Europe/Berlin
input: {to: 2}
---
- scheduleId: often
  taskDefinitionId: count
  interval: 90
  overlap: allow
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """With schedules in a file."""
    (folder / "schedules.yaml").write_text(FILE)
    return folder


def test_schedules_are_put_shown_and_removed(reached: Command) -> None:
    stored = reached.done("schedules", "put", "schedules.yaml", "--json").json["items"]
    assert [each["scheduleId"] for each in stored] == ["nightly", "often"]
    assert reached.done("schedules", "--json").json == {"items": stored, "nextCursor": None}
    page = reached.done("schedules", "list", "--limit", "1", "--json").json
    rest = reached.done("schedules", "list", "--cursor", page["nextCursor"], "--json").json
    assert [each["scheduleId"] for each in (*page["items"], *rest["items"])] == ["nightly", "often"]
    table = reached.done("schedules").out
    assert "0 3 * * * Europe/Berlin" in table
    assert "every 90 s" in table
    shown = reached.done("schedules", "show", "nightly").out
    assert re.search(r'input +\{"to": 2\}', shown)
    assert reached.done("schedules", "show", "often", "--json").json["overlap"] == "allow"
    reached.done("schedules", "remove", "often")
    assert reached("schedules", "show", "often").code == 2
    assert [each["scheduleId"] for each in reached.done("schedules", "--json").json["items"]] == ["nightly"]


def test_a_schedule_is_paused_run_resumed_and_backfilled(reached: Command) -> None:
    reached.done("schedules", "put", "schedules.yaml")
    assert "paused" in reached.done("schedules", "pause", "nightly").out
    task = reached.done("schedules", "run", "nightly", "--json").json
    assert (task["cause"], task["input"]) == ("nightly", {"to": 2})
    assert "is PENDING" in reached.done("schedules", "run", "nightly").out
    assert reached.done("schedules", "resume", "nightly", "--json").json["lastRun"] is not None
    range_ = ("--from", "2026-03-28T00:00:00+00:00", "--to", "2026-03-30T12:00:00+00:00")
    assert reached.done("schedules", "backfill", "nightly", *range_).out == "3 tasks started\n"
    assert reached.done("schedules", "backfill", "nightly", *range_, "--json").json == {"taskIds": []}
    assert reached("schedules", "backfill", "nightly", "--from", "2026-01-02", "--to", "2026-01-01").code == 2
    refused = reached("schedules", "backfill", "nightly", "--from", "2026-13-01", "--to", "2026-01-01")
    assert "Invalid value for '--from': '2026-13-01' does not match the formats" in refused.err


def test_wrong_files_store_nothing(taskyard: Command) -> None:
    taskyard.done("definitions", "list", "--app", "jobs:yard")
    (taskyard / "good.json").write_text('{"scheduleId": "a", "taskDefinitionId": "count", "interval": 60}')
    (taskyard / "bad.yaml").write_text("scheduleId: b\ntaskDefinitionId: count\ncron: nonsense\n")
    refused = taskyard("schedules", "put", "good.json", "bad.yaml")
    assert refused.code == 2
    assert "/cron" in refused.err
    (taskyard / "empty.yaml").write_text("")
    assert "holds no schedule" in taskyard("schedules", "put", "empty.yaml").err
    assert "there are no schedules yet" in taskyard.done("schedules").err
