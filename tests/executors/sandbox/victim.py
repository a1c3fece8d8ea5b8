"""A worker process to be killed: `python -m tests.executors.sandbox.victim TIER KIND MARK` says `on`, and goes on."""

from __future__ import annotations

import asyncio
import sys

from tests.executors.sandbox.calls import Heard, call, sandbox

SOURCES = {
    "shell": "echo on; sleep {mark} & sleep {mark}",
    "python": "import time\ndef main(i, c):\n c.log.info('on')\n mark = '{mark}'\n time.sleep(60)",
    "javascript": "export default async (i, c) => {{ c.log('info', 'on');"
    " await new Promise((d) => setTimeout(d, 60000)); }}",
}


class Tells(Heard):
    """Says when the program is on."""

    def log(self, level: str, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


async def main() -> None:
    tier, kind, mark = sys.argv[1:]
    async with sandbox([tier], warm=2) as box:
        await box.run(call(kind, SOURCES[kind].format(mark=mark), timeout=60), Tells())


if __name__ == "__main__":
    asyncio.run(main())
