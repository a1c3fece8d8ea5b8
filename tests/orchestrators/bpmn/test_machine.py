"""An instance moves as BPMN says, whatever happens in whichever order, and wherever it is kept and read again."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.domain.outcome import TaskError
from taskyard.orchestrators.bpmn.machine import Ended, Machine, known, tasks_in
from tests.orchestrators.bpmn.files import (
    ANY_ERROR,
    END,
    ERROR,
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
XOR, AND, OR = (
    lambda id_, kind=kind, more="": f'<{kind}Gateway id="{id_}" {more}/>'
    for kind in ("exclusive", "parallel", "inclusive")
)


class Walk:
    """An instance that is kept and read again after every move; its tasks are numbered as they come."""

    def __init__(self, source: str, **variables: Any) -> None:
        self.model = known(source)
        self.now = 1000 * SECOND
        self.state = b""
        self.variables = variables
        self.tokens: dict[str, str] = {}
        self.started: list[str] = []
        self.withdrawn: list[str] = []
        self.go()

    def go(self, *ended: Ended, seconds: float = 0) -> Walk:
        self.now += int(seconds * SECOND)
        self.machine = machine = Machine.load(self.model, self.state, dict(self.variables))
        machine.advance(ended, self.now)
        for token, step in machine.due_steps().items():
            self.started.append(step.id)
            machine.tasks[token] = len(self.started)
            self.tokens[step.id] = token
        self.withdrawn += [self.started[task - 1] for task in machine.withdraw()]
        self.state, self.variables = machine.dump(), machine.variables
        return self

    def done(self, step: str, output: Any = None, at: float = 0) -> Walk:
        return self.go(Ended(self.tokens[step], self.now + int(at * SECOND), output))

    def failed(self, step: str, code: str, *, held: bool = False, details: Any = None) -> Walk:
        return self.go(Ended(self.tokens[step], self.now, error=TaskError(code, "no", details), held=held))

    @property
    def open(self) -> list[str]:
        return sorted(self.started[task - 1] for task in tasks_in(self.state))


def test_steps_follow_each_other_with_the_variables_between() -> None:
    walk = Walk(line(service("a"), user("b")), x=1)
    assert walk.open == ["a"]
    assert walk.done("a", {"y": 2}).open == ["b"]
    assert not walk.machine.completed
    walk.done("b", "plain")
    assert (walk.machine.completed, walk.machine.failure) == (True, None)
    assert walk.variables == {"x": 1, "y": 2, "output": "plain"}


def test_outputs_go_where_the_file_says() -> None:
    walk = Walk(line(service("a", inner=mapped(outputs={"total": "${join('-', [name, x])}", "fix": "set"}))))
    walk.done("a", {"x": "2", "name": "n"})
    assert walk.variables == {"total": "n-2", "fix": "set"}


def test_what_is_written_in_jmespath_has_no_task() -> None:
    walk = Walk(
        line(script("sum", "sum(items[].price)", more='camunda:resultVariable="total"'), script("o", "{big: total}")),
        items=[{"price": 2}, {"price": 3}],
    )
    assert (walk.started, walk.machine.completed) == ([], True)
    assert (walk.variables["total"], walk.variables["big"]) == (5, 5)


@pytest.mark.parametrize(("amount", "goes"), [(5, "small"), (500, "large"), (None, "small")])
def test_one_way_is_gone_at_an_exclusive_gateway(amount: int | None, goes: str) -> None:
    source = file(
        START,
        XOR("x", more='default="x_small"'),
        service("large"),
        service("small"),
        END,
        flow("start", "x"),
        flow("x", "large?${amount &gt; `100`}", "end"),
        flow("x", "small", "end"),
    )
    assert Walk(source, amount=amount).open == [goes]


def test_where_no_way_is_open_the_instance_fails() -> None:
    source = file(
        START,
        XOR("x"),
        service("a"),
        service("b"),
        END,
        flow("start", "x"),
        flow("x", "a?go", "end"),
        flow("x", "b?!go", "end"),
    )
    assert Walk(source, go=True).open == ["a"]
    assert Walk(source, go=False).open == ["b"]
    stuck = Walk(source.replace("!go", "go"), go=False)
    assert stuck.machine.failure is not None
    assert "cannot go on" in stuck.machine.failure.message


def test_a_condition_that_cannot_be_told_fails_the_instance() -> None:
    source = file(START, XOR("x"), END, service("a"), flow("start", "x"), flow("x", "a?length(n) &gt; `1`", "end"))
    walk = Walk(source, n=5)
    assert walk.machine.failure is not None
    assert "a condition of 'x' cannot be told" in walk.machine.failure.message


def test_parallel_ways_are_gone_together_and_meet() -> None:
    source = file(
        START,
        AND("s"),
        service("a"),
        service("b"),
        AND("j"),
        service("c"),
        END,
        flow("start", "s"),
        flow("s", "a", "j"),
        flow("s", "b", "j"),
        flow("j", "c", "end"),
    )
    walk = Walk(source)
    assert walk.open == ["a", "b"]
    assert walk.done("b", {"b": 1}).open == ["a"]
    assert walk.done("a", {"a": 1}).open == ["c"]
    assert walk.done("c").machine.completed
    assert walk.variables == {"a": 1, "b": 1}


def test_as_many_ways_are_gone_at_an_inclusive_gateway_as_are_open() -> None:
    source = file(
        START,
        OR("s"),
        service("a"),
        service("b"),
        service("c"),
        OR("j"),
        END,
        flow("start", "s"),
        flow("s", "a?x", "j"),
        flow("s", "b?y", "j"),
        flow("s", "c?z", "j"),
        flow("j", "end"),
    )
    walk = Walk(source, x=True, y=False, z=True)
    assert walk.open == ["a", "c"]
    assert not walk.done("a").machine.completed
    assert walk.done("c").machine.completed


def test_a_loop_is_gone_as_often_as_it_must() -> None:
    source = file(
        START,
        XOR("again"),
        service("a"),
        XOR("x", more='default="x_again"'),
        END,
        flow("start", "again", "a", "x", "end?${ok}"),
        flow("x", "again"),
    )
    walk = Walk(source)
    for _ in range(3):
        walk.done("a", {"ok": False})
    assert walk.open == ["a"]
    assert walk.done("a", {"ok": True}).machine.completed
    assert walk.started == ["a"] * 4


def test_a_process_that_never_waits_is_stopped() -> None:
    source = file(
        START, XOR("x"), XOR("y"), END, service("a"), flow("start", "x", "y", "x"), flow("y", "a?never", "end")
    )
    source = source.replace('<sequenceFlow id="y_x"', '<sequenceFlow id="y_x" name="d"').replace(
        '<exclusiveGateway id="y" />', '<exclusiveGateway id="y" default="y_x"/>'
    )
    walk = Walk(source)
    assert walk.machine.failure is not None
    assert "waited for nothing" in walk.machine.failure.message


def test_a_timer_goes_off_at_its_time_counted_from_when_it_is_reached() -> None:
    walk = Walk(line(service("a"), wait("t", "timeDuration", "${wait}"), service("b")), wait="PT1M")
    walk.go(seconds=500).done("a", {"wait": "PT10S"})
    assert (walk.machine.next_timer(), walk.open) == (walk.now + 10 * SECOND, [])
    assert walk.go(seconds=9.9).open == []
    assert walk.go(seconds=0.1).open == ["b"]
    assert walk.machine.next_timer() is None


def test_a_timer_that_is_reached_at_once_counts_from_the_beginning() -> None:
    walk = Walk(line(wait("t", "timeDuration", "PT1M")))
    assert walk.machine.next_timer() == walk.now + 60 * SECOND
    assert walk.go(seconds=60).machine.completed


def guarded(kind: str, inner: str, *, interrupting: bool = True, beside: str = "") -> str:
    """`a`, with an event at its boundary that leads to `late`."""
    return file(
        START,
        kind,
        boundary("b", "a", inner, interrupting=interrupting),
        service("late"),
        END,
        '<endEvent id="e2"/>',
        flow("start", "a", "end"),
        flow("b", "late", "e2"),
        beside=beside,
    )


def test_a_step_that_is_late_is_withdrawn() -> None:
    walk = Walk(guarded(user("a"), timer("timeDuration", "PT1M")))
    walk.go(seconds=61)
    assert (walk.open, walk.withdrawn) == (["late"], ["a"])
    assert walk.done("a", {"x": 1}).variables == {}
    assert walk.done("late").machine.completed


def test_a_step_that_is_late_may_go_on_beside() -> None:
    walk = Walk(guarded(user("a"), timer("timeDuration", "PT1M"), interrupting=False))
    walk.go(seconds=61)
    assert (walk.open, walk.withdrawn) == (["a", "late"], [])
    assert walk.done("late").open == ["a"]
    assert walk.done("a").machine.completed


def test_what_ended_in_time_has_ended_whenever_it_is_heard_of() -> None:
    walk = Walk(guarded(user("a"), timer("timeDuration", "PT1M")))
    ended = Ended(walk.tokens["a"], walk.now + 59 * SECOND)
    walk.go(ended, seconds=3600)
    assert (walk.machine.completed, walk.started) == (True, ["a"])
    walk = Walk(guarded(user("a"), timer("timeDuration", "PT1M")))
    walk.go(Ended(walk.tokens["a"], walk.now + 61 * SECOND), seconds=3600)
    assert walk.open == ["late"]


def test_an_error_is_caught_at_the_boundary_that_names_it() -> None:
    source = guarded(service("a"), ERROR, beside=error("no-stock"))
    walk = Walk(source).failed("a", "no-stock", details={"left": 0})
    assert (walk.open, walk.variables) == (["late"], {"left": 0})
    other = Walk(source).failed("a", "else")
    assert other.machine.failure is not None
    assert (other.machine.failure.code, other.machine.failure.message) == ("else", "the step 'a' failed: no")


def test_an_error_is_caught_by_who_catches_all() -> None:
    assert Walk(guarded(service("a"), ANY_ERROR)).failed("a", "anything", held=True).open == ["late"]


def test_what_may_be_asked_to_run_again_is_waited_for() -> None:
    walk = Walk(line(service("a"))).failed("a", "EXECUTION_ERROR", held=True)
    assert (walk.open, walk.machine.failure) == (["a"], None)
    assert walk.done("a").machine.completed


def test_an_error_in_a_subprocess_is_caught_around_it() -> None:
    inner = '<startEvent id="s2"/>' + service("a") + '<endEvent id="e3"/>' + flow("s2", "a", "e3")
    source = file(
        START,
        f'<subProcess id="sub">{inner}</subProcess>',
        boundary("b", "sub", ERROR),
        service("late"),
        END,
        '<endEvent id="e2"/>',
        flow("start", "sub", "end"),
        flow("b", "late", "e2"),
        beside=error("x"),
    )
    assert Walk(source).done("a").machine.completed
    walk = Walk(source).failed("a", "x")
    assert walk.open == ["late"]
    assert walk.done("late").machine.completed


def test_a_process_may_end_with_an_error() -> None:
    source = file(START, f'<endEvent id="end">{ERROR}</endEvent>', flow("start", "end"), beside=error("refused"))
    failure = Walk(source).machine.failure
    assert failure is not None
    assert failure.code == "refused"


def test_an_end_that_terminates_withdraws_the_rest() -> None:
    source = file(
        START,
        AND("s"),
        user("a"),
        service("b"),
        END,
        '<endEvent id="t"><terminateEventDefinition/></endEvent>',
        flow("start", "s"),
        flow("s", "a", "end"),
        flow("s", "b", "t"),
    )
    walk = Walk(source).done("b")
    assert (walk.machine.completed, walk.withdrawn) == (True, ["a"])


def test_no_data_is_ever_read_as_a_part_of_the_state() -> None:
    evil = {
        "typename": "BpmnWorkflow",
        "__class__": "os.system",
        "value": "1",
        "data": {"typename": "UUID", "value": "x"},
    }
    walk = Walk(line(service("a"), service("b")), evil=evil).done("a", evil)
    assert walk.variables == {"evil": evil, **evil}


def test_how_often_it_is_told_changes_nothing() -> None:
    walk = Walk(line(service("a"), service("b")))
    ended = Ended(walk.tokens["a"], walk.now)
    assert walk.go(ended, ended).go(ended).started == ["a", "b"]
