"""The page about people's tasks: its definition is one."""

import json
from pathlib import Path
from typing import get_args

import yaml

from taskyard.domain.people.notice import NoticeKind
from taskyard.domain.people.preferences import digest_faults
from taskyard.domain.people.rights import VERBS
from taskyard.domain.people.spec import read_manual
from taskyard.engine.define import parse_definition
from taskyard.engine.people.notices import read_preferences

KINDS = get_args(NoticeKind)
PAGE = Path("docs/how-to/have-people-do-a-task.md").read_text(encoding="utf-8")


def test_the_definition_is_one() -> None:
    block = PAGE.split("```yaml\n")[1].split("```")[0]
    assert parse_definition(yaml.safe_load(block)).task_type == "MANUAL"


def test_the_templates_of_notices_are_some() -> None:
    page = Path("docs/how-to/tell-people.md").read_text(encoding="utf-8")
    definition = parse_definition(yaml.safe_load(page.split("```yaml\n")[1].split("```")[0]))
    assert list(read_manual(definition.implementation).notifications) == ["offered"]
    wish = read_preferences(json.loads(page.split("```json\n")[1].split("```")[0]))
    assert (wish.channels, digest_faults(wish.digest)) == (["slack", "email"], [])
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []


def test_every_verb_is_told() -> None:
    assert [verb for verb in VERBS if f"`{verb}" not in PAGE] == []
