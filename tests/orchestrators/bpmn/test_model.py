"""A BPMN file is read with care: each thing that is wrong with it is said, and nothing of it is ever fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import ValidationFailed
from taskyard.orchestrators.bpmn.expressions import Text
from taskyard.orchestrators.bpmn.machine import known
from taskyard.orchestrators.bpmn.model import MOST_ELEMENTS, due_at
from tests.orchestrators.bpmn.files import (
    END,
    HEAD,
    START,
    boundary,
    error,
    file,
    flow,
    line,
    mapped,
    script,
    service,
    timer,
    user,
    wait,
)

SECOND = 1_000_000


def test_the_steps_are_what_the_file_says() -> None:
    read = known(
        line(
            service("charge", "charge-card", mapped({"amount": "${order.total}"}, {"paid": "${ok}"})),
            service("z", inner='<extensionElements><zeebe:taskDefinition type="zee"/></extensionElements>'),
            service("plain"),
            '<callActivity id="call" calledElement="other"/>',
            user("ask", 'camunda:assignee="${boss}" camunda:dueDate="2030-01-01T00:00:00Z"'),
            user("team", 'camunda:candidateGroups="stock"'),
            script("compute", "{total: a}", "jmespath"),
            script("run", "def main(input, ctx): return 1", "python", 'camunda:resultVariable="one"'),
        )
    )
    steps = read.steps
    named = {id_: step.definition for id_, step in steps.items()}
    assert named.pop("run").startswith("order.run.")
    assert named == {
        "charge": "charge-card", "z": "zee", "plain": "plain", "call": "other", "ask": "order.ask",
        "team": "order.team", "compute": "order.compute",
    }  # fmt: skip
    assert (steps["charge"].inputs, steps["charge"].outputs) == (
        {"amount": Text("${order.total}")},
        {"paid": Text("${ok}")},
    )
    assert (steps["ask"].assignee, steps["team"].group) == (Text("${boss}"), Text("stock"))
    assert (steps["run"].script, steps["run"].result) == (("python", "def main(input, ctx): return 1"), "one")


def doctype(entities: str, body: str = "&a;") -> str:
    head = HEAD.partition("\n")[2]
    process = f'<process id="p">{body}</process></definitions>'
    return f'<?xml version="1.0"?>\n<!DOCTYPE definitions [{entities}]>{head}{process}'


LAUGHS = '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {this} "{f"&{before};" * 10}">' for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)

WRONG = {
    "external entity": (doctype('<!ENTITY a SYSTEM "file:///etc/passwd">'), "DOCTYPE"),
    "remote entity": (doctype('<!ENTITY a SYSTEM "http://127.0.0.1:9/x">'), "DOCTYPE"),
    "parameter entity": (doctype('<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;', ""), "DOCTYPE"),
    "billion laughs": (doctype(LAUGHS, "&i;"), "DOCTYPE"),
    "external dtd": ('<?xml version="1.0"?><!DOCTYPE d SYSTEM "http://127.0.0.1:9/d"><d/>', "DOCTYPE"),
    "no xml": ("order: 5", "is no XML"),
    "empty": ("", "is no XML"),
    "nul": ("\0", "is no XML"),
    "no bpmn": ("<html/>", "is no BPMN 2.0: Element 'html': No matching global declaration available for the"),
    "not by the schema": (file(START, "<unheard/>", END), "is no BPMN 2.0"),
    "no process": (f"{HEAD}</definitions>", "exactly one executable process; this has 0"),
    "two processes": (file(START).replace("</definitions>", '<process id="b"/></definitions>'), "this has 2"),
    "no id": (file(START).replace('process id="order"', "process"), "process needs an id"),
    "no start": (file(END), "exactly one start event; it has 0"),
    "two starts": (file(START, '<startEvent id="s2"/>'), "exactly one start event; it has 2"),
    "a timer that starts": (
        file(f'<startEvent id="start">{timer("timeDuration", "PT1M")}</startEvent>'),
        "startEvent with a timerEventDefinition, which is not supported",
    ),
    "a cycle": (
        line(wait("t", "timeCycle", "R3/PT1M")),
        "what begins again and again is a schedule's",
    ),
    "no time": (
        line(wait("t", "timeDuration", "soon")),
        "the timer's duration is 'soon'",
    ),
    "no zone": (
        line(wait("t", "timeDate", "2030-01-01T00:00:00")),
        "a time with its offset",
    ),
    "a message": (
        line('<receiveTask id="r"/>'),
        "r is a receiveTask, which is not supported",
    ),
    "many at once": (
        line(service("s", inner="<multiInstanceLoopCharacteristics/>")),
        "s has multiInstanceLoopCharacteristics, which are not supported",
    ),
    "python in a condition": (
        file(START, END, flow("start", "end?__import__('os').system('id')")),
        "is no JMESPath expression",
    ),
    "a number in a condition": (file(START, END, flow("start", "end?${a &gt; 100}")), "numbers are written as `100`"),
    "an unknown function": (file(START, END, flow("start", "end?evil(amount)")), "Unknown function: evil()"),
    "a script that is not offered": (line(script("s", "x", "python-wasm")), "which is not offered; use python"),
    "a script nobody knows": (line(script("s", "x", "groovy")), "s is a script in 'groovy'"),
    "no script": (line('<scriptTask id="s" scriptFormat="python"/>'), "s has no script"),
    "half an expression": (line(user("u", 'camunda:assignee="the ${boss}"')), "must be one expression as a whole"),
    "many groups": (line(user("u", 'camunda:candidateGroups="a,b"')), "names several (a,b)"),
    "a bad parameter": (line(service("s", inner=mapped({"a": "${a b}"}))), "s '"),
    "an unknown error": (
        line(service("s"), beside="").replace(END, END + boundary("b", "s", '<errorEventDefinition errorRef="no"/>')),
        "is no process that can be run",
    ),
    "a flow to nowhere": (file(START, END, flow("start", "nowhere")), "is no process that can be run"),
    "too many": (line(*(service(f"s{number}") for number in range(MOST_ELEMENTS))), "elements and may have"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_is_said(name: str) -> None:
    source, told = WRONG[name]
    with pytest.raises(ValidationFailed) as caught:
        known(source)
    assert told in caught.value.message
    assert {detail["path"] for detail in caught.value.details} == {"/source"}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationFailed) as caught:
        known(line(script("a", "x", "groovy"), script("b", "x", "lua")))
    assert len(caught.value.details) == 2


def test_what_only_documents_is_let_be() -> None:
    source = line(
        service(
            "s",
            inner="<documentation>Does it</documentation><ioSpecification><inputSet/><outputSet/></ioSpecification>",
        ),
    ).replace(START, '<dataObject id="d"/><dataObjectReference id="dr" dataObjectRef="d"/>' + START)
    assert known(source).steps["s"].documentation == "Does it"


def test_the_largest_process_is_read() -> None:
    assert len(known(line(*(service(f"s{number}") for number in range(MOST_ELEMENTS - 2)))).steps) == MOST_ELEMENTS - 2


def test_an_error_at_a_boundary_is_known() -> None:
    source = line(service("s"), beside=error("no-stock")).replace(
        END, END + boundary("b", "s", '<errorEventDefinition errorRef="e"/>') + '<endEvent id="x"/>' + flow("b", "x")
    )
    assert known(source)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for source in (text, file(START, text), file(START, END, flow("start", f"end?{text}"))):
        try:
            known(source)
        except ValidationFailed:
            continue


@pytest.mark.parametrize(
    ("kind", "text", "wait"),
    [
        ("timeDuration", "P999999999D", None),
        ("timeDuration", "-P999999D", None),
        ("timeDuration", "${wait}", 1_700_000_000_000_000_000),
        ("timeDuration", "${wait}", 1e308),
        ("timeDate", "9999-12-31T23:59:59-10:00", None),
    ],
)
def test_a_time_that_no_calendar_has_is_refused(kind: str, text: str, wait: float | None) -> None:
    with pytest.raises(ValueError, match="within the years"):
        due_at(kind, text, {"wait": wait}, 1_700_000_000 * SECOND)


def test_times_are_told() -> None:
    assert due_at("timeDuration", "PT1M", {}, 5) == 60 * SECOND + 5
    assert due_at("timeDuration", "P1DT0.5S", {}, 0) == 86_400 * SECOND + SECOND // 2
    assert due_at("timeDuration", "${wait}", {"wait": 2.5}, 0) == 5 * SECOND // 2
    assert due_at("timeDuration", "${wait}", {"wait": "PT2S"}, 0) == 2 * SECOND
    assert due_at("timeDate", "1970-01-01T01:00:10+01:00", {}, 9) == 10 * SECOND
    for kind, text in (
        ("timeDuration", "${none}"),
        ("timeDate", "${none}"),
        ("timeDuration", "true"),
        ("timeDate", "5"),
    ):
        with pytest.raises(ValueError, match="the timer's"):
            due_at(kind, text, {}, 0)
