"""Tasks: browsed, filled in, started; what is wrong is said at its field."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import FilePayload, Route, expect

from tests.ui.house import House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    async with visit(house, expected=(422,)) as page:
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
        photo: FilePayload = {"name": "photo.bin", "mimeType": "application/octet-stream", "buffer": b"12345"}
        await page.locator("input[type=file]").set_input_files(files=[photo])
        await expect(page.get_by_role("button", name="Take photo.bin away")).to_be_visible()
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("tab", name="Result").click()
        await expect(page.locator(".json-number")).to_have_text("5")


async def test_while_a_file_is_on_its_way_the_form_waits_for_it_and_forgets_nothing(house: House) -> None:
    async with visit(house) as page:
        may_go_on = asyncio.Event()

        async def hold(route: Route) -> None:
            await may_go_on.wait()
            await route.continue_()

        await page.route("**/api/v1/uploads", hold)
        await page.goto("/admin/task/measure")
        wrapping = page.get_by_role("textbox", name=re.compile("^Wrapping"))
        await wrapping.fill("7")
        await page.get_by_role("button", name="Save as preset").click()
        await page.get_by_label("Name of the preset").fill("seven")
        await page.get_by_role("dialog").get_by_role("button", name="Save as preset").click()
        photo: FilePayload = {"name": "photo.bin", "mimeType": "application/octet-stream", "buffer": b"12345"}
        await page.locator("input[type=file]").set_input_files(files=[photo])
        await wrapping.fill("2")
        await page.get_by_role("button", name="seven", exact=True).click()
        await expect(page.get_by_text("A file is still on its way")).to_be_visible()
        await expect(wrapping).to_have_value("2")
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("alert")).to_contain_text("File: Uploading photo.bin")
        may_go_on.set()
        await expect(page.get_by_role("button", name="Take photo.bin away")).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("tab", name="Result").click()
        await expect(page.locator(".json-number")).to_have_text("7")


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


async def test_a_task_is_run_and_waited_for(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        await page.get_by_role("textbox", name="Database").fill("orders")
        await page.get_by_role("button", name="Run and wait").click()
        await expect(page.get_by_role("cell", name="1204")).to_be_visible()
        await expect(page).to_have_url(re.compile(r"run=\d+&tab=result"))


async def test_a_task_is_scheduled_with_what_is_filled_in(house: House) -> None:
    async with visit(house, expected=(422,)) as page:
        await page.goto("/admin/task/back-up")
        await page.get_by_role("textbox", name="Database").fill("orders")
        await page.get_by_role("button", name="Schedule").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name of the schedule").fill("orders-at-night")
        await dialog.get_by_label("Cron expression").fill("99 3 * * *")
        await dialog.get_by_role("button", name="Make a schedule").click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await dialog.get_by_label("Cron expression").fill("30 3 * * *")
        await dialog.get_by_label("Time zone").fill("Europe/Berlin")
        await dialog.get_by_role("button", name="Make a schedule").click()
        row = page.locator("tbody tr", has_text="orders-at-night")
        await expect(row).to_contain_text("30 3 * * *")
        await row.get_by_role("button", name="Remove").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(row).to_have_count(0)


async def test_inputs_are_kept_as_presets_and_taken_from_runs(house: House) -> None:
    run = await house.finished("count", {"many": 2**60 + 1})
    async with visit(house) as page:
        await page.goto("/admin/task/count")
        field = page.get_by_role("textbox", name="Many")
        await field.fill(str(2**60 + 3))
        await page.get_by_role("button", name="Save as preset").click()
        await page.get_by_label("Name of the preset").fill("a lot")
        await page.get_by_role("dialog").get_by_role("button", name="Save as preset").click()
        await field.fill("1")
        await page.get_by_role("button", name="a lot", exact=True).click()
        await expect(field).to_have_value(str(2**60 + 3))
        fill = page.get_by_role("combobox", name="Fill from run")
        await fill.focus()
        await fill.select_option(run)
        await expect(field).to_have_value(str(2**60 + 1))
        assert "from=" in page.url


async def test_an_optional_group_is_left_out_until_it_is_filled_in(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/send")
        await page.get_by_role("textbox", name="To").fill("ada")
        await page.get_by_role("button", name="Start", exact=True).click()
        await page.get_by_role("tab", name="Input").click()
        await expect(page.get_by_text('"ada"')).to_be_visible()
        await expect(page.locator(".json-key", has_text="parcel")).to_have_count(0)


async def test_the_palette_leads_to_a_task(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin")
        await page.get_by_role("button", name="Go to or run").click()
        await page.get_by_role("combobox", name="Go to or run").fill("purge")
        await expect(page.get_by_role("option", name="Purge sessions")).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Purge sessions")).to_be_visible()
