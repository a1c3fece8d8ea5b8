"""`python -m bench.transfers [--mebibytes N]`: one large file by SFTP and by S3, through a connection and by the bare
library; and how much memory that takes. Each measurement is a process of its own. No round is begun that would not
end within the time (`--seconds`), but for the first of each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
from aiobotocore.session import get_session
from tests.servers.files import USER, sftp
from tests.servers.ministack import ministack

from bench import report
from bench.report import Figure
from taskyard.executors.integration.files.type import FileTransfer
from taskyard.testing.conformance.connection import Side, call_of
from taskyard.testing.conformance.connection.house import a_house

_PASSWORD = "bench"
_PART = 8 << 20
_READ = 1 << 20
_BUCKET = "bench"


async def through_a_connection(folder: Path, settings: dict[str, Any], secrets: dict[str, str], action: str) -> None:
    """The same file, by the connection type."""
    name = "sent" if action == "upload" else "came"
    async with a_house(folder, folders=(folder,)) as house:
        side = Side(type=FileTransfer(house), settings=settings, secrets=secrets)
        async with side.link() as link:
            operation = {"action": action, "path": "far.bin", "file": str(folder / name)}
            await link.call(call_of(operation, deadline=3600.0))


async def bare_sftp(folder: Path, settings: dict[str, Any], action: str) -> None:
    """What asyncssh does for it by itself."""
    keys = [asyncssh.import_public_key(key) for key in settings["hostKeys"]]
    async with (
        asyncssh.connect(
            settings["host"], settings["port"], username=USER, password=_PASSWORD, known_hosts=(keys, [], [])
        ) as connection,
        connection.start_sftp_client() as client,
    ):
        if action == "upload":
            await client.put(str(folder / "sent"), "far.bin")
        else:
            await client.get("far.bin", str(folder / "came"))


async def bare_s3(folder: Path, settings: dict[str, Any], action: str) -> None:
    """What one would write with aiobotocore: parts one after the other, an answer in pieces."""
    async with _client(settings["endpoint"]) as client:
        target = {"Bucket": _BUCKET, "Key": "far.bin"}
        if action == "download":
            answer = await client.get_object(**target)
            with (folder / "came").open("wb") as file:
                while piece := await answer["Body"].read(_READ):
                    file.write(piece)
            return
        upload_id = (await client.create_multipart_upload(**target))["UploadId"]
        parts: list[dict[str, Any]] = []
        with (folder / "sent").open("rb") as file:
            while piece := file.read(_PART):
                number = len(parts) + 1
                sent = await client.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=piece)
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        await client.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": parts})


def _client(endpoint: str) -> Any:
    return get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )


def measured(folder: Path, protocol: str, settings: dict[str, Any], action: str, bare: bool) -> tuple[float, float]:
    """Seconds of one transfer, and the MiB of memory by which this process has grown over it."""
    secrets = {"username": USER, "password": _PASSWORD}
    if protocol == "s3":
        secrets = {"accessKeyId": "test", "secretAccessKey": "test"}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    if not bare:
        asyncio.run(through_a_connection(folder, settings, secrets, action))
    else:
        asyncio.run((bare_s3 if protocol == "s3" else bare_sftp)(folder, settings, action))
    seconds = time.monotonic() - began
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def serve_sftp(folder: Path, ready: Any) -> None:
    """An SFTP server, until it is ended."""

    async def serve() -> None:
        async with sftp(folder, _PASSWORD) as (port, key):
            ready.put((port, key.export_public_key().decode()))
            await asyncio.Event().wait()

    asyncio.run(serve())


@contextlib.contextmanager
def sftp_settings(folder: Path) -> Iterator[dict[str, Any]]:
    """A server in a process of its own."""
    (folder / "far").mkdir()
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Queue()
    process = spawning.Process(target=serve_sftp, args=(folder / "far", ready))
    process.start()
    port, key = ready.get(timeout=60)
    yield {"protocol": "sftp", "host": "127.0.0.1", "port": port, "hostKeys": [key]}
    process.kill()
    process.join()


@contextlib.contextmanager
def s3_settings(folder: Path) -> Iterator[dict[str, Any]]:
    """MiniStack, which keeps objects in memory."""
    with ministack(folder) as endpoint:

        async def make() -> None:
            async with _client(endpoint) as client:
                await client.create_bucket(Bucket=_BUCKET)

        asyncio.run(make())
        yield {"protocol": "s3", "bucket": _BUCKET, "endpoint": endpoint}


def transfers(protocol: str, mebibytes: int, rounds: int, seconds: float) -> list[Figure]:
    """Both ways, bare and through a connection, by turns; within about so many seconds."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as name:
        folder = Path(name)
        digest = _make(folder / "sent", mebibytes)
        settings = sftp_settings if protocol == "sftp" else s3_settings
        with settings(folder) as given:
            for action in ("upload", "download"):
                taken = _by_turns(folder, protocol, given, action, rounds, seconds / 2)
                if _digest(folder / "came" if action == "download" else folder / "sent") != digest:
                    raise AssertionError("what came is not what was sent")
                found += _figures(protocol, action, mebibytes, taken)
    return found


def _by_turns(
    folder: Path, protocol: str, given: dict[str, Any], action: str, rounds: int, seconds: float
) -> dict[bool, list[tuple[float, float]]]:
    """What each transfer took, bare (True) and not."""
    taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    began = time.monotonic()
    for done in range(rounds):
        if done and (time.monotonic() - began) * (done + 1) / done > seconds:
            break
        for bare in (True, False)[:: 1 if done % 2 == 0 else -1]:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                taken[bare].append(pool.apply(measured, (folder, protocol, given, action, bare)))
            who = "the bare library" if bare else "a connection"
            print(f"  {protocol}, {action}, round {done + 1}, {who}: {taken[bare][-1][0]:.1f} s", flush=True)
    return taken


def _figures(
    protocol: str, action: str, mebibytes: int, taken: dict[bool, list[tuple[float, float]]]
) -> Iterator[Figure]:
    seconds = {bare: statistics.median(each[0] for each in runs) for bare, runs in taken.items()}
    grown = max(each[1] for each in taken[False])
    rate, count = mebibytes / seconds[False], len(taken[False])
    told = f"{rate:,.0f} MiB/s, median of {count}"
    yield f"{protocol}, {action}: times the bare library", seconds[False] / seconds[True], told
    yield f"{protocol}, {action}: memory that {mebibytes} MiB take", grown, "MiB"


def _make(path: Path, mebibytes: int) -> str:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.transfers")
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240.0)
    options = parser.parse_args()
    before = report.load()
    each = options.seconds / 2
    found = [
        figure for protocol in ("sftp", "s3") for figure in transfers(protocol, options.mebibytes, options.rounds, each)
    ]
    command = f"python -m bench.transfers --mebibytes {options.mebibytes} --rounds {options.rounds}"
    report.write("transfers", "One large file by SFTP and S3", command, before, found)


if __name__ == "__main__":
    main()
