"""A Temporal workflow whose activity is a task: submitted once, and completed by its callback, however long it takes.

    pip install taskyard temporalio
    TASKYARD_URL=… TASKYARD_TOKEN=… python workflow.py localhost:7233 http://this-machine:9000

Taskyard must be allowed to reach the callback: TASKYARD_EGRESS_ALLOW names the network where it is private.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from taskyard import AsyncTaskyardClient, verify_webhook
from taskyard.errors import Unauthorized

QUEUE = "taskyard"


@workflow.defn
class Order:
    @workflow.run
    async def run(self, amount: int) -> dict[str, Any]:
        charged: dict[str, Any] = await workflow.execute_activity(
            "run_task", args=["charge-card", {"amount": amount}], start_to_close_timeout=timedelta(days=1)
        )
        return {"amount": amount, **charged}


class Tasks:
    """`callback_url` leads to `callbacks`."""

    def __init__(self, taskyard: AsyncTaskyardClient, callback_url: str) -> None:
        self._taskyard = taskyard
        self._callback_url = callback_url

    @activity.defn
    async def run_task(self, key: str, given: Any) -> Any:
        """Tried again, it finds the task that it has submitted before."""
        info = activity.info()
        once = f"{info.workflow_run_id}/{info.activity_id}"
        await self._taskyard.start(
            key, given, workflow_id=info.workflow_id, correlation_id=once, idempotency_key=once,
            callback_url=self._callback_url,
        )  # fmt: skip
        activity.raise_complete_async()


def callbacks(temporal: Client, secret: str) -> FastAPI:
    """Takes callbacks, and completes the activities that they are about."""
    app = FastAPI()

    @app.post("/")
    async def called_back(request: Request) -> Response:
        try:
            told = verify_webhook(await request.body(), request.headers, secret)
        except Unauthorized as error:
            return Response(error.message, 401)
        run_id, _, activity_id = told["correlationId"].partition("/")
        handle = temporal.get_async_activity_handle(
            workflow_id=told["workflowId"], run_id=run_id, activity_id=activity_id
        )
        try:
            if told["status"] == "COMPLETED":
                await handle.complete(told["output"])
            else:
                error = told["error"]
                await handle.fail(ApplicationError(error["message"], type=error["code"], non_retryable=True))
        except RPCError as failure:
            if failure.status is not RPCStatusCode.NOT_FOUND:  # it came a second time, or the workflow is over
                raise
        return Response(status_code=204)

    return app


async def main(temporal_address: str, callback_url: str) -> None:
    temporal = await Client.connect(temporal_address)
    async with AsyncTaskyardClient() as taskyard:
        app = callbacks(temporal, await taskyard.callback_secret())
        port = int(callback_url.rpartition(":")[2])
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        tasks = Tasks(taskyard, callback_url)
        async with Worker(temporal, task_queue=QUEUE, workflows=[Order], activities=[tasks.run_task]):
            await server.serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
