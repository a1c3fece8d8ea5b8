"""The target Kubernetes, against a double of its API: held to the contract, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.security.egress.certificates import Authority
from tests.servers.kube import Cluster, cluster
from tests.support import eventually

from taskyard.calls.breakers import Breakers
from taskyard.contracts.clock import SystemClock
from taskyard.domain.implementation import Kubernetes
from taskyard.domain.outcome import Done, Failed, Postponed
from taskyard.domain.resources import Resources
from taskyard.errors import ConfigurationError
from taskyard.executors.script.hearing import Hearing
from taskyard.executors.script.kubernetes import manifest, verdict
from taskyard.executors.script.kubernetes.client import KubeClient, Refused
from taskyard.executors.script.kubernetes.cluster import Cluster as Where
from taskyard.executors.script.kubernetes.cluster import find_cluster
from taskyard.executors.script.kubernetes.log import LogLines
from taskyard.executors.script.kubernetes.target import KubernetesTarget, Rules
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules as EgressRules
from taskyard.security.egress.tls import tls_context
from taskyard.testing import ManualClock
from taskyard.testing.conformance.target import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.target import Heard, call_of

HEAD = """
import json, os, sys, time
input = json.load(open(os.environ["TASKYARD_INPUT_FILE"]))
def frame(type, **fields): print(json.dumps({"type": type, **fields}), flush=True)
"""
PROGRAMS = {
    "echo": "frame('result', output=input)",
    "token": "frame('result', output=os.environ['TASKYARD_IDEMPOTENCY_KEY'])",
    "speak": "frame('log', level='warning', text='hello')\n"
    "frame('progress', current=1, total=2, action='half')\nframe('result', output='said')",
    "fail": "print('before')\nframe('error', error={'message': 'it broke'})\nsys.exit(1)",
    "wait": "time.sleep(60)",
    "large": "frame('result', output='x' * 200_000)",
    "garbage": 'print(\'{"type": "result", "output": {garbage\')',
    "plain": "print('one\\ntwo')",
    "exit": "print('oh no')\nsys.exit(7)",
    "many": "for n in range(2000): print(n)\nframe('result', output=n)",
    "twice": "time.sleep(0.2)\nframe('result', output='done')",
}
QUICK = Rules(look_soonest=0.02, look_latest=0.1, abandoned_after=60.0, tidy_every=0.05)


class Kube:
    """The double with the suite's programs."""

    can = frozenset({"speak", "cancel", "token"})

    def __init__(self, target: KubernetesTarget, double: Cluster) -> None:
        self.target = target
        self.double = double

    def program(self, name: str) -> Mapping[str, Any]:
        command = [sys.executable, "-I", "-c", HEAD + PROGRAMS[name]]
        return {"kind": "kubernetes", "image": "python:3.13-slim", "command": command, "resources": {"memoryMb": 64}}

    async def running(self) -> int:
        return self.double.running()


@pytest.fixture
async def double(tmp_path: Path) -> AsyncIterator[tuple[Cluster, str]]:
    async with cluster(tmp_path) as made:
        yield made


@pytest.fixture
def make_target(double: tuple[Cluster, str]) -> Any:
    def make(rules: Rules = QUICK, clock: Any = None) -> KubernetesTarget:
        where = Where(double[1], "jobs", tls_context(), lambda: "canary-token")
        egress = Egress(Guard(EgressRules()))
        clock = clock or SystemClock()
        return KubernetesTarget(lambda: KubeClient(where, egress), Breakers(clock), clock, rules)

    return make


@pytest.fixture
async def place(double: tuple[Cluster, str], make_target: Any) -> Kube:
    return Kube(make_target(), double[0])


async def test_nothing_is_left_behind_and_every_request_says_who_asks(place: Kube, target: Any) -> None:
    call = call_of(place.program("echo"), {"a": 1})
    assert await target.run(call, Heard()) == Done({"a": 1})
    await eventually(lambda: (place.double.jobs, place.double.pods, place.double.secrets) == ({}, {}, {}))
    assert place.double.tokens == {"Bearer canary-token"}


async def test_plain_output_and_exit_codes(place: Kube, target: Any) -> None:
    heard = Heard()
    report = await target.run(call_of(place.program("plain"), {}), heard)
    assert report == Done({"stdout": "one\ntwo", "exitCode": 0})
    assert heard.lines == [("info", "one"), ("info", "two")]
    failed = await target.run(call_of(place.program("exit"), {}), Heard())
    assert (failed.error.code, failed.error.details) == ("EXECUTION_ERROR", {"exitCode": 7, "lastOutput": "oh no"})
    assert "exit code 7: oh no" in failed.error.message


async def test_a_log_that_breaks_off_is_taken_up_again_without_a_line_lost_or_doubled(place: Kube, target: Any) -> None:
    place.double.cut_logs_after = 300
    heard = Heard()
    assert await target.run(call_of(place.program("many"), {}), heard) == Done(1999)
    assert [text for _, text in heard.lines] == [str(number) for number in range(2000)]


async def test_a_job_that_a_lost_worker_left_is_followed_further(place: Kube, make_target: Any, target: Any) -> None:
    call = call_of(place.program("wait"), {})
    crashed = make_target()
    lost = asyncio.create_task(crashed.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    uid = place.double.jobs[manifest.name_of(call)]["metadata"]["uid"]
    crashed._client.delete_job = _nothing  # its worker is killed, and tells nobody
    lost.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lost
    again = asyncio.create_task(target.run(call._replace(attempt=2), Heard()))
    name = manifest.name_of(call)
    await eventually(lambda: place.double.jobs[name]["metadata"]["annotations"][manifest.ATTEMPT] == "2")
    assert place.double.jobs[name]["metadata"]["uid"] == uid
    assert place.double.running() == 1
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again
    await eventually(lambda: not place.double.jobs)
    await crashed.stop()


async def _nothing(found: dict[str, Any]) -> bool:
    del found
    return True


async def test_a_worker_that_comes_too_late_leaves_its_successors_job_alone(place: Kube, make_target: Any) -> None:
    call = call_of(place.program("wait"), {})
    slow, quick = make_target(), make_target()
    given_up = asyncio.create_task(slow.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    again = asyncio.create_task(quick.run(call._replace(attempt=2), Heard()))
    job = place.double.jobs[manifest.name_of(call)]
    await eventually(lambda: manifest.attempt_of(job) == 2)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert place.double.running() == 1
    late = await slow.run(call, Heard())
    assert (late.error.code, "a later attempt" in late.error.message) == ("SANDBOX_ERROR", True)
    assert place.double.running() == 1
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    await eventually(lambda: not place.double.jobs)
    await slow.stop()
    await quick.stop()


async def test_a_job_that_is_taken_over_while_it_is_let_go_stays(place: Kube, target: Any) -> None:
    call = call_of(place.program("wait"), {})
    running = asyncio.create_task(target.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    meta = place.double.jobs[manifest.name_of(call)]["metadata"]

    def take_over() -> None:
        meta["annotations"][manifest.ATTEMPT] = "2"
        meta["resourceVersion"] = "another"

    place.double.meanwhile = take_over
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert place.double.running() == 1


async def test_what_ran_before_a_requeue_is_ended_though_it_changes_meanwhile(place: Kube, target: Any) -> None:
    call = call_of(place.program("wait"), {})
    former = asyncio.create_task(target.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    meta = place.double.jobs[call.token]["metadata"]
    place.double.meanwhile = lambda: meta.update(resourceVersion="another")
    anew = call._replace(attempt=2, token=f"{call.token}-1", implementation=place.program("wait"))
    running = asyncio.create_task(target.run(anew, Heard()))
    await eventually(lambda: set(place.double.jobs) == {anew.token})
    for each in (former, running):
        each.cancel()
    await asyncio.gather(former, running, return_exceptions=True)
    await eventually(lambda: not place.double.jobs)


async def test_a_job_that_cannot_be_begun_is_held_to_the_wall_time_as_well(place: Kube, target: Any) -> None:
    call = call_of(place.program("wait"), {}, resources=Resources(wall_seconds=0.3))
    asked = msgspec.convert(call.implementation, Kubernetes)
    going = manifest.job(call, asked, manifest.moment(0))
    going["metadata"] |= {"uid": "former", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    place.double.jobs[call.token] = going  # a finalizer keeps it
    assert (await target.run(call, Heard())).error.code == "TIMEOUT"


async def test_a_task_that_is_requeued_has_a_job_of_its_own(place: Kube, make_target: Any, target: Any) -> None:
    call = call_of(place.program("wait"), {})
    crashed = make_target()
    lost = asyncio.create_task(crashed.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    crashed._client.delete_job = _nothing  # its worker is killed, and tells nobody
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    other = asyncio.create_task(target.run(call_of(place.program("wait"), {}), Heard()))
    await eventually(lambda: place.double.running() == 2)
    anew = call._replace(
        attempt=2, token=f"{call.token}-1", input=b'{"new": true}', implementation=place.program("echo")
    )
    assert await target.run(anew, Heard()) == Done({"new": True})
    await eventually(lambda: call.token not in place.double.jobs)
    assert place.double.running() == 1  # another task's
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    await crashed.stop()


async def test_a_job_that_failed_is_replaced_by_the_next_attempt(
    place: Kube, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = call_of(place.program("fail"), {})
    with monkeypatch.context() as undeleted:
        undeleted.setattr(place.target._client, "delete_job", _nothing)
        assert isinstance(await target.run(first, Heard()), Failed)
        assert place.double.jobs
    again = first._replace(attempt=2, implementation=place.program("echo"))
    assert await target.run(again, Heard()) == Done({})


async def test_the_next_attempt_s_input_is_not_the_one_that_goes(place: Kube, target: Any) -> None:
    call = call_of(place.program("wait"), {})
    former = asyncio.create_task(target.run(call, Heard()))
    await eventually(lambda: place.double.running() == 1)
    former.cancel()
    await asyncio.gather(former, return_exceptions=True)
    again = asyncio.create_task(target.run(call._replace(attempt=2), Heard()))
    await eventually(lambda: place.double.running() == 1)
    uid = place.double.jobs[call.token]["metadata"]["uid"]
    assert place.double.secrets[call.token]["metadata"]["ownerReferences"][0]["uid"] == uid
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_a_job_that_waited_for_another_to_go_is_followed_as_long_as_any(place: Kube, make_target: Any) -> None:
    clock = ManualClock()
    target = make_target(QUICK, clock)
    call = call_of(place.program("wait"), {})
    going = manifest.job(call, msgspec.convert(call.implementation, Kubernetes), manifest.moment(0))
    going["metadata"] |= {"uid": "former", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    place.double.jobs[call.token] = going  # a finalizer keeps it

    def tries() -> int:
        return [verb for verb, _ in place.double.asked].count("POST")

    running = asyncio.create_task(target.run(call, Heard()))
    await eventually(lambda: tries() > 0)
    clock.move(1_000)
    seen = tries()
    await eventually(lambda: tries() > seen + 1)  # the one before may have been on its way
    del place.double.jobs[call.token]
    await eventually(lambda: call.token in place.double.jobs)
    assert not manifest.is_past(place.double.jobs[call.token]["metadata"]["annotations"], clock.now())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await target.stop()


async def test_a_token_that_cannot_be_read_is_a_cluster_that_is_away(double: tuple[Cluster, str]) -> None:
    def token() -> str:
        raise OSError(24, "Too many open files")

    where, clock = Where(double[1], "jobs", tls_context(), token), SystemClock()
    egress = Egress(Guard(EgressRules()))
    target = KubernetesTarget(lambda: KubeClient(where, egress), Breakers(clock), clock, QUICK)
    report = await target.run(call_of({"kind": "kubernetes", "image": "python:3.13-slim"}, {}), Heard())
    assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", True)
    (standing,) = await target.standings()
    assert "Too many open files" in standing.missing
    await target.stop()


async def test_what_nobody_follows_any_more_is_deleted(place: Kube, make_target: Any) -> None:
    clock = ManualClock()
    crashed = make_target(QUICK._replace(abandoned_after=120.0), clock)
    lost = asyncio.create_task(crashed.run(call_of(place.program("wait"), {}), Heard()))
    await eventually(lambda: place.double.running() == 1)
    crashed._client.delete_job = _nothing
    lost.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lost
    another = make_target(QUICK, clock)
    await another.start()
    seen = len(place.double.asked)
    await eventually(lambda: len(place.double.asked) > seen + 3)
    assert place.double.running() == 1  # 120 s have not passed yet
    clock.move(121)
    await eventually(lambda: place.double.running() == 0 and not place.double.jobs)
    await another.stop()
    await crashed.stop()


async def test_one_that_cannot_be_deleted_keeps_no_others(place: Kube, make_target: Any) -> None:
    for number in range(2):
        call = call_of(place.program("wait"), {})
        job = manifest.job(call, msgspec.convert(call.implementation, Kubernetes), manifest.moment(0))
        job["metadata"] |= {"uid": f"uid-{number}", "resourceVersion": "1"}
        place.double.jobs[call.token] = job
    first = next(iter(place.double.jobs))
    target = make_target(QUICK)
    delete = target._client.delete_job

    async def refusing(found: dict[str, Any]) -> bool:
        if found["metadata"]["name"] == first:
            raise Refused("it may not be deleted", 403, "Forbidden")
        return bool(await delete(found))

    target._client.delete_job = refusing
    await target.start()
    await eventually(lambda: set(place.double.jobs) == {first})
    await target.stop()


async def test_a_container_is_held_to_its_wall_time(place: Kube, target: Any) -> None:
    call = call_of(place.program("wait"), {}, resources=Resources(wall_seconds=0.5))
    report = await target.run(call, Heard())
    assert (report.error.code, "0.5 s" in report.error.message) == ("TIMEOUT", True)
    await eventually(lambda: not place.double.jobs)


async def test_an_image_that_cannot_be_had(place: Kube, target: Any) -> None:
    report = await target.run(call_of({**place.program("echo"), "image": "missing:1"}, {}), Heard())
    assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", True)
    assert "Back-off pulling image missing:1" in report.error.message
    await eventually(lambda: not place.double.jobs)


async def test_only_what_the_operator_allows(place: Kube, make_target: Any) -> None:
    target = make_target(QUICK._replace(images=("registry.example/*",), service_accounts=("runner",)))
    for asked in ({}, {"image": "registry.example/x", "serviceAccount": "admin"}):
        report = await target.run(call_of({**place.program("echo"), **asked}, {}), Heard())
        assert report.error.code == "VALIDATION_ERROR"
        assert "TASKYARD_KUBERNETES_" in report.error.message
    allowed = {"image": "registry.example/x", "serviceAccount": "runner"}
    assert isinstance(await target.run(call_of({**place.program("echo"), **allowed}, {}), Heard()), Done)
    await target.stop()


async def test_an_api_server_that_is_away(place: Kube, make_target: Any) -> None:
    clock = ManualClock()
    target = make_target(QUICK, clock)
    place.double.broken = 503
    for _ in range(10):
        report = await target.run(call_of(place.program("echo"), {}), Heard())
        assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", True)
    assert isinstance(await target.run(call_of(place.program("echo"), {}), Heard()), Postponed)
    (standing,) = await target.standings()
    assert "503" in standing.missing
    place.double.broken = 403
    clock.move(30)
    report = await target.run(call_of(place.program("echo"), {}), Heard())
    assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", False)
    await target.stop()


async def test_it_may_go_away_while_a_job_runs(place: Kube, target: Any) -> None:
    running = asyncio.create_task(target.run(call_of(place.program("twice"), {}), Heard()))
    await eventually(lambda: place.double.running() == 1)
    place.double.broken = 500
    await eventually(lambda: place.double.running() == 0)
    place.double.broken = None
    assert await running == Done("done")


def test_what_is_asked_for() -> None:
    implementation = {
        "kind": "kubernetes", "image": "x", "args": ["a"], "env": {"A": "$(B)", "S": {"secret": "name/key"}},
        "cpu": 0.5, "serviceAccount": "runner",
    }  # fmt: skip
    call = call_of(implementation, {"a": 1}, timeout=9.5, security_level="HIGH")
    job = manifest.job(call, msgspec.convert(implementation, Kubernetes), "2030-01-01T00:00:00+00:00")
    spec = job["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], pod["restartPolicy"]) == (0, 20, "Never")
    assert container["resources"]["limits"] == {"memory": "256Mi", "ephemeral-storage": "64Mi", "cpu": "500m"}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["serviceAccountName"] == "runner"
    env = {each["name"]: each for each in container["env"]}
    assert env["A"]["value"] == "$$(B)"
    assert env["S"]["valueFrom"]["secretKeyRef"] == {"name": "name", "key": "key"}
    assert env["TASKYARD_IDEMPOTENCY_KEY"]["value"] == call.token
    secret = manifest.input_secret(call, "uid-1")
    assert base64.b64decode(secret["data"]["input.json"]) == b'{"a":1}'
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    bare = manifest.job(call, msgspec.convert({"kind": "kubernetes", "image": "x"}, Kubernetes), "")
    assert bare["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def ended(code: int, reason: str) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"terminated": {"exitCode": code, "reason": reason}}}]}


@pytest.mark.parametrize(
    ("status", "code", "limit"),
    [
        (ended(137, "OOMKilled"), "RESOURCE_LIMIT", "memory"),
        ({"reason": "Evicted", "message": "Usage of ephemeral local storage exceeds"}, "RESOURCE_LIMIT", "disk"),
        ({"reason": "Evicted", "message": "The node was low on memory"}, "SANDBOX_ERROR", None),
        ({"reason": "DeadlineExceeded"}, "TIMEOUT", None),
        ({"reason": "NodeLost"}, "SANDBOX_ERROR", None),
        ({}, "SANDBOX_ERROR", None),
        (ended(1, "Error"), "EXECUTION_ERROR", None),
    ],
)
def test_how_a_pod_that_ended_is_judged(status: dict[str, Any], code: str, limit: str | None) -> None:
    report = verdict.judge({"status": {"phase": "Failed", **status}}, Hearing(Heard(), 1000), 5)
    assert isinstance(report, Failed)
    assert report.error.code == code
    assert limit is None or report.error.details["limit"] == limit


@pytest.mark.parametrize(("reason", "code"), [("InvalidImageName", "SANDBOX_UNAVAILABLE"), ("ErrImagePull", None)])
def test_why_a_pod_does_not_start(reason: str, code: str | None) -> None:
    pod = {"status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}}
    failed = verdict.not_starting(pod)
    assert (failed.error.code if failed else None) == code


@given(st.lists(st.sampled_from(["00", "00.1", "00.12", "01"]), max_size=12), st.integers(0, 40), st.integers(0, 12))
def test_lines_of_a_log_are_heard_once(seconds: list[str], cut: int, heard_before: int) -> None:
    """Whatever was heard when the connection broke, even within a line or a moment."""
    stamps = sorted(seconds, key=lambda text: float(text))
    lines = [f"2026-01-01T00:00:{stamp}Z line {number}\n".encode() for number, stamp in enumerate(stamps)]
    heard = Heard()
    log = LogLines(Hearing(heard, 10_000))
    log.begin()
    log.feed(b"".join(lines[:heard_before]))
    log.feed(b"".join(lines[heard_before:])[:cut])
    log.begin()
    since = log.since
    log.feed(b"".join(line for line in lines if not since or float(line[17:].split(b"Z")[0]) >= float(since[17:-1])))
    log.close()
    assert [text for _, text in heard.lines] == [f"line {number}" for number in range(len(lines))]


def test_which_cluster(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("client.example")
    (tmp_path / "token").write_text("first\n")
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "jobs"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://k",
                                               "certificate-authority-data": _data(authority.pem)}}],
        "users": [{"name": "u", "user": {"tokenFile": "token", "client-certificate-data": _data(certificate),
                                         "client-key-data": _data(key)}}],
    }  # fmt: skip
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config))
    found = find_cluster(str(file))
    assert (found.server, found.namespace, found.token()) == ("https://k", "jobs", "first")
    (tmp_path / "token").write_text("renewed")
    assert found.token() == "renewed"
    assert find_cluster(str(file), "other").namespace == "other"
    assert isinstance(found.tls, ssl.SSLContext)
    for name, content in (("namespace", "in"), ("token", "t"), ("ca.crt", authority.pem)):
        (tmp_path / name).write_text(content)
    inside = find_cluster("in-cluster", account=tmp_path)
    assert (inside.server, inside.namespace, inside.token()) == ("https://kubernetes.default.svc", "in", "t")


@pytest.mark.parametrize(
    "change",
    [
        {"current-context": "none"},
        {"users": [{"name": "u", "user": {"exec": {"command": "aws"}}}]},
        {"clusters": [{"name": "c", "cluster": {"server": "https://k", "insecure-skip-tls-verify": True}}]},
        {"clusters": [{"name": "c", "cluster": {}}]},
        {"contexts": "odd"},
    ],
)
def test_a_cluster_that_cannot_be_used_is_told_at_once(tmp_path: Path, change: dict[str, Any]) -> None:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://k"}}],
        "users": [{"name": "u", "user": {"token": "canary"}}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(config | change))
    for where in (str(file), str(tmp_path / "none"), "in-cluster"):
        with pytest.raises(ConfigurationError, match="TASKYARD_KUBERNETES") as refused:
            find_cluster(where)
        assert "canary" not in refused.value.message


def _data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
