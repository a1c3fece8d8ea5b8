"""The pages about forms and repairs: their definitions are ones, and do what is said of them."""

from pathlib import Path

import yaml

from taskyard.domain.definition import Definition
from taskyard.domain.forms.judge import judge
from taskyard.domain.forms.make import make_form
from taskyard.domain.forms.show import show
from taskyard.domain.forms.sources import input_source, output_source
from taskyard.engine.define import parse_definition

FOLDER = Path("docs/how-to")


def definition_of(page: str) -> Definition:
    block = (FOLDER / f"{page}.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    return parse_definition(yaml.safe_load(block))


def test_the_form_says_and_takes_what_the_page_says() -> None:
    form = make_form(output_source(definition_of("ask-with-a-form")))
    about = {"input": {"customer": "Zoe", "amount": 70}, "workflow": {}, "task": {}}
    assert show(form, about)["parts"][0]["text"] == "Zoe wants 70 back."
    assert judge(form, {"approved": True, "amount": 70}, about, "") == []
    wrong = judge(form, {"approved": False, "amount": 71}, about, "")
    assert [(each["path"], each["message"]) for each in wrong] == [
        ("/reason", "is required"), ("/amount", "is more than was paid"),
    ]  # fmt: skip


def test_the_repair_asks_for_an_iban() -> None:
    form = make_form(input_source(definition_of("repair-a-failed-task")))
    assert judge(form, {"iban": "DE02120300000000202051", "amount": 1}, {}, "") == []
    assert [each["path"] for each in judge(form, {"iban": "?", "amount": 1}, {}, "")] == ["/iban"]
