"""Links kept open: which one a call is given, when it ends, and what is kept out of what is said."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from taskyard.contracts.connections import ConnectionRow
from taskyard.contracts.integration import OpenConnection
from taskyard.domain.connection import Connection, SecretFrom
from taskyard.errors import Conflict
from taskyard.executors.integration.links import Links, OpenLink
from taskyard.testing.conformance.connection import CANARY


class Link:
    """Is told apart by its revision."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.closed = False

    async def close(self) -> None:
        self.closed = True
        raise ValueError(f"it does not end with {CANARY}")


class Types:
    """One type, whose links open when they may."""

    def __init__(self) -> None:
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.opening = asyncio.Event()

    def get(self, name: str) -> Any:
        del name
        return self

    async def open(self, connection: OpenConnection) -> Link:
        self.opening.set()
        await self.may_open.wait()
        return Link(connection.revision)


def row(revision: int) -> ConnectionRow:
    return ConnectionRow(Connection(connection_id="billing", type="test"), b"", 0, revision)


def make_links(types: Types, secret: str | SecretFrom = CANARY) -> Links:
    async def resolve(source: str) -> str:
        return CANARY

    return Links(cast("Any", types), lambda _: {"token": secret}, resolve)


async def revision(links: Links, of: int) -> int:
    async with links.use(row(of)) as (found, _):
        return found.revision


async def test_a_connection_that_changes_while_its_link_opens_is_opened_anew() -> None:
    types = Types()
    links = make_links(types)
    types.may_open.clear()
    first = asyncio.create_task(revision(links, 1))
    await types.opening.wait()
    second = asyncio.create_task(revision(links, 2))
    await asyncio.sleep(0)
    types.may_open.set()
    assert await second == 2
    assert await first in (1, 2)
    assert await revision(links, 1) == 2
    await links.close()


async def test_what_is_lent_is_of_the_settings_that_were_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lend(self: Types, link: Link) -> dict[str, str]:
        return {"accessToken": f"of revision {link.revision}"}

    monkeypatch.setattr(Types, "spends", lambda *_: True, raising=False)
    monkeypatch.setattr(Types, "lend", lend, raising=False)
    links = make_links(Types())
    assert await links.lent(row(1)) == {"accessToken": "of revision 1"}
    await revision(links, 2)
    with pytest.raises(Conflict, match="ask again"):
        await links.lent(row(1))
    await links.close()


async def test_only_a_link_whose_secrets_may_be_others_by_now_is_dropped_when_they_are_refused() -> None:
    for secret, dropped in ((CANARY, False), (SecretFrom("env:TOKEN"), True)):
        links = make_links(Types(), secret)
        async with links.use(row(1)) as (old, link):
            await links.refused("billing", old)
            assert isinstance(link, Link)
            assert not link.closed
        assert link.closed is dropped
        async with links.use(row(1)) as (new, _):
            assert (new is not old) is dropped
            await links.refused("billing", old)
        async with links.use(row(1)) as (again, _):
            assert again is new
        await links.close()


async def test_a_link_that_does_not_close_shows_no_secret() -> None:
    links = make_links(Types())
    await revision(links, 1)
    with capture_logs() as logs:
        await links.drop("billing")
    (said,) = logs
    assert "it does not end with ***" in said["trace"]
    assert CANARY not in str(said)


def test_the_last_tokens_and_all_secrets_are_hidden() -> None:
    link = OpenLink(1, {"password": 'quoted"secret'}, 0.0)
    for number in range(1000):
        link.conceal(f"token-{number:04}")
        link.conceal("the-same-each-time")
    assert link.mask.text('token-0999 the-same-each-time quoted"secret quoted\\"secret') == "*** *** *** ***"
    assert link.mask.text("token-0000") == "token-0000"


@pytest.mark.parametrize("opens", [True, False])
async def test_what_is_said_while_a_link_opens_shows_no_secret(opens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    links = make_links(Types())

    async def fail(self: Types, connection: OpenConnection) -> Link:
        raise ValueError(CANARY)

    if not opens:
        monkeypatch.setattr(Types, "open", fail)
        with pytest.raises(ValueError, match=CANARY):
            await revision(links, 1)
    else:
        await revision(links, 1)
    assert links.mask("billing").text(CANARY) == "***"
    await links.drop("billing")
    assert links.mask("billing").text(CANARY) == CANARY
