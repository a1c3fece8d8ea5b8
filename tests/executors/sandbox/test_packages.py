"""Packages that code depends on: installed once outside of jails, from an index on loopback."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, sandbox, value_of
from tests.servers.packages import PackageServer, packages

from taskyard.domain.dependencies import Dependencies
from taskyard.domain.outcome import Failed
from taskyard.executors.script.sandbox.jail import Engine
from taskyard.executors.script.sandbox.packages import installing
from taskyard.executors.script.sandbox.packages import store as store_module
from taskyard.executors.script.sandbox.packages.installing import Installer, Uninstallable
from taskyard.executors.script.sandbox.packages.packages import Origin, Packages
from taskyard.executors.script.sandbox.packages.store import OPEN, Store

GREETS = """\
# /// script
# requires-python = ">=3.9"
# dependencies = ["greet>=1", "base"]
# ///
import greet
def main(input, ctx): return [greet.hi(input), greet.__file__]
"""
LEFT = "import left from 'npm:left@^1';\nexport default (input) => left(input)"
MAPPED = "import left from 'left';\nimport cj from '@cj/data';\nexport default (input: string) => left(input) + cj.own"
IMPORTS = {"left": "npm:left@1", "@cj/data": "npm:@cj/data"}


@pytest.fixture
def index() -> Iterator[PackageServer]:
    with packages() as server:
        server.add_wheel("greet", "1.0", {"greet.py": "def hi(name): return 'old ' + name\n"})
        server.add_wheel(
            "greet", "1.5", {"greet.py": "import base\ndef hi(name): return base.word + ' ' + name\n"}, ["base>=2"]
        )
        server.add_wheel("base", "2.1", {"base/__init__.py": "word = 'hello'\n"})
        server.add_npm("left", "1.0.0", {"index.js": "export default (text) => '<' + text;"}, type="module")
        server.add_npm(
            "left", "1.1.0", {"index.js": "import c from '@cj/data'; export default (text) => '<<' + text + c.v;"},
            type="module", dependencies={"@cj/data": "^2"}, scripts={"postinstall": "touch installed-by-script"},
        )  # fmt: skip
        own = "const fs = require('fs'); exports.v = require('./data.json').v;"
        own += " exports.own = fs.readFileSync(__dirname + '/data.json', 'utf8').length;"
        server.add_npm("@cj/data", "2.0.0", {"index.js": own, "data.json": '{"v":7}'})
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where packages are kept; users of jails may read it."""
    with tempfile.TemporaryDirectory(prefix="taskyard-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "packages"


@pytest.fixture
def origin(index: PackageServer, folder: Path) -> Origin:
    return Origin(index.index, index.registry, folder, 64)


class Locks(Heard):
    """Remembers the locks too."""

    def __init__(self) -> None:
        super().__init__()
        self.locks: list[str] = []

    def placed(self, tier: str, lock: str = "") -> None:
        super().placed(tier, lock)
        self.locks.append(lock)


def installed(origin: Origin) -> list[str]:
    return [path.name for path in origin.folder.glob("*") if path.name != "wishes"]


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_code_finds_its_packages_and_the_attempt_is_told_the_lock(
    tier: str, origin: Origin, index: PackageServer
) -> None:
    heard = Locks()
    async with sandbox([tier], origin=origin) as box:
        (greeting, where) = value_of(await box.run(call("python", GREETS, "you"), heard))
        assert (greeting, where.endswith("/packages/greet.py")) == ("hello you", True)
        assert value_of(await box.run(call("javascript", LEFT, "a"), heard)) == "<<a7"
        mapped = call("typescript", MAPPED, "a", implementation={"imports": IMPORTS})
        assert value_of(await box.run(mapped, heard)) == "<<a77"
        asked = len(index.asked)
        assert value_of(await box.run(call("python", GREETS, "me"), heard))[0] == "hello me"
        assert len(index.asked) == asked
    assert heard.tiers == [tier] * 4
    assert all(lock.startswith("sha256:") for lock in heard.locks)
    assert heard.locks[0] == heard.locks[3] != heard.locks[1]


async def test_what_one_process_installed_others_have_without_the_index(origin: Origin, index: PackageServer) -> None:
    listed = {"dependencies": ["base", "greet>=1"]}
    source = "import greet\ndef main(input, ctx): return greet.hi('x')"
    asked, kept = 0, []
    for _ in range(2):
        async with sandbox(TIERS_HERE[-1:], origin=origin) as box:
            calls = [box.run(call("python", source, implementation=listed), Heard()) for _ in range(3)]
            assert [value_of(report) for report in await asyncio.gather(*calls)] == ["hello x"] * 3
            assert value_of(await box.run(call("javascript", LEFT, "a"), Heard())) == "<<a7"
        kept.append(sorted(installed(origin)))
        asked = asked or len(index.asked)
    assert (kept[0], asked) == (kept[1], len(index.asked))
    assert len(kept[0]) == 2


async def test_packages_cannot_be_changed_and_no_script_of_theirs_runs(origin: Origin) -> None:
    source = GREETS.replace("return [greet.hi(input), greet.__file__]", "open(greet.__file__, 'a').write('x')")
    for tier in TIERS_HERE:
        async with sandbox([tier], origin=origin) as box:
            error = error_of(await box.run(call("python", source, ""), Heard()))
            assert error.message.startswith(("PermissionError", "OSError"))
            assert value_of(await box.run(call("javascript", LEFT, "a"), Heard())) == "<<a7"
    assert not list(origin.folder.rglob("installed-by-script"))


@pytest.mark.parametrize(
    ("kind", "source", "told"),
    [
        ("python", "# /// script\n# dependencies = ['nothing-like-it']\n# ///\n", "nothing-like-it was not found"),
        ("python", "# /// script\n# dependencies = ['greet>=9']\n# ///\n", "greet>=9"),
        ("python", "# /// script\n# requires-python = '>=4'\n# ///\n", "asks for Python >=4"),
        ("python", "# /// script\n# dependencies = ['built']\n# ///\n", "building from source is disabled"),
        ("javascript", "import 'npm:nothing-like-it';", "npm package 'nothing-like-it' does not exist"),
        ("javascript", "import 'npm:left@9';", "Could not find npm package 'left' matching '9'"),
    ],
)
async def test_what_cannot_be_had_fails_for_good_and_says_so(
    origin: Origin, index: PackageServer, tmp_path: Path, kind: str, source: str, told: str
) -> None:
    index.add_source("built", "1.0", f"open({str(tmp_path / 'ran')!r}, 'w')")
    heard = Heard()
    async with sandbox(TIERS_HERE[-1:], origin=origin) as box:
        error = error_of(await box.run(call(kind, source), heard))
    assert (error.code, heard.tiers) == ("SANDBOX_UNAVAILABLE", [])
    assert told in error.message
    assert "\n" not in error.message
    assert not (tmp_path / "ran").exists()
    assert not installed(origin)


async def test_an_index_that_is_away_may_be_back_later(origin: Origin) -> None:
    away = origin._replace(python_index="http://127.0.0.1:1/simple", npm_registry="http://127.0.0.1:1")
    async with sandbox(TIERS_HERE[-1:], origin=away) as box:
        for kind, source in (("python", GREETS), ("javascript", LEFT)):
            error = error_of(await box.run(call(kind, source), Heard()))
            assert (error.code, error.retryable) == ("SANDBOX_ERROR", True)


async def test_without_an_index_there_are_none() -> None:
    async with sandbox(TIERS_HERE[-1:]) as box:
        error = error_of(await box.run(call("python", GREETS), Heard()))
        assert (error.code, "no packages are installed here" in error.message) == ("SANDBOX_UNAVAILABLE", True)
        assert value_of(await box.run(call("python", "def main(i, c): return 1"), Heard())) == 1


async def test_packages_that_are_too_large_are_not_kept(origin: Origin, index: PackageServer) -> None:
    index.add_wheel("large", "1", {"large.py": "x" * (3 << 20)})
    index.add_npm("large", "1.0.0", {"index.js": "x" * (3 << 20)})
    async with sandbox(TIERS_HERE[-1:], origin=origin._replace(most_mb=1)) as box:
        for asked in (
            call("python", "def main(i, c): return 1", implementation={"dependencies": ["large"]}),
            call("javascript", "import 'npm:large'"),
        ):
            error = error_of(await box.run(asked, Heard()))
            assert error.code in ("SANDBOX_UNAVAILABLE", "SANDBOX_ERROR"), error
    assert not installed(origin)


async def test_code_cannot_reach_packages_it_did_not_name(origin: Origin) -> None:
    hidden = "import 'npm:left@1';\nexport default async () => { const n = 'np' + 'm:left@1.0.0'; await import(n); }"
    async with sandbox(TIERS_HERE[-1:], origin=origin) as box:
        error = error_of(await box.run(call("javascript", hidden), Heard()))
    assert error.code == "EXECUTION_ERROR"


async def test_a_folder_that_cannot_be_is_named(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with sandbox(TIERS_HERE[-1:], origin=origin._replace(folder=tmp_path / "file" / "in")) as box:
        error = error_of(await box.run(call("python", GREETS), Heard()))
    assert (error.code, "TASKYARD_PACKAGES_DIR" in error.message) == ("SANDBOX_UNAVAILABLE", True)


def test_a_full_store_lets_go_of_what_nobody_holds(folder: Path) -> None:
    held, other = Store(folder, 4), Store(folder, 4)
    for store in (held, other):
        store.open(for_all=False)
    for name, store in (("old", other), ("used", held), ("new", other)):
        with store.making() as (made, room):
            assert room > 0
            (made / "work" / "packages").mkdir(parents=True)
            (made / "work" / "packages" / "data").write_bytes(b"x" * (1 << 20))
            store.keep(made / "work" / "packages", name)
        assert store.hold(name)
    other.close()
    with other.making() as (made, room):
        assert made.exists()
        assert room >= 2
    assert not made.exists()
    assert held.hold("used")
    assert not (folder / "old").exists()
    held.close()


def test_what_is_kept_can_be_read_by_all_whatever_our_umask_is(folder: Path) -> None:
    former = os.umask(0o077)
    try:
        store = Store(folder / "new", 4)
        store.open(for_all=False)
        with store.making() as (made, _):
            assert stat.S_IMODE(made.stat().st_mode) == OPEN
            (made / "packages").mkdir()
            (made / "packages").chmod(OPEN)
            kept = store.keep(made / "packages", "one")
    finally:
        os.umask(former)
    assert kept is not None
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder / "new", kept, kept / "packages")] == [0o755] * 3
    store.close()


async def test_installing_takes_no_thread_that_others_share(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Packages(origin, None)
    names = []

    def get(*_: object) -> str:
        names.append(threading.current_thread().name)
        raise Uninstallable("not today")

    monkeypatch.setattr(made, "_get", get)
    engine = Engine("python", ("python3",), (), version=(3, 11, 0))
    with pytest.raises(Uninstallable, match="not today"):
        await made.get(Dependencies(("one",)), engine)
    assert names[0].startswith("taskyard-packages")
    await made.stop()


def test_a_store_sweeps_what_the_dead_left(folder: Path) -> None:
    store = Store(folder, 4)
    store.open(for_all=False)
    left, living = folder / "new-dead", folder / "new-living"
    for each in (left, living):
        each.mkdir()
        (each / ".held").touch()
    import fcntl

    with (living / ".held").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        Store(folder, 4).open(for_all=False)
    assert (left.exists(), living.exists()) == (False, True)


def test_who_dies_while_it_removes_breaks_no_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(store: Store, name: str) -> None:
        with store.making() as (made, _):
            (made / "packages").mkdir()
            (made / "packages" / "data").write_bytes(b"x" * (1 << 20))
            store.keep(made / "packages", name)

    def dies(path: Path) -> None:
        raise KeyboardInterrupt

    first = Store(folder, 1.5)
    first.open(for_all=False)
    install(first, "old")
    first.close()
    with monkeypatch.context() as patched:
        patched.setattr(store_module, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            install(Store(folder, 1.5), "new")
    again = Store(folder, 1.5)
    again.open(for_all=False)
    assert again.hold("old") is None
    install(again, "old")
    assert again.hold("old")
    again.close()
    assert [each.name for each in folder.iterdir() if each.name != "wishes"] == ["old"]


async def test_packages_that_no_attempt_uses_make_room_for_others(origin: Origin, index: PackageServer) -> None:
    for name in ("one", "two"):
        index.add_wheel(name, "1", {f"{name}.py": f"word = {name!r}\nfilling = {'x' * (2 << 20)!r}\n"})
    source = "import {0}\ndef main(input, ctx): return {0}.word"
    one, two = (call("python", source.format(name), implementation={"dependencies": [name]}) for name in ("one", "two"))
    async with sandbox(TIERS_HERE[-1:], origin=origin._replace(most_mb=5)) as box:
        for asked, word in ((one, "one"), (two, "two"), (one, "one"), (one, "one")):
            reports = [await box.run(asked, Heard())]
            if isinstance(reports[0], Failed):  # it did not fit beside the other, which goes for the next
                assert reports[0].error.retryable, reports
                assert "others leave" in reports[0].error.message
                reports.append(await box.run(asked, Heard()))
            assert value_of(reports[-1]) == word
            await box.standings()


async def test_packages_in_use_stay_and_what_does_not_fit_beside_them_comes_back(
    origin: Origin, index: PackageServer, folder: Path
) -> None:
    index.add_wheel("large", "1", {"large.py": "x = 1 #" + "x" * (3 << 20)})
    large = call("python", "import large\ndef main(i, c): return 1", implementation={"dependencies": ["large"]})
    using = Store(folder, 8)
    using.open(for_all=True)
    with using.making() as (made, _):
        (made / "packages").mkdir()
        (made / "packages" / "data").write_bytes(b"x" * (6 << 20))
        assert using.keep(made / "packages", "used")
    async with sandbox(TIERS_HERE[-1:], origin=origin._replace(most_mb=8)) as box:
        for _ in range(2):
            error = error_of(await box.run(large, Heard()))
            assert (error.code, error.retryable, "others leave" in error.message) == ("SANDBOX_ERROR", True, True), (
                error
            )
        using.release("used")
        assert value_of(await box.run(large, Heard())) == 1
    assert "used" not in installed(origin)


def test_an_installer_is_stopped(tmp_path: Path) -> None:
    import threading

    stop = threading.Event()
    stop.set()
    installer = installing.Installer(tmp_path, 10, {}, stop)
    tmp_path.chmod(0o755)
    with pytest.raises(installing.Uninstallable, match="stops") as raised:
        installer.run(["/bin/sleep", "60"])
    assert raised.value.retryable


async def test_without_uv_it_says_what_to_install(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    async with sandbox(TIERS_HERE[-1:], origin=origin) as box:
        error = error_of(await box.run(call("python", GREETS), Heard()))
    assert (error.code, "taskyard[sandbox]" in error.message) == ("SANDBOX_UNAVAILABLE", True)


@pytest.mark.parametrize("source", [GREETS, LEFT], ids=["python", "javascript"])
async def test_installers_trust_the_authorities_that_this_process_is_told_to_trust(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    told: list[Mapping[str, str]] = []

    def run(installer: Installer, command: Sequence[str]) -> tuple[int, str]:
        told.append(installer.environment)
        return 1, "no"

    monkeypatch.setattr(Installer, "run", run)
    async with sandbox(TIERS_HERE[-1:], origin=origin) as box:
        error_of(await box.run(call("python" if source is GREETS else "javascript", source), Heard()))
    assert {told[0]["SSL_CERT_FILE"], told[0]["DENO_CERT"]} == {"/etc/ours.pem"}
