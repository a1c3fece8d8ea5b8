"""What holds on every page: login, safety, looks, and that everybody can use it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from taskyard.api.server import create_api
from taskyard.security.origin import loopback_origins
from tests.api.yard import ADMIN_TOKEN, listening
from tests.support import eventually
from tests.ui.house import PATIENCE, PHONE, WIDE, House, violations, visit, watched
from tests.ui.process import REFUND

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]

PAGES = (
    "", "/task", "/task/back-up", "/task/purge", "/run", "/inbox", "/queue", "/dead-letter", "/error", "/worker",
    "/schedule", "/event", "/webhook", "/connection", "/people", "/people?group=billing", "/audit", "/settings",
    "/nothing",
)  # fmt: skip


async def test_a_page_has_its_frame_before_any_script(house: House) -> None:
    async with visit(house) as page:
        await page.route("**/*.js", lambda route: route.abort())
        await page.goto("/admin/run")
        await expect(page.get_by_text("Taskyard", exact=True)).to_be_visible()


async def test_a_browser_without_scripts_is_told_that_they_are_needed(house: House) -> None:
    async with visit(house, java_script_enabled=False) as page:
        await page.goto("/admin/run")
        await expect(page.locator("main")).to_contain_text("need JavaScript")
        await expect(page.locator("main")).to_be_in_viewport()


async def test_a_token_logs_in_and_leads_to_the_page_that_was_asked_for(house: House) -> None:
    context = await house.browser.new_context(base_url=house.url)
    context.set_default_timeout(PATIENCE)
    async with watched(context, (401,)) as page:
        await page.goto("/admin/run?q=state:failed")
        await expect(page.get_by_role("button", name="Log in")).to_be_visible()
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


async def test_it_works_below_a_path_of_another_application(house: House) -> None:
    run = await house.finished("back-up", {"name": "orders"})

    def mounted(port: int) -> Starlette:
        services = replace(house.services, allowed_origins=loopback_origins(port))
        return Starlette(routes=[Mount("/below", create_api(services))])

    async with listening(mounted) as port:
        async with visit(house._replace(url=f"http://127.0.0.1:{port}")) as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await page.goto(f"/below/admin/run/{run}")
            await expect(page.get_by_text("dumped table 2 of orders")).to_be_visible()
            await expect(page.locator(".link")).to_have_text("Complete")
            await page.get_by_role("link", name="Runs").first.click()
            await expect(page.locator(f"[data-row='{run}']")).to_be_visible()
            files = [url for url in asked if url.endswith((".js", ".css"))]
            assert len(files) == len(set(files)) > 1, "each is fetched once"
            assert not [url for url in asked if "/below/" not in url]


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
        await settled(page)
        await page.locator("body").press("?")
        await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.get_by_label("Single letters are shortcuts").uncheck()
        await page.locator("body").press("?")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def furnish(house: House) -> dict[str, str]:
    """Something on every page; the addresses of what has one of its own."""
    failed = await house.finished("back-up", {"name": "nowhere"})
    done = await house.finished("back-up", {"name": "orders"})
    late = datetime.now(UTC) - timedelta(hours=2)
    open_ = (await house.yard.start("approve", {"order": "#1"}, due_date=late)).id
    await house.ask("PUT", "/api/v1/users/zoe", {"name": "Zoe", "groups": ["billing"], "away": True})
    schedule = {"taskDefinitionId": "back-up", "input": {"name": "nightly"}, "cron": "0 3 * * *"}
    await house.ask("PUT", "/api/v1/schedules/nightly", schedule)
    await house.ask("POST", "/api/v1/subscriptions", {"url": "http://127.0.0.1:9/", "events": ["task.*"]})
    await house.ask("POST", "/api/v1/workflows", {"source": REFUND})
    started = await house.ask("POST", "/api/v1/workflows/refund/start", {"input": {"order": "#2"}})
    cancelled = (await house.yard.start("back-up", {"name": "later"}, delay=3600)).id
    await house.ask("POST", f"/api/v1/tasks/{cancelled}/cancel", {"reason": "not needed"})

    async def has_come_to_somebody() -> bool:
        return bool((await house.ask("GET", f"/api/v1/tasks/{open_}"))["status"] == "ASSIGNED")

    await eventually(has_come_to_somebody)
    tabs = {
        f"{tab} of a run": f"/run/{failed}?tab={tab}" for tab in ("output", "input", "attempts", "events", "related")
    }
    return tabs | {
        "result": f"/run/{done}?tab=result",
        "process": f"/run/{started['task']['taskId']}?tab=process",
        "work": f"/inbox/{open_}",
        "a run beside its form": f"/task/back-up?run={done}",
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(3))
async def test_everybody_can_use_every_page(house: House, part: int) -> None:
    """In both themes and two widths."""
    addresses = {path: path for path in PAGES} | await furnish(house)
    found: dict[str, list[str]] = {}
    for name, path in list(addresses.items())[part::3]:
        async with visit(house, groups=("billing",)) as page:
            await page.goto(f"/admin{path}")
            await settled(page)
            found |= await looks(page, name)
    assert not found, found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(2))
async def test_everybody_can_use_what_pages_open(house: House, part: int) -> None:
    """In both themes and two widths."""
    await furnish(house)
    found: dict[str, list[str]] = {}
    for name, open_it in list(OPEN_STATES.items())[part::2]:
        async with visit(house, groups=("billing",), expected=(404,) if name == "problem" else ()) as page:
            await open_it(page)
            found |= await looks(page, name)
    assert not found, found


async def looks(page: Page, name: str) -> dict[str, list[str]]:
    """What is wrong with a page as it stands, by theme and width."""
    found = {}
    for theme in ("light", "dark"):
        for width, size in (("wide", WIDE), ("phone", PHONE)):
            await page.emulate_media(color_scheme=theme)
            await page.set_viewport_size(size)
            wrong = await violations(page)
            if wrong:
                found[f"{name}, {theme}, {width}"] = wrong
    await page.set_viewport_size(WIDE)
    return found


async def settled(page: Page) -> None:
    """The page has a heading and everything it asked for at first."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0)


async def open_palette(page: Page) -> None:
    await page.goto("/admin/run")
    await settled(page)
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()


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


def dialog_of(path: str, name: str) -> Callable[[Page], Awaitable[None]]:
    """Opens what a button of a page opens."""

    async def open_it(page: Page) -> None:
        await page.goto(f"/admin{path}")
        await page.get_by_role("main").get_by_role("button", name=name).first.click()
        await expect(page.get_by_role("dialog")).to_be_visible()

    return open_it


async def open_sheet(page: Page) -> None:
    await page.goto("/admin/run")
    await settled(page)
    await page.locator("body").press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()


async def open_toast(page: Page) -> None:
    await page.goto("/admin/queue")
    row = page.locator("tbody tr", has_text="task-execution-integration")
    await row.get_by_role("button", name="Pause").click()
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    await row.get_by_role("button", name="Resume").click()


async def open_causes(page: Page) -> None:
    await page.goto("/admin/error")
    await page.get_by_text("Show the").first.click()
    await expect(page.locator(".recent li").first).to_be_visible()


async def open_problem(page: Page) -> None:
    await page.goto("/admin/run/12")
    await expect(page.get_by_role("alert")).to_be_visible()


OPEN_STATES = {
    "palette": open_palette,
    "faults": open_faults,
    "bulk": open_bulk,
    "dialog": open_dialog,
    "shortcuts": open_sheet,
    "toast": open_toast,
    "causes": open_causes,
    "problem": open_problem,
    "a schedule to make": dialog_of("/task/back-up", "Schedule"),
    "a connection to make": dialog_of("/connection", "New connection"),
    "a view to save": dialog_of("/run?q=state:failed", "Save this view"),
    "somebody to enter": dialog_of("/people", "Enter a person"),
    "an address to subscribe": dialog_of("/webhook", "Subscribe an address"),
    "a new secret": dialog_of("/webhook", "New secret"),
    "letters to discard": dialog_of("/dead-letter", "Discard"),
}
