"""What holds on every page: login, safety, looks, and that everybody can use it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.api.yard import ADMIN_TOKEN
from tests.ui.house import PATIENCE, PHONE, WIDE, House, violations, visit, watched

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]

PAGES = (
    "", "/task", "/task/back-up", "/task/purge", "/run", "/inbox", "/queue", "/dead-letter", "/worker", "/schedule",
    "/event", "/webhook", "/settings", "/nothing",
)  # fmt: skip


async def test_a_token_logs_in_and_leads_to_the_page_that_was_asked_for(house: House) -> None:
    context = await house.browser.new_context(base_url=house.url)
    context.set_default_timeout(PATIENCE)
    async with watched(context) as page:
        await page.goto("/admin/run?q=state:failed")
        await expect(page).to_have_url(re.compile("/login"))
        assert not await violations(page)
        await page.get_by_label("Token").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Token").fill(ADMIN_TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await expect(page).to_have_url(re.compile(r"/admin/run\?q=state"))
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(re.compile("/login"))
        await page.goto("/admin/run")
        await expect(page).to_have_url(re.compile("/login"))


async def test_pages_may_load_nothing_from_elsewhere_and_run_nothing_inline(house: House) -> None:
    async with visit(house) as page:
        answer = await page.goto("/admin/run")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        asset = await page.request.get(await page.locator("script[src]").first.get_attribute("src") or "")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["content-encoding"] == "gzip"
        assert (await page.request.get("/admin/assets/../index.html")).status == 404
        assert (await page.request.get("/admin/run", headers={"Accept": "application/json"})).status == 404


async def test_the_theme_is_there_before_anything_is_painted(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/settings")
        await page.get_by_label("Dark").check()
        answer = await page.goto("/admin/queue")
        assert answer is not None
        assert 'data-theme="dark"' in await answer.text()
        assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
        await page.locator("body").press("t")
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def test_the_keyboard_has_a_sheet_and_can_be_turned_off(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/settings")
        await page.locator("body").press("?")
        await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.get_by_label("Single letters are shortcuts").uncheck()
        await page.locator("body").press("?")
        await expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everybody_can_use_every_page(house: House, theme: str, size: dict[str, int]) -> None:
    run = await house.finished("back-up", {"name": "nowhere"})
    tabs = [f"/run/{run}?tab={tab}" for tab in ("output", "input", "result", "attempts", "events", "related")]
    found: dict[str, list[str]] = {}
    async with visit(house, size=size, color_scheme=theme) as page:
        for path in (*PAGES, *tabs):
            await page.goto(f"/admin{path}")
            await settled(page)
            found[path] = await violations(page)
        for name, open_it in OPEN_STATES.items():
            await open_it(page)
            found[name] = await violations(page)
    assert not {path: each for path, each in found.items() if each}


async def settled(page: Page) -> None:
    """The page has a heading and everything it asked for at first."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0)


async def open_palette(page: Page) -> None:
    await page.goto("/admin/run")
    await settled(page)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("option").first).to_be_visible()


async def open_faults(page: Page) -> None:
    await page.goto("/admin/task/back-up")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def open_bulk(page: Page) -> None:
    await page.goto("/admin/run")
    await page.locator("tbody tr").first.wait_for()
    await page.locator("body").press("j")
    await page.keyboard.press("x")
    await expect(page.get_by_role("toolbar")).to_be_visible()


async def open_dialog(page: Page) -> None:
    await page.goto("/admin/dead-letter")
    await page.get_by_role("button", name="Run again").first.click()
    await expect(page.get_by_role("dialog")).to_contain_text("can be")


OPEN_STATES = {"palette": open_palette, "faults": open_faults, "bulk": open_bulk, "dialog": open_dialog}
