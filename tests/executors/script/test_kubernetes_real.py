"""The target Kubernetes against a real API server. What nodes and controllers would do, the test does itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.servers.kubernetes import TOKEN, ApiServer, kube_apiserver
from tests.support import eventually

from taskyard.calls.breakers import Breakers
from taskyard.contracts.clock import SystemClock
from taskyard.domain.outcome import Done, Failed
from taskyard.executors.script.kubernetes import manifest
from taskyard.executors.script.kubernetes.client import KubeClient
from taskyard.executors.script.kubernetes.cluster import Cluster
from taskyard.executors.script.kubernetes.target import KubernetesTarget, Rules
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules as EgressRules
from taskyard.security.egress.tls import tls_context
from taskyard.testing.conformance.target import Heard, call_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

JOBS = "/apis/batch/v1/namespaces/default/jobs"
CORE = "/api/v1/namespaces/default"
FULL = {
    "kind": "kubernetes", "image": "python:3.13-slim", "command": ["python", "-c", "print(1)"], "cpu": 0.5,
    "env": {"A": "$(B)", "S": {"secret": "name/key"}}, "resources": {"memoryMb": 64}, "serviceAccount": "runner",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder: Path = tmp_path_factory.mktemp("kubernetes")
    with kube_apiserver(folder) as made:
        yield made


@pytest.fixture
async def kube(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        base_url=server.url, headers=headers, verify=tls_context(authorities=server.authority)
    ) as http:
        yield http


@pytest.fixture
async def target(server: ApiServer) -> AsyncIterator[KubernetesTarget]:
    where = Cluster(server.url, "default", tls_context(authorities=server.authority), lambda: TOKEN)
    egress = Egress(Guard(EgressRules()))
    rules = Rules(service_accounts=("runner",), look_soonest=0.05)
    made = KubernetesTarget(lambda: KubeClient(where, egress), Breakers(SystemClock()), SystemClock(), rules)
    await made.start()
    yield made
    await made.stop()
    await egress.aclose()


async def is_there(kube: httpx.AsyncClient, path: str) -> bool:
    return (await kube.get(path)).is_success


async def test_what_is_asked_for_is_taken_and_what_came_of_it_is_told(
    target: KubernetesTarget, kube: httpx.AsyncClient
) -> None:
    call = call_of(FULL, {"a": 1}, security_level="HIGH")
    running = asyncio.create_task(target.run(call, Heard()))
    name = manifest.name_of(call)
    await eventually(lambda: is_there(kube, f"{CORE}/secrets/{name}"))
    job = (await kube.get(f"{JOBS}/{name}")).json()
    secret = (await kube.get(f"{CORE}/secrets/{name}")).json()
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    await _ended(kube, job)
    assert await asyncio.wait_for(running, 30) == Done({"stdout": "", "exitCode": 0})
    left = (await kube.get(f"{JOBS}/{name}")).json()
    assert left["metadata"]["deletionTimestamp"]  # a controller would take it away, and all that is its own


async def _ended(kube: httpx.AsyncClient, job: dict[str, Any]) -> None:
    """What the controller and a node do: make the pod, and say how it ended."""
    template = job["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    pod["metadata"] = {"name": job["metadata"]["name"], "labels": template["metadata"]["labels"]}
    made = await kube.post(f"{CORE}/pods", json=pod)
    assert made.status_code == 201, made.text
    ended = {"name": "task", "ready": False, "restartCount": 0, "image": "x", "imageID": "", "state": {}}
    ended["state"] = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    status = {"status": {"phase": "Succeeded", "containerStatuses": [ended]}}
    headers = {"content-type": "application/merge-patch+json"}
    told = await kube.patch(f"{CORE}/pods/{pod['metadata']['name']}/status", json=status, headers=headers)
    assert told.status_code == 200, told.text


async def test_the_next_attempt_takes_the_job_over_and_cancelled_it_is_deleted(
    target: KubernetesTarget, kube: httpx.AsyncClient
) -> None:
    call = call_of({"kind": "kubernetes", "image": "x"}, {})
    path = f"{JOBS}/{manifest.name_of(call)}"
    first = asyncio.create_task(target.run(call, Heard()))
    await eventually(lambda: is_there(kube, f"{CORE}/secrets/{manifest.name_of(call)}"))
    uid = (await kube.get(path)).json()["metadata"]["uid"]
    second = asyncio.create_task(target.run(call._replace(attempt=2), Heard()))

    async def taken_over() -> bool:
        return bool((await kube.get(path)).json()["metadata"]["annotations"][manifest.ATTEMPT] == "2")

    await eventually(taken_over)
    for running in (first, second):
        running.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    left = (await kube.get(path)).json()["metadata"]
    assert (left["uid"], "deletionTimestamp" in left) == (uid, True)


async def test_what_the_cluster_refuses_is_told(target: KubernetesTarget) -> None:
    report = await target.run(call_of({**FULL, "env": {"S": {"secret": "NoSlash"}}}, {}), Heard())
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", False)
    assert "secretKeyRef" in report.error.message
    (standing,) = await target.standings()
    assert standing.tier == "kubernetes"
