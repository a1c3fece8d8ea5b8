"""File transfer: SFTP, FTP, FTPS, S3 and folders of this machine, each with a server of its kind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import io
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import asyncssh
import pytest
from tests.security.egress.certificates import Authority
from tests.servers.files import USER, ftp, sftp
from tests.servers.ministack import ministack

from taskyard.contracts.integration import Answer, Call, OpenConnection, OperationFailed
from taskyard.errors import CallFailed, EgressRefused, ValidationFailed
from taskyard.executors.integration import aws
from taskyard.executors.integration.files import far, near
from taskyard.executors.integration.files.far import Facts
from taskyard.executors.integration.files.s3 import S3Far
from taskyard.executors.integration.files.type import FileTransfer
from taskyard.executors.integration.house import House
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing.conformance.connection import *  # noqa: F403 - the suite
from taskyard.testing.conformance.connection import CANARY, Kept, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

BIG = os.urandom(1 << 20) * 9 + b"the end"
"""More than one part of S3, and some pieces of the others."""


class Place:
    """Files of the far side as its own machine sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    async def get(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    async def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


class Bucket(Place):
    """The same, in S3."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    async def put(self, name: str, content: bytes) -> None:
        await self._client.put_object(Bucket=self._name, Key=name, Body=content)

    async def get(self, name: str) -> bytes | None:
        try:
            answer = await self._client.get_object(Bucket=self._name, Key=name)
        except self._client.exceptions.NoSuchKey:
            return None
        return bytes(await answer["Body"].read())

    async def names(self) -> list[str]:
        answer = await self._client.list_objects_v2(Bucket=self._name)
        return sorted(each["Key"] for each in answer.get("Contents", ()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Far(Side):
    """The side, with what lies there."""

    place: Place
    house: House
    opened: list[Any] = dataclasses.field(default_factory=list)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    folder = tmp_path / "exchange"
    folder.mkdir()
    return folder


@pytest.fixture(params=["sftp", "ftp", "ftps", "s3", "local"])
async def side(request: pytest.FixtureRequest, tmp_path: Path, exchange: Path) -> AsyncIterator[Far]:
    folder = tmp_path / "far"
    folder.mkdir()
    async with a_house(tmp_path, folders=(exchange, folder)) as house, contextlib.AsyncExitStack() as stack:
        facts: dict[str, Any] = {"operation": {"action": "list", "path": ""}, "input": {}}
        facts |= {"refused": {"action": "download", "path": "none"}, "unsound": {"action": "steal"}}
        place = Place(folder)
        nowhere = {"host": "127.0.0.1", "port": 1}
        wrong = {"username": USER, "password": "another-canary-secret"}
        match request.param:
            case "sftp":
                port, key = await stack.enter_async_context(sftp(folder, CANARY))
                keys = [key.export_public_key().decode()]
                facts["settings"] = {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": keys}
            case "ftp":
                port = stack.enter_context(ftp(folder, CANARY))
                facts["settings"] = {"protocol": "ftp", "host": "127.0.0.1", "port": port}
            case "ftps":
                authority = Authority()
                (tmp_path / "server.pem").write_text("".join(authority.issue("localhost")))
                port = stack.enter_context(ftp(folder, CANARY, certificate=tmp_path / "server.pem"))
                facts["settings"] = {"protocol": "ftps", "host": "localhost", "port": port}
                facts["settings"] |= {"authorities": authority.pem}
                nowhere = {"host": "localhost", "port": 1}
            case "s3":
                endpoint = request.getfixturevalue("s3")
                place = await stack.enter_async_context(_bucket(endpoint, tmp_path.name.lower().replace("_", "-")))
                facts["settings"] = {"protocol": "s3", "bucket": cast("Bucket", place)._name, "endpoint": endpoint}
                facts["secrets"] = {"accessKeyId": "courier-key", "secretAccessKey": CANARY}
                facts["nowhere"] = {**facts["settings"], "endpoint": "http://127.0.0.1:1"}
            case "local":
                facts |= {"settings": {"protocol": "local", "folder": str(folder)}, "secrets": {}}
                facts["refused"] = {"action": "download", "path": "../exchange"}
        if request.param in ("sftp", "ftp", "ftps"):
            facts |= {"secrets": {"username": USER, "password": CANARY}, "wrong_secrets": wrong}
            facts["nowhere"] = {**facts["settings"], **nowhere}
        made = Far(type=FileTransfer(house), house=house, place=place, **facts)
        yield made
        for link in made.opened:
            await link.close()


@contextlib.asynccontextmanager
async def _bucket(endpoint: str, name: str) -> AsyncIterator[Bucket]:
    async with aws._session().create_client(
        "s3", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    ) as client:
        await client.create_bucket(Bucket=name[:60])
        yield Bucket(client, name[:60])


def kept(side: Far, **given: bytes) -> Kept:
    folder = side.house.data / "call"
    folder.mkdir(exist_ok=True)
    return Kept(folder, given)


async def run(side: Far, action: str, body: Any = None, files: Kept | None = None, **operation: Any) -> Answer:
    call = call_of({"action": action, **operation}, body, files=files or kept(side), key="task-7")
    return await make(side, call)


async def make(side: Side, call: Call) -> Answer:
    """Over one link for all of a test."""
    if isinstance(side, Far):
        if not side.opened:
            side.opened.append(await side.type.open(OpenConnection("side", 1, side.settings, side.secrets)))
        answer = await side.opened[0].call(call)
    else:
        async with side.link() as link:
            answer = await link.call(call)
    assert isinstance(answer, Answer)
    return answer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [b"", b"small", BIG], ids=["empty", "small", "big"])
async def test_what_is_uploaded_arrives_whole_and_comes_back(side: Far, content: bytes) -> None:
    sent = await run(side, "upload", "file", kept(side, file=content), path="report.bin", verify=True)
    output = {"status": "uploaded", "size": len(content), "sha256": sha256(content), "resumedAt": 0}
    assert {name: sent.output[name] for name in output} == output
    assert await side.place.get("report.bin") == content
    assert await side.place.names() == ["report.bin"]
    files = kept(side)
    got = await run(side, "download", files=files, path="report.bin", sha256=sha256(content))
    assert files.kept[got.output["file"]["uploadId"]] == content
    assert (got.output["sha256"], got.output["size"]) == (sha256(content), len(content))


async def test_list_move_and_delete(side: Far) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        await side.place.put(name, name.encode())
    listed = await run(side, "list", pattern="*.csv")
    assert [(each["name"], each["type"], each["size"]) for each in listed.output["entries"]] == [
        ("a.csv", "file", 5),
        ("b.csv", "file", 5),
    ]
    assert (await run(side, "list", maxEntries=2)).output["truncated"]
    await run(side, "move", path="a.csv", to="b.csv")
    assert await side.place.get("b.csv") == b"a.csv"
    with pytest.raises(OperationFailed) as failed:
        await run(side, "move", path="b.csv", to="c.txt", replace=False)
    assert (failed.value.error_code, failed.value.retryable) == ("FILE_EXISTS", False)
    with pytest.raises(OperationFailed) as failed:
        await run(side, "upload", {"content": "x"}, path="c.txt", replace=False)
    assert failed.value.error_code == "FILE_EXISTS"
    assert await side.place.names() == ["b.csv", "c.txt"]
    await run(side, "delete", path="b.csv")
    with pytest.raises(OperationFailed) as failed:
        await run(side, "delete", path="b.csv")
    assert (failed.value.error_code, failed.value.counts) == ("FILE_NOT_FOUND", False)
    assert (await run(side, "delete", path="b.csv", missingOk=True)).output["status"] == "missing"
    with pytest.raises(OperationFailed):
        await run(side, "move", path="b.csv", to="d.csv")


async def test_paths_are_filled_from_the_input_and_lead_nowhere_else(side: Far) -> None:
    given = {"content": "grüße", "name": "1.txt"}
    await run(side, "upload", given, path="{name}")
    assert await side.place.get("1.txt") == "grüße".encode()
    await run(side, "upload", {"content": base64.b64encode(b"\0").decode(), "encoding": "base64"}, path="0")
    assert await side.place.get("0") == b"\0"
    for name in ("../x", "..", "a/b", "a\\b", "x\n", "", None):
        with pytest.raises(ValidationFailed):
            await run(side, "upload", {**given, "name": name}, path="{name}")
    for path in ("../x", "a/../../x", "a//b", "./x", "", "/"):
        with pytest.raises(ValidationFailed):
            await run(side, "upload", given, path=path)
    assert await side.place.names() == ["0", "1.txt"]


@pytest.mark.parametrize(
    "body",
    [None, {}, 7, {"uploadId": "x", "content": "y"}, {"content": "é", "encoding": "base64"},
     {"content": "x", "encoding": "rot13"}, "unknown"],
)  # fmt: skip
async def test_bodies_that_cannot_be_uploaded(side: Far, body: Any) -> None:
    with pytest.raises(ValidationFailed):
        await run(side, "upload", body, path="x")


async def test_a_checksum_that_does_not_fit(side: Far, exchange: Path) -> None:
    await side.place.put("a", b"other")
    for file in ("", str(exchange / "a")):
        with pytest.raises(OperationFailed, match="SHA-256") as failed:
            await run(side, "download", path="a", sha256=sha256(b"this"), file=file)
        assert failed.value.reason == "checksum"
    assert not (exchange / "a").exists()
    with pytest.raises(OperationFailed, match="SHA-256"):
        await run(side, "upload", {"content": "other"}, path="b", sha256=sha256(b"this"))
    assert await side.place.names() == ["a"]


async def test_what_an_earlier_attempt_has_uploaded_is_uploaded(side: Far) -> None:
    first = await run(side, "upload", {"content": "x"}, path="a", replace=False)
    again = await run(side, "upload", {"content": "x"}, path="a", replace=False)
    assert again.output == {**first.output, "resumedAt": 1}
    for other in ("y", "longer"):
        with pytest.raises(OperationFailed) as failed:
            await run(side, "upload", {"content": other}, path="a", replace=False)
        assert failed.value.error_code == "FILE_EXISTS"
    assert await side.place.get("a") == b"x"


async def test_a_disk_here_that_fails_breaks_no_connection(side: Far) -> None:
    """Others have their transfers under way over the same one."""
    await run(side, "list")
    host = side.opened[0]._host
    shared = getattr(host, "_client", None)
    with pytest.raises(OperationFailed) as failed:
        await run(side, "upload", {"content": "x"}, Kept(side.house.data / "gone"), path="a")
    with contextlib.closing(Path("/proc/self/mem").open("rb")) as unreadable:  # noqa: ASYNC230 - of this process
        source = near.Source(unreadable, lambda *_: None)
        with pytest.raises(OperationFailed) as unread:
            await source.digest()
    for error in (failed.value, unread.value):
        assert (error.error_code, error.reason) == ("RESOURCE_LIMIT", "disk")
        assert (error.retryable, error.counts) == (True, False)
    await run(side, "list")
    assert getattr(host, "_client", None) is shared


class Stuck(io.FileIO):
    """A file whose disk stands still beyond its beginning: `at_it` is set once it does, until it is `freed`."""

    def __init__(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        super().__init__(path, "r+")
        self.at_it, self.freed = threading.Event(), threading.Event()
        self.is_stuck = False

    def _stand(self) -> None:
        self.is_stuck = True
        self.at_it.set()
        self.freed.wait(30)
        self.is_stuck = False

    def read(self, size: int | None = -1, /) -> Any:
        if self.tell():
            self._stand()
        return super().read(-1 if size is None else size)

    def write(self, content: Any, /) -> Any:
        self._stand()
        return super().write(content)


async def test_who_stops_reading_leaves_no_thread_at_the_file(tmp_path: Path) -> None:
    with Stuck(tmp_path / "four", b"xxxx") as file:
        pieces = near.Source(cast("BinaryIO", file), lambda *_: None).pieces(0, 2)
        assert await anext(pieces) == b"xx"
        await asyncio.to_thread(file.at_it.wait, 20)
        stopping = asyncio.ensure_future(pieces.aclose())
        await asyncio.sleep(0)
        assert not stopping.done()
        file.freed.set()
        await stopping
        assert not file.is_stuck


async def test_a_download_that_is_cancelled_twice_while_it_is_written_lets_go_of_its_file(tmp_path: Path) -> None:
    file, left = Stuck(tmp_path / "a", b""), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Landing:
        def __enter__(self) -> Any:
            return file

        def __exit__(self, kind: Any, *_: object) -> None:
            if kind is asyncio.CancelledError:
                loop.call_soon_threadsafe(left.set)

    async def download() -> None:
        async with near.Target(Landing(), "a", tmp_path, None, lambda *_: None, resume=False) as target:
            await target.write(b"x" * near._STEP)
            await target.flush()

    running = asyncio.create_task(download())
    await asyncio.to_thread(file.at_it.wait, 20)
    for _ in range(2):
        running.cancel()
        await asyncio.sleep(0)
    try:
        await asyncio.wait_for(left.wait(), 20)
    finally:
        file.freed.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    file.close()


async def test_a_broken_download_is_gone_on_with(side: Far, exchange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await side.place.put("big", BIG)
    target = exchange / "big"
    write = near.Target._write
    monkeypatch.setattr(near.Target, "_write", _breaking_after(write, 5 << 20))
    with pytest.raises(RuntimeError, match="the test ends it"):
        await run(side, "download", path="big", file=str(target))
    assert not target.exists()
    monkeypatch.setattr(near.Target, "_write", write)
    got = await run(side, "download", path="big", file=str(target))
    assert target.read_bytes() == BIG
    assert got.output["resumedAt"] >= 1 << 20
    assert got.output["sha256"] == sha256(BIG)
    assert await Place(exchange).names() == ["big"]


def _breaking_after(write: Any, most: int) -> Any:
    def broken(self: near.Target, content: bytes) -> None:
        if self.done + len(content) > most:
            raise RuntimeError("the test ends it")
        write(self, content)

    return broken


async def test_a_broken_upload_is_gone_on_with(side: Far, exchange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (exchange / "big").write_bytes(BIG)
    pieces = near.Source.pieces

    async def breaking(self: near.Source, offset: int, size: int) -> AsyncIterator[bytes]:
        count = 0
        async for piece in pieces(self, offset, size):
            count += 1
            if count == 3 or (size > far.PIECE and count == 2):
                raise OperationFailed("the test ends it")
            yield piece

    monkeypatch.setattr(near.Source, "pieces", breaking)
    with pytest.raises(OperationFailed, match="the test ends it"):
        await run(side, "upload", path="big", file=str(exchange / "big"))
    assert await side.place.get("big") is None
    monkeypatch.setattr(near.Source, "pieces", pieces)
    sent = await run(side, "upload", path="big", file=str(exchange / "big"))
    assert sent.output["sha256"] == sha256(BIG)
    assert await side.place.get("big") == BIG
    assert await side.place.names() == ["big"]


async def test_progress_is_told(side: Far) -> None:
    said: list[tuple[float, float | None]] = []
    call = call_of({"action": "upload", "path": "x"}, "file", files=kept(side, file=BIG))
    await make(side, call._replace(progress=lambda current, total: said.append((current, total))))
    assert said[-1] == (len(BIG), len(BIG))
    assert said == sorted(said)


async def test_a_full_disk_here_is_told(side: Far, exchange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await side.place.put("big", BIG)

    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda _: Full)
    for file in ("", str(exchange / "big")):
        with pytest.raises(OperationFailed) as failed:
            await run(side, "download", path="big", file=file)
        error = failed.value
        assert (error.error_code, error.details, error.counts) == ("RESOURCE_LIMIT", {"limit": "disk"}, False)


async def test_a_disk_that_fills_up_meanwhile_is_told(
    side: Far, exchange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await side.place.put("big", BIG)

    def full(self: near.Target, content: bytes) -> None:
        del self, content
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(near.Target, "_write", full)
    with pytest.raises(OperationFailed) as failed:
        await run(side, "download", path="big", file=str(exchange / "big"))
    assert failed.value.error_code == "RESOURCE_LIMIT"


async def test_a_file_that_this_machine_lets_grow_no_further_is_told(side: Far, exchange: Path) -> None:
    """The limit is the kernel's own, for this process; what was there stays as it was."""
    await side.place.put("big", BIG)
    target = exchange / "big"
    target.write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BIG) // 2, hard))
    try:
        with pytest.raises(OperationFailed) as failed:
            await run(side, "download", path="big", file=str(target), replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = failed.value
    assert (error.error_code, error.reason, error.counts) == ("RESOURCE_LIMIT", "disk", False)
    assert target.read_bytes() == b"before"
    await run(side, "download", path="big", file=str(target), replace=True)
    assert target.read_bytes() == BIG


async def test_what_may_not_be_reached_on_this_machine(side: Far, tmp_path: Path, exchange: Path) -> None:
    await side.place.put("a", b"a")
    (tmp_path / "secret").write_bytes(b"secret")
    (exchange / "link").symlink_to(tmp_path / "secret")
    for file in (str(tmp_path / "secret"), f"{exchange}/../secret", "relative", "/etc/passwd", f"{exchange}/none"):
        with pytest.raises(ValidationFailed):
            await run(side, "upload", path="x", file=file)
    with pytest.raises(ValidationFailed):
        await run(side, "upload", path="x", file=str(exchange / "link"))
    with pytest.raises(ValidationFailed):
        await run(side, "download", path="a", file=str(tmp_path / "new"))
    assert await side.place.names() == ["a"]


async def test_a_file_that_is_too_large_to_be_kept(side: Far) -> None:
    await side.place.put("big", BIG)
    cast("FileTransfer", side.type)._house = side.house._replace(most_bytes=1 << 20)
    with pytest.raises(OperationFailed) as failed:
        await run(side, "download", path="big")
    assert (failed.value.reason, failed.value.retryable) == ("too-large", False)


@pytest.mark.parametrize("form", ["key", "fingerprint"])
async def test_a_host_key_that_has_changed(tmp_path: Path, form: str) -> None:
    known = asyncssh.generate_private_key("ssh-ed25519")
    named = known.export_public_key().decode() if form == "key" else known.get_fingerprint()
    settings = {"protocol": "sftp", "host": "127.0.0.1", "hostKeys": [named]}
    secrets = {"username": USER, "password": CANARY}
    async with a_house(tmp_path) as house:
        async with sftp(tmp_path, CANARY, key=known) as (port, _):
            async with Side(
                type=FileTransfer(house), settings={**settings, "port": port}, secrets=secrets
            ).link() as link:
                await link.test()
        async with sftp(tmp_path, CANARY) as (port, shown):
            side = Side(type=FileTransfer(house), settings={**settings, "port": port}, secrets=secrets)
            async with side.link() as link:
                with pytest.raises(OperationFailed, match="another host key") as failed:
                    await link.test()
            assert (failed.value.reason, failed.value.retryable) == ("host-key", False)
            assert shown.get_fingerprint() in failed.value.message


async def test_sftp_by_a_private_key_that_needs_a_passphrase(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "authorized").write_bytes(key.export_public_key())
    locked = key.export_private_key("openssh", passphrase=CANARY, rounds=50).decode()
    async with (
        a_house(tmp_path) as house,
        sftp(tmp_path, "", authorized_client_keys=str(tmp_path / "authorized")) as (port, shown),
    ):
        settings = {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": [shown.get_fingerprint()]}
        secrets = {"username": USER, "privateKey": locked, "passphrase": CANARY}
        side = Side(type=FileTransfer(house), settings=settings, secrets=secrets)
        async with side.link() as link:
            await link.test()
        with pytest.raises(ValidationFailed, match="passphrase"):
            await side.type.open(OpenConnection("side", 1, settings, {**secrets, "passphrase": "wrong"}))


@pytest.mark.parametrize("name", ["../evil", "..\\evil", "a/b", "x\nb"])
async def test_a_server_that_names_files_elsewhere(tmp_path: Path, name: str) -> None:
    async with a_house(tmp_path) as house, sftp(tmp_path, CANARY, names=(name,)) as (port, key):
        settings = {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": [key.get_fingerprint()]}
        side = Side(type=FileTransfer(house), settings=settings, secrets={"username": USER, "password": CANARY})
        with pytest.raises(OperationFailed, match="leads elsewhere") as failed:
            await make(side, call_of({"action": "list"}, {}))
        assert not failed.value.retryable


async def test_an_sftp_connection_that_broke_is_made_anew(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with a_house(tmp_path) as house:
        async with sftp(tmp_path, CANARY, key=key) as (port, _):
            settings = {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": [key.get_fingerprint()]}
            side = Side(type=FileTransfer(house), settings=settings, secrets={"username": USER, "password": CANARY})
            async with side.link() as link:
                await link.test()
                cast("Any", link)._host._connection.abort()
                with contextlib.suppress(CallFailed):
                    await link.test()
                await link.test()


async def test_a_certificate_that_does_not_fit(tmp_path: Path) -> None:
    ours, theirs = Authority(), Authority()
    for pem, trusted in ((theirs.issue("localhost"), ours), (ours.issue("elsewhere.example"), ours)):
        (tmp_path / "server.pem").write_text("".join(pem))
        with ftp(tmp_path, CANARY, certificate=tmp_path / "server.pem") as port:
            async with a_house(tmp_path) as house:
                settings = {"protocol": "ftps", "host": "localhost", "port": port, "authorities": trusted.pem}
                side = Side(type=FileTransfer(house), settings=settings, secrets={"username": USER, "password": CANARY})
                async with side.link() as link:
                    with pytest.raises(CallFailed, match="certificate") as failed:
                        await link.test()
        assert not failed.value.retryable


async def test_ftps_does_not_go_without_tls(tmp_path: Path) -> None:
    with ftp(tmp_path, CANARY) as port:
        async with a_house(tmp_path) as house:
            settings = {"protocol": "ftps", "host": "localhost", "port": port}
            side = Side(type=FileTransfer(house), settings=settings, secrets={"username": USER, "password": CANARY})
            async with side.link() as link:
                with pytest.raises(CallFailed, match="no TLS"):
                    await link.test()


class _Parts:
    """What an S3 client gives: the ranges of an object, as `send` changes them, and how many are asked for at once."""

    def __init__(self, content: bytes, send: Callable[[bytes], bytes] = bytes) -> None:
        self._content, self._send = content, send
        self.open = self.most = 0

    async def get_object(self, *, Range: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - as the library has it
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        self.open += 1
        self.most = max(self.most, self.open)
        return {"Body": _Body(self, self._send(self._content[first : last + 1]))}


class _Body(io.BytesIO):
    def __init__(self, parts: _Parts, content: bytes) -> None:
        super().__init__(content)
        self._parts = parts

    async def __aenter__(self) -> _Body:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._parts.open -= 1

    async def read(self, most: int | None = -1) -> bytes:  # type: ignore[override]  # it is waited for
        await asyncio.sleep(0)
        return super().read(most)


async def test_s3_reads_some_parts_at_once_and_gives_them_in_order() -> None:
    content = os.urandom(1 << 20) * 67 + b"the end"
    parts = _Parts(content)
    pieces = [piece async for piece in S3Far(parts, "b").read("x", 5, Facts("x", "file", len(content)))]
    assert b"".join(pieces) == content[5:]
    assert (parts.most, parts.open) == (2, 0)


@pytest.mark.parametrize("send", [lambda part: part[:-1], lambda part: part + b"x", lambda _: b""])
async def test_of_a_part_that_s3_sends_otherwise_nothing_is_taken(send: Callable[[bytes], bytes]) -> None:
    parts = _Parts(BIG, send)
    with pytest.raises(OperationFailed, match="sends other parts than were asked for") as failed:
        await anext(S3Far(parts, "b").read("x", 0, Facts("x", "file", len(BIG))))
    assert (failed.value.retryable, parts.open) == (True, 0)


async def test_s3_refuses_other_keys_of_ours(tmp_path: Path) -> None:
    settings = {"protocol": "s3", "bucket": "b"}
    async with a_house(tmp_path) as house:
        async with Side(type=FileTransfer(house), settings=settings).link() as link:
            with pytest.raises(ValidationFailed, match="accessKeyId"):
                await link.test()


@pytest.mark.parametrize(
    "settings",
    [
        {"protocol": "sftp", "host": "10.0.0.1", "hostKeys": ["SHA256:x"]},
        {"protocol": "ftp", "host": "169.254.169.254"},
        {"protocol": "ftps", "host": "10.0.0.1"},
        {"protocol": "s3", "bucket": "b", "endpoint": "http://169.254.169.254"},
    ],
)
async def test_hosts_that_may_not_be_reached(tmp_path: Path, settings: dict[str, Any]) -> None:
    egress = Egress(Guard(Rules.parse()))
    secrets = {"username": USER, "password": CANARY, "accessKeyId": "x", "secretAccessKey": CANARY}
    async with a_house(tmp_path, egress=lambda: egress) as house:
        async with Side(type=FileTransfer(house), settings=settings, secrets=secrets).link() as link:
            with pytest.raises(EgressRefused):
                await link.test()
    await egress.aclose()


@pytest.mark.parametrize(
    "settings",
    [
        {"protocol": "sftp", "host": "h"},
        {"protocol": "sftp", "hostKeys": ["SHA256:x"]},
        {"protocol": "sftp", "host": "h", "hostKeys": ["nonsense"]},
        {"protocol": "ftp"},
        {"protocol": "s3"},
        {"protocol": "local"},
        {"protocol": "local", "folder": "/etc"},
    ],
)
async def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationFailed):
            await FileTransfer(house).open(OpenConnection("side", 1, settings, {}))
