"""What people may do with a task."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.people.approval import verdict
from taskyard.domain.people.rights import VERBS, Who, actions, is_theirs, refusal, target_refusal
from taskyard.domain.people.sheet import Decision, Held, Sheet
from taskyard.domain.people.spec import Approvals, Manual

PLAIN = Manual(kind="manual")
NAMES = st.sampled_from(["ann", "bob", "ops", "hr"])
WHOS = st.builds(Who, NAMES, st.frozensets(NAMES), st.just(False))
HELDS = st.builds(Held, st.sampled_from(["USER", "GROUP", None]), NAMES, st.none() | NAMES)
SHEETS = st.builds(Sheet, owner=st.none() | NAMES, excluded=st.lists(NAMES, max_size=2).map(tuple))


@given(WHOS, HELDS, SHEETS)
def test_nobody_does_anything_to_what_is_not_theirs(who: Who, held: Held, sheet: Sheet) -> None:
    if not is_theirs(who, held):
        assert actions(who, held, sheet, PLAIN) == []


@given(WHOS, HELDS, SHEETS, st.booleans())
def test_who_is_excluded_never_claims_and_never_decides(who: Who, held: Held, sheet: Sheet, over: bool) -> None:
    may = actions(who._replace(over=over), held, sheet, PLAIN)
    if who.subject in sheet.excluded:
        assert not {"claim", "complete", "reject"} & set(may)


@given(WHOS, HELDS, SHEETS)
def test_only_the_holder_ends_it(who: Who, held: Held, sheet: Sheet) -> None:
    if "complete" in actions(who, held, sheet, PLAIN):
        assert held.holder == who.subject


def test_what_a_member_may_do_before_and_after_the_claim() -> None:
    ann = Who("ann", frozenset({"ops"}))
    free, mine, taken = Held("GROUP", "ops"), Held("GROUP", "ops", "ann"), Held("GROUP", "ops", "bob")
    assert actions(ann, free, Sheet(), PLAIN) == ["claim", "reassign", "assign", "comments", "attachments", "due-date"]
    assert set(VERBS) - set(actions(ann, mine, Sheet(), PLAIN)) == {"resolve", "repair"}
    assert actions(ann, taken, Sheet(), PLAIN) == ["comments", "attachments"]
    told = refusal("claim", ann, taken, Sheet(), PLAIN)
    assert told is not None
    assert (told.taken, told.by) == (True, "bob")


def test_a_delegate_gives_it_back_and_does_not_end_it() -> None:
    bob, held = Who("bob"), Held("USER", "bob")
    may = actions(bob, held, Sheet(owner="ann"), PLAIN)
    assert "resolve" in may
    assert "complete" not in may


def test_several_decide_without_a_claim_and_each_once() -> None:
    four_eyes = Manual(kind="manual", approvals=Approvals(required=2))
    ann, held = Who("ann", frozenset({"ops"})), Held("GROUP", "ops")
    assert "complete" in actions(ann, held, Sheet(), four_eyes)
    decided = Sheet(decisions=(Decision("ann", True, 1),))
    assert not {"claim", "complete"} & set(actions(ann, held, decided, four_eyes))
    assert "claim" in actions(Who("bob", ann.groups), held, decided, four_eyes)
    assert target_refusal(ann, held, decided, four_eyes) is not None
    assert target_refusal(Who("bob"), held, decided, four_eyes) is None


@given(st.integers(1, 4), st.booleans(), st.lists(st.booleans(), max_size=12))
def test_decisions_come_to_one_end(required: int, veto: bool, votes: list[bool]) -> None:
    approvals = Approvals(required=required, veto=veto)
    decisions: list[Decision] = []
    for number, vote in enumerate(votes):
        if verdict(approvals, decisions) is None:
            decisions.append(Decision(str(number), vote, number))
    yes, no = sum(d.approved for d in decisions), sum(not d.approved for d in decisions)
    assert yes <= required
    assert no <= (1 if veto else required)
    expected = False if no == (1 if veto else required) else True if yes == required else None
    assert verdict(approvals, decisions) is expected


def test_only_what_has_failed_is_repaired_and_by_who_has_it() -> None:
    ann, held, repair = Who("ann", frozenset({"ops"})), Held("GROUP", "ops", "ann"), Manual(kind="repair")
    assert "repair" in actions(ann, held, Sheet(), repair)
    assert "repair" not in actions(ann, Held("GROUP", "ops", "bob"), Sheet(), repair)
    assert "repair" not in actions(ann, Held("GROUP", "ops"), Sheet(), repair)
