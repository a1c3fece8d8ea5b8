"""Ending jobs: those that are done with, and those that nobody follows any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog

from taskyard.errors import TaskyardError
from taskyard.executors.script.kubernetes import manifest
from taskyard.executors.script.kubernetes.client import KubeClient, Refused

log = structlog.get_logger("taskyard.kubernetes")


async def delete(client: KubeClient, found: dict[str, Any], attempt: int, pauses: Iterator[float]) -> None:
    """Delete a job, however often it changes meanwhile, until it is gone or another's: that of a later attempt.

    `pauses`: seconds before each further try. Raises CallFailed, Refused.
    """
    meta = found["metadata"]
    while manifest.attempt_of(found) <= attempt and found["metadata"]["uid"] == meta["uid"]:
        if await client.delete_job(found):
            return
        await asyncio.sleep(next(pauses))
        try:
            found = await client.job(meta["name"])
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return
            raise


async def delete_abandoned(client: KubeClient, now_us: int) -> None:
    """Delete the jobs that nobody follows any more; one that cannot be keeps no other waiting.

    Raises CallFailed, Refused where the jobs cannot be listed.
    """
    for job in await client.jobs(manifest.SELECTOR):
        if not manifest.is_past(job["metadata"].get("annotations", {}), now_us):
            continue
        name = job["metadata"]["name"]
        try:
            if await client.delete_job(job):
                log.info("an abandoned job is deleted", job=name)
        except TaskyardError as error:
            log.warning("an abandoned job could not be deleted", job=name, why=error.message)
