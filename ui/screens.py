"""Takes pictures of the pages, of the demo with some more runs in it.

python ui/screens.py            the two that the README shows, into docs/pictures
python ui/screens.py FOLDER     all pages, in both themes, and some as a tablet and as a phone show them
python ui/screens.py FOLDER NAME…   these pages only
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDE, TABLET, PHONE = {"width": 1280, "height": 800}, {"width": 820, "height": 1180}, {"width": 390, "height": 844}
NARROW = ("runs", "run", "tasks", "task", "inbox", "process", "overview", "audit")

MORE: list[tuple[str, dict[str, Any]]] = [
    *[("fetch-exchange-rates", {"base": base}) for base in ("EUR", "USD", "GBP", "CHF")],
    *[("notify-legacy-system", {"message": f"Order {number} is ready."}) for number in (4711, 4712)],
    *[("back-up-database", {"keep": 3}) for _ in range(4)],
    ("checksum-folder", {"folder": "files", "algorithm": "sha1"}),
]


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The demo, once its samples have run."""
    command = [sys.executable, "-m", "taskyard", "demo", "--folder", str(folder), "--port", "0", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield await read_document(process)
    finally:
        process.terminate()
        await process.wait()


async def read_document(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The JSON document that the demo prints when its samples have run."""
    text = ""
    while process.stdout is not None:
        line = await process.stdout.readline()
        text += line.decode()
        with suppress(json.JSONDecodeError):
            return dict(json.loads(text))
        if not line:
            break
    raise RuntimeError(f"the demo ended before its samples had run: {text}")


async def fill(told: dict[str, Any], token: str) -> str:
    """Run some more; the id of one that has failed."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=told["url"], headers=headers, timeout=60) as client:
        answers = await asyncio.gather(*(client.post(f"/admin/task/{key}/run", json=input_) for key, input_ in MORE))
        await client.post("/admin/task/import-customers/start", json={"mode": "replace", "rows_per_second": 100})
        await client.post("/admin/task/refund-customer/start", json={"customer": "Anna Becker", "amount": 42})
    return next(str(each.json()["runId"]) for each in answers if each.json().get("status") == "FAILED")


async def page_of(browser: Browser, told: dict[str, Any], token: str, theme: str, size: dict[str, int]) -> Page:
    """A page that is logged in."""
    context = await browser.new_context(viewport=size, color_scheme=theme, locale="en-GB", base_url=told["url"])  # type: ignore[arg-type]
    page = await context.new_page()
    await page.request.post("/login", form={"token": token}, headers={"Origin": told["url"]})
    return page


async def take(page: Page, path: str, target: Path) -> None:
    """One picture."""
    await page.goto(f"/admin{path}")
    await page.get_by_role("heading", level=1).wait_for()
    await expect(page.locator(".skeleton")).to_have_count(0, timeout=30_000)
    await page.wait_for_timeout(900)  # nothing tells when all that is live has been painted
    await page.screenshot(path=target)


async def main() -> None:
    """Take what is asked for."""
    chromium = shutil.which("chromium") or sys.exit("this needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with demo(folder) as told, async_playwright() as playwright:
            token = (folder / ".taskyard" / "admin.token").read_text(encoding="utf-8").strip()
            failed = await fill(told, token)
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            if len(sys.argv) > 1:
                await take_all(browser, told, token, failed, Path(sys.argv[1]), sys.argv[2:])
            else:
                await take(await page_of(browser, told, token, "light", WIDE), "/run", PICTURES / "runs.png")
                await take(await page_of(browser, told, token, "dark", WIDE), "/task", PICTURES / "tasks.png")
            await browser.close()


async def take_all(
    browser: Browser, told: dict[str, Any], token: str, failed: str, target: Path, names: list[str]
) -> None:
    """Every page, or those with these names."""
    process = next(each["taskId"] for each in told["runs"] if each["taskDefinitionId"] == "publish-prices")
    paths = {
        "overview": "", "tasks": "/task", "task": "/task/import-customers", "runs": "/run", "run": f"/run/{failed}",
        "run-attempts": f"/run/{failed}?tab=attempts", "run-result": f"/run/{told['runs'][0]['taskId']}?tab=result",
        "inbox": "/inbox", "queues": "/queue", "dead-letters": "/dead-letter", "errors": "/error", "workers": "/worker",
        "people": "/people", "audit": "/audit", "connections": "/connection", "process": f"/run/{process}?tab=process",
        "schedules": "/schedule", "events": "/event", "webhooks": "/webhook", "settings": "/settings",
    }  # fmt: skip
    wanted = {name: path for name, path in paths.items() if name in (names or paths)}
    for theme in ("light", "dark"):
        page = await page_of(browser, told, token, theme, WIDE)
        for name, path in wanted.items():
            await take(page, path, target / f"{name}-{theme}.png")
    for device, theme, size in (("tablet", "light", TABLET), ("phone", "dark", PHONE)):
        page = await page_of(browser, told, token, theme, size)
        for name in [name for name in NARROW if name in wanted]:
            await take(page, wanted[name], target / f"{name}-{device}.png")


if __name__ == "__main__":
    asyncio.run(main())
