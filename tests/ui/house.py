"""The server and the browser that looks at it."""

from __future__ import annotations

import contextlib
import functools
import json
import runpy
import shutil
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    ViewportSize,
    async_playwright,
    expect,
)

from taskyard import Taskyard
from taskyard.api.services import ApiServices
from taskyard.interface.built import load_interface
from taskyard.security.caller import ADMIN, Caller
from taskyard.security.session import Session
from tests.api.yard import ADMIN_TOKEN, serving
from tests.ui.yard import Gates

ROOT = Path(__file__).parents[2]
WIDE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE = 30_000
"""Milliseconds that the browser may take for one thing, on a machine that is busy."""

_ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
_ABOUT_ANSWERS = "Failed to load resource"  # what the browser says of answers that are looked at by their status
_LEFT = "closed before the connection is established"

expect.set_options(timeout=PATIENCE)


class House(NamedTuple):
    """A yard with a worker, its server, and a browser."""

    url: str
    yard: Taskyard
    gates: Gates
    services: ApiServices
    browser: Browser

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An administrator's call of the API; what it answers."""
        async with httpx.AsyncClient(base_url=self.url, headers=_ADMIN, timeout=PATIENCE / 1000) as client:
            answer = await client.request(method, path, json=body)
            assert answer.is_success, answer.text
            return answer.json()

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
    if interface is None or not runpy.run_path(str(ROOT / "ui" / "build.py"))["is_fresh"]():
        raise RuntimeError("these tests need the browser interface as its sources are now: `make ui` builds it")
    async with serving(yard, interface=interface, **changes) as (address, services):
        yield House(f"http://{address}", yard, gates, services, browser)


@contextlib.asynccontextmanager
async def visit(
    house: House, *scopes: str, subject: str = "ada", groups: tuple[str, ...] = (), size: ViewportSize | None = None,
    expected: tuple[int, ...] = (), **options: Any,
) -> AsyncIterator[Page]:  # fmt: skip
    """A page of somebody who is logged in. Whatever the console complains of fails the test, and so does an answer
    that refuses something with a status that is not `expected`.
    """
    caller = Caller(subject, frozenset(scopes or (ADMIN,)), frozenset(groups))
    cookie = house.services.sessions.issue(Session(caller), 3_600, house.services.now())
    context = await house.browser.new_context(viewport=size or WIDE, locale="en-GB", base_url=house.url, **options)
    context.set_default_timeout(PATIENCE)
    await context.add_cookies([{"name": "taskyard_session", "value": cookie, "url": house.url}])
    async with watched(context, expected) as page:
        yield page


@contextlib.asynccontextmanager
async def watched(context: BrowserContext, expected: tuple[int, ...] = ()) -> AsyncIterator[Page]:
    """A page of the context; its errors are the test's, and answers of 400 and above that are not `expected`."""
    page = await context.new_page()
    complaints: list[str] = []

    def look(answer: Response) -> None:
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.status not in expected:
            complaints.append(f"{answer.status} {answer.request.method} {answer.url}")

    def listen(message: ConsoleMessage) -> None:
        text = message.text
        is_refused_socket = any(f"handshake: Unexpected response code: {status}" in text for status in expected)
        if message.type == "error" and not (_ABOUT_ANSWERS in text or _LEFT in text or is_refused_socket):
            complaints.append(text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", listen)
    page.on("response", look)
    try:
        yield page
    finally:
        await context.close()
    assert not complaints, complaints


@functools.cache
def _axe() -> str:
    return (ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_axe())
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    options = {"runOnly": rules, "resultTypes": ["violations"]}  # what passes is long, and nobody reads it
    found = await page.evaluate(f"axe.run(document, {json.dumps(options)}).then(found => found.violations)")
    return [f"{each['id']} ({each['impact']}): {node['html'][:160]}" for each in found for node in each["nodes"]]
