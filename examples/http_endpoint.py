"""A task that is an HTTP endpoint: it is called with the input, and tells its progress in frames, one JSON a line."""

import asyncio
import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from taskyard import Taskyard
from taskyard.engine.define import define, parse_definition
from taskyard.settings import load


class Counter(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        word = json.loads(self.rfile.read(int(self.headers["content-length"])))["word"]
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.end_headers()
        for number in range(1, len(word) + 1):
            self.say(type="progress", current=number, total=len(word), action="counting")
            self.say(type="log", text=f"counted {number} of {len(word)}")
        self.say(type="result", output={"letters": len(word)})

    def say(self, **frame: object) -> None:
        self.wfile.write(json.dumps(frame).encode() + b"\n")

    def log_message(self, *_: object) -> None: ...


async def main(url: str) -> None:
    folder = tempfile.mkdtemp(prefix="taskyard-example-")
    settings = load().with_values(
        TASKYARD_DATABASE_URL=f"sqlite:///{Path(folder) / 'example.db'}",
        TASKYARD_EGRESS_ALLOW=("127.0.0.1",),  # private addresses have to be allowed
    )
    yard = Taskyard(settings=settings)
    async with yard.worker():
        count = {"key": "count", "implementation": {"kind": "http", "url": url}}
        await define(yard.engine, [parse_definition(count)])
        run = await yard.start("count", {"word": "yak"})
        async for message in run.follow():
            if message["type"] == "log":
                print(message["text"])
        print(await run.result())


with ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}/"))
    server.shutdown()
