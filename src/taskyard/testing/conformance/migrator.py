"""Run as a program: waits until its standard input ends, migrates a pickled database, and says what it has applied."""

import asyncio
import json
import pickle
import sys

from taskyard.contracts.clock import SystemClock


def main() -> None:
    """Migrate the database in the first argument."""
    store = pickle.loads(bytes.fromhex(sys.argv[1]))(SystemClock())  # noqa: S301 - our parent's
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    sys.stdout.write(json.dumps(asyncio.run(store.migrate())))


if __name__ == "__main__":
    main()
