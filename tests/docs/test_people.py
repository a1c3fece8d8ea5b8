"""The page about people's tasks: its definition is one."""

from pathlib import Path

import yaml

from taskyard.domain.people.rights import VERBS
from taskyard.engine.define import parse_definition

PAGE = Path("docs/how-to/have-people-do-a-task.md").read_text(encoding="utf-8")


def test_the_definition_is_one() -> None:
    block = PAGE.split("```yaml\n")[1].split("```")[0]
    assert parse_definition(yaml.safe_load(block)).task_type == "MANUAL"


def test_every_verb_is_told() -> None:
    assert [verb for verb in VERBS if f"`{verb}" not in PAGE] == []
