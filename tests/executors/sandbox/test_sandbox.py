"""What programs of definitions are given, and what they give back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.executors.sandbox.attacks import NAP
from tests.executors.sandbox.calls import TIERS_HERE, Heard, bare, call, error_of, run, sandbox, value_of
from tests.support import eventually, eventually_blocking

from taskyard.domain.isolation import BUBBLEWRAP, LANDLOCK
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox import attempt as attempts
from taskyard.executors.script.sandbox import engines, examine, launch, tiers, watch
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.forkserver import ForkServer
from taskyard.executors.script.sandbox.jail import Engine, Means, limits
from taskyard.executors.script.sandbox.launch import PASSING
from taskyard.executors.script.sandbox.process import Ears, Jail
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.executors.script.sandbox.watch import descendants, usage

TALKS = {
    "python": """
def main(input, ctx):
    print("printed")
    ctx.log("warning", "mind \\x1b[31mred\\x1b[0m")
    ctx.log.info("info")
    ctx.progress(1, 3, "packing")
    return {"got": input, "task": ctx.task["definition"]}
""",
    "javascript": """
export default async function (input, ctx) {
  console.log("printed");
  ctx.log("warning", "mind \\x1b[31mred\\x1b[0m");
  ctx.log.info("info");
  ctx.progress(1, 3, "packing");
  return { got: input, task: ctx.task.definition };
}
""",
    "typescript": """
enum Colour { Red = "red" }
interface Context { log: any; progress(current: number, total?: number, action?: string): void; task: any }
export default async function (input: unknown, ctx: Context): Promise<unknown> {
  console.log("printed");
  ctx.log("warning", `mind \\x1b[31m${Colour.Red}\\x1b[0m`);
  ctx.log.info("info");
  ctx.progress(1, 3, "packing");
  return { got: input, task: ctx.task.definition };
}
""",
    "shell": """
echo printed
printf 'mind \\033[31mred\\033[0m\\n' >&2
echo info
echo 1 3 packing >>"$TASK_PROGRESS"
printf '{"got": %s,\\n "task": "%s"}' "$(cat)" "$TASK_DEFINITION" >"$TASK_OUTPUT"
""",
}
TELLS_LIMITS = {
    "python": """
import resource
def main(input, ctx):
    return {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in input}
""",
    "shell": """
for each in CPU:t:1 AS:v:1024 FSIZE:f:1024 NOFILE:n:1 CORE:c:1 MEMLOCK:l:1024 NICE:e:1 RTPRIO:r:1; do
  IFS=: read -r name option unit <<<"$each"
  found="$found, \\"$name\\": [$(($(ulimit -S$option) * unit)), $(($(ulimit -H$option) * unit))]"
done
echo "{${found#,}}" >"$TASK_OUTPUT"
""",
}
TRICKY = {"text": "$(touch x) `id` '; rm -rf / #\"\\ \n é", "path": "../../etc/passwd", "number": 1.5, "none": None}


@pytest.mark.parametrize("kind", sorted(TALKS))
async def test_a_program_is_given_its_input_and_heard(box: Sandbox, kind: str) -> None:
    heard = Heard()
    report = await box.run(call(kind, TALKS[kind], TRICKY), heard)
    assert value_of(report) == {"got": TRICKY, "task": "test"}
    assert sorted(heard.lines) == [
        ("info", "info"), ("info", "printed"), ("warning", "mind \x1b[31mred\x1b[0m"),
    ]  # fmt: skip
    assert heard.steps == [(1, 3, "packing")]
    assert heard.tiers == [standing.tier for standing in await box.standings() if standing.kind == kind]


@pytest.mark.parametrize("kind", sorted(TELLS_LIMITS))
async def test_the_kernels_limits_are_those_that_were_asked_for(box: Sandbox, kind: str) -> None:
    names = ["CPU", "AS", "FSIZE", "NOFILE", "CORE", "MEMLOCK", "NICE", "RTPRIO"]
    asked = call(kind, TELLS_LIMITS[kind], names, cpu_seconds=7, memory_mb=200, disk_mb=9)
    assert value_of(await box.run(asked, Heard())) == {
        "CPU": [7, 8], "AS": [200 << 20] * 2, "FSIZE": [9 << 20] * 2, "NOFILE": [128, 128], "CORE": [0, 0],
        "MEMLOCK": [0, 0], "NICE": [0, 0], "RTPRIO": [0, 0],
    }  # fmt: skip


def test_nobody_may_take_back_that_he_gives_way() -> None:
    """As who may lower his niceness could; whether we may is the machine's to say."""
    engine = Engine("any", ("/bin/true",), ())
    found = limits(engine, Resources(), processes=1)
    assert (found["nice"], found["rtprio"]) == (0, 0)


async def test_typescript_waits_for_nothing_that_javascript_does_not(box: Sandbox) -> None:
    """By the quickest of each, of as many as a busy machine needs for a quick one."""
    quickest = {"javascript": math.inf, "typescript": math.inf}

    async def is_as_quick() -> bool:
        for kind in quickest:
            begun = time.perf_counter()
            assert value_of(await run(box, kind, "export default () => 1")) == 1
            quickest[kind] = min(quickest[kind], time.perf_counter() - begun)
        return quickest["typescript"] < quickest["javascript"] + 0.1

    await eventually(is_as_quick)


async def test_a_shell_without_an_output_file_gives_what_it_printed(box: Sandbox) -> None:
    source = 'printf "%s|%s" "$INPUT_TEXT" "$INPUT_A_LIST"'
    report = await run(box, "shell", source, {"text": TRICKY["text"], "a list": [1, "b"]})
    assert value_of(report) == {"stdout": f'{TRICKY["text"]}|[1,"b"]', "exitCode": 0}


async def test_values_of_any_size_pass(box: Sandbox) -> None:
    long = "é" * 400_000
    source = "def main(input, ctx): return input"
    assert value_of(await run(box, "python", source, long)) == long
    source = 'cat >"$TASK_OUTPUT"'
    assert value_of(await run(box, "shell", source, {"long": long})) == {"long": long}
    lines = "yes '\"line\",' | head -n 40000 | { echo '['; cat; echo '0]'; } >$TASK_OUTPUT"
    assert len(value_of(await run(box, "shell", lines))) == 40_001


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("python", "import os\ndef main(input, ctx): return [os.environ['A_NAME'], sorted(os.environ)]"),
        ("javascript", "export default () => [Deno.env.get('A_NAME'), Object.keys(Deno.env.toObject()).sort()]"),
        ("shell", """printf '["%s", ["%s"]]' "$A_NAME" "$(env | cut -d= -f1 | sort | paste -sd,)" >$TASK_OUTPUT"""),
    ],
)
async def test_the_environment_holds_what_the_definition_says_and_nothing_of_ours(
    box: Sandbox, kind: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_SECRET_KEY", "secret")
    report = await box.run(call(kind, source, implementation={"env": {"A_NAME": "$(id) 'x'"}}), Heard())
    value, names = value_of(report)
    assert value == "$(id) 'x'"
    assert not [name for name in ",".join(names).split(",") if name.startswith("TASKYARD")]


async def test_an_async_main_and_modules_of_the_library(box: Sandbox) -> None:
    source = """
import asyncio, csv, dataclasses, datetime, decimal, io, sqlite3, statistics, uuid
async def main(input, ctx):
    await asyncio.sleep(0)
    return statistics.mean(input)
"""
    assert value_of(await run(box, "python", source, [1, 2, 3])) == 2


async def test_an_error_tells_the_program_s_own_message_and_where(box: Sandbox) -> None:
    source = "def main(input, ctx):\n    print('before')\n    raise ValueError('no such colour')"
    error = error_of(await run(box, "python", source))
    assert (error.code, error.message) == ("EXECUTION_ERROR", "ValueError: no such colour")
    assert 'File "task.py", line 3, in main' in str(error.stack_trace)
    assert error.details == {"lastOutput": "before"}
    error = error_of(await run(box, "shell", "echo going >&2; echo gone wrong >&2; exit 3"))
    assert error.message == "the program ended with exit code 3: gone wrong"
    assert error.details == {"exitCode": 3, "lastOutput": "going\ngone wrong"}


async def test_nothing_of_one_run_is_there_in_the_next(box: Sandbox) -> None:
    leave = {
        "python": "import os, json\njson.x = 1\ndef main(i, c):\n open(os.path.expanduser('~/left'), 'w').write('x')",
        "javascript": "export default () => { localStorage.setItem('left', 'x'); globalThis.left = 1; }",
        "shell": "echo x >~/left; echo x >/tmp/left 2>/dev/null; true",
    }
    look = {
        "python": "import os, json\ndef main(i, c): return [os.listdir('.'), hasattr(json, 'x')]",
        "javascript": "export default () => [localStorage.getItem('left'), typeof globalThis.left]",
        "shell": 'printf \'["%s"]\' "$(ls ~ /tmp/left 2>/dev/null | tr -d "\\n")" >$TASK_OUTPUT',
    }
    expected: dict[str, list[Any]] = {"python": [[], False], "javascript": [None, "undefined"]}
    for kind, source in leave.items():
        value_of(await run(box, kind, source))
        value = value_of(await run(box, kind, look[kind]))
        assert value == expected.get(kind, value)
        assert "left" not in str(value)


@pytest.mark.parametrize("kind", ["python", "shell"])
async def test_a_cancelled_call_ends_with_all_it_has_started(box: Sandbox, kind: str) -> None:
    sources = {
        "python": "import time\ndef main(i, c):\n c.log.info('on')\n time.sleep(60)",
        "shell": f"echo on; sleep {NAP} & sleep {NAP}",
    }
    begun = asyncio.Event()

    class Waits(Heard):
        def log(self, level: str, text: str) -> None:
            begun.set()

    running = asyncio.create_task(box.run(call(kind, sources[kind]), Waits()))
    await begun.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()
    assert not [each for each in commands() if NAP.encode() in each]


async def test_a_call_that_is_cancelled_while_its_jail_is_made_leaves_none(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.standings()
    begun, go_on, started = threading.Event(), threading.Event(), list[launch.Started]()
    launching = launch.launch

    def slowly(plan: launch.Plan, server: ForkServer) -> launch.Started:
        begun.set()
        go_on.wait(60)
        started.append(launching(plan, server))
        return started[-1]

    monkeypatch.setattr(launch, "launch", slowly)
    running = asyncio.create_task(run(box, "python", "def main(i, c): return 1", memory_mb=100))
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not commands(str(started[0].pid))
    assert started[0].folder is None or not started[0].folder.exists()


async def test_a_jail_that_cannot_be_started_leaves_no_folder(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.standings()

    def fails(plan: launch.Plan, server: ForkServer) -> launch.Started:
        raise OSError("no room")

    monkeypatch.setattr(launch, "launch", fails)
    error = error_of(await run(box, "python", "def main(i, c): return 1", memory_mb=100))
    assert (error.code, "no room" in error.message) == ("SANDBOX_ERROR", True)
    assert not [path for path in box._folders.root.iterdir() if path.is_dir()]


@pytest.mark.parametrize("opened", range(7), ids=["stdin", "stderr", "frames", "stdout", "server", "start", "watch"])
def test_a_jail_for_which_descriptors_are_wanting_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, server: ForkServer, opened: int
) -> None:
    made, pipe = itertools.count(), os.pipe

    def wanting(*_: object) -> tuple[int, int]:
        if next(made) >= opened:
            raise OSError(errno.EMFILE, "too many open files")
        return pipe()

    monkeypatch.setattr(os, "pipe", wanting)
    monkeypatch.setattr(os, "pidfd_open", wanting)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="too many open files"):
        launch.launch(bare("/bin/sleep", NAP), server)
    server.stop()
    assert set(Path("/proc/self/fd").iterdir()) <= before  # of what was there something may go with its garbage
    assert not [each for each in commands() if NAP.encode() in each]


def commands(within: str = "[0-9]*") -> list[bytes]:
    """The command lines of processes."""
    found = []
    for path in Path("/proc").glob(f"{within}/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


def children() -> list[bytes]:
    """The command lines of our own."""
    own = os.getpid()
    pids = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return [command for pid in pids for command in commands(pid)]


async def test_where_no_tier_holds_the_code_never_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "find_means", lambda: Means("", sys.executable, is_root=False))
    monkeypatch.setattr(examine, "landlock_version", lambda: 0)
    async with sandbox() as box:
        box._planner.means = tiers.find_means()
        heard = Heard()
        error = error_of(await box.run(call("python", "def main(i, c): return 1"), heard))
        assert error.code == "SANDBOX_UNAVAILABLE"
        assert "no bubblewrap; no Landlock in this kernel" in error.message
        assert "install the package bubblewrap" in error.message
        assert heard.tiers == []
        tiers_found = {standing.kind: standing.tier for standing in await box.standings()}
        assert tiers_found == {kind: "emulated" if kind == "bash-lite" else "" for kind in box.kinds}


async def test_where_there_is_no_bubblewrap_landlock_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with sandbox() as box:
        for kind, source in (("python", "def main(i, c): return 1"), ("shell", "echo 1 >$TASK_OUTPUT"),
                             ("javascript", "export default () => 1")):  # fmt: skip
            heard = Heard()
            assert (value_of(await box.run(call(kind, source), heard)), heard.tiers) == (1, [LANDLOCK])


async def test_a_tier_that_does_not_hold_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "canary", lambda kind, bait: "def main(input, ctx): return ['read']")
    async with sandbox([LANDLOCK]) as box:
        error = error_of(await run(box, "python", "def main(i, c): return 1"))
        assert error.code == "SANDBOX_UNAVAILABLE"
        assert "landlock does not hold: a program in it could read" in error.message


@pytest.mark.parametrize(
    ("kind", "hidden", "mend"),
    [
        ("javascript", "_deno", "install taskyard[sandbox]"),
        ("typescript", "_deno", "install taskyard[sandbox]"),
        ("python", "_ask", "install the package python3"),
        ("shell", "_bash", "install the package bash"),
    ],
)
async def test_a_missing_interpreter_is_named(
    kind: str, hidden: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, hidden, lambda *_: None)
    async with sandbox() as box:
        heard = Heard()
        error = error_of(await box.run(call(kind, "1"), heard))
    assert (error.code, mend in error.message, heard.tiers) == ("SANDBOX_UNAVAILABLE", True, [])


@pytest.mark.parametrize(
    ("tier", "level", "runs"),
    [(LANDLOCK, "HIGH", False), (LANDLOCK, "MEDIUM", True), *((tier, "HIGH", True) for tier in TIERS_HERE[:-1])],
)
async def test_more_isolation_than_there_is_is_refused(tier: str, level: str, runs: bool) -> None:
    async with sandbox([tier]) as box:
        for asked in (
            call("python", "def main(i, c): return 1", implementation={"isolation": level}),
            call("python", "def main(i, c): return 1")._replace(security_level=level),
        ):
            report = await box.run(asked, Heard())
            if runs:
                assert value_of(report) == 1
            else:
                assert error_of(report).code == "SANDBOX_UNAVAILABLE"


def test_the_user_of_a_jail_is_no_others_while_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "_UIDS", 3)
    planner = tiers.Planner(Means("bwrap", sys.executable, is_root=True), Folders())
    shape = tiers.Shape(BUBBLEWRAP, Engine("any", ("/bin/true",), ()), Resources())
    lasting = planner.plan(shape)
    planner.started(lasting, os.getpid())
    others = [planner.plan(shape) for _ in range(6)]
    assert len({plan.uid for plan in others}) == 2
    assert lasting.uid not in {plan.uid for plan in others}
    for plan in others:
        planner.started(plan, os.getpid())
    with pytest.raises(OSError, match="each user") as wanting:
        planner.plan(shape)
    assert wanting.value.errno in PASSING


async def test_jails_are_used_once_and_none_is_left(box: Sandbox) -> None:
    source = "seen = []\ndef main(i, c):\n seen.append(i)\n return len(seen)"
    reports = await asyncio.gather(*(run(box, "python", source) for _ in range(6)))
    assert [value_of(report) for report in reports] == [1] * 6
    await box.stop()
    assert not [command for command in children() if b"jail" in command]


@pytest.mark.parametrize(
    "implementation", [{"network": {"allow": ["example.com:443"]}}, {"env": {"TOKEN": {"secret": "a"}}}], ids=str
)
async def test_what_cannot_be_given_is_refused(box: Sandbox, implementation: dict[str, Any]) -> None:
    heard = Heard()
    report = await box.run(call("python", "def main(i, c): return 1", implementation=implementation), heard)
    assert (error_of(report).code, heard.tiers) == ("SANDBOX_UNAVAILABLE", [])


@pytest.mark.parametrize("own_session", [True, False])
async def test_a_worker_that_gives_way_itself_can_start_jails(own_session: bool) -> None:
    """Only root may lower a niceness, and a worker may have any."""
    drop = "os.geteuid() or os.setresuid(65534, 65534, 65534)"
    code = "import os\nfrom tests.executors.sandbox.calls import bare\n"
    code += f"from taskyard.executors.script.sandbox.launch import *\nos.nice(12)\n{drop}\n"
    code += f"pid = launch(bare('/bin/sleep', '4244', own_session={own_session}), ForkServer()).pid\n"
    code += "print(os.getpriority(os.PRIO_PROCESS, pid), os.getpgid(pid) == pid, os.getsid(pid) == pid)\n"
    code += "os.kill(pid, 9)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    niceness, *leads = (await process.communicate())[0].decode().split()
    assert int(niceness) >= 12
    assert leads == ["True", str(own_session)]


_INNER = "/bin/bash -c 'echo ready; read it; ulimit -u'; exit"


@pytest.mark.parametrize(
    ("script", "told"), [("echo ready; read it; echo $it", []), (_INNER, ["7"])], ids=["has none", "has one"]
)
async def test_a_jail_is_told_nothing_before_the_process_in_it_is_held_to_its_limits(
    server: ForkServer, script: str, told: list[str]
) -> None:
    heard: list[str] = []
    plan = bare("/bin/sh", "-c", script, frames_on_stdout=True, inner_limits={"nproc": 7})
    jail = Jail(launch.launch(plan, server))
    jail.begin(b"it\n", Ears(nobody, nobody, lambda line: heard.append(line.text), nobody), 1000)
    await jail.end()
    assert (heard, jail.ready.is_set(), "has nothing in it" in str(jail.tail)) == (told, bool(told), not told)


def nobody(*_: object) -> None:
    """Hears nothing."""


def test_what_a_jail_has_started_already_gives_way_too(monkeypatch: pytest.MonkeyPatch, server: ForkServer) -> None:
    opened = os.pidfd_open

    def open_late(pid: int) -> int:
        eventually_blocking(lambda: len(list(descendants(pid))) >= 2)
        return opened(pid)

    monkeypatch.setattr(os, "pidfd_open", open_late)
    pid = launch.launch(bare("/bin/sh", "-c", "sleep 4246 & wait"), server).pid
    niceness = [os.getpriority(os.PRIO_PROCESS, each) for each in descendants(pid)]
    os.killpg(pid, signal.SIGKILL)
    assert len(niceness) == 2
    assert min(niceness) >= 5


def test_who_is_started_while_others_are_made_to_give_way_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [subprocess.Popen(["/bin/sleep", "4247"]) for _ in range(2)]
    seen = [[pair[0].pid]]
    monkeypatch.setattr(watch, "descendants", lambda _: seen.pop() if seen else [each.pid for each in pair])
    watch.have_give_way(pair[0].pid)
    policies = [os.sched_getscheduler(each.pid) for each in pair]
    for each in pair:
        each.kill()
        each.wait()
    assert policies == [os.SCHED_IDLE] * 2


@pytest.mark.parametrize("kind", ["python", "shell"])
async def test_what_takes_much_of_the_processor_gives_way_to_all_others(box: Sandbox, kind: str) -> None:
    source = {"python": "def main(i, c):\n while True: pass", "shell": "while :; do :; done"}[kind]
    await box.standings()
    before = set(descendants(os.getpid()))
    running = asyncio.create_task(run(box, kind, source))

    def gives_way() -> bool:
        return any(is_idle(pid) for pid in set(descendants(os.getpid())) - before)

    await eventually(gives_way)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_takes_long_to_count_is_counted_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some, sleep, pauses = watch.Usage(1.0, 0.0, 1), asyncio.sleep, list[float]()
    seconds = itertools.count(step=0.05)
    looks: list[watch.Usage | None] = [None, some, some]

    class Looked:
        started = SimpleNamespace(pid=0, folder=tmp_path)

        async def looked_at(self, look: object) -> watch.Usage | None:
            return looks.pop()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(attempts, "exceeded", lambda *_: "")
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(asyncio, "sleep", pause)
    shape = tiers.Shape(LANDLOCK, Engine("any", ("/bin/true",), ()), Resources())
    await attempts._watched(Looked(), shape, Resources())  # type: ignore[arg-type]  # it is asked no more than this
    assert pauses[0] == 0.1
    assert min(pauses[1:]) >= 0.5


def is_idle(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return usage(pid).is_heavy and os.sched_getscheduler(pid) == os.SCHED_IDLE
    return False


async def test_a_tier_that_could_not_answer_is_tried_again_and_no_weaker_one_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried, asked_for = Sandbox._tried, list[str]()
    answers: list[Report] = [Failed(TaskError("TIMEOUT", "the program took longer than its 10 s"))]

    async def late(box: Sandbox, shape: tiers.Shape, *asked: Any) -> Report:
        asked_for.append(shape.tier)
        return answers.pop() if answers else await tried(box, shape, *asked)

    monkeypatch.setattr(Sandbox, "_tried", late)
    async with sandbox(TIERS_HERE) as box:
        for _ in range(2):
            error = error_of(await run(box, "shell", "echo 1"))
            assert (error.code, error.retryable) == ("SANDBOX_ERROR", True)
        box._look_again["shell"] = 0.0  # the pause is over
        assert value_of(await run(box, "shell", "echo 1")) == {"stdout": "1\n", "exitCode": 0}
    assert asked_for == [TIERS_HERE[0]] * 2


WANTS = "echo 'bwrap: Creating new namespace failed: Resource temporarily unavailable' >&2; exit 1"


@pytest.mark.parametrize("wanting", ["launch", "make", "bait", "publish", "ask"])
async def test_what_there_is_too_little_of_once_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, wanting: str
) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    launching = launch.launch

    def fails_inside(plan: launch.Plan, server: ForkServer) -> launch.Started:
        return launching(bare("/bin/sh", "-c", WANTS, folder=plan.folder), server)

    where: tuple[Any, str, Any] = {
        "launch": (launch, "launch", fails), "make": (launch, "launch", fails_inside),
        "bait": (examine, "_bait", fails), "publish": (Folders, "publish", fails), "ask": (subprocess, "run", fails),
    }[wanting]  # fmt: skip
    kind, source = (
        ("javascript", "export default () => 1") if wanting == "publish" else ("python", "def main(i, c): return 1")
    )
    async with sandbox(TIERS_HERE) as box:
        with monkeypatch.context() as patch:
            patch.setattr(*where)
            error = error_of(await run(box, kind, source))
            assert (error.code, error.retryable) == ("SANDBOX_ERROR", True)
        box._look_again[kind] = 0.0  # the pause is over
        heard = Heard()
        assert (value_of(await box.run(call(kind, source), heard)), heard.tiers) == (1, [TIERS_HERE[0]])


def test_a_copy_that_the_disk_was_too_full_for_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(source: Path, copy: Path) -> None:
        copy.write_bytes(source.read_bytes()[:2])
        raise OSError(errno.ENOSPC, "no space left")

    original, given = tmp_path / "program", Folders(for_others=True)
    original.write_text("whole")
    original.chmod(0o600)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", half)
        with pytest.raises(OSError, match="no space"):
            given.publish(original)
    assert given.publish(original).read_text() == "whole"
    given.close()


async def test_a_jail_that_takes_too_long_to_be_made_is_late() -> None:
    async with sandbox(TIERS_HERE[-1:]) as box:
        await box.standings()
        assert error_of(await run(box, "python", "def main(i, c): return 1", wall_seconds=0.000_001)).code == "TIMEOUT"


async def test_to_stop_waits_for_what_makes_jails_and_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answer, answered = threading.Event(), threading.Event(), []
    really = ForkServer.stop

    def stop(server: ForkServer) -> None:
        asked.set()
        answered.append(answer.wait(10))
        really(server)

    async with sandbox([LANDLOCK]) as box:
        value_of(await run(box, "python", "def main(i, c): return 1"))
        monkeypatch.setattr(ForkServer, "stop", stop)
        stopping = asyncio.create_task(box.stop())
        await eventually(asked.is_set)
        answer.set()
        await stopping
    assert answered == [True]


def test_what_confines_is_an_interpreter_that_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, code in ((old, 1), (new, 0)):
        path.write_text(f"#!/bin/sh\nexit {code}\n")
        path.chmod(0o755)
    monkeypatch.setattr(engines, "_pythons", lambda: ["own", str(new), str(old)])
    assert engines.confining_python.__wrapped__() == str(new)
    new.unlink()
    assert engines.confining_python.__wrapped__() == sys.executable
