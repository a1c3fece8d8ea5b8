"""Calls of REST connections: what goes, in whose name, and what is made of what comes."""

import asyncio
import base64
import gzip
import itertools
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from tests.security.egress.certificates import Authority
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import eventually

from taskyard.contracts.integration import Answer, Link, OpenConnection, OperationFailed
from taskyard.errors import CallFailed, EgressRefused, Overloaded, TaskyardError, ValidationFailed
from taskyard.executors.integration.house import House
from taskyard.executors.integration.rest.answer import retry_after
from taskyard.executors.integration.rest.request import plan
from taskyard.executors.integration.rest.rotation import Issued, Rotation
from taskyard.executors.integration.rest.shapes import Operation
from taskyard.executors.integration.rest.type import Rest
from taskyard.testing.conformance.connection import Kept, call_of
from taskyard.testing.conformance.connection.house import a_house

JSON = {"content_type": "application/json"}
Reply = Callable[[Asked], bytes]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


async def opened(house: House, port: int, secrets: dict[str, str] | None = None, **settings: Any) -> Link:
    told: list[str] = []
    base = {"baseUrl": f"http://127.0.0.1:{port}", **settings}
    connection = OpenConnection("api", 1, base, secrets or {}, told.append)
    return await Rest(house).open(connection)


def replying(reply: Reply) -> Callable[[Asked, Any], Awaitable[None]]:
    async def serve(asked: Asked, writer: Any) -> None:
        writer.write(reply(asked))
        await writer.drain()

    return serve


async def said(link: Link, operation: dict[str, Any], input: Any = None, **more: Any) -> Answer:
    answered = await link.call(call_of(operation, input, **more))
    await link.close()
    assert isinstance(answered, Answer)
    return answered


async def sent(house: House, operation: dict[str, Any], input: Any = None, **settings: Any) -> Asked:
    async with receiving(answer()) as server:
        await said(await opened(house, server.port, **settings), operation, input)
    return server.asked[0]


async def test_what_the_input_holds_goes_as_data(house: House) -> None:
    """Path, query and header syntax in values reaches the other side as what it is."""
    evil = "../x?admin=1#f&y=%2e%2e"
    asked = await sent(
        house,
        {"path": "/a/{v}/b", "query": {"q": "{v}", "n": "{nothing}"}, "headers": {"X-V": "{n}"}},
        {"v": evil, "n": 7},
    )
    assert asked.target == f"/a/..%2Fx%3Fadmin%3D1%23f%26y%3D%252e%252e/b?{asked.target.partition('?')[2]}"
    assert parse_qs(asked.target.partition("?")[2]) == {"q": [evil]}
    assert asked.headers["x-v"] == "7"


@pytest.mark.parametrize(
    ("operation", "input"),
    [
        ({"path": "/a/{v}"}, {"v": ".."}),
        ({"path": "/a/{v}"}, {"v": ""}),
        ({"path": "/a/{v}"}, {}),
        ({"path": "/a/{v}{v}/x"}, {"v": "."}),
        ({"path": "/a/%2e%2e/x"}, {}),
        ({"headers": {"X-V": "{v}"}}, {"v": "a\r\nX-Evil: 1"}),
        ({"headers": {"X-V": "{v}"}}, {"v": "a\nb"}),
        ({"headers": {"Authorization": "Bearer mine"}}, {}),
        ({"headers": {"Host": "elsewhere"}}, {}),
        ({"method": "POST", "encoding": "form"}, ["no object"]),
        ({"method": "POST", "encoding": "binary"}, "no-such-upload"),
        ({"query": {"q": "{"}}, {}),
    ],
)
async def test_what_would_be_no_such_request_is_refused(house: House, operation: dict[str, Any], input: Any) -> None:
    async with receiving(answer()) as server:
        link = await opened(house, server.port)
        with pytest.raises(ValidationFailed):
            await link.call(call_of(operation, input))
        await link.close()
        assert server.accepted == 0


@given(st.text(max_size=30))
def test_a_value_never_leaves_its_segment(value: str) -> None:
    try:
        planned = plan(Operation(path="/a/{v}/z"), call_of({}, {"v": value}))
    except (ValidationFailed, UnicodeEncodeError):
        return
    assert re.fullmatch(r"/a/[A-Za-z0-9_.~%-]+/z", planned.path)


FORM = "application/x-www-form-urlencoded"
BODIES: list[tuple[dict[str, Any], Any, str, bytes]] = [
    ({}, {"a": [1]}, "application/json", b'{"a":[1]}'),
    ({"body": {"x": "{a}", "y": "-{a}-"}}, {"a": 1}, "application/json", b'{"x":1,"y":"-1-"}'),
    (
        {"encoding": "form"},
        {"a": "x y", "b": [1, True], "c": None},
        "application/x-www-form-urlencoded",
        b"a=x+y&b=1&b=true",
    ),
    ({"encoding": "text"}, "grüße", "text/plain; charset=utf-8", "grüße".encode()),
    ({"encoding": "text", "contentType": "application/xml"}, "<a/>", "application/xml", b"<a/>"),
]


@pytest.mark.parametrize(("more", "input", "media", "body"), BODIES)
async def test_bodies(house: House, more: dict[str, Any], input: Any, media: str, body: bytes) -> None:
    asked = await sent(house, {"method": "POST", **more}, input)
    assert (asked.headers["content-type"], asked.body) == (media, body)


async def test_files_go_in_parts_and_as_they_are(house: House, tmp_path: Path) -> None:
    async with receiving(answer()) as server:
        link = await opened(house, server.port)
        files = Kept(tmp_path, {"up1": b"\x00" * 100_000})
        input = {"name": 'a "name"', "doc": {"file": "up1"}}
        await link.call(call_of({"method": "POST", "encoding": "multipart"}, input, files=files))
        await link.call(call_of({"method": "PUT", "encoding": "binary"}, {"file": "up1"}, files=files))
        await link.close()
    parts, plain = server.asked
    assert parts.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="name"\r\n\r\na "name"\r\n' in parts.body
    assert b'name="doc"; filename="up1.bin"' in parts.body
    assert parts.body.count(b"\x00") == 100_000
    assert (plain.body, plain.headers["content-type"]) == (b"\x00" * 100_000, "application/octet-stream")


# ---- who calls
async def test_basic(house: House) -> None:
    async with receiving(answer()) as server:
        secrets = {"username": "ada", "password": "p:w"}
        await said(await opened(house, server.port, secrets, auth={"type": "basic"}), {})
    assert server.asked[0].headers["authorization"] == f"Basic {base64.b64encode(b'ada:p:w').decode()}"


@pytest.mark.parametrize("place", ["header", "query"])
async def test_api_key(house: House, place: str) -> None:
    async with receiving(answer()) as server:
        auth = {"type": "apiKey", "name": "X-Key", "in": place}
        await said(await opened(house, server.port, {"apiKey": "k y"}, auth=auth), {"query": {"a": 1}})
    asked = server.asked[0]
    if place == "header":
        assert asked.headers["x-key"] == "k y"
    else:
        assert parse_qs(asked.target.partition("?")[2]) == {"a": ["1"], "X-Key": ["k y"]}


class Issuer:
    """A token endpoint and an API behind it: a token holds until it is `withdrawn`."""

    def __init__(self) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.withdrawn: set[str] = set()
        self.status = "200 OK"
        self._numbers = itertools.count(1)

    def reply(self, asked: Asked) -> bytes:
        if asked.target == "/token":
            self.forms.append(parse_qs(asked.body.decode()))
            number = next(self._numbers)
            told = {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600}
            return answer(self.status, json.dumps(told).encode(), **JSON)
        token = asked.headers["authorization"].removeprefix("Bearer ")
        return answer("401 Unauthorized") if token in self.withdrawn else answer(body=b"1", **JSON)


def oauth(port: int, **more: Any) -> dict[str, Any]:
    return {"type": "oauth2", "tokenUrl": f"http://127.0.0.1:{port}/token", **more}


CLIENT = {"clientId": "me", "clientSecret": "my secret"}


async def test_one_token_serves_all_calls_and_is_asked_for_once(house: House) -> None:
    issuer = Issuer()
    async with receiving(replying(issuer.reply)) as server:
        link = await opened(house, server.port, CLIENT, auth=oauth(server.port, scope="read"))
        await asyncio.gather(*(link.call(call_of({})) for _ in range(20)))
        assert issuer.forms == [{"grant_type": ["client_credentials"], "scope": ["read"]}]
        await link.close()
    assert server.asked[0].headers["authorization"] == f"Basic {base64.b64encode(b'me:my+secret').decode()}"


async def test_a_token_that_has_ended_in_the_middle_is_asked_for_anew(house: House) -> None:
    issuer = Issuer()
    async with receiving(replying(issuer.reply)) as server:
        link = await opened(house, server.port, CLIENT, auth=oauth(server.port, client="body"))
        await link.call(call_of({}))
        issuer.withdrawn.add("token-1")
        await asyncio.gather(*(link.call(call_of({})) for _ in range(5)))
        assert len(issuer.forms) == 2
        assert issuer.forms[0]["client_secret"] == ["my secret"]
        issuer.withdrawn |= {"token-2", "token-3"}
        with pytest.raises(OperationFailed) as caught:
            await link.call(call_of({}))
        assert (caught.value.status, caught.value.retryable, caught.value.counts) == (401, False, False)
        await link.close()


async def test_a_refresh_token_is_exchanged_for_the_next(house: House) -> None:
    issuer = Issuer()
    async with receiving(replying(issuer.reply)) as server:
        secrets = {**CLIENT, "refreshToken": "refresh-0"}
        link = await opened(house, server.port, secrets, auth=oauth(server.port, grant="refresh_token"))
        await link.call(call_of({}))
        issuer.withdrawn.add("token-1")
        await link.call(call_of({}))
        await link.close()
    assert [form["refresh_token"] for form in issuer.forms] == [["refresh-0"], ["refresh-1"]]


class Common:
    """What links keep for each other; without a store, and with a clock that sleeping moves. `fails`: the puts that
    fail, by their numbers.
    """

    def __init__(self, *fails: int) -> None:
        self.version, self.content = 0, b""
        self.time, self.puts, self.fails = 1000.0, 0, fails

    async def get(self) -> tuple[int, bytes | None]:
        return self.version, self.content or None

    async def put(self, version: int, content: bytes) -> bool:
        self.puts += 1
        if self.puts in self.fails:
            raise Overloaded("the store is away")
        if version != self.version:
            return False
        self.version, self.content = version + 1, content
        return True

    async def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class Endpoint:
    """A token endpoint that takes each refresh token once: `newest`, then those it gave itself."""

    def __init__(self, newest: str) -> None:
        self.newest = newest
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def __call__(self, token: str) -> Issued:
        self.asked.append(token)
        if token != self.newest:
            raise CallFailed("invalid_grant", reason="credentials")
        self.meanwhile()
        self.newest = f"refresh-{len(self.asked)}"
        return Issued(f"access-{len(self.asked)}", self.newest, 60.0)


async def test_a_refresh_token_that_is_another_each_time_is_known_to_all_machines(house: House) -> None:
    """The endpoint takes each once; the machines ask at the same time, and one that starts later goes on from there."""
    issuer, kept = Issuer(), Common()
    async with receiving(replying(issuer.reply)) as server:
        settings = {
            "baseUrl": f"http://127.0.0.1:{server.port}", "auth": oauth(server.port, grant="refresh_token"),
        }  # fmt: skip

        async def machine(refresh_token: str = "refresh-0", revision: int = 1) -> Link:
            secrets = {**CLIENT, "refreshToken": refresh_token}
            return await Rest(house).open(OpenConnection("api", revision, settings, secrets, shared=kept))

        links = [await machine() for _ in range(3)]
        await asyncio.gather(*(link.call(call_of({})) for link in links))
        assert [form["refresh_token"] for form in issuer.forms] == [["refresh-0"]]
        issuer.withdrawn.add("token-1")
        await asyncio.gather(*(link.call(call_of({})) for link in links))
        assert len(issuer.forms) == 2
        issuer.withdrawn.add("token-2")
        links.append(await machine())
        await links[-1].call(call_of({}))
        links.append(await machine("given-anew", 2))
        await links[-1].call(call_of({}))
        for link in links:
            await link.close()
    used = [form["refresh_token"][0] for form in issuer.forms]
    assert used == ["refresh-0", "refresh-1", "refresh-2", "given-anew"]


async def test_a_machine_that_is_gone_amid_an_exchange_keeps_the_others_waiting_for_a_while_only() -> None:
    kept, endpoint = Common(), Endpoint("another")
    with pytest.raises(CallFailed):
        await Rotation(kept, "first", 1, endpoint, sleep=kept.sleep).token("")
    endpoint.newest = "first"
    kept.content = re.sub(rb'"busy_until":[0-9.]+', b'"busy_until":1010.0', kept.content)
    rotation = Rotation(kept, "first", 1, endpoint, sleep=kept.sleep)
    assert await rotation.token("") == Issued("access-2", "refresh-2", 60.0)
    assert (kept.time >= 1010.0, endpoint.asked) == (True, ["first", "first"])
    assert (await rotation.token("")).access == "access-2"
    kept.time += 61.0
    await rotation.token("")
    assert endpoint.asked[2:] == ["refresh-2"]


@pytest.mark.parametrize("revision", [2, 1], ids=["changed", "kept-elsewhere"])
async def test_who_has_the_former_refresh_token_leaves_what_the_new_one_gave(revision: int) -> None:
    kept, endpoint = Common(), Endpoint("old")
    old = Rotation(kept, "old", 1, endpoint, sleep=kept.sleep)
    await old.token("")
    endpoint.newest = "new"
    new = Rotation(kept, "new", revision, endpoint, sleep=kept.sleep)
    assert (await new.token("")).access == "access-2"
    with pytest.raises(OperationFailed, match="another refresh token") as caught:
        await old.token("access-1")
    assert (caught.value.reason, caught.value.counts) == ("secret", False)
    assert (await new.token("access-2")).access == "access-3"
    assert endpoint.asked == ["old", "new", "refresh-2"]
    endpoint.newest = "old"
    assert (await Rotation(kept, "old", 3, endpoint, sleep=kept.sleep).token("")).access == "access-4"


async def test_a_refresh_token_is_kept_however_often_the_store_is_away() -> None:
    kept, endpoint = Common(2, 3, 4), Endpoint("first")
    rotation = Rotation(kept, "first", 1, endpoint, sleep=kept.sleep)
    assert (await rotation.token("")).access == "access-1"
    await Rotation(kept, "first", 1, endpoint, sleep=kept.sleep).token("access-1")
    assert endpoint.asked == ["first", "refresh-1"]


async def test_a_refresh_token_is_kept_when_its_place_is_sealed_anew_amid_the_exchange() -> None:
    kept, endpoint = Common(), Endpoint("first")

    def seal_anew() -> None:
        kept.version += 1

    endpoint.meanwhile = seal_anew
    rotation = Rotation(kept, "first", 1, endpoint, sleep=kept.sleep)
    assert (await rotation.token("")).access == "access-1"
    assert (await rotation.token("access-1")).access == "access-2"


async def test_a_refresh_token_is_kept_when_its_link_closes_amid_the_exchange() -> None:
    kept, endpoint = Common(2), Endpoint("first")
    rotation = Rotation(kept, "first", 1, endpoint, sleep=kept.sleep)
    asking = asyncio.create_task(rotation.token(""))

    def stop() -> None:
        asking.cancel()

    endpoint.meanwhile = stop
    with pytest.raises(asyncio.CancelledError):
        await asking
    await rotation.close()
    assert (await Rotation(kept, "first", 1, endpoint, sleep=kept.sleep).token("")).refresh == "refresh-1"
    assert endpoint.asked == ["first"]


async def test_a_token_of_a_connection_that_was_removed_is_not_waited_for_without_end() -> None:
    class Removed(Common):
        async def put(self, version: int, content: bytes) -> bool:
            del version, content
            return False

    kept = Removed()
    async with asyncio.timeout(60):
        with pytest.raises(CallFailed, match="in time"):
            await Rotation(kept, "first", 1, Endpoint("first"), sleep=kept.sleep).token("")
    assert 1030.0 <= kept.time < 1031.0


async def test_a_link_that_closes_asks_for_no_token_any_more(house: House) -> None:
    async with receiving(answer()) as server:
        auth, secrets = oauth(server.port, grant="refresh_token"), {**CLIENT, "refreshToken": "refresh-0"}
        kept = Common()
        settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
        link = await Rest(house).open(OpenConnection("api", 1, settings, secrets, shared=kept))
        waiting = Rotation(kept, "refresh-0", 1, Endpoint("another"), sleep=kept.sleep)
        with pytest.raises(CallFailed):
            await waiting.token("")
        kept.content = re.sub(rb'"busy_until":[0-9.]+', b'"busy_until":9999.0', kept.content)
        before = asyncio.all_tasks()
        given_up = asyncio.create_task(link.call(call_of({})))
        await eventually(lambda: len(asyncio.all_tasks() - before) == 2)  # the call, and what asks for its token
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        (asking,) = asyncio.all_tasks() - before
        await link.close()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_who_is_refused_a_token_is_told_and_is_not_tried_again(house: House) -> None:
    issuer = Issuer()
    issuer.status = "401 Unauthorized"
    async with receiving(replying(issuer.reply)) as server:
        link = await opened(house, server.port, CLIENT, auth=oauth(server.port))
        with pytest.raises(OperationFailed, match="client id and secret") as caught:
            await link.call(call_of({}))
        assert not caught.value.retryable
        assert "my secret" not in str(caught.value)
        await link.close()


async def test_aws_signatures_are_those_that_aws_computes(house: House) -> None:
    async with receiving(answer()) as server:
        secrets = {"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "wJalrXUtnFEMI/K7MDENG", "sessionToken": "session"}
        auth = {"type": "sigv4", "region": "eu-west-1", "service": "execute-api"}
        link = await opened(house, server.port, secrets, auth=auth)
        await said(link, {"method": "POST", "path": "/a b", "query": {"z": "1", "a": "x y"}}, {"v": 1})
    asked = server.asked[0]
    request = AWSRequest("POST", f"http://127.0.0.1:{server.port}{asked.target}", data=asked.body)
    signed = re.search(r"SignedHeaders=([^,]+)", asked.headers["authorization"])
    assert signed is not None
    for name in signed[1].split(";"):
        request.headers[name] = asked.headers[name]
    request.context["timestamp"] = asked.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "session"), "execute-api", "eu-west-1")
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert asked.headers["authorization"].endswith(f"Signature={wanted}")
    assert asked.headers["x-amz-security-token"] == "session"


async def test_certificates_are_checked_on_both_sides(house: House, tmp_path: Path) -> None:
    authority, other = Authority(), Authority()
    certificate, key = authority.issue("client", "a passphrase")
    secrets = {"certificate": certificate, "privateKey": key, "passphrase": "a passphrase"}
    async with receiving(answer(body=b"1", **JSON), tls=authority.server("localhost", tmp_path, asks=True)) as server:
        base = {"baseUrl": f"https://localhost:{server.port}", "auth": {"type": "mtls"}}
        link = await opened(house, 0, secrets, **base, authorities=authority.pem)
        assert (await said(link, {})).output == 1
        for settings, shown in (
            ({**base, "authorities": other.pem}, secrets),
            ({"baseUrl": base["baseUrl"], "authorities": authority.pem}, {}),
            ({**base, "baseUrl": f"https://127.0.0.1:{server.port}", "authorities": authority.pem}, secrets),
        ):
            refused = await opened(house, 0, shown, **settings)
            with pytest.raises(CallFailed):
                await refused.call(call_of({}))
            await refused.close()
    with pytest.raises(ValidationFailed, match="PEM") as caught:
        await opened(house, 1, {**secrets, "passphrase": "wrong"}, auth={"type": "mtls"})
    assert "a passphrase" not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "secrets"),
    [
        ({"type": "basic"}, {"username": "x"}),
        ({"type": "bearer"}, {}),
        ({"type": "apiKey"}, {}),
        ({"type": "oauth2"}, CLIENT),
        ({"type": "oauth2", "tokenUrl": "http://x/", "grant": "refresh_token"}, CLIENT),
        ({"type": "sigv4", "region": "eu"}, {"accessKeyId": "a", "secretAccessKey": "b"}),
        ({"type": "mtls"}, {"certificate": "x"}),
        ({"type": "bearer"}, {"token": "a\r\nb"}),
    ],
)
async def test_what_a_way_to_prove_it_needs_is_told(
    house: House, auth: dict[str, Any], secrets: dict[str, str]
) -> None:
    with pytest.raises(ValidationFailed):
        await opened(house, 1, secrets, auth=auth)


# ---- what comes
async def got(house: House, reply: bytes, operation: dict[str, Any] | None = None, **more: Any) -> Answer:
    async with receiving(reply) as server:
        return await said(await opened(house, server.port), operation or {}, **more)


async def test_answers_are_read_as_what_they_are(house: House, tmp_path: Path) -> None:
    assert (await got(house, answer(body=b'{"a": 1}', content_type="application/problem+json"))).output == {"a": 1}
    assert (
        await got(house, answer(body="ä".encode("latin-1"), content_type="text/plain; charset=latin-1"))
    ).output == "ä"
    assert (await got(house, answer("204 No Content"))).output is None
    assert (await got(house, answer(body=b"[1]"), {"expect": "json"})).output == [1]
    packed = answer(body=gzip.compress(b'"packed"'), content_encoding="gzip", **JSON)
    assert (await got(house, packed)).output == "packed"
    files = Kept(tmp_path)
    name = {"content_disposition": 'attachment; filename="../../etc/a report.pdf"'}
    kept = await got(house, answer(body=b"%PDF", content_type="application/pdf", **name), files=files)
    assert (kept.output["name"], kept.output["size"], files.kept) == ("a report.pdf", 4, {"kept-0": b"%PDF"})
    shown = await got(house, answer(body=b"1", set_cookie="session=secret", x_y="z", **JSON))
    assert shown.details["headers"]["x-y"] == "z"
    assert "secret" not in repr(shown)


BAD_ANSWERS: list[tuple[bytes, dict[str, Any], str]] = [
    (answer(body=b"{", **JSON), {}, "no JSON"),
    (answer(body=b'{"a": NaN}', **JSON), {}, "no JSON"),
    (answer(body=b'"\\u0000"', **JSON), {}, "no JSON"),
    (answer(body=b"<html>", content_type="text/html"), {"expect": "json"}, "text/html"),
    (answer(body=b"\xff\xfe", content_type="text/plain"), {}, "no text"),
    (answer(body=b"x", content_type="text/plain; charset=nonsense"), {}, "no text"),
    (answer("302 Found", location="http://127.0.0.1:1/"), {}, "redirects"),
    (answer("418 Teapot", body=b"short and stout"), {}, "418"),
]


@pytest.mark.parametrize(("reply", "operation", "told"), BAD_ANSWERS)
async def test_an_answer_that_is_none_is_told(house: House, reply: bytes, operation: dict[str, Any], told: str) -> None:
    with pytest.raises(OperationFailed, match=told) as caught:
        await got(house, reply, operation)
    assert (caught.value.retryable, caught.value.counts) == (False, False)


async def endless(asked: Asked, writer: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


BOMB = zlib.compress(b" " * (64 << 20), 9)


@pytest.mark.parametrize(
    "reply",
    [
        endless,
        answer(body=BOMB, content_encoding="deflate", **JSON),
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\nx",
    ],
)
async def test_an_answer_without_an_end_is_cut_off(house: House, reply: Any) -> None:
    async with receiving(reply) as server:
        link = await opened(house, server.port, maxBytes=1 << 20)
        with pytest.raises(CallFailed, match="larger than 1048576 bytes"):
            await link.call(call_of({}))
        await link.close()


async def test_where_calls_may_not_go_they_do_not_go(house: House) -> None:
    link = await opened(house, 0, baseUrl="http://169.254.169.254")
    with pytest.raises(EgressRefused):
        await link.call(call_of({}))
    await link.close()
    async with receiving(answer("302 Found", location="http://169.254.169.254/latest")) as server:
        link = await opened(house, server.port, redirects=3)
        with pytest.raises(EgressRefused):
            await link.call(call_of({}))
        await link.close()


STATUSES = [("408 x", True, False), ("429 x", True, False), ("500 x", True, True), ("503 x", True, True)]


@pytest.mark.parametrize(("status", "retryable", "counts"), STATUSES)
async def test_what_may_pass_is_told_apart(house: House, status: str, retryable: bool, counts: bool) -> None:
    with pytest.raises(OperationFailed) as caught:
        await got(house, answer(status, b'{"why": 1}', retry_after="7", **JSON))
    failed = caught.value
    assert (failed.retryable, failed.counts, failed.retry_after, failed.output) == (retryable, counts, 7, {"why": 1})
    assert failed.burns is (failed.status not in (429, 503))


def test_retry_after_is_seconds_or_a_moment() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("120", now) == 120
    assert retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now) == 60
    assert retry_after("Thu, 01 Jan 2020 00:00:00 GMT", now) == 0
    assert retry_after("9" * 30, now) == 86_400
    for text in ("", "soon", "-1", "٣", "1e9"):
        assert retry_after(text, now) is None


# ---- pages
def paged(asked: Asked) -> bytes:
    path, _, query = asked.target.partition("?")
    number = int(parse_qs(query).get("page", parse_qs(query).get("cursor", ["1"]))[0])
    items = [f"{number}-{index}" for index in range(2)] if number <= 3 else []
    if path == "/links":
        more = {"link": f'</links?page={number + 1}>; rel="next", </x>; rel="last"'} if number < 3 else {}
        return answer(body=json.dumps(items).encode(), **JSON, **more)
    told = {"items": items, "nextCursor": str(number + 1) if number < 3 else None}
    return answer(body=json.dumps(told).encode(), **JSON)


ALL = [f"{number}-{index}" for number in (1, 2, 3) for index in range(2)]
WAYS: list[tuple[str, dict[str, Any], int]] = [
    ("/links", {"by": "link"}, 3),
    ("/cursors", {"by": "cursor", "items": "items"}, 3),
    ("/numbers", {"by": "page", "items": "items"}, 4),
    ("/numbers", {"by": "page", "items": "items", "pageSize": 3}, 1),
]


@pytest.mark.parametrize(("path", "paging", "pages"), WAYS)
async def test_all_pages_are_one_answer(house: House, path: str, paging: dict[str, Any], pages: int) -> None:
    async with receiving(replying(paged)) as server:
        link = await opened(house, server.port)
        found = await said(link, {"path": path, "query": {"a": "b"}, "pagination": paging})
    assert found.output == ALL[: 2 * pages]
    assert found.details == {"pages": pages, "truncated": False}


async def test_pages_are_bounded(house: House) -> None:
    async with receiving(replying(paged)) as server:
        for bound, count in (({"maxPages": 2}, 4), ({"maxItems": 3}, 3)):
            link = await opened(house, server.port)
            paging = {"by": "cursor", "items": "items", **bound}
            found = await said(link, {"path": "/cursors", "pagination": paging})
            assert (len(found.output), found.details["truncated"]) == (count, True)


async def test_pages_are_bounded_together(house: House) -> None:
    async with receiving(replying(paged)) as server:
        link = await opened(house._replace(most_bytes=100), server.port)
        with pytest.raises(OperationFailed, match="more than 100 bytes together") as failed:
            await said(link, {"path": "/cursors", "pagination": {"by": "cursor", "items": "items"}})
        await link.close()
    assert (failed.value.reason, failed.value.retryable) == ("too-large", False)


async def test_pages_have_the_time_of_one_call_together(house: House) -> None:
    async def slow(asked: Asked, writer: Any) -> None:
        await asyncio.sleep(0.1)
        writer.write(answer(body=json.dumps({"items": [1], "nextCursor": str(len(server.asked))}).encode(), **JSON))

    async with receiving(slow) as server:
        link = await opened(house, server.port)
        operation = {"path": "/cursors", "pagination": {"by": "cursor", "items": "items"}}
        with pytest.raises(CallFailed) as failed:
            await said(link, operation, deadline=0.5)
        await link.close()
        assert (failed.value.reason, len(server.asked) <= 5) == ("timeout", True)


async def test_each_page_is_a_request_of_its_own(house: House) -> None:
    operation = {"method": "POST", "path": "/cursors", "pagination": {"by": "cursor", "items": "items"}}
    async with receiving(replying(paged)) as server:
        for _ in range(2):
            await said(await opened(house, server.port), operation, {}, key="task-7")
    assert [asked.headers["idempotency-key"] for asked in server.asked] == ["task-7", "task-7-2", "task-7-3"] * 2


@pytest.mark.parametrize(
    ("reply", "paging", "told"),
    [
        (answer(body=b"{}", **JSON), {"by": "link"}, "finds no list"),
        (answer(body=b"[1]", link="<http://127.0.0.1:1/>; rel=next", **JSON), {"by": "link"}, "another origin"),
        (answer(body=b'{"i": [1], "nextCursor": "x"}', **JSON), {"by": "cursor", "items": "i"}, "circle"),
        (answer(body=b'{"i": [1]}', **JSON), {"by": "cursor", "items": "i", "cursor": "abs(i)"}, "cannot be found"),
    ],
)
async def test_pages_that_lead_nowhere_are_told(house: House, reply: bytes, paging: dict[str, Any], told: str) -> None:
    async with receiving(reply) as server:
        link = await opened(house, server.port)
        with pytest.raises(OperationFailed, match=told):
            await link.call(call_of({"pagination": paging}))
        await link.close()


async def test_a_test_tells_who_is_let_in(house: House) -> None:
    async with receiving(replying(lambda asked: answer("404 x" if asked.target == "/" else "401 x"))) as server:
        link = await opened(house, server.port)
        await link.test()
        await link.close()
        link = await opened(house, server.port, testPath="/me")
        with pytest.raises(TaskyardError, match="401"):
            await link.test()
        await link.close()
