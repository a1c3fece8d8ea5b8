"""Lets the hostile programs loose in one tier, as one user, and tells what became of each.

`python -m tests.executors.sandbox.corpus TIER UID` drops to UID first (0: stays who it is) and prints JSON:
`{"wrong": [...], "count": n, "left": [...]}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import encodings.idna  # noqa: F401 - wanted later, when it cannot be read any more
import json
import os
import re
import resource  # noqa: F401 - wanted later, when it cannot be read any more
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.executors.sandbox.attacks import ESCAPES, LIMITS, NAP, ODD, Attack
from tests.executors.sandbox.calls import Heard, call, sandbox
from tests.support import eventually

from taskyard.domain.outcome import Done, Failed, Report
from taskyard.executors.script.sandbox import engines, folders, forkserver, jail
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.executors.script.sandbox.watch import descendants
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules

AT_ONCE = 4
ENDLESS = 300.0  # seconds: heavy ones run on what others leave of the processor
LATE = 30.0  # seconds that a busy machine may take besides, and those that sleep would outlast
MARK = f"taskyard-escape-{os.getpid()}"
"""In the names of what may be reached, or made, outside: others may let the same programs loose meanwhile."""

TO_NOBODY = {"t_tcp", "t_udp", "t_listen", "tcp", "udp", "fetch", "listen"}
"""What programs with a way out can: in a network of their own, or to their proxy. That nobody else is reached the baits
tell.
"""


class Baits(NamedTuple):
    """What there is to be reached. `victim`: a process of the same user, with the secret in its environment."""

    folder: str
    canary: str
    home: str
    secret: str
    port: int
    socket: str
    victim: int
    mark: str = MARK


@contextlib.contextmanager
def baits(folder: Path) -> Iterator[tuple[Baits, list[str]]]:
    """The baits, and afterwards what was done to them."""
    secret, touched = secrets.token_hex(), list[str]()
    canary = folder / "canary.json"
    canary.write_text('{"canary": true}')
    canary.chmod(0o666)
    before = canary.stat()
    os.environ["TASKYARD_TEST_SECRET"] = secret
    victim = subprocess.Popen(["/bin/sleep", "infinity"])
    listeners = [socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)]
    listeners.append(socket.socket(socket.AF_UNIX))
    listeners += [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    listeners[0].bind(("127.0.0.1", 0))
    listeners[1].bind(listeners[0].getsockname())
    listeners[2].bind(str(folder / "socket"))
    listeners[3].bind(f"\0{MARK}")
    listeners[4].bind(str(folder / "datagrams"))
    listeners[5].bind(f"\0{MARK}-datagrams")
    for name in ("socket", "datagrams"):
        (folder / name).chmod(0o777)
    for listener in listeners:
        listener.setblocking(False)
        if listener.type == socket.SOCK_STREAM:
            listener.listen()
    try:
        port = listeners[0].getsockname()[1]
        home = str(Path(__file__).parents[3])
        yield Baits(str(folder), str(canary), home, secret, port, str(folder / "socket"), victim.pid), touched
        for listener in listeners:
            with contextlib.suppress(BlockingIOError):
                listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(1)
                touched.append(f"{listener.family.name} {listener.type.name} was reached")
        after = canary.stat() if canary.exists() else None
        if after is None or (after.st_mode, after.st_mtime, after.st_size, after.st_uid) != (
            before.st_mode, before.st_mtime, before.st_size, before.st_uid,
        ):  # fmt: skip
            touched.append(f"the canary was changed: {after}")
        if victim.poll() is not None:
            touched.append("the victim was killed")
    finally:
        victim.kill()
        victim.wait()
        for listener in listeners:
            listener.close()


def wrong(attack: Attack, report: Report) -> str:
    """What is wrong with what became of a program; empty when nothing is."""
    if isinstance(report, Done):
        got: Any = report.value
        if attack.network and isinstance(got, list):
            got = [each for each in got if each not in TO_NOBODY]
        fits = got in attack.expected or ("{" in attack.expected and isinstance(got, dict))
        return "" if fits else f"gave {str(got)[:300]}"
    assert isinstance(report, Failed), report
    details = report.error.details if isinstance(report.error.details, dict) else {}
    got = details.get("limit") or report.error.code
    return "" if got in attack.expected else f"{got}: {report.error.message[:300]}"


async def let_loose(box: Sandbox, attacks: list[Attack], tier: str) -> list[str]:
    """Run them, some at once; what went wrong."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(attack: Attack) -> str:
        async with room:
            heard = Heard()
            loop = asyncio.get_running_loop()
            began = loop.time()
            resources = {
                "output_bytes": 4 << 20,
                "memory_mb": 256,
                "cpu_seconds": 10,
                "wall_seconds": ENDLESS,
                **attack.resources,
            }
            more = {"network": {"allow": ["127.0.0.1:1"]}} if attack.network else {}
            report = await box.run(
                call(attack.kind, attack.source, implementation=more, timeout=ENDLESS, **resources), heard
            )
            took, most = loop.time() - began, resources["wall_seconds"] + LATE
            found = wrong(attack, report)
            if heard.tiers != [tier]:
                found += f" ran in {heard.tiers}"
            if took > most:
                found += f" took {took:.1f} s"
            return f"{attack.kind} {attack.name}: {found}" if found else ""

    return [found for found in await asyncio.gather(*map(one, attacks)) if found]


def _cheap(attacks: list[Attack]) -> list[Attack]:
    """Of those that only burn time one for each kind: the others differ in what runs them, not in who."""
    burn = [attack for attack in attacks if attack.expected == ("cpu",)]
    first = {attack.kind: attack for attack in reversed(burn)}
    return [attack for attack in attacks if attack not in burn or attack is first[attack.kind]]


GOES_OUT = """
import urllib.request, urllib.error
def main(input, ctx):
    try:
        return urllib.request.urlopen(input, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
"""


async def goes_out(tier: str) -> list[str]:
    """What is wrong with a way to one endpoint of two."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = []
    async with server, sandbox([tier], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        for allowed, expected in ((port, 204), (1, 403)):
            more = {"network": {"allow": [f"127.0.0.1:{allowed}"]}}
            report = await box.run(call("python", GOES_OUT, f"http://127.0.0.1:{port}/", implementation=more), Heard())
            if report != Done(expected):
                found.append(f"a way out to port {allowed} gave {report}")
    return found


NEIGHBOUR = """
import urllib.request
def main(input, ctx):
    open("kept", "w").write("mine")
    ctx.log.info("up")
    urllib.request.urlopen(input, timeout=300).close()
    return open("kept").read()
"""
PRIES = """
import os
def main(input, ctx):
    def found(attempts):
        for name, attempt in attempts.items():
            try:
                attempt()
                yield name
            except OSError:
                pass
    did = []
    for pid in input["pids"]:
        did += found({
            "signal": lambda: os.kill(pid, 9),
            "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(),
            "root": lambda: os.listdir(f"/proc/{pid}/root"),
        })
    for folder in input["folders"]:
        did += found({
            "list": lambda: os.listdir(folder),
            "read": lambda: open(f"{folder}/kept").read(),
            "write": lambda: open(f"{folder}/kept", "a").write("changed"),
        })
    return did
"""


async def beside(tier: str) -> list[str]:
    """What is wrong with a program that runs beside one that pries."""
    pried = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await pried.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    there, heard = f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Heard()
    async with server, sandbox([tier], warm=0, guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        asked = call("python", NEIGHBOUR, f"http://{there}/", implementation={"network": {"allow": [there]}})
        neighbour = asyncio.create_task(box.run(asked._replace(timeout=ENDLESS), heard))
        await eventually(lambda: heard.lines or neighbour.done(), within=ENDLESS)
        others = [pid for pid in descendants(os.getpid()) if pid != os.getpid()]
        places = [str(each) for each in box._folders.root.iterdir() if each.is_dir()]
        pries = call("python", PRIES, {"pids": others, "folders": places}, timeout=ENDLESS)
        reports = [await box.run(pries, Heard())]
        pried.set()
        reports.append(await neighbour)
    return [] if others and reports == [Done([]), Done("mine")] else [f"who pries and its neighbour gave {reports}"]


def with_a_way_out(attack: Attack) -> Attack:
    """The same where its definition may go to one endpoint; forks are not denied then in namespaces of its own."""
    source = re.sub(r"def t_(v?fork|spawn)\(", r"def not_\1(", attack.source)
    return attack._replace(name=f"{attack.name} with a way out", source=source, network=True)


async def run(tier: str, folder: Path, *, dropped: bool) -> dict[str, Any]:
    with baits(folder) as (bait, touched):
        escapes = [each._replace(source=each.source.format(**bait._asdict())) for each in ESCAPES]
        attacks = [*escapes, *LIMITS, *ODD] if not dropped else [*escapes, *_cheap(LIMITS), *ODD]
        attacks += map(with_a_way_out, escapes)
        async with sandbox([tier], warm=2, guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
            faults = await let_loose(box, attacks, tier)
        faults += await goes_out(tier) + await beside(tier)
    return {"wrong": faults + touched, "count": len(attacks), "left": leftovers()}


def leftovers() -> list[str]:
    """Processes, files and mounts that should have gone."""
    left = [f"mount: {line}" for line in Path("/proc/mounts").read_text().splitlines() if " /task " in line]
    for path in ("/usr", "/usr/lib", "/", "/etc", "/dev", "/dev/shm", "/tmp"):
        left += [f"file: {each}" for each in Path(path).glob(f"{MARK}*")]
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if NAP.encode() in command.split(b"\0"):
                left.append(f"process: {command!r}")
    return left


def become(uid: int, folder: Path) -> None:
    """Another user, with what it needs to read where it can."""
    inside = folder / "inside"
    shutil.copytree(jail.INSIDE, inside)
    found = engines._deno()
    assert found is not None
    deno = found if folders.readable_by_all(found) else Path(shutil.copy(found, folder / "deno"))
    places = ((engines, "INSIDE"), (forkserver, "INSIDE"), (jail, "INSIDE"))
    for module, name in places:
        setattr(module, name, inside)
    setattr(engines, "_deno", lambda: deno)  # noqa: B010 - a type checker takes no other function
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o055)
        os.chown(path, uid, uid)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    tier, uid = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="taskyard-baits-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if uid:
            become(uid, folder)
        sys.stdout.write(json.dumps(asyncio.run(run(tier, folder, dropped=uid != 0))))


if __name__ == "__main__":
    main()
