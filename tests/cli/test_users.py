"""People and their passwords from the command line, on the store and over HTTP."""

from __future__ import annotations

import sqlite3

import pytest
from tests.cli.command import Command

from taskyard.security.passwords import matches

PASSWORD = "correct horse battery"


def test_people_get_passwords_and_lose_them(reached: Command) -> None:
    reached.done("users", "add", "ann", "--name", "Ann", "--group", "ops", "--group", "hr")
    assert reached.done("users", "add", "bob").out == "bob is entered\n"
    assert reached.done("users", "--json").json["items"][0] == {"id": "ann", "name": "Ann", "groups": ["ops", "hr"]}
    page = reached.done("users", "list", "--limit", "1", "--json").json
    assert [one["id"] for one in page["items"]] == ["ann"]
    rest = reached.done("users", "list", "--cursor", page["nextCursor"])
    assert ("bob" in rest.out, "ann" in rest.out) == (True, False)
    given = reached.done("users", "password", "ann", "--scope", "tasks:read,tasks:manual", text=f"{PASSWORD}\n")
    assert given.out == "ann has a new password\n"
    with sqlite3.connect(reached / "taskyard.db") as database:
        ((person, hashed, scopes),) = database.execute("SELECT person, hashed, scopes FROM login").fetchall()
    assert (person, scopes) == ("ann", b'["tasks:manual","tasks:read"]')
    assert matches(PASSWORD, hashed)
    assert reached.done("users", "lock", "ann").out == "ann has no password any more\n"
    assert reached("users", "lock", "ann").code != 0


def test_what_is_not_given_stays(reached: Command) -> None:
    reached.done("users", "add", "ann", "--group", "ops", "--skill", "sql", "--max-open", "3", "--away")
    reached.done("users", "add", "ann", "--name", "Ann", "--back")
    known = {"id": "ann", "name": "Ann", "groups": ["ops"], "skills": ["sql"], "maxOpen": 3}
    assert reached.done("users", "--json").json["items"] == [known]


@pytest.mark.parametrize(
    ("arguments", "password", "problem"),
    [
        (("nobody",), PASSWORD, "there is no user 'nobody'"),
        (("ann",), "short", "12"),
        (("ann", "--scope", "everything"), PASSWORD, "tasks:read"),
    ],
)
def test_what_is_refused_is_told(reached: Command, arguments: tuple[str, ...], password: str, problem: str) -> None:
    reached.done("users", "add", "ann")
    refused = reached("users", "password", *arguments, text=f"{password}\n")
    assert (refused.code, problem in refused.err) == (2, True), refused.err
    assert password not in refused.err
