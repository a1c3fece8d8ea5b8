"""A receiver of webhooks beside a server: it verifies each, and answers before it works."""

import asyncio
import json
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from taskyard import AsyncTaskyardClient, Taskyard, verify_webhook
from taskyard.errors import Unauthorized
from taskyard.server import Address, serve
from taskyard.settings import load

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
settings = load().with_values(
    TASKYARD_DATABASE_URL=f"sqlite:///{folder}/example.db",
    TASKYARD_DATA_DIR=str(folder / "data"),
    TASKYARD_EGRESS_ALLOW=("127.0.0.1",),  # private addresses have to be allowed
)
yard = Taskyard(settings=settings)
secrets: list[str] = []
completed = Event()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = verify_webhook(body, dict(self.headers), secrets)
        except Unauthorized:
            self.send_response(401)
        else:
            self.send_response(204)
            print(event["type"], json.dumps(event["data"].get("outputSummary", {})))
            if event["type"].endswith("completed"):
                completed.set()
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


async def ask(url: str, hook: str) -> None:
    token = (folder / "data" / "admin.token").read_text().strip()
    async with AsyncTaskyardClient(url, token) as client:
        subscription = await client.subscribe({"url": hook, "events": ["task.created", "task.completed"]})
        secrets.append(subscription["secret"])
        await client.push_definition({"key": "greet", "implementation": {"kind": "external", "topic": "words"}})
        await client.start("greet", {"name": "Ada"})
        [message] = await client.dequeue(worker_id="greeter-1", wait_time=10)
        await client.complete_message(message, {"greeting": f"Hello {message.input['name']}"})
        await asyncio.to_thread(completed.wait, 30)


async def main(hook: str) -> None:
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=address.set_result, stop=stop)
    )
    ready: Address = await address
    await ask(ready.url, hook)
    stop.set()
    await serving


with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
    Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}/hook"))
    server.shutdown()
