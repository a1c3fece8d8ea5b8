"""Run as a program: waits until its standard input ends, migrates a database, and says what it has applied."""

import asyncio
import json
import sys
from pkgutil import resolve_name


def main() -> None:
    """Migrate with the store that the first argument names (`module:Class`) what the second one locates."""
    store = resolve_name(sys.argv[1])(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    sys.stdout.write(json.dumps(asyncio.run(store.migrate())))


if __name__ == "__main__":
    main()
