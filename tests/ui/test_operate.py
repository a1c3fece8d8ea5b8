"""Operating it: queues, dead letters, workers, schedules, events, webhooks."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.api.yard import ADMIN_TOKEN
from tests.ui.house import House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def ask(house: House, method: str, path: str, body: Any = None) -> Any:
    """An administrator's call of the API."""
    async with httpx.AsyncClient(base_url=house.url, headers=ADMIN) as client:
        answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


async def test_dead_letters_are_grouped_by_cause_and_mended_with_another_input(house: House) -> None:
    for port in (1, 2, 3):
        await house.finished("notify", {"port": port})
    async with visit(house) as page:
        await page.goto("/admin/dead-letter")
        cause = page.locator(".cause", has_text="Notify the legacy system")
        await expect(cause).to_contain_text("3 runs")
        await expect(cause).to_contain_text("nobody listens at port")
        await cause.get_by_role("button", name="Run again").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("All 3 can be.")
        await dialog.get_by_label("With another input").check()
        await dialog.get_by_role("textbox").last.fill('{"port": "x"}')
        await dialog.get_by_role("button", name="Run again").click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await dialog.get_by_role("textbox").last.fill('{"port": 8080}')
        await dialog.get_by_role("button", name="Run again").click()
        await expect(page.get_by_text("3 queued again")).to_be_visible()
        await expect(cause).to_have_count(0)
        await page.goto("/admin/run?q=task:notify+state:succeeded")
        await expect(page.locator("tbody tr")).to_have_count(3)


async def test_dead_letters_are_discarded(house: House) -> None:
    await house.finished("back-up", {"name": "nowhere"})
    async with visit(house) as page:
        await page.goto("/admin/dead-letter")
        cause = page.locator(".cause", has_text="Back up the database")
        await cause.get_by_role("button", name="Discard").click()
        await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        await expect(page.get_by_text(re.compile(r"\d+ discarded"))).to_be_visible()
        await expect(page.get_by_text("No dead letters")).to_be_visible()


async def test_a_queue_is_paused_and_goes_on(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/queue")
        row = page.locator("tbody tr", has_text="task-execution-integration")
        await row.get_by_role("button", name="Pause").click()
        await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        await expect(row.get_by_text("Paused")).to_be_visible()
        await row.get_by_role("button", name="Resume").click()
        await expect(row.get_by_role("button", name="Pause")).to_be_visible()


async def test_workers_tell_of_themselves(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/worker")
        await expect(page.locator("tbody tr").first).to_contain_text("of 8")


async def test_a_schedule_is_run_now_and_paused(house: House) -> None:
    schedule = {"taskDefinitionId": "back-up", "input": {"name": "nightly"}, "cron": "0 3 * * *"}
    await ask(house, "PUT", "/api/v1/schedules/nightly", schedule)
    async with visit(house) as page:
        await page.goto("/admin/schedule")
        row = page.locator("tbody tr", has_text="nightly")
        await expect(row).to_contain_text("0 3 * * *")
        await row.get_by_role("button", name="Run now").click()
        await expect(page.locator(".toasts").get_by_text("Started")).to_be_visible()
        await row.get_by_role("button", name="Pause").click()
        await expect(row.get_by_text("Paused")).to_be_visible()
        await row.get_by_role("button", name="Resume").click()
        await expect(row.get_by_text("Paused")).to_have_count(0)
        await page.goto("/admin/run?q=task:back-up")
        await expect(page.locator("tbody tr").first).to_be_visible()


async def test_events_appear_as_they_happen_and_are_filtered(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/event")
        await expect(page.get_by_role("heading", name="Events")).to_be_visible()
        run = await house.finished("back-up", {"name": "orders"})
        row = page.locator("tbody tr", has_text="task.instance.completed").first
        await expect(row).to_be_visible()
        await page.get_by_label("Filter events").fill(run)
        await expect(page.locator("tbody tr")).to_have_count(3)
        await page.get_by_label("Filter events").fill("nothing like this")
        await expect(page.get_by_text("No event among the latest fits")).to_be_visible()


async def test_the_overview_counts_and_leads_into_the_filter(house: House) -> None:
    await house.finished("back-up", {"name": "nowhere"})
    async with visit(house) as page:
        await page.goto("/admin")
        await expect(page.get_by_role("link", name=re.compile("there is no database|Back up")).first).to_be_visible()
        await page.get_by_role("list", name="Tasks by state").get_by_role("link", name=re.compile("^Failed")).click()
        await expect(page.get_by_label("Filter runs")).to_have_value("state:failed")
