from __future__ import annotations

import pytest

from taskyard.errors import Forbidden
from taskyard.security.caller import LOCAL, SCOPES, SYSTEM, Caller


def test_a_caller_holds_what_it_was_given_and_nothing_else() -> None:
    caller = Caller("ada", frozenset({"tasks:read"}))
    assert {scope for scope in SCOPES if caller.allows(scope)} == {"tasks:read"}


@pytest.mark.parametrize("caller", [SYSTEM, LOCAL, Caller("root", frozenset({"admin"}))])
def test_admin_implies_every_scope(caller: Caller) -> None:
    assert all(caller.allows(scope) for scope in SCOPES)


def test_a_missing_scope_is_named() -> None:
    with pytest.raises(Forbidden, match="'queues:manage'") as caught:
        Caller("ada", frozenset({"tasks:read"})).require("queues:manage")
    assert caught.value.details == {"scope": "queues:manage"}


def test_a_held_scope_passes() -> None:
    Caller("ada", frozenset({"tasks:read"})).require("tasks:read")


def test_part_of_a_scope_is_not_the_scope() -> None:
    caller = Caller("ada", frozenset({"tasks:readers", "task", "Admin", "tasks:*"}))
    assert not any(caller.allows(scope) for scope in SCOPES)
