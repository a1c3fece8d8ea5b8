"""Every example runs as it stands, and prints what it promises."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.brokers import KAFKA
from tests.servers.program import running

FOLDER = Path(__file__).parents[2] / "examples"
PROMISED = {
    "quickstart.py": ["status RETRYING", "log counted 9 words", "9 words, the longest is 'every'"],
    "subtasks.py": ["['planks #1', 'nails #2']", "bought ['planks', 'nails']"],
    "transaction.py": ["invoice for order 1", "orders: 1"],
    "schedule.py": ["door measured because of schedule every-second", "apart: 1.0"],
    "workflow.py": ["ada-r5", "'reason': 'no such card'", "a clerk is asked: Check the large order"],
    "http_endpoint.py": ["counted 3 of 3", "{'letters': 3}"],
    "rest_oauth.py": [
        "a token is asked for: grant_type=client_credentials&scope=read",
        "['The Left Hand of Darkness', 'The Left Hand of Darkness']",
    ],
    "database.py": ["[{'name': 'lamp', 'price': 40}]", "[]"],
    "http_worker.py": ["{'word': 'HELLO'}"],
    "webhooks.py": ["task.instance.created {}", 'task.instance.completed {"greeting": "Hello Ada"}'],
    "events.py": ["one task: True", "not wanted: []", "packed order 7 (gift, fragile)"],
    "kafka.py": ["task.instance.created", "task.instance.completed {'value': 4}"],
    "approval.py": [
        "Zoe wants 70 back.",
        "approve-refund is ASSIGNED",
        "approve-refund is COMPLETED",
        "paid 70 to Zoe",
    ],
}


def test_every_example_is_known_and_listed() -> None:
    there = {file.name for file in FOLDER.glob("*.py")}
    assert there == set(PROMISED)
    listed = (FOLDER / "README.md").read_text()
    assert all(f"({name})" in listed for name in there)


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(running(KAFKA["noida"])).address if name == "kafka.py" else ""
        done = subprocess.run(
            [sys.executable, "-W", "error", FOLDER / name], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env={**os.environ, "KAFKA_BROKERS": broker},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in PROMISED[name]:
        assert line in done.stdout
