"""However a receiver behaves, its delivery ends as documented, and a good one beside it is told in time."""

import asyncio
import contextlib
import json
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.contracts.clock import Clock, SystemClock
from taskyard.contracts.webhooks import DeliveryRow
from taskyard.domain.webhook import Status
from taskyard.engine.deliveries import tries_of
from taskyard.engine.subscriptions import get_subscription, is_enabled
from taskyard.notify.webhooks import dispatcher, sender
from taskyard.security.caller import LOCAL
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.security.egress.terms import Limits
from taskyard.settings import load
from taskyard.testing.clock import ManualClock
from tests.security.egress.certificates import Authority
from tests.security.egress.conftest import Names
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import PATIENCE, eventually
from tests.webhooks.misbehaving import RECEIVERS, hangs, hangs_unread, serving
from tests.webhooks.post import Post

ROOT = Path(__file__).parents[2]
LOOPBACK = ["127.0.0.0/8", "localhost"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time for an answer, and no less for a connection, which a busy machine makes late."""
    monkeypatch.setattr(sender, "_LIMITS", Limits(connect=10, read=0.5, total=1.0, max_bytes=1 << 40))
    monkeypatch.setattr(sender, "_BODY_SECONDS", 0.2)


@contextlib.asynccontextmanager
async def office(tmp_path: Path, egress: Egress | None = None, clock: Clock | None = None) -> AsyncIterator[Post]:
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path), TASKYARD_EGRESS_ALLOW=tuple(LOOPBACK))
    async with Taskyard("sqlite:///:memory:", settings=settings, clock=clock or ManualClock()) as yard:
        post = await Post.on(yard, None, egress)
        yield post
        await post.dispatcher.stop()


@contextlib.asynccontextmanager
async def all_serving(good: int = 0) -> AsyncIterator[list[str]]:
    """The addresses of all of them, or of so many good ones, which run in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.webhooks.misbehaving", str(good), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().split()
    finally:
        process.kill()
        await process.wait()


def test_there_are_24() -> None:
    assert len(RECEIVERS) == 24


@pytest.mark.parametrize("name", RECEIVERS)
async def test_each_ends_as_documented(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = RECEIVERS[name]
    if not receiver.stalls:
        monkeypatch.setattr(sender, "_LIMITS", sender._LIMITS._replace(read=PATIENCE, total=PATIENCE))
    async with office(tmp_path) as post, serving(receiver.serve) as url:
        row, _ = await post.subscribe(url)
        await post.start()
        begun = time.monotonic()
        await post.settle()
        took = time.monotonic() - begun
        (delivery,) = await post.deliveries()
        (tried,) = tries_of(delivery)
        enabled = is_enabled(await get_subscription(post.engine, LOCAL, row.id))
    assert took < PATIENCE  # some never end; a busy machine takes its time too
    assert (delivery.status is Status.DELIVERED) == receiver.taken, tried
    if not receiver.taken:
        assert receiver.told in tried["error"]
    assert enabled is (name != "gone")
    assert len(json.dumps(tried)) < 20_000
    assert "\x1b" not in json.dumps(tried, ensure_ascii=False)
    assert "a=b" not in json.dumps(tried)


async def test_a_good_one_among_them_waits_for_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that hang do so to the end of this, and the good one has all its events. How soon, bench.receivers tells;
    whose turn it is, test_delivering.test_who_answers_sooner_is_told_sooner.
    """
    monkeypatch.setattr(sender, "_LIMITS", sender._LIMITS._replace(connect=600.0, read=600.0, total=600.0))
    monkeypatch.setattr(dispatcher, "_LAST_WORDS", 0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 20
    async with good_one(tmp_path, "bad") as (post, arrived):
        await latencies(post, arrived, count)
        subscribed = await post.store.enabled_subscriptions()
        rows = await post.deliveries()
    endpoint = {row.endpoint.description: row.id for row in subscribed}
    hanging = {endpoint[name] for name, each in RECEIVERS.items() if each.serve in (hangs, hangs_unread)}
    assert len(hanging) == 2
    tries = [row.tries for row in rows if row.endpoint in hanging]
    assert tries == [0] * len(hanging) * count
    assert sum(row.status is Status.DELIVERED for row in rows if row.endpoint == endpoint["good"]) >= count - 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 50, grown


@contextlib.asynccontextmanager
async def good_one(folder: Path, beside: str) -> AsyncIterator[tuple[Post, list[float]]]:
    """A good receiver, and when it was told of what: of 24 that misbehave ("bad"), 24 as good as itself ("good"), or
    alone.
    """
    arrived: list[float] = []

    async def take(_: Asked, writer: asyncio.StreamWriter) -> None:
        arrived.append(time.monotonic())
        writer.write(answer("204 No Content"))

    async with contextlib.AsyncExitStack() as stack:
        post = await stack.enter_async_context(office(folder, clock=SystemClock()))
        own = await stack.enter_async_context(receiving(take))
        await post.subscribe(f"http://127.0.0.1:{own.port}", "task.created", description="good")
        if beside != "alone":
            others = await stack.enter_async_context(all_serving(24 if beside == "good" else 0))
            for url, name in zip(others, RECEIVERS, strict=True):
                await post.subscribe(url, "task.created", description=name)
        yield post, arrived


async def latencies(post: Post, arrived: list[float], count: int, pace: float = 0.0) -> list[float]:
    """In how many seconds the good one has each of so many events, one every `pace` seconds."""
    arrived.clear()
    begun = []
    for _ in range(count):
        begun.append(time.monotonic())
        await post.start()
        await post.plan()
        await post.dispatcher.look(fresh=False)
        await asyncio.sleep(pace)
    await eventually(lambda: len(arrived) >= count, within=60)
    return [end - start for start, end in zip(begun, arrived, strict=True)]


async def _try_once(post: Post, url: str) -> tuple[DeliveryRow, dict[str, Any]]:
    await post.subscribe(url, vetted=False)
    await post.start()
    await post.settle()
    (delivery,) = await post.deliveries()
    return delivery, tries_of(delivery)[0]


@pytest.mark.parametrize("fault", ["wrong host", "unknown authority", "no TLS at all", "a slow handshake"])
async def test_tls_that_does_not_fit_is_a_failure(fault: str, tmp_path: Path) -> None:
    ours, other = Authority(), Authority()
    context = ssl.create_default_context(cadata=ours.pem)
    host = "elsewhere.example" if fault == "wrong host" else "localhost"
    server = (other if fault == "unknown authority" else ours).server(host, tmp_path)
    egress = Egress(Guard(Rules.parse(LOOPBACK), Names(localhost=[["127.0.0.1"]])), tls=context)
    async with office(tmp_path, egress) as post:
        if fault == "a slow handshake":
            async with serving(hangs) as url:
                delivery, tried = await _try_once(post, url.replace("http://127.0.0.1", "https://localhost"))
        else:
            async with receiving(answer(), tls=None if fault == "no TLS at all" else server) as receiver:
                delivery, tried = await _try_once(post, f"https://localhost:{receiver.port}/")
                assert receiver.asked == []
    await egress.aclose()
    assert (delivery.status, tried["status"]) == (Status.RETRYING, None)
    assert tried["error"]


async def test_a_name_without_an_address_is_a_failure(tmp_path: Path) -> None:
    egress = Egress(Guard(Rules.parse([]), Names()))
    async with office(tmp_path, egress) as post:
        delivery, tried = await _try_once(post, "http://nowhere.example/")
    await egress.aclose()
    assert delivery.status is Status.RETRYING
    assert "address" in tried["error"]


async def test_a_name_that_turns_to_this_machine_reaches_nobody(tmp_path: Path) -> None:
    names = Names(rebinding=[["93.184.216.34"], ["127.0.0.1"]])
    egress = Egress(Guard(Rules.parse([]), names))
    async with office(tmp_path, egress) as post, receiving(answer()) as receiver:
        url = f"http://rebinding.example:{receiver.port}/"
        assert await egress.guard.check_url(url) == url
        delivery, tried = await _try_once(post, url)
        assert receiver.accepted == 0
    await egress.aclose()
    assert delivery.status is Status.RETRYING
    assert "may not be reached" in tried["error"]
