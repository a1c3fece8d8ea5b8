"""What is Camunda 8's own in how its jobs are done here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from taskyard.engine.define import define, parse_definition
from taskyard.errors import ConfigurationError
from taskyard.orchestrators import holding
from tests.orchestrators.bridging import KINDS, Scene, bridged
from tests.orchestrators.zeebe import StubZeebe
from tests.promises.fixtures_b import new_yard
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import eventually


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.02)
    async with bridged(KINDS["camunda8"], tmp_path) as made:
        yield made


async def test_variables_are_plain_and_the_instance_is_the_tasks_workflow(scene: Scene) -> None:
    scene.bridge()
    job = scene.add("charge", amount=1)
    await scene.ended(job)
    assert job.said[-1] == ("completion", {"variables": {"charged": 2}})
    (task,) = await scene.tasks()
    assert task.workflow_id == f"1{job.key}"


async def test_what_is_defined_later_is_asked_for_too(scene: Scene) -> None:
    scene.bridge()
    await scene.ended(scene.add("charge", amount=1))
    job = scene.add("later")
    definition = {"key": "later", "implementation": {"kind": "system", "name": "template.render"}}
    await define(scene.yard.engine, [parse_definition(definition)])
    assert (await scene.ended(job))[0] == "failure"


async def test_it_is_done_anew_once_the_incident_of_its_error_is_resolved(scene: Scene) -> None:
    job = scene.add("refused")
    job.catches = False
    bridge = scene.bridge()
    assert (await scene.ended(job))[0] == "bpmnError"
    await eventually(lambda: not bridge.open)
    job.catches, job.retries = True, 1
    assert (await scene.ended(job))[0] == "bpmnError"
    assert len(await scene.tasks()) == 2


async def test_the_zeebe_named_is_asked_for_its_jobs(tmp_path: Path) -> None:
    zeebe = StubZeebe()
    async with receiving(zeebe.serve) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/v2"
        settings = {"TASKYARD_ZEEBE_URL": url, "TASKYARD_ZEEBE_AUTHORIZATION": "Bearer t"}
        yard = new_yard(tmp_path, **settings)

        @yard.task
        async def double(number: int) -> int:
            return 2 * number

        async with yard.worker():
            job = zeebe.add("double", number=4)
            await eventually(lambda: job.ended)
        assert {asked.headers["authorization"] for asked in receiver.asked} == {"Bearer t"}
    assert job.said[-1] == ("completion", {"variables": {"output": 8}})


async def test_tokens_of_the_saas_are_asked_for_and_renewed_when_they_are_refused(tmp_path: Path) -> None:
    zeebe, given = StubZeebe(), [answer(body=json.dumps({"access_token": f"t{k}"}).encode()) for k in (1, 2, 3)]
    zeebe.broken = [answer("401 Unauthorized")]

    async def log_in(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(given.pop(0))

    async with receiving(zeebe.serve) as receiver, receiving(log_in) as login:
        settings = {
            "TASKYARD_ZEEBE_URL": f"http://127.0.0.1:{receiver.port}",
            "TASKYARD_ZEEBE_TOKEN_URL": f"http://127.0.0.1:{login.port}/oauth/token",
            "TASKYARD_ZEEBE_CLIENT_ID": "me",
            "TASKYARD_ZEEBE_CLIENT_SECRET": "hidden",
        }
        yard = new_yard(tmp_path, **settings)

        @yard.task
        async def double(number: int) -> int:
            return 2 * number

        async with yard.worker():
            job = zeebe.add("double", number=4)
            await eventually(lambda: job.ended)
    asked = parse_qs(login.asked[0].body.decode())
    wanted = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "hidden"}
    assert asked == {name: [value] for name, value in (wanted | {"audience": "zeebe.camunda.io"}).items()}
    assert len(login.asked) == 2
    assert [asked.headers["authorization"] for asked in receiver.asked][-1] == "Bearer t2"


@pytest.mark.parametrize("wrong", [{"ID": "me"}, {"SECRET": "hidden"}, {"ID": "me", "SECRET": "hidden"}])
async def test_half_a_client_is_refused_and_so_are_two_ways_to_prove_it(tmp_path: Path, wrong: dict[str, str]) -> None:
    client = {f"TASKYARD_ZEEBE_CLIENT_{name}": value for name, value in wrong.items()}
    yard = new_yard(
        tmp_path, TASKYARD_ZEEBE_URL="http://127.0.0.1:1", TASKYARD_ZEEBE_AUTHORIZATION="Bearer t", **client
    )
    with pytest.raises(ConfigurationError, match="TASKYARD_ZEEBE"):
        async with yard.worker():
            pass
