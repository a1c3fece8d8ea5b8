"""Control groups of jails, against a folder that stands in for one: no kernel enforces a limit in it.

That the kernel takes processes in, ends them and lets the group go is tested in `make real`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, bare, call, error_of, sandbox, value_of
from tests.support import eventually

from taskyard.domain.isolation import BUBBLEWRAP
from taskyard.domain.resources import Resources
from taskyard.errors import ConfigurationError
from taskyard.executors.script.sandbox.cgroups import Cgroup, Cgroups
from taskyard.executors.script.sandbox.forkserver import ForkServer
from taskyard.executors.script.sandbox.launch import launch
from taskyard.executors.script.sandbox.process import Ears, Jail
from taskyard.testing.conformance.target import Heard


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").touch()
    return tmp_path


@pytest.mark.parametrize(("files", "most"), [(False, 64), (True, 72)])
def test_its_controllers_are_asked_for_and_its_limits_set(base: Path, files: bool, most: int) -> None:
    groups = Cgroups(base)
    assert (base / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    group = groups.make()
    for name in (
        "cpu.max",
        "cpu.weight",
        "memory.max",
        "memory.swap.max",
        "memory.oom.group",
        "pids.max",
        "cgroup.procs",
    ):
        (group.folder / name).touch()
    group.hold([os.getpid()], Resources(memory_mb=64, disk_mb=8), 10, files=files)
    told = {path.name: path.read_text() for path in group.folder.iterdir()}
    assert told == {
        "cpu.max": "100000 100000", "memory.max": str(most << 20), "memory.swap.max": "0", "memory.oom.group": "1",
        "pids.max": "14", "cpu.weight": "1", "cgroup.procs": str(os.getpid()),
    }  # fmt: skip


def test_only_groups_of_workers_that_died_are_swept(base: Path) -> None:
    groups = Cgroups(base)
    mine = groups.make().folder
    world, pid, began = mine.name.removeprefix("taskyard-jail-").split("-")[:3]
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    left = {
        "again": f"taskyard-jail-{world}-{pid}-{int(began) + 1}-1", "dead": f"taskyard-jail-{world}-{child.pid}-1-1",
        "elsewhere": f"taskyard-jail-{int(world) + 1}-{child.pid}-1-1", "foreign": "jail-1-1", "odd": "taskyard-jail-x",
    }  # fmt: skip
    for name in left.values():
        (base / name).mkdir()
    groups.sweep()
    assert {name for name, folder in left.items() if (base / folder).exists()} == {"elsewhere", "foreign", "odd"}
    assert mine.exists()


@pytest.mark.parametrize(
    ("file", "events", "limit"),
    [
        ("memory.events", "low 0\nmax 9\noom 1\noom_kill 1\n", "memory"),
        ("memory.events", "low 0\nmax 9\noom 0\noom_kill 0\n", ""),
        ("pids.events", "max 3\n", "processes"),
        ("pids.events", "max 0\n", ""),
        ("other", "", ""),
    ],
)
def test_what_the_kernel_enforced_is_read_from_its_events(tmp_path: Path, file: str, events: str, limit: str) -> None:
    (tmp_path / file).write_text(events)
    assert Cgroup(tmp_path, ()).reached() == limit


def test_a_group_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_CGROUP"):
        Cgroups(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    (tmp_path / "cgroup.subtree_control").touch()
    with pytest.raises(ConfigurationError, match="none of the controllers"):
        Cgroups(tmp_path)


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_a_jail_is_put_into_a_group_of_its_own_before_its_code_runs(base: Path, tier: str) -> None:
    groups, made = Cgroups(base), []

    class Watched(Cgroup):
        def hold(self, pids: Iterable[int], resources: Resources, processes: int, *, files: bool) -> None:
            made.append((list(pids), resources.memory_mb, files))

        def remove(self) -> bool:
            (self.folder / "cgroup.kill").unlink(missing_ok=True)  # the kernel's files go with their folder
            return super().remove()

    groups.make = lambda: Watched(Cgroups.make(groups).folder, ())  # type: ignore[method-assign]  # to look on
    async with sandbox([tier], cgroups=groups) as box:
        for kind, source in (("python", "def main(i, c): return 1"), ("shell", "echo 1 >$TASK_OUTPUT")):
            assert value_of(await box.run(call(kind, source, memory_mb=128), Heard())) == 1
        assert [told[1:] for told in made] == [(128, tier == BUBBLEWRAP)] * 2
        assert all(made[0][0])
    assert names(base) == ["cgroup.controllers", "cgroup.subtree_control"]


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_a_jail_that_dies_while_it_is_made_is_told_nothing(base: Path, tier: str) -> None:
    groups, held = Cgroups(base), []

    class Watched(Cgroup):
        def hold(self, pids: object, resources: Resources, processes: int, *, files: bool) -> None:
            held.append(pids)

        def remove(self) -> bool:
            (self.folder / "cgroup.kill").unlink(missing_ok=True)
            return super().remove()

    groups.make = lambda: Watched(Cgroups.make(groups).folder, ())  # type: ignore[method-assign]  # to look on
    async with sandbox([tier], cgroups=groups) as box:
        await box.standings()
        held.clear()
        report = await box.run(call("javascript", "export default () => 1", memory_mb=1), Heard())
    error = error_of(report)
    assert (error.code, "the jail could not be made" in error.message) == ("SANDBOX_ERROR", True), error
    assert not held


async def test_a_request_for_a_jail_that_is_gone_reaches_nobody_else(server: ForkServer) -> None:
    jail = Jail(launch(bare("/bin/true"), server))
    await jail.end()
    mine = jail.started.stdin
    reads, writes = os.pipe()
    if mine not in (reads, writes):
        os.dup2(writes, mine)  # the number is another's now
    os.set_blocking(reads, False)
    jail.begin(b"canary", Ears(print, print, print, print), 1000)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        os.read(reads, 10)
    for each in {reads, writes, mine}:
        os.close(each)


async def test_the_number_of_a_jail_is_its_own_as_long_as_it_is_looked_at(server: ForkServer) -> None:
    jail, go_on = Jail(launch(bare("/bin/sleep", "4248"), server)), threading.Event()
    pid = jail.started.pid
    looking = asyncio.create_task(jail.looked_at(lambda: go_on.wait(60) and Path(f"/proc/{pid}/stat").read_text()))
    await asyncio.sleep(0)
    jail.kill("test")
    await eventually(lambda: ") Z " in Path(f"/proc/{pid}/stat").read_text() and jail._over)
    assert not jail.gone.is_set()
    assert await jail.looked_at(lambda: "looked") is None
    go_on.set()
    assert ") Z " in str(await looking)
    await jail.end()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.real
def test_the_kernel_ends_and_removes_a_group() -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    group = Cgroup(next(Path(mount[1]) for mount in mounts if mount[2] == "cgroup2") / "taskyard-test", ())
    group.folder.mkdir()
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        group.hold([process.pid], Resources(), 1, files=True)
        assert not group.remove()
        group.end()
        assert process.wait() == -9
    assert group.remove()
