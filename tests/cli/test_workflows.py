"""`taskyard workflows`, on the store and over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Command
from tests.orchestrators.bpmn.files import line, mapped, service, user

SOURCE = line(service("count", inner=mapped({"to": "${to}"})), user("check"), service("late", "unheard"))


@pytest.fixture
def folder(folder: Path) -> Path:
    """With a workflow in a file."""
    (folder / "order.bpmn").write_text(SOURCE)
    return folder


def test_a_file_is_deployed_shown_and_started(reached: Command) -> None:
    assert "there are no workflows yet" in reached.done("workflows").err
    deployed = reached.done("workflows", "deploy", "order.bpmn")
    assert "order" in deployed.out
    assert "nobody has registered yet what it asks for: unheard" in deployed.err
    listed = reached.done("workflows", "list", "--json").json["items"]
    assert [(each["key"], len(each["steps"])) for each in listed] == [("order", 3)]
    shown = reached.done("workflows", "show", "order")
    assert "order.check" in shown.out
    started = reached.done("workflows", "start", "order", "--input", '{"to": 2}', "--correlation-id", "o1")
    task = reached.done("show", started.out.strip(), "--json").json
    assert (task["taskDefinitionId"], task["input"], task["correlationId"]) == ("order", {"to": 2}, "o1")
    instance = reached.done("workflows", "start", "order", "--json").json
    assert instance["task"]["taskId"] == instance["instanceId"]


def test_what_is_wrong_is_said_in_a_line(reached: Command) -> None:
    (reached / "order.bpmn").write_text("<x/>")
    for command, told in (
        (("deploy", "order.bpmn"), "is no BPMN 2.0"),
        (("deploy", "nowhere.bpmn"), "cannot be read"),
        (("deploy", "order.bpmn", "--engine", "other"), "must be one of taskyard"),
        (("start", "nothing"), "there is no task definition 'nothing'"),
        (("show", "count"), "'count' is no workflow"),
    ):
        ended = reached("workflows", *command)
        assert (ended.code in (1, 2), len(ended.err.splitlines())) == (True, 1), ended
        assert told in ended.err
