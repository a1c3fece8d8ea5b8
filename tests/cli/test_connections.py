"""`taskyard connections`, on the store and over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.cli.command import Command

CANARY = "canary-55d1-token"


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if CANARY in self.headers.get("authorization", "") else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def connection(url: str, token: str) -> dict[str, object]:
    settings = {"baseUrl": url, "auth": {"type": "bearer"}}
    return {"connectionId": "billing", "type": "rest", "settings": settings, "secrets": {"token": token}}


def test_a_connection_is_put_tried_shown_and_deleted(reached: Command, folder: Path, api: str) -> None:
    assert "there are no connections yet" in reached.done("connections").err
    file = folder / "billing.yaml"
    file.write_text(yaml.safe_dump(connection(api, CANARY)))
    assert "billing" in reached.done("connections", "put", str(file)).out
    assert "billing answers" in reached.done("connections", "test", "billing").out
    shown = reached.done("connections", "show", "billing").out
    assert "token" in shown
    assert CANARY not in shown
    file.write_text(json.dumps(connection(api, "wrong-token")))
    assert CANARY not in json.dumps(reached.done("connections", "put", str(file), "--json").json)
    refused = reached("connections", "test", "billing")
    assert (refused.code, "401" in refused.err) == (1, True)
    reached.done("connections", "delete", "billing")
    gone = reached("connections", "show", "billing")
    assert "there is no connection 'billing'" in gone.err


def test_definitions_are_made_of_an_api(taskyard: Command, folder: Path) -> None:
    file = folder / "api.yaml"
    file.write_text(yaml.safe_dump({"openapi": "3.1.0", "paths": {"/pets": {"get": {"operationId": "listPets"}}}}))
    made = yaml.safe_load(taskyard.done("connections", "import", "petstore", str(file)).out)
    assert (made["key"], made["implementation"]["connectionId"]) == ("petstore.listPets", "petstore")
