"""`bash-lite`: scripts on an emulated bash, in the tiers of real processes and where none of them holds."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, sandbox, value_of

from taskyard.domain.isolation import EMULATED
from taskyard.domain.outcome import Done, MadeFile
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.sandbox import engines
from taskyard.executors.script.sandbox.target import Sandbox

KIND = "bash-lite"
HOSTILE: list[tuple[str, Any]] = [
    ("while :; do :; done", "EXECUTION_ERROR"),
    ("awk 'BEGIN { while (1) x++ }'", ("cpu", "EXECUTION_ERROR")),
    ("a=x; while :; do a=$a$a; done", "memory"),
    ("for i in $(seq 400); do head -c 1000000 /dev/zero >f$i || exit 1; done", ("memory", "EXECUTION_ERROR")),
    ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "output"),
    ("sleep 60", "TIMEOUT"),
    ("b() { b | b & }; b", ("EXECUTION_ERROR", "cpu", "memory", "TIMEOUT", None)),
    ("f() { f; }; f", "EXECUTION_ERROR"),
    ("if then", "EXECUTION_ERROR"),
    ("nonesuch", "EXECUTION_ERROR"),
    ("echo '{nope' >$TASK_OUTPUT", "OUTPUT_VALIDATION_ERROR"),
    ("echo NaN >$TASK_OUTPUT", "OUTPUT_VALIDATION_ERROR"),
    ("kill -9 $$; kill -9 -1; exit 4", "EXECUTION_ERROR"),
    ("python3 -c 'print(1)'", "EXECUTION_ERROR"),
    ("curl -s http://127.0.0.1:1/ || exit 5", "EXECUTION_ERROR"),
]


@pytest.fixture(params=(*TIERS_HERE, EMULATED))
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def lite_box(tier: str) -> AsyncIterator[Sandbox]:
    async with sandbox([tier] if tier in TIERS_HERE else []) as made:
        yield made


async def run(box: Sandbox, source: str, input_: Any = None, **more: Any) -> Any:
    return await box.run(call(KIND, source, input_, **more), Heard())


async def test_a_script_speaks_as_any_shell_script_does(lite_box: Sandbox, tier: str) -> None:
    source = """#!/bin/bash
echo printed
echo "$A_NAME" >&2
echo 1 3 packing >>"$TASK_PROGRESS"
printf '{"got": %s,\\n "name": "%s", "task": "%s"}' "$(jq -c .a)" "$INPUT_NAME" "$TASK_DEFINITION" >"$TASK_OUTPUT"
"""
    heard, given = Heard(), {"a": [1, {"b": "é"}], "name": "$(id)"}
    report = await lite_box.run(call(KIND, source, given, implementation={"env": {"A_NAME": "'x'"}}), heard)
    assert value_of(report) == {"got": given["a"], "name": "$(id)", "task": "test"}
    assert sorted(heard.lines) == [("info", "printed"), ("warning", "'x'")]
    assert (heard.steps, heard.tiers) == ([(1, 3, "packing")], [tier])


async def test_without_an_output_it_gives_what_it_printed(lite_box: Sandbox) -> None:
    assert value_of(await run(lite_box, "echo a; echo b")) == {"stdout": "a\nb\n", "exitCode": 0}
    error = error_of(await run(lite_box, "echo gone wrong >&2; exit 3"))
    assert (error.code, error.message) == ("EXECUTION_ERROR", "the program ended with exit code 3: gone wrong")


async def test_files_go_in_and_come_out(lite_box: Sandbox, tmp_path: Path) -> None:
    content = b"id;name\n\xff\x00"
    path = tmp_path / "given"
    path.write_bytes(content)
    path.chmod(0o600)
    files = {"u1": UploadedFile("u1", "a.csv", len(content), hashlib.sha256(content).hexdigest(), path)}
    source = 'cp "$INPUT_FILE" "$TASK_FILES/copy.bin"; echo \'"file:copy.bin"\' >"$TASK_OUTPUT"'
    report = await run(lite_box, source, {"file": "u1"}, files=files)
    assert isinstance(report, Done), report
    assert (report.value, report.files) == ("file:copy.bin", (MadeFile("copy.bin", content),))


async def test_what_becomes_of_hostile_scripts(lite_box: Sandbox) -> None:
    limits = {"cpu_seconds": 1, "memory_mb": 192, "output_bytes": 100_000}
    at_once = asyncio.Semaphore(3)

    async def became_of(source: str) -> Any:
        async with at_once:
            return await run(lite_box, source, **limits, wall_seconds=1 if source.startswith("sleep") else 30)

    reports = await asyncio.gather(*(became_of(source) for source, _ in HOSTILE))
    for (source, expected), report in zip(HOSTILE, reports, strict=True):
        error = None if isinstance(report, Done) else error_of(report)
        became = error and (error.details or {}).get("limit", error.code)
        assert became in (expected if isinstance(expected, tuple) else (expected,)), (source, report)
    assert value_of(await run(lite_box, "echo 1 >$TASK_OUTPUT")) == 1


async def test_nothing_of_the_machine_or_of_another_run_is_there(
    lite_box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_TEST_SECRET", "canary")
    canary = tmp_path / "canary"
    canary.write_text("canary")
    source = f"""
found=""
cat {canary} >/dev/null 2>&1 && found="$found read"
{{ echo x >>{canary}; }} 2>/dev/null; [ -s {canary} ] && found="$found"
env | grep -q canary && found="$found env"
grep -rq canary /proc 2>/dev/null && found="$found proc"
grep -q root:x:0 /etc/passwd 2>/dev/null && found="$found passwd"
[ -e /tmp/left ] && found="$found left"
echo x >/tmp/left
echo "\\"$found\\"" >"$TASK_OUTPUT"
"""
    assert [value_of(await run(lite_box, source)) for _ in range(2)] == ["", ""]
    assert canary.read_text() == "canary"


async def test_it_is_ended_when_it_is_cancelled(lite_box: Sandbox) -> None:
    begun = asyncio.Event()

    class Waits(Heard):
        def log(self, level: str, text: str) -> None:
            begun.set()

    running = asyncio.create_task(lite_box.run(call(KIND, "echo on; sleep 60"), Waits()))
    await asyncio.wait_for(begun.wait(), 20)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()


async def test_where_no_tier_holds_it_is_emulated_and_gives_no_more_than_that() -> None:
    async with sandbox([]) as box:
        heard = Heard()
        assert value_of(await box.run(call(KIND, "echo 1 >$TASK_OUTPUT"), heard)) == 1
        assert heard.tiers == [EMULATED]
        error = error_of(await run(box, "echo 1", implementation={"isolation": "MEDIUM"}))
        assert error.code == "SANDBOX_UNAVAILABLE"
        assert error_of(await box.run(call("shell", "echo 1"), Heard())).code == "SANDBOX_UNAVAILABLE"


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_bashkit", lambda: None)
    async with sandbox([]) as box:
        error = error_of(await run(box, "echo 1"))
    assert (error.code, "taskyard[sandbox]" in error.message) == ("SANDBOX_UNAVAILABLE", True)
