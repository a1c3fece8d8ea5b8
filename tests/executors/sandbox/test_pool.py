"""Jails that are kept ready: so many of a shape, and of all shapes together."""

from __future__ import annotations

import asyncio

import pytest
from tests.support import eventually

from taskyard.executors.script.sandbox import pool
from taskyard.executors.script.sandbox.pool import Pool

MOST, IN_ALL = 2, 3


class Kept:
    usable = True
    fails = False

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.taken = self.gone = False

    async def discard(self) -> None:
        await asyncio.sleep(0)
        self.gone = True
        if self.fails:
            raise OSError("no more descriptors")


class Maker:
    def __init__(self) -> None:
        self.made: list[Kept] = []

    async def make(self, shape: str) -> Kept:
        await asyncio.sleep(0)
        self.made.append(Kept(shape))
        return self.made[-1]

    def ready(self) -> str:
        return "".join(sorted(each.shape for each in self.made if not each.taken and not each.gone))


async def taken(kept: Pool[str, Kept], shape: str) -> None:
    for _ in range(2):
        (await kept.take(shape)).taken = True


@pytest.mark.parametrize(("busy_seconds", "stay"), [(1000.0, "aab"), (0.0, "bcc")], ids=["busy", "idle"])
async def test_all_shapes_together_have_so_many_at_most(
    monkeypatch: pytest.MonkeyPatch, busy_seconds: float, stay: str
) -> None:
    monkeypatch.setattr(pool, "_BUSY_SECONDS", busy_seconds)
    maker = Maker()
    kept = Pool(maker.make, MOST, IN_ALL)
    for shape in "abc":
        await taken(kept, shape)
        await eventually(lambda: not any(shelf.starting for shelf in kept._shelves.values()) and not kept._going)
        assert len(maker.ready()) <= IN_ALL
    assert maker.ready() == stay
    await kept.close()
    assert maker.ready() == ""


async def test_what_cannot_be_used_any_more_is_let_go() -> None:
    maker = Maker()
    kept = Pool(maker.make, MOST, IN_ALL)
    await taken(kept, "a")
    await eventually(lambda: maker.ready())
    spoiled = [each for each in maker.made if not each.taken]
    for each in spoiled:
        each.usable = False
    (await kept.take("a")).taken = True
    await eventually(lambda: all(each.gone for each in spoiled))
    await kept.close()


async def test_one_that_cannot_be_let_go_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(pool, "_FORGET_SECONDS", 0.0)
    monkeypatch.setattr(Kept, "fails", True)
    maker = Maker()
    kept = Pool(maker.make, MOST, IN_ALL)
    for shape in "ab":
        await taken(kept, shape)
    await eventually(lambda: maker.made and not maker.ready() and not kept._shelves)
    assert not kept._keeper.done()
    await kept.close()
