"""What a process does not load before it needs it: start-up is waited for, at every start."""

import subprocess
import sys

_OF_OTHERS = {"httpx", "joserfc", "fastapi", "aiokafka", "aiobotocore", "SpiffWorkflow", "opentelemetry"}


def test_a_worker_starts_without_what_only_servers_and_calls_need() -> None:
    program = "import sys, taskyard.supervised, taskyard.yard; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert _OF_OTHERS & {name.partition(".")[0] for name in told.stdout.split()} == set()
