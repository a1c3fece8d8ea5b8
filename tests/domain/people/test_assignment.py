"""Whose a manual task becomes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.people.assignment import Assigned, Ground, Person, assign
from taskyard.domain.people.spec import Assignee, Assignment

OPS = [
    Person("ann", skills=("sql",)),
    Person("bob", skills=("sql", "law")),
    Person("cyd"),
    Person("dan", skills=("sql",), away=True),
]
DOCUMENT = {"input": {"owner": "eve", "team": {"type": "GROUP", "id": "legal"}, "no": 3}, "workflow": {"chief": "zoe"}}
GROUND = Ground(DOCUMENT, OPS)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Assignment(type="GROUP", id="ops"), ("GROUP", "ops")),
        (Assignment(rule="expression", expression="input.owner"), ("USER", "eve")),
        (Assignment(rule="expression", expression="input.team"), ("GROUP", "legal")),
        (Assignment(rule="expression", type="GROUP", expression="workflow.chief"), ("GROUP", "zoe")),
        (Assignment(rule="expression", expression="input.no"), (None, None)),
        (
            Assignment(rule="expression", expression="input.no", fallback=Assignee(type="USER", id="f")),
            ("USER", "f"),
        ),
        (Assignment(rule="roundRobin", group="ops"), ("USER", "ann")),
        (Assignment(rule="leastLoaded", group="ops"), ("USER", "bob")),
        (Assignment(rule="leastLoaded", group="ops", exclude="'bob'"), ("USER", "cyd")),
        (Assignment(rule="skill", group="ops", skills=["law"]), ("USER", "bob")),
        (Assignment(rule="skill", group="ops", skills=["art"]), ("GROUP", "ops")),
        (Assignment(rule="sameAs", step="draft"), ("USER", "bob")),
        (Assignment(rule="sameAs", step="draft", exclude_asker=True), (None, None)),
        (Assignment(rule="roundRobin", group="ops", max_open=2), ("USER", "bob")),
    ],
)
def test_each_rule(rule: Assignment, expected: tuple[Any, Any]) -> None:
    known = GROUND._replace(loads={"ann": 2, "cyd": 1}, did_step="bob", askers=frozenset({"bob"}))
    assert assign(rule, known)[:2] == expected


def test_who_falls_back_says_why() -> None:
    nobody = assign(Assignment(rule="roundRobin", group="ops"), Ground(DOCUMENT))
    assert nobody == Assigned("GROUP", "ops", why="nobody is in the group ops")
    full = assign(
        Assignment(rule="leastLoaded", group="ops", max_open=1), GROUND._replace(loads=dict.fromkeys("abc", 1))
    )
    assert full.why is None
    loads = dict.fromkeys(("ann", "bob", "cyd"), 1)
    assert assign(Assignment(rule="leastLoaded", group="ops", max_open=1), GROUND._replace(loads=loads)).why == (
        "nobody of the group ops has room for it"
    )
    unfit = assign(Assignment(rule="skill", group="ops", skills=["art"]), GROUND)
    assert unfit.why == "nobody of the group ops may do it or can"


def test_only_who_has_the_skills_may_claim_what_fell_to_the_group() -> None:
    busy = GROUND._replace(loads={"ann": 1, "bob": 1})
    found = assign(Assignment(rule="skill", group="ops", skills=["sql"], max_open=1), busy)
    assert (found.type, found.able) == ("GROUP", ("ann", "bob", "dan"))
    chosen = assign(Assignment(rule="skill", group="ops", skills=["sql"]), GROUND)
    assert (chosen.type, chosen.able) == ("USER", ("ann", "bob", "dan"))
    elsewhere = Assignee("GROUP", "hr")
    found = assign(Assignment(rule="skill", group="ops", skills=["sql"], max_open=1, fallback=elsewhere), busy)
    assert (found.id, found.able) == ("hr", ("ann", "bob", "dan"))  # for when it comes back


def test_where_nobody_who_may_has_the_skills_nobody_may_claim_it() -> None:
    rule = Assignment(rule="skill", group="ops", skills=["law"], exclude_asker=True)
    found = assign(rule, GROUND._replace(askers=frozenset({"bob"})))
    assert found[:4] == ("GROUP", "ops", ("bob",), ())
    assert assign(Assignment(type="GROUP", id="ops"), GROUND).able is None


def test_only_candidates_are_chosen() -> None:
    bob, seniors = Assignee("USER", "bob"), Assignee("GROUP", "seniors")
    known = GROUND._replace(members=[*OPS, Person("eva", groups=("ops", "seniors"))])
    for named, chosen in (([bob], "bob"), ([seniors], "eva"), ([bob, seniors], "bob")):
        assert assign(Assignment(rule="roundRobin", group="ops", candidates=named), known)[:2] == ("USER", chosen)
    nobody = assign(Assignment(rule="roundRobin", group="ops", candidates=[Assignee("USER", "zoe")]), known)
    assert (nobody.id, nobody.why) == ("ops", "no candidate of the group ops may do it or can")


def test_who_asked_neither_gets_nor_may_do_it() -> None:
    rule = Assignment(rule="expression", expression="input.owner", exclude_asker=True)
    found = assign(rule, GROUND._replace(askers=frozenset({"eve"})))
    assert found == Assigned(None, None, ("eve",), why="eve may not do it")


@given(st.integers(0, 1000), st.sets(st.sampled_from(["ann", "bob", "cyd"])), st.integers(1, 3))
def test_round_robin_is_fair_and_never_chooses_whom_it_must_not(start: int, out: set[str], room: int) -> None:
    named = ", ".join(f"'{name}'" for name in ["nobody", *sorted(out)])
    rule = Assignment(rule="roundRobin", group="ops", max_open=room, exclude=f"[{named}]")
    loads: dict[str, int] = {}
    for turn in range(start, start + 12):
        found = assign(rule, GROUND._replace(turn=turn, loads=loads))
        if found.type == "USER":
            assert found.id not in {*out, "dan"}
            loads[found.id or ""] = loads.get(found.id or "", 0) + 1
    assert all(count == room for count in loads.values())
    assert set(loads) == {"ann", "bob", "cyd"} - out
