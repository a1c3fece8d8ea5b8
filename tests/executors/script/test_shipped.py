"""Scripts that run elsewhere: sent to a runner in a container, or in a function of Lambda."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import call, error_of, value_of
from tests.servers import kube

from taskyard.calls.breakers import Breakers
from taskyard.contracts.clock import SystemClock
from taskyard.domain.outcome import Done, Failed
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.kubernetes.client import KubeClient
from taskyard.executors.script.kubernetes.cluster import Cluster as Where
from taskyard.executors.script.kubernetes.target import KubernetesTarget, Rules
from taskyard.executors.script.sandbox.inside import runner as runner_module
from taskyard.executors.script.shipping import shipped, unframed
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules as EgressRules
from taskyard.security.egress.tls import tls_context
from taskyard.testing.conformance.target import Heard

IMAGE = "registry.example.com/runner:1"
RUNNER = Path(runner_module.__file__)
PATHS = f"{Path(sys.executable).parent}:/usr/bin:/bin"
TALKS = {
    "python": "import os\ndef main(input, ctx):\n ctx.log('warning', 'mind')\n ctx.progress(1, 3, 'packing')\n"
    " print('printed')\n return {'got': input, 'env': os.environ['A'], 'task': ctx.task['definition']}",
    "javascript": "export default (input, ctx) => { ctx.log('warning', 'mind'); ctx.progress(1, 3, 'packing');"
    " console.log('printed'); return { got: input, env: Deno.env.get('A'), task: ctx.task.definition }; }",
    "typescript": "export default (input: any, ctx: any) => { ctx.log('warning', 'mind');"
    " ctx.progress(1, 3, 'packing'); console.log('printed');"
    " return { got: input, env: Deno.env.get('A'), task: ctx.task.definition }; }",
    "shell": "echo printed; echo 1 3 packing >>$TASK_PROGRESS; echo mind >&2\n"
    'printf \'{"got": %s, "env": "%s", "task": "%s"}\' "$(cat)" "$A" "$TASK_DEFINITION" >$TASK_OUTPUT',
}
FAILS = [
    ("javascript", "export default async () => { await import('np' + 'm:left@1'); }", "EXECUTION_ERROR", "npm"),
    (
        "javascript",
        "export default async () => { await import('https:' + '//deno.land/a.js'); }",
        "EXECUTION_ERROR",
        "--no-remote",
    ),
    (
        "python",
        "def main(i, c): \n open('a.txt', 'w').write('a')\n return c.save('a.txt')",
        "EXECUTION_ERROR",
        "not kept",
    ),
    ("javascript", "export default (i, ctx) => ctx.save('a.txt', 'a')", "EXECUTION_ERROR", "not kept"),
    ("shell", "echo a >$HOME/files/a.txt; echo 1 >$TASK_OUTPUT", "EXECUTION_ERROR", "not kept"),
    ("python", "def main(i, c): raise ValueError('no')", "EXECUTION_ERROR", "ValueError: no"),
    ("python", "def main(:", "EXECUTION_ERROR", "SyntaxError"),
    ("python", "x = 1", "EXECUTION_ERROR", "no main"),
    ("python", "def main(i, c): return {1}", "OUTPUT_VALIDATION_ERROR", "not JSON"),
    ("python", "import os\ndef main(i, c): os._exit(0)", "EXECUTION_ERROR", "without a result"),
    ("python", "def main(i, c):\n while True: pass", "RESOURCE_LIMIT", "CPU"),
    ("python", "def main(i, c): raise MemoryError()", "RESOURCE_LIMIT", "MemoryError"),
    ("javascript", "export default () => 10n", "OUTPUT_VALIDATION_ERROR", "not JSON"),
    ("shell", "echo gone wrong >&2; exit 3", "EXECUTION_ERROR", "exit code 3: gone wrong"),
    ("shell", "echo '{nope' >$TASK_OUTPUT", "OUTPUT_VALIDATION_ERROR", "not JSON"),
]


@pytest.fixture
async def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesTarget]:
    monkeypatch.setitem(kube.IMAGES, IMAGE, ["/usr/bin/env", f"PATH={PATHS}", sys.executable, str(RUNNER)])
    rules = Rules(images=(), look_soonest=0.02, look_latest=0.1, runner=IMAGE)
    async with kube.cluster(tmp_path) as (_, url):
        where = Where(url, "jobs", tls_context(), lambda: "canary-token")
        clock = SystemClock()
        egress = Egress(Guard(EgressRules()))
        made = KubernetesTarget(lambda: KubeClient(where, egress), Breakers(clock), clock, rules)
        yield made
        await made.stop()


@pytest.mark.parametrize("kind", sorted(TALKS))
async def test_a_script_runs_in_a_container_as_it_does_here(target: KubernetesTarget, kind: str) -> None:
    heard = Heard()
    report = await target.run(call(kind, TALKS[kind], {"a": "é"}, implementation={"env": {"A": "'x'"}}), heard)
    assert value_of(report) == {"got": {"a": "é"}, "env": "'x'", "task": "test"}
    assert {text for _, text in heard.lines} == {"printed", "mind"}
    assert heard.advances == [(1, 3, "packing")]
    assert heard.tiers == ["kubernetes"]


@pytest.mark.parametrize("kind", ["javascript", "typescript", "shell"])
def test_a_function_without_an_interpreter_says_so_and_leaves_nothing_open(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    before = len(list(Path("/proc/self/fd").iterdir()))
    frame = runner_module.handler({"kind": kind, "request": "", "cpuSeconds": 1, "task": {}}, None)
    report = unframed(Done(frame))
    assert isinstance(report, Failed)
    assert (report.error.code, f"which runs {kind}" in report.error.message) == ("SANDBOX_UNAVAILABLE", True)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize(("kind", "source", "code", "told"), FAILS)
async def test_what_becomes_of_scripts_that_fail(
    target: KubernetesTarget, kind: str, source: str, code: str, told: str
) -> None:
    error = error_of(await target.run(call(kind, source, cpu_seconds=1), Heard()))
    assert (error.code, told in error.message) == (code, True), error


async def test_without_an_output_a_shell_script_gives_what_it_printed(target: KubernetesTarget) -> None:
    assert value_of(await target.run(call("shell", "echo a; echo b"), Heard())) == {"stdout": "a\nb\n", "exitCode": 0}


def test_the_same_runner_answers_lambda(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", PATHS)
    for kind, source in TALKS.items():
        sent = shipped(call(kind, source, [1], implementation={"env": {"A": "x"}}), {"kind": "lambda"}, "lambda")
        assert not isinstance(sent, Failed)
        answer = runner_module.handler(json.loads(sent.input), None)
        assert unframed(Done(answer)) == Done({"got": [1], "env": "x", "task": "test"})
        assert "printed" in capfd.readouterr().out
    for kind, source, code, told in FAILS:
        sent = shipped(call(kind, source, cpu_seconds=1), {"kind": "lambda"}, "lambda")
        assert not isinstance(sent, Failed)
        error = error_of(unframed(Done(runner_module.handler(json.loads(sent.input), None))))
        assert (error.code, told in error.message) == (code, True), error


def test_what_a_script_leaves_behind_ends_with_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", PATHS)
    sent = shipped(call("shell", "(sleep 20; echo late) & echo 1 >$TASK_OUTPUT"), {"kind": "lambda"}, "lambda")
    assert not isinstance(sent, Failed)
    assert unframed(Done(runner_module.handler(json.loads(sent.input), None))) == Done(1)
    assert "late" not in capfd.readouterr().out


def test_the_token_of_all_attempts_is_sent_along() -> None:
    asked = call("python", "def main(i, c): return 1")
    sent = shipped(asked, {"kind": "kubernetes", "image": IMAGE}, "kubernetes")
    assert not isinstance(sent, Failed)
    assert json.loads(sent.input)["task"]["token"] == asked.token
    assert (sent.kind, sent.token) == ("kubernetes", asked.token)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"implementation": {"isolation": "HIGH"}}, "kubernetes"),
        ({"implementation": {"isolation": "MEDIUM"}}, "lambda"),
        ({"implementation": {"dependencies": ["requests"]}}, "lambda"),
        ({"implementation": {"source": "# /// script\n# dependencies = ['requests']\n# ///\n"}}, "kubernetes"),
        ({"implementation": {"kind": "javascript", "imports": {"left": "npm:left@1"}}}, "kubernetes"),
        ({"implementation": {"kind": "typescript", "source": "import 'npm:left@1'"}}, "lambda"),
        ({"implementation": {"network": {"allow": ["example.com:443"]}}}, "lambda"),
        ({"files": {"1": UploadedFile("1")}}, "lambda"),
    ],
)
def test_what_cannot_be_kept_elsewhere_is_not_sent(more: dict[str, Any], place: str) -> None:
    refused = shipped(call("python", "def main(i, c): return 1", **more), {"kind": place}, place)
    assert isinstance(refused, Failed)
    assert refused.error.code == "SANDBOX_UNAVAILABLE"


@pytest.mark.parametrize("answer", [None, 1, {"output": 1}, {"type": "error"}, {"type": "error", "error": "no"}])
def test_a_function_that_is_no_runner_is_found_out(answer: Any) -> None:
    assert error_of(unframed(Done(answer))).code == "SANDBOX_ERROR"
