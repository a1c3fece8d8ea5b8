from __future__ import annotations

import pytest

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.template import render


async def test_a_template_becomes_text() -> None:
    asked = system.Render("Dear {{ name }}{% for n in items %} {{ n }}{% endfor %}", {"name": "<Ann>", "items": [1, 2]})
    assert (await render(asked)).text == "Dear <Ann> 1 2"
    escaped = await render(system.Render("{{ name }}", {"name": "<Ann>"}, html=True))
    assert escaped.text == "&lt;Ann&gt;"


@pytest.mark.parametrize(
    "template",
    [
        "{{ missing }}", "{{", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}", "{% include 'x' %}",
        "{{ cycler.__init__.__globals__.os.environ }}", "{{ 'x'|attr('__class__') }}{{ x.y }}",
        "{{ 'abc'.format(1)[9] }}",
    ],
)  # fmt: skip
async def test_a_template_that_cannot_be_rendered_or_may_not(template: str) -> None:
    with pytest.raises(ValidationFailed):
        await render(system.Render(template))


@pytest.mark.parametrize(
    ("template", "limit"),
    [
        ("{{ 'a' * 2000000 }}", "output"),
        ("{{ 'a' * 10**10 }}", "memory"),
        ("{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "memory"),
    ],
)
async def test_a_template_that_costs_too_much_ends(template: str, limit: str) -> None:
    with pytest.raises(FunctionFailed) as failed:
        await render(system.Render(template))
    assert (failed.value.error.code, failed.value.error.details) == ("RESOURCE_LIMIT", {"limit": limit})
