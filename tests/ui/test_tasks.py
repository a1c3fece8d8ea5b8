"""Tasks: browsed, filled in, started; what is wrong is said at its field."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.ui.house import House, visit

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]


async def test_tasks_are_grouped_searched_and_filtered(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task")
        for heading in ("Maintenance", "Data", "Admin", "Reports"):
            await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        rows = page.locator(".task-row")
        await page.get_by_label("Search tasks").fill("verifies COPY")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("Back up the database")
        await page.get_by_label("Search tasks").fill("")
        await page.get_by_role("button", name=re.compile("^Maintenance")).click()
        await expect(rows).to_have_count(2)
        await page.get_by_role("button", name="dangerous").click()
        await expect(rows).to_have_count(1)
        await expect(page).to_have_url(re.compile("category=maintenance&flag=danger"))
        await page.goto("/admin/task?tag=backup")
        await expect(rows).to_have_count(1)
        await page.goto("/admin/task?q=nothing+like+this")
        await page.get_by_role("button", name="Show all tasks").click()
        await expect(rows).not_to_have_count(0)


async def test_a_task_is_filled_in_and_run_before_ones_eyes(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        start = page.get_by_role("button", name="Start")
        await start.click()
        await expect(page.get_by_role("alert")).to_contain_text("Database: This is needed.")
        await expect(page.get_by_role("alert")).to_be_focused()
        await expect(page.get_by_role("textbox", name="Database")).to_have_attribute("aria-invalid", "true")
        await page.get_by_role("textbox", name="Database").fill("orders")
        await expect(page.get_by_role("alert")).to_have_count(0)
        await page.get_by_role("textbox", name=re.compile("^Keep for")).fill("999")
        await start.click()
        await expect(page.get_by_text("Must be 365 or less.").first).to_be_visible()
        await page.get_by_role("textbox", name=re.compile("^Keep for")).fill("7")
        await page.get_by_label("Passphrase").fill("secret words")
        await start.click()
        await expect(page.get_by_text("dumped table 2 of orders")).to_be_visible()
        await expect(page.locator(".ansi-6").first).to_have_text("table 0")
        await expect(page).to_have_url(re.compile(r"run=\d+"))
        assert "secret" not in page.url
        await page.reload()
        await expect(page.get_by_text("dumped table 2 of orders")).to_be_visible()


async def test_what_the_server_refuses_is_said_at_its_field(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        await page.get_by_role("button", name="As JSON").click()
        await page.get_by_label("The input as JSON").fill('{"name": "orders", "keep": 0}')
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("alert")).to_contain_text("Keep for")
        await page.get_by_label("The input as JSON").fill("{")
        await expect(page.get_by_role("alert")).to_contain_text("Is not JSON")


async def test_each_kind_of_parameter_has_its_widget(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        await expect(page.get_by_role("textbox", name="Database")).to_have_attribute("type", "text")
        await expect(page.get_by_role("combobox", name=re.compile("^Format"))).to_have_value("1")
        await expect(page.get_by_role("checkbox", name="Verify after writing")).to_be_checked()
        await expect(page.get_by_label("Passphrase")).to_have_attribute("type", "password")
        await page.goto("/admin/task/measure")
        await expect(page.locator("input[type=file]")).to_have_count(1)


async def test_a_file_is_uploaded_and_measured(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/measure")
        photo = {"name": "photo.bin", "mimeType": "application/octet-stream", "buffer": b"12345"}
        await page.locator("input[type=file]").set_input_files(files=[photo])  # type: ignore[list-item]
        await expect(page.get_by_text("photo.bin")).to_be_visible()
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("tab", name="Result").click()
        await expect(page.locator(".json-number")).to_have_text("5")


async def test_a_dangerous_task_wants_its_warning_read(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/purge")
        await expect(page.get_by_text("Deletes every session.")).to_be_visible()
        await expect(page.get_by_text("Locks the table for a minute.")).to_be_visible()
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("alert")).to_contain_text("Say first that you have read the warning")
        assert "run=" not in page.url
        await page.get_by_label("I have read this").check()
        await page.get_by_role("button", name="Start").click()
        await expect(page).to_have_url(re.compile(r"run=\d+"))


async def test_a_form_is_filled_from_an_address_and_from_an_earlier_run_but_never_started(house: House) -> None:
    run = await house.finished("back-up", {"name": "customers", "keep": 9})
    async with visit(house) as page:
        await page.goto("/admin/task/back-up?in.name=orders&in.keep=12")
        await expect(page.get_by_role("textbox", name="Database")).to_have_value("orders")
        await expect(page.get_by_role("textbox", name=re.compile("^Keep for"))).to_have_value("12")
        await page.goto(f"/admin/run/{run}")
        await page.get_by_role("link", name="Run with changes").click()
        await expect(page.get_by_role("textbox", name="Database")).to_have_value("customers")
        await expect(page.get_by_role("textbox", name=re.compile("^Keep for"))).to_have_value("9")
        assert "run=" not in page.url


async def test_the_palette_leads_to_a_task(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin")
        await page.get_by_role("button", name="Go to or run").click()
        await page.get_by_role("combobox", name="Go to or run").fill("purge")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Purge sessions")).to_be_visible()
