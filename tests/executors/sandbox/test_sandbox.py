"""What programs of definitions are given, and what they give back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, run, sandbox, value_of

from taskyard.domain.isolation import LANDLOCK
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.executors.script.sandbox import engines, examine, tiers
from taskyard.executors.script.sandbox.jail import Means
from taskyard.executors.script.sandbox.target import Sandbox

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
        await run(box, kind, source)
        value = value_of(await run(box, kind, look[kind]))
        assert value == expected.get(kind, value)
        assert "left" not in str(value)


@pytest.mark.parametrize("kind", ["python", "shell"])
async def test_a_cancelled_call_ends_with_all_it_has_started(box: Sandbox, kind: str) -> None:
    sources = {
        "python": "import time\ndef main(i, c):\n c.log.info('on')\n time.sleep(60)",
        "shell": "echo on; sleep 61 & sleep 61",
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
    assert b"sleep\x0061\x00" not in commands()


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
    monkeypatch.setattr(tiers, "find_means", lambda: Means("", "", "", "", is_root=False))
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


async def test_a_worker_that_gives_way_itself_can_start_jails() -> None:
    """Only root may lower a niceness, and a worker may have any."""
    drop = "os.geteuid() or os.setresuid(65534, 65534, 65534)"
    code = f"import os\nfrom taskyard.executors.script.sandbox.launch import Launcher\nos.nice(12)\n{drop}\n"
    code += "print(Launcher().thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert int(out) >= 12


async def test_a_tier_that_had_no_time_to_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Sandbox._tried
    answers: list[Report] = [Failed(TaskError("TIMEOUT", "the program took longer than its 10 s"))] * len(TIERS_HERE)

    async def late(*asked: Any) -> Report:
        return answers.pop() if answers else await tried(*asked)

    monkeypatch.setattr(Sandbox, "_tried", late)
    async with sandbox(TIERS_HERE) as box:
        for _ in range(2):
            error = error_of(await run(box, "shell", "echo 1"))
            assert (error.code, error.retryable) == ("SANDBOX_UNAVAILABLE", True)
        box._look_again["shell"] = 0.0  # the pause is over
        assert value_of(await run(box, "shell", "echo 1")) == {"stdout": "1\n", "exitCode": 0}


async def test_a_jail_that_takes_too_long_to_be_made_is_late() -> None:
    async with sandbox(TIERS_HERE[-1:]) as box:
        await box.standings()
        assert error_of(await run(box, "python", "def main(i, c): return 1", wall_seconds=0.000_001)).code == "TIMEOUT"
