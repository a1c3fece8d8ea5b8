"""The implementation of a manual task, read strictly."""

from typing import Any

import pytest

from taskyard.engine.define import parse_definition
from taskyard.errors import ValidationFailed

GOOD: dict[str, Any] = {
    "kind": "manual",
    "assignment": {
        "rule": "skill", "group": "ops", "skills": ["sql"], "excludeAsker": True, "maxOpen": 3,
        "fallback": {"type": "USER", "id": "boss"},
    },
    "due": {"businessHours": 16, "calendar": {"timezone": "Europe/Berlin", "hours": {"mon": ["09:00-17:00"]}}},
    "reminders": [0.5, 0.75, {"before": 3600}],
    "escalation": [{"action": "notify"}, {"after": 60, "action": "reassign", "to": {"type": "GROUP", "id": "leads"}}],
    "approvals": {"required": 1, "veto": True},
    "onTimeout": {"outcome": "COMPLETED", "output": {"ok": False}, "after": 3600},
}  # fmt: skip


def faults_of(**changes: Any) -> list[str]:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    try:
        parse_definition({"key": "a", "implementation": {**GOOD, **changes}, "outputSchema": schema})
    except ValidationFailed as error:
        return [each["path"].removeprefix("/implementation") for each in error.details]
    return []


def test_everything_there_is_can_be_said() -> None:
    assert faults_of() == []


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"surprise": 1, "reminders": [1.5]}, {"/surprise", "/reminders/0"}),
        ({"assignment": {"type": "TEAM", "id": ""}}, {"/assignment/type", "/assignment/id"}),
        (
            {"assignment": {"rule": "skill", "step": "x"}},
            {"/assignment/group", "/assignment/skills", "/assignment/step"},
        ),
        ({"assignment": {"rule": "expression", "expression": "a["}}, {"/assignment/expression"}),
        ({"assignment": {"rule": "sameAs", "step": "a", "exclude": "nope()"}}, {"/assignment/exclude"}),
        ({"due": {}, "escalation": [{"action": "reassign"}]}, {"/due", "/escalation/0/to"}),
        ({"due": {"after": 1, "at": "2026-01-01T00:00:00Z"}}, {"/due"}),
        ({"due": {"after": 1, "calendar": {"hours": {}}}}, {"/due/calendar", "/due/calendar/hours"}),
        ({"due": {"businessHours": 1, "calendar": {"hours": {"mon": ["9-5"]}}}}, {"/due/calendar/hours/mon/0"}),
        ({"due": {"at": "when?"}}, {"/due/at"}),
        ({"escalation": [{"action": "raisePriority"}]}, {"/escalation/0/priority"}),
        ({"approvals": {"required": 0}}, {"/approvals/required"}),
        ({"approvals": {"required": 2}}, {"/approvals/required"}),
        ({"approvals": {"required": 2}, "assignment": {"type": "USER", "id": "ann"}}, {"/approvals/required"}),
        ({"approvals": {"required": 2}, "assignment": {"rule": "sameAs", "step": "a"}}, {"/approvals/required"}),
        ({"approvals": {"required": 2}, "assignment": {"type": "GROUP", "id": "ops"}}, set()),
        ({"onTimeout": {"outcome": "COMPLETED", "output": {}}}, {"/onTimeout/output/ok"}),
        ({"onTimeout": {"outcome": "APPROVED"}}, {"/onTimeout/outcome"}),
    ],
)
def test_each_wrong_field_is_told_by_its_place(changes: dict[str, Any], paths: set[str]) -> None:
    assert set(faults_of(**changes)) == paths
