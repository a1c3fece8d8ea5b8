"""The processes of Taskyard, as the kernel sees them."""

import subprocess
import sys

PROGRAM = """
import resource
from taskyard.loops import run
async def main(): return resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
print(run(main())[0])
"""


def test_no_memory_with_secrets_is_left_in_a_core_file() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert int(told) in (0, 1)
