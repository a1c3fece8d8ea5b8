from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.terms import Limits
from tests.security.egress.conftest import MakeEgress, Names
from tests.security.egress.receiver import Asked, answer, receiving

HERE = ["127.0.0.1"]


async def test_the_answer_is_given_unpacked_with_its_status(make_egress: MakeEgress) -> None:
    body = gzip.compress(b'{"a": 1}')
    async with receiving(answer("418 Teapot", body, content_encoding="gzip", x_own="yes")) as receiver:
        got = await make_egress(HERE).send("POST", f"http://127.0.0.1:{receiver.port}/x?y=1", content=b"hello")
        assert (got.status_code, got.json(), got.headers["x-own"]) == (418, {"a": 1}, "yes")
        assert receiver.asked[0][:2] == ("POST", "/x?y=1")
        assert receiver.asked[0].body == b"hello"


async def test_nothing_of_one_call_is_left_for_the_next(make_egress: MakeEgress) -> None:
    async with receiving(answer(set_cookie="session=secret; Path=/")) as receiver:
        egress = make_egress(HERE)
        for _ in range(2):
            await egress.send("GET", f"http://127.0.0.1:{receiver.port}/")
        assert all("cookie" not in asked.headers for asked in receiver.asked)


async def test_proxies_of_the_environment_are_not_asked(
    make_egress: MakeEgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
        assert (proxy.accepted, receiver.accepted) == (0, 1)


async def test_a_proxy_that_is_set_connects_and_is_given_no_address_of_ours(make_egress: MakeEgress) -> None:
    async with receiving() as proxy:
        egress = make_egress(proxy=f"http://127.0.0.1:{proxy.port}")
        assert (await egress.send("GET", "http://far.example/x")).text == "ok"
        assert proxy.asked[0].target == "http://far.example/x"
        for host in ("127.0.0.1", "localhost", "2130706433", "169.254.169.254", "[::1]"):
            with pytest.raises(EgressRefused):
                await egress.send("GET", f"http://{host}/")
        assert proxy.accepted == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_a_connection_that_breaks_on_the_way_is_told_from_one_that_never_was(
    said: bytes, make_egress: MakeEgress
) -> None:
    async def serve(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    async with receiving(serve) as receiver:
        with pytest.raises(CallFailed) as failed:
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
        assert (failed.value.reason, failed.value.retryable) == ("broken", True)
    with pytest.raises(CallFailed) as failed:
        await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
    assert failed.value.reason == "connect"


@pytest.mark.parametrize("packed", [b"x" * 2001, gzip.compress(b"0" * 50_000_000), zlib.compress(b"0" * 50_000_000)])
async def test_a_body_is_read_no_further_than_asked(packed: bytes, make_egress: MakeEgress) -> None:
    coding = {} if packed[:1] == b"x" else {"content_encoding": "gzip"}
    async with receiving(answer("200 OK", packed, **coding)) as receiver:
        with pytest.raises(CallFailed) as failed:
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/", limits=Limits(max_bytes=2000))
        assert (failed.value.reason, failed.value.retryable) == ("too-large", False)


async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 1000)
        await writer.drain()


async def test_an_endless_body_ends(make_egress: MakeEgress) -> None:
    async with receiving(endless) as receiver:
        with pytest.raises(CallFailed) as failed:
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
        assert failed.value.reason == "too-large"


async def trickle(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize("slow", [trickle, silent])
async def test_time_is_limited_however_it_is_wasted(slow: Any, make_egress: MakeEgress) -> None:
    async with receiving(slow) as receiver:
        with pytest.raises(CallFailed) as failed:
            await make_egress(HERE).send(
                "GET", f"http://127.0.0.1:{receiver.port}/", limits=Limits(read=0.2, total=0.3)
            )
        assert (failed.value.reason, failed.value.retryable) == ("timeout", True)


BROKEN_ANSWERS = [
    b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", answer("200 OK", b"ab", content_encoding="br"),
    answer("200 OK", b"ab", content_encoding="gzip"),
    answer("200 OK", gzip.compress(b"ab")[:-3], content_encoding="gzip"),
    answer("200 OK", gzip.compress(b"ab") + b"more", content_encoding="gzip"),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN_ANSWERS)
async def test_a_broken_answer_is_a_failed_call(broken: bytes, make_egress: MakeEgress) -> None:
    async with receiving(broken) as receiver:
        with pytest.raises(CallFailed):
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"a b": "c"}, {"x": "\x00"}, {"ä": "x"}, {"x": "漢"}])
async def test_headers_that_cannot_be_sent_are_not(headers: dict[str, str], make_egress: MakeEgress) -> None:
    async with receiving() as receiver:
        with pytest.raises((EgressRefused, CallFailed)):
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/", headers=headers)
        assert not receiver.asked


async def test_a_redirect_is_an_answer_unless_asked_for(make_egress: MakeEgress) -> None:
    async with receiving(answer("302 Found", location="/next")) as receiver:
        got = await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
        assert (got.status_code, receiver.accepted) == (302, 1)


async def test_a_redirect_to_no_address_is_a_failure_for_who_would_follow(make_egress: MakeEgress) -> None:
    async with receiving(answer("302 Found", location="http://[::1")) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        assert (await make_egress(HERE).send("GET", url)).status_code == 302
        with pytest.raises(CallFailed):
            await make_egress(HERE).send("GET", url, redirects=1)


async def test_every_hop_is_guarded(make_egress: MakeEgress) -> None:
    async with receiving(host="127.0.0.9") as evil, receiving() as first:
        egress = make_egress(HERE, Names(a=[["127.0.0.1"]], inner=[["127.0.0.9"]]))
        for target in (f"http://127.0.0.9:{evil.port}/", f"http://inner.example:{evil.port}/", "file:///etc/passwd"):
            first.answer = answer("302 Found", location=target)
            with pytest.raises((EgressRefused, CallFailed)):
                await egress.send("GET", f"http://a.example:{first.port}/", redirects=5)
        assert (first.accepted, evil.accepted) == (3, 0)


async def test_credentials_stay_with_their_origin(make_egress: MakeEgress) -> None:
    async with receiving() as other, receiving(answer("302 Found", location="/")) as first:
        first.answer = answer("302 Found", location=f"http://127.0.0.1:{other.port}/")
        headers = {"authorization": "Bearer t", "x-api-key": "k", "cookie": "c=d", "accept": "text/plain"}
        got = await make_egress(HERE).send("GET", f"http://127.0.0.1:{first.port}/", headers=headers, redirects=3)
        assert got.text == "ok"
        assert first.asked[0].headers["x-api-key"] == "k"
        assert other.asked[0].headers["accept"] == "text/plain"
        assert not {"authorization", "x-api-key", "cookie"} & other.asked[0].headers.keys()


async def test_headers_go_along_within_an_origin(make_egress: MakeEgress) -> None:
    async def moved(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("307 Moved", location="/new") if asked.target == "/" else answer(body=asked.body))

    async with receiving(moved) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        got = await make_egress(HERE).send("POST", url, headers={"x-api-key": "k"}, content=b"body", redirects=1)
        assert got.text == "body"
        assert receiver.asked[1].headers["x-api-key"] == "k"


async def test_a_body_is_not_handed_to_another_origin(make_egress: MakeEgress) -> None:
    async with receiving() as other:
        async with receiving(answer("307 Moved", location=f"http://127.0.0.1:{other.port}/")) as first:
            with pytest.raises(EgressRefused):
                await make_egress(HERE).send("POST", f"http://127.0.0.1:{first.port}/", content=b"secret", redirects=3)
        assert other.accepted == 0


async def test_a_circle_of_redirects_ends(make_egress: MakeEgress) -> None:
    async with receiving(answer("302 Found", location="/")) as receiver:
        with pytest.raises(CallFailed, match="more than 4 redirects"):
            await make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/", redirects=4)
        assert receiver.accepted == 5


async def test_a_long_body_streams(make_egress: MakeEgress) -> None:
    async with receiving(answer(body=b"x" * 300_000)) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        async with make_egress(HERE).stream("GET", url) as (response, pieces):
            assert response.status_code == 200
            assert sum([len(piece) async for piece in pieces]) == 300_000


async def test_a_failure_of_the_readers_own_stays_its_own(make_egress: MakeEgress) -> None:
    async with receiving() as receiver:
        with pytest.raises(TimeoutError, match="mine"):
            async with make_egress(HERE).stream("GET", f"http://127.0.0.1:{receiver.port}/"):
                raise TimeoutError("mine")


@pytest.mark.parametrize(("count", "is_answer"), [(20, True), (21, False)])
async def test_interim_answers_come_to_an_end(count: int, is_answer: bool, make_egress: MakeEgress) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * count
    async with receiving(hints + answer(body=b"ok")) as receiver:
        call = make_egress(HERE).send("GET", f"http://127.0.0.1:{receiver.port}/")
        if is_answer:
            assert (await call).content == b"ok"
        else:
            with pytest.raises(CallFailed, match="20 interim answers came before the answer"):
                await call
