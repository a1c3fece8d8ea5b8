"""`taskyard webhooks`, on the store and over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.cli.command import Command


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    server.shutdown()
    server.server_close()


def test_a_webhook_is_made_tried_changed_and_removed(reached: Command, hook: str) -> None:
    assert "there are no subscriptions yet" in reached.done("webhooks").err
    made = reached.done("webhooks", "create", hook, "task.*", "--fields", '{"rateLimit": "5/s"}', "--json").json
    id_ = made["subscriptionId"]
    assert (made["rateLimit"], made["secret"][:6]) == ("5/s", "whsec_")
    assert reached.done("webhooks", "create", hook, "*").out.startswith("whsec_")
    assert len(reached.done("webhooks", "list", "--json").json["items"]) == 2
    ping = reached.done("webhooks", "test", id_, "--json").json
    assert (ping["status"], ping["attempts"][0]["status"]) == ("DELIVERED", 204)
    assert "webhook.ping" in reached.done("webhooks", "deliveries", "--subscription", id_).out
    assert "204" in reached.done("webhooks", "delivery", ping["deliveryId"]).out
    assert reached.done("webhooks", "rotate", id_, "--overlap", "5").out.startswith("whsec_")
    assert "disabled" in reached.done("webhooks", "disable", id_).out
    assert reached("webhooks", "redeliver", ping["deliveryId"]).code != 0
    assert reached.done("webhooks", "enable", id_, "--json").json["enabled"] is True
    assert reached.done("webhooks", "change", id_, '{"events": ["task.failed"]}', "--json").json["events"] == [
        "task.failed"
    ]
    assert reached.done("webhooks", "redeliver", ping["deliveryId"], "--json").json["status"] == "PENDING"
    assert reached.done("webhooks", "redeliver", "--subscription", id_, "--status", "dead").out == "0 sent again\n"
    assert reached("webhooks", "redeliver").code == 2
    assert reached.done("webhooks", "callbacks").out.startswith("whsec_")
    reached.done("webhooks", "remove", id_)
    assert reached("webhooks", "show", id_).code == 2


def test_what_is_refused_is_told_in_a_line(taskyard: Command) -> None:
    taskyard.done("definitions", "list", "--app", "jobs:yard")
    refused = taskyard("webhooks", "create", "http://10.0.0.1/x", "*")
    assert (refused.code, "may not be reached" in refused.err) == (2, True)
    assert taskyard("webhooks", "create", "https://93.184.216.34", "task.complete").code == 2
    assert taskyard("webhooks", "create", "https://93.184.216.34", "*", "--fields", "[]").code == 2
