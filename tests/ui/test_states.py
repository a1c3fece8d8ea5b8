"""What every page shows while it waits, where there is nothing, and where the server refuses, fails or is away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from taskyard import Taskyard
from taskyard.settings import load
from tests.ui.house import House, house_of, visit

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]

LISTS = (
    "", "/task", "/run", "/inbox", "/dead-letter", "/error", "/worker", "/schedule", "/event", "/webhook",
    "/connection", "/people", "/audit",
)  # fmt: skip
PAGES = (*LISTS, "/task/back-up", "/run/12", "/inbox/12", "/queue", "/settings")
ALL_BUT_ME = re.compile("/api/v1/(?!me$)")
TITLES = {500: "This could not be loaded", 403: "You may not see this", None: "This could not be loaded"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("status", "pages"), [(500, PAGES), (403, PAGES), (None, ("", "/run", "/inbox"))])
async def test_a_page_says_that_it_waits_then_what_is_wrong_and_tries_again(
    house: House, status: int | None, pages: tuple[str, ...]
) -> None:
    """Without a status there is no server."""
    async with visit(house, expected=(404, *((status,) if status else ()))) as page:
        await page.clock.install()
        for path in pages:
            may_answer = asyncio.Event()
            fail = failing(status, may_answer)
            await page.route(ALL_BUT_ME, fail)
            await page.goto(f"/admin{path}")
            await expect(page.locator(".skeleton").first, path).to_be_visible()
            may_answer.set()
            problem = page.get_by_role("main").get_by_role("alert").first
            while await page.locator(".skeleton").count() or not await problem.is_visible():  # till each part failed
                await page.clock.fast_forward(3_000)  # what fails is asked for again after seconds
            await expect(problem, path).to_contain_text(TITLES[status])
            await expect(problem, path).to_contain_text("" if status is None else f"no, {status}")
            await expect(page.locator(".offline"), path).to_have_count(1 if status is None else 0)
            await expect(problem.get_by_role("button", name="Try again"), path).to_be_visible()
            await page.unroute(ALL_BUT_ME, fail)
            if status is not None:  # who finds no server tries again by themselves
                await page.evaluate("document.querySelectorAll('.problem button').forEach(each => each.click())")
            wrong_or_awaited = page.locator(".skeleton").or_(page.get_by_text(TITLES[status]))
            await expect(wrong_or_awaited, path).to_have_count(0)
            await expect(page.locator(".offline"), path).to_have_count(0)


def failing(status: int | None, may_answer: asyncio.Event) -> Callable[[Route], Awaitable[None]]:
    """What fails every question as soon as it may answer."""

    async def fail(route: Route) -> None:
        await may_answer.wait()
        if status is None:
            await route.abort("connectionrefused")
        else:
            await route.fulfill(status=status, json={"error": {"code": "X", "message": f"no, {status}"}})

    return fail


@pytest.mark.parametrize("path", ["/run/12", "/inbox/12", "/task/none"])
async def test_what_is_not_there_is_said_to_be_so(house: House, path: str) -> None:
    async with visit(house, expected=(404,)) as page:
        await page.goto(f"/admin{path}")
        await expect(page.get_by_role("alert")).to_contain_text("There is nothing here")


@pytest_asyncio.fixture(loop_scope="module")
async def bare(house: House, tmp_path: Path) -> AsyncIterator[House]:
    """A server where nothing has been made yet."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path))
    async with (
        Taskyard(f"sqlite:///{tmp_path / 'bare.db'}", settings=settings) as yard,
        house_of(yard, house.gates, house.browser) as made,
    ):
        yield made


async def test_a_page_where_nothing_is_says_what_would_be_there(bare: House) -> None:
    async with visit(bare) as page:
        for path in LISTS[1:]:
            await page.goto(f"/admin{path}")
            empty = page.locator(".empty").first
            await expect(empty.locator(".empty-title"), path).to_be_visible()
            await expect(empty.locator("p").nth(1), path).not_to_be_empty()
