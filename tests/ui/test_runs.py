"""Runs: found by a filter, kept as they are now, opened, cancelled and had run again."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.ui.house import PHONE, House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_runs_are_filtered_by_text_and_by_chips_and_the_address_keeps_it(house: House) -> None:
    good, bad = (
        await house.finished("back-up", {"name": "orders"}),
        await house.finished("back-up", {"name": "nowhere"}),
    )
    async with visit(house) as page:
        await page.goto("/admin/run")
        rows = page.locator("tbody tr")
        await expect(rows.filter(has_text=good)).to_be_visible()
        await page.get_by_role("button", name=re.compile("^Failed")).click()
        await expect(rows.filter(has_text=good)).to_have_count(0)
        await expect(rows.filter(has_text=bad)).to_contain_text("there is no database")
        await expect(page).to_have_url(re.compile(r"q=state%3Afailed"))
        await page.reload()
        await expect(page.get_by_label("Filter runs")).to_have_value("state:failed")
        await expect(rows.filter(has_text=bad)).to_be_visible()
        await page.get_by_label("Filter runs").fill("task:measure")
        await expect(page.get_by_text("No run fits this filter")).to_be_visible()
        await page.get_by_role("button", name="Clear the filter").click()
        await expect(rows.filter(has_text=good)).to_be_visible()


async def test_a_filter_that_means_nothing_is_explained_and_its_words_are_offered(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/run?q=stat:failed")
        await expect(page.get_by_text("“stat” is no field")).to_be_visible()
        field = page.get_by_label("Filter runs")
        await field.fill("st")
        await field.press("Tab")
        await expect(field).to_have_value("state:")
        await page.get_by_role("button", name="state:failed").click()
        await expect(field).to_have_value("state:failed ")


async def test_rows_change_in_their_places_and_new_ones_wait_to_be_asked_for(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.goto("/admin/run")
        row = page.locator(f"[data-row='{slow}']")
        await expect(row).to_contain_text("50 %")
        house.gates.open.set()
        await expect(row).to_contain_text("Succeeded")
        new = await house.start("back-up", {"name": "orders"})
        fresh = page.get_by_role("button", name=re.compile("new run"))
        await expect(fresh).to_be_visible()
        await expect(page.locator(f"[data-row='{new}']")).to_have_count(0)
        await fresh.click()
        await expect(page.locator(f"[data-row='{new}']")).to_be_visible()


async def test_several_runs_are_cancelled_at_once_and_others_left_alone(house: House) -> None:
    house.gates.open.clear()
    slow = [await house.start("slow") for _ in range(2)]
    done = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin/run")
        for task_id in (*slow, done):
            await page.get_by_label(f"Select run {task_id}").check()
        bar = page.get_by_role("toolbar")
        await expect(bar).to_contain_text("3 selected")
        await bar.get_by_role("button", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("2 of 3 can be")
        await dialog.get_by_role("button", name="Cancel").last.click()
        await expect(page.get_by_text("2 done")).to_be_visible()
        for task_id in slow:
            await expect(page.locator(f"[data-row='{task_id}']")).to_contain_text("Cancelled")
        await expect(page.locator(f"[data-row='{done}']")).to_contain_text("Succeeded")
    house.gates.open.set()


async def test_a_keyboard_alone_finds_selects_and_opens_a_run(house: House) -> None:
    newest = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin")
        await expect(page.get_by_role("heading", name="Overview")).to_be_focused()
        await page.keyboard.press("g")
        await page.keyboard.press("r")
        await expect(page.get_by_role("heading", name="Runs")).to_be_focused()
        await expect(page.locator(f"[data-row='{newest}']")).to_be_visible()
        await page.locator("body").press("j")
        await page.keyboard.press("x")
        await expect(page.get_by_label(f"Select run {newest}")).to_be_checked()
        await page.keyboard.press("Escape")
        await expect(page.get_by_label(f"Select run {newest}")).not_to_be_checked()
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox").fill(newest)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/admin/run/{newest}"))
        await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def test_a_view_is_saved_under_a_name(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/run?q=state:failed")
        await page.get_by_role("button", name="Save this view").click()
        await page.get_by_label("Name of the view").fill("Broken")
        await page.get_by_role("dialog").get_by_role("button", name="Save this view").click()
        await page.goto("/admin/run")
        await page.get_by_role("button", name="Broken").click()
        await expect(page.get_by_label("Filter runs")).to_have_value("state:failed")


async def test_a_phone_shows_runs_without_scrolling_sideways(house: House) -> None:
    run = await house.finished("back-up", {"name": "nowhere"})
    async with visit(house, size=PHONE) as page:
        for path in ("/admin/run", f"/admin/run/{run}", "/admin/inbox", "/admin/task", "/admin"):
            await page.goto(path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await page.wait_for_load_state("networkidle")
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
