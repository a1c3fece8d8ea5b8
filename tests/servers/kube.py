"""A double of the Kubernetes API, as far as jobs go: it checks what it is asked for against the API's own schemas
(kubernetes-validate, strict), and runs containers as processes of this machine.

It is no cluster: there are no images, no nodes, no rights. Its answers have the shapes of the API's reference.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support import eventually

VERSION = "1.30"
JOBS = "/apis/batch/v1/namespaces/{ns}/jobs"
CORE = "/api/v1/namespaces/{ns}"
JsonObject = dict[str, Any]
_COLLECTED_AFTER = 0.05


class Pod:
    """One container that runs, or ran."""

    def __init__(self, name: str, job: JsonObject, folder: Path) -> None:
        self.name = name
        self.job = job
        self.folder = folder
        self.phase, self.reason = "Pending", ""
        self.state: JsonObject = {"waiting": {"reason": "ContainerCreating"}}
        self.lines: list[bytes] = []
        self.changed = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None

    def shown(self) -> JsonObject:
        status = {"phase": self.phase, "containerStatuses": [{"name": "task", "state": self.state}]}
        if self.reason:
            status["reason"] = self.reason
        return {"metadata": {"name": self.name, "labels": self.job["metadata"]["labels"]}, "status": status}

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def run(self, secrets: dict[str, JsonObject]) -> None:
        """Wait for the input, as a kubelet does for a volume, run, and end."""
        pod = self.job["spec"]["template"]["spec"]
        wanted = pod["volumes"][0]["secret"]["secretName"]
        await eventually(lambda: wanted in secrets, within=math.inf)
        container = pod["containers"][0]
        place = self.folder / self.name
        place.mkdir()
        for name, content in secrets[wanted]["data"].items():
            (place / name).write_bytes(base64.b64decode(content))
        mount = container["volumeMounts"][0]["mountPath"]
        env = {each["name"]: each.get("value", "").replace(mount, str(place)) for each in container["env"]}
        command = container.get("command") or IMAGES[container["image"]]
        self.process = await asyncio.create_subprocess_exec(
            *command, *container.get("args", []), env=env, start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=1 << 22,
        )  # fmt: skip
        self.phase, self.state = "Running", {"running": {}}
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").rstrip("0")
            self.lines.append(stamp.encode() + b" " + line)
            self.changed.set()
        code = await self.process.wait()
        self.end(code)

    def end(self, code: int, reason: str = "") -> None:
        self.phase = "Failed" if code else "Succeeded"
        self.state = {"terminated": {"exitCode": code if code >= 0 else 128 - code, "reason": reason or "Completed"}}
        self.job["status"] = {"failed": 1} if code else {"succeeded": 1}
        self.changed.set()


IMAGES: dict[str, list[str]] = {}
"""What images do that are given no command."""


class Cluster:
    """What the API server knows. `asked` has each request's verb and path; `broken` is answered instead, while set;
    `meanwhile` happens once, before something is deleted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs: dict[str, JsonObject] = {}
        self.secrets: dict[str, JsonObject] = {}
        self.pods: dict[str, Pod] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.broken: int | None = None
        self.meanwhile: Callable[[], None] | None = None
        self.cut_logs_after: int | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._numbers = iter(range(1, 1_000_000))

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(JOBS, self._guarded(self.create_job), methods=["POST"]),
                Route(JOBS, self._guarded(self.list_jobs), methods=["GET"]),
                Route(JOBS + "/{name}", self._guarded(self.read_job), methods=["GET"]),
                Route(JOBS + "/{name}", self._guarded(self.patch_job), methods=["PATCH"]),
                Route(JOBS + "/{name}", self._guarded(self.delete_job), methods=["DELETE"]),
                Route(CORE + "/secrets", self._guarded(self.create_secret), methods=["POST"]),
                Route(CORE + "/pods", self._guarded(self.list_pods), methods=["GET"]),
                Route(CORE + "/pods/{name}/log", self._guarded(self.log), methods=["GET"]),
            ]
        )

    async def stop(self) -> None:
        for pod in self.pods.values():
            pod.kill()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def running(self) -> int:
        return sum(1 for pod in self.pods.values() if pod.phase == "Running")

    def _guarded(self, endpoint: Any) -> Any:
        async def serve(request: Request) -> Response:
            self.asked.append((request.method, request.url.path))
            if self.meanwhile is not None and request.method == "DELETE":
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            self.tokens.add(request.headers.get("authorization", ""))
            return await endpoint(request) if self.broken is None else told(self.broken, "Broken", "it is broken")

        return serve

    async def create_job(self, request: Request) -> Response:
        job = await request.json()
        refused = check(job)
        name = job["metadata"]["name"]
        if refused:
            return refused
        if name in self.jobs:
            return told(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        job["metadata"] |= {"uid": f"uid-{next(self._numbers)}", "resourceVersion": f"{next(self._numbers)}"}
        job["status"] = {}
        self.jobs[name] = job
        self._start(Pod(f"{name}-{next(self._numbers)}", job, self.folder))
        return JSONResponse(job, 201)

    def _start(self, pod: Pod) -> None:
        self.pods[pod.name] = pod
        image = pod.job["spec"]["template"]["spec"]["containers"][0]["image"]
        if image.startswith("missing"):
            pod.state = {"waiting": {"reason": "ImagePullBackOff", "message": f"Back-off pulling image {image}"}}
            return
        running = asyncio.create_task(pod.run(self.secrets))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def create_secret(self, request: Request) -> Response:
        secret = await request.json()
        refused = check(secret)
        name = secret["metadata"]["name"]
        if refused:
            return refused
        if name in self.secrets:
            return told(409, "AlreadyExists", f'secrets "{name}" already exists')
        self.secrets[name] = secret
        return JSONResponse(secret, 201)

    async def list_jobs(self, request: Request) -> Response:
        return JSONResponse({"items": [job for job in self.jobs.values() if selected(job["metadata"], request)]})

    async def read_job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["name"])
        return told(404, "NotFound", "there is no such job") if job is None else JSONResponse(job)

    async def patch_job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["name"])
        if job is None:
            return told(404, "NotFound", "there is no such job")
        assert request.headers["content-type"] == "application/merge-patch+json"
        job["metadata"]["annotations"] |= (await request.json())["metadata"]["annotations"]
        job["metadata"]["resourceVersion"] = f"{next(self._numbers)}"
        return JSONResponse(job)

    async def delete_job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["name"])
        if job is None:
            return told(404, "NotFound", "there is no such job")
        wanted = (await request.json()).get("preconditions", {})
        if any(job["metadata"][name] != value for name, value in wanted.items()):
            return told(409, "Conflict", "the preconditions do not hold")
        for key, pod in list(self.pods.items()):
            if pod.job is job:
                pod.kill()
                pod.phase = "Failed"
                del self.pods[key]
        owned = [each for each in self.secrets.values() if owner_of(each)["uid"] == job["metadata"]["uid"]]
        if any(owner_of(each).get("blockOwnerDeletion") for each in owned):
            job["metadata"] |= {
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "resourceVersion": f"{next(self._numbers)}",
            }
        else:
            del self.jobs[job["metadata"]["name"]]
        asyncio.get_running_loop().call_later(_COLLECTED_AFTER, self._collect, job)
        return JSONResponse({"kind": "Status", "status": "Success"})

    def _collect(self, job: JsonObject) -> None:
        """What the garbage collector does when it comes by: the job's secrets go, and the job if it waits for that."""
        for key, secret in list(self.secrets.items()):
            if owner_of(secret)["uid"] == job["metadata"]["uid"]:
                del self.secrets[key]
        if self.jobs.get(job["metadata"]["name"]) is job:
            del self.jobs[job["metadata"]["name"]]

    async def list_pods(self, request: Request) -> Response:
        wanted = request.query_params["labelSelector"].removeprefix("job-name=")
        found = [pod.shown() for pod in self.pods.values() if pod.job["metadata"]["name"] == wanted]
        return JSONResponse({"items": found})

    async def log(self, request: Request) -> Response:
        pod = self.pods.get(request.path_params["name"])
        if pod is None or pod.phase == "Pending":
            return told(400, "BadRequest", "container is waiting to start")
        since = request.query_params.get("sinceTime", "")
        return StreamingResponse(self._lines(pod, since), media_type="text/plain")

    async def _lines(self, pod: Pod, since: str) -> AsyncIterator[bytes]:
        sent, left = 0, self.cut_logs_after
        while True:
            pod.changed.clear()
            while sent < len(pod.lines):
                line = pod.lines[sent]
                sent += 1
                if moment(line.partition(b" ")[0].decode()) >= moment(since):
                    if left is not None:
                        left -= 1
                        if left < 0:
                            return
                    yield line
            if pod.phase != "Running":
                return
            await pod.changed.wait()


def moment(stamp: str) -> str:
    return stamp.removesuffix("Z").ljust(26, "0") if stamp else ""


def owner_of(secret: JsonObject) -> JsonObject:
    owner: JsonObject = secret["metadata"]["ownerReferences"][0]
    return owner


def selected(meta: JsonObject, request: Request) -> bool:
    wanted = dict(part.split("=") for part in request.query_params.get("labelSelector", "").split(",") if part)
    return wanted.items() <= meta.get("labels", {}).items()


def check(manifest: JsonObject) -> Response | None:
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return told(422, "Invalid", f"{error.path}: {error.message}")
    return None


def told(status: int, reason: str, message: str) -> Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }
    return JSONResponse(body, status)


@contextlib.asynccontextmanager
async def cluster(folder: Path, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Cluster, str]]:
    """A double that answers, and its address."""
    import uvicorn

    made = Cluster(folder)
    config = uvicorn.Config(made.app(), host="127.0.0.1", port=0, log_config=None, lifespan="off")
    if tls is not None:
        config.load()
        config.ssl = tls
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield made, f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    finally:
        await made.stop()
        server.should_exit = server.force_exit = True
        await serving
