"""A task that calls a REST API with a token of OAuth 2, which nobody but the connection ever has."""

import asyncio
import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from taskyard import Taskyard
from taskyard.domain.connection import Connection
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.settings import load


class Library(BaseHTTPRequestHandler):
    """The API, and the endpoint that gives the tokens it wants to see."""

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        print("a token is asked for:", form)
        self.answer({"access_token": "token-1", "expires_in": 3600})

    def do_GET(self) -> None:
        if self.headers["authorization"] != "Bearer token-1":
            self.send_error(401)
            return
        self.answer({"title": "The Left Hand of Darkness", "shelf": self.path.rpartition("/")[2]})

    def answer(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


async def main(url: str) -> None:
    folder = tempfile.mkdtemp(prefix="taskyard-example-")
    settings = load().with_values(
        TASKYARD_DATABASE_URL=f"sqlite:///{Path(folder) / 'example.db'}",
        TASKYARD_DATA_DIR=folder,
        TASKYARD_EGRESS_ALLOW=("127.0.0.1",),  # private addresses have to be allowed
    )
    yard = Taskyard(settings=settings)
    async with yard.worker():
        auth = {"type": "oauth2", "tokenUrl": f"{url}/token", "scope": "read"}
        library = Connection(connection_id="library", type="rest", settings={"baseUrl": url, "auth": auth})
        secrets = {"clientId": "reader", "clientSecret": "kept sealed"}
        await put_connection(yard.engine, yard.app.box, library, secrets)
        find_book = {
            "key": "find-book",
            "implementation": {
                "kind": "integration",
                "connectionId": "library",
                "operation": {"path": "/shelves/{shelf}"},
                "response": "output.title",
            },
        }
        await define(yard.engine, [parse_definition(find_book)])
        runs = [await yard.start("find-book", {"shelf": shelf}) for shelf in ("a1", "b2")]
        print([await run.result() for run in runs])


with ThreadingHTTPServer(("127.0.0.1", 0), Library) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()
