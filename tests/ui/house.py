"""The server and the browser that looks at it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from taskyard import Taskyard
from taskyard.api.services import ApiServices
from taskyard.interface.built import load_interface
from taskyard.security.caller import ADMIN, Caller
from taskyard.security.session import Session
from tests.api.yard import serving
from tests.ui.yard import Gates

ROOT = Path(__file__).parents[2]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 10_000
"""Milliseconds that the browser may take for one thing, on a machine that is busy."""

expect.set_options(timeout=PATIENCE)


class House(NamedTuple):
    """A yard with a worker, its server, and a browser."""

    url: str
    yard: Taskyard
    gates: Gates
    services: ApiServices
    browser: Browser

    async def start(self, key: str, input_: dict[str, Any] | None = None, **options: Any) -> str:
        """Start a task; its id."""
        return (await self.yard.start(key, input_ or {}, **options)).id

    async def finished(self, key: str, input_: dict[str, Any] | None = None) -> str:
        """Run a task to its end, however that is; its id."""
        run = await self.yard.start(key, input_ or {})
        async for _ in run.follow():
            pass
        return run.id


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("these tests need Chromium: apt-get install chromium (`make chromium` does it)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def house_of(yard: Taskyard, gates: Gates, browser: Browser, **changes: Any) -> AsyncIterator[House]:
    """A server of the yard with the interface."""
    interface = load_interface()
    if interface is None:
        raise RuntimeError("these tests need the browser interface: `make ui` builds it")
    async with serving(yard, interface=interface, **changes) as (address, services):
        yield House(f"http://{address}", yard, gates, services, browser)


@contextlib.asynccontextmanager
async def visit(
    house: House, *scopes: str, subject: str = "ada", groups: tuple[str, ...] = (), size: dict[str, int] | None = None,
    **options: Any,
) -> AsyncIterator[Page]:  # fmt: skip
    """A page of somebody who is logged in. Whatever the console complains of fails the test."""
    caller = Caller(subject, frozenset(scopes or (ADMIN,)), frozenset(groups))
    cookie = house.services.sessions.issue(Session(caller), 600, house.services.now())
    context = await house.browser.new_context(viewport=size or WIDE, locale="en-GB", base_url=house.url, **options)
    context.set_default_timeout(PATIENCE)
    await context.add_cookies([{"name": "taskyard_session", "value": cookie, "url": house.url}])
    async with watched(context) as page:
        yield page


@contextlib.asynccontextmanager
async def watched(context: BrowserContext) -> AsyncIterator[Page]:
    """A page of the context; its errors are the test's."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield page
    finally:
        await context.close()
    unexpected = [each for each in complaints if "Failed to load resource" not in each and "WebSocket" not in each]
    assert not unexpected


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    script = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
    await page.evaluate(script.read_text(encoding="utf-8"))
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = await page.evaluate(f"axe.run(document, {json.dumps(options)})")
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
