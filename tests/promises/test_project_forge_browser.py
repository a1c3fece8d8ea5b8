"""What project-forge-task-engine.md promises of the browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.ui.house import House, house_of, visit

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]


async def test_tasks_are_browsed_configured_and_executed(house: House) -> None:
    """project-forge-task-engine.md § Overview: all of it in a browser, from the list to the result."""
    async with visit(house) as page:
        await page.goto("/admin/task")
        await page.get_by_role("link", name="Back up the database", exact=True).click()
        await page.get_by_role("textbox", name="Database").fill("orders")
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("tab", name="Result").click()
        await expect(page.get_by_role("cell", name="1204")).to_be_visible()


async def test_the_browser_searches_and_filters_by_category_tag_and_flag(house: House) -> None:
    """project-forge-task-engine.md § Key Features › Web Interface: one at a time or together, kept in the address."""
    async with visit(house) as page:
        for query, titles in {
            "q=legacy": ["Notify the legacy system"],
            "category=maintenance": ["Back up the database", "Purge sessions"],
            "tag=backup": ["Back up the database"],
            "flag=danger": ["Purge sessions"],
            "category=maintenance&q=verifies": ["Back up the database"],
        }.items():
            await page.goto(f"/admin/task?{query}")
            await expect(page.locator(".task-words .title")).to_have_text(titles)


async def test_the_form_comes_from_the_parameters_and_tells_faults_at_their_fields(house: House) -> None:
    """project-forge-task-engine.md § Key Features › Web Interface: what is refused is marked where it was entered."""
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        keep = page.get_by_role("textbox", name=re.compile("^Keep for"))
        await keep.fill("0")
        await page.get_by_role("textbox", name="Database").fill("orders")
        await page.get_by_role("button", name="Start").click()
        await expect(keep).to_have_attribute("aria-invalid", "true")
        await expect(page.locator(".fault")).to_have_text("Must be 1 or more.")


async def test_progress_and_lines_appear_while_a_task_runs(house: House) -> None:
    """project-forge-task-engine.md § Key Features › Web Interface: before it has ended."""
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.goto(f"/admin/run/{slow}")
        await expect(page.get_by_text("it has begun")).to_be_visible()
        await expect(page.get_by_role("progressbar")).to_have_attribute("value", "50")
        house.gates.open.set()
        await expect(page.get_by_text("it goes on")).to_be_visible()


async def test_a_result_is_a_tree_a_table_or_raw_and_can_be_taken_away(house: House) -> None:
    """project-forge-task-engine.md § Key Features › Web Interface: in four formats."""
    run = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}?tab=result")
        await expect(page.get_by_role("cell", name="orders")).to_be_visible()
        await page.get_by_role("button", name="Tree").click()
        await expect(page.locator("details.json-node").first).to_be_visible()
        await page.get_by_role("button", name="Raw").click()
        await expect(page.locator("pre.raw")).to_contain_text('"table": "orders"')
        for format_ in ("JSON", "CSV", "XML", "YAML"):
            link = page.get_by_role("link", name=format_)
            answer = await page.request.get(await link.get_attribute("href") or "")
            assert answer.ok
            assert "orders" in await answer.text()


async def test_browser_form_progress_and_result_are_each_reachable_by_an_address(house: House) -> None:
    """project-forge-task-engine.md § Package Structure › UI Components: and are there again after a reload."""
    run = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        for path, seen in {
            "/admin/task?q=back": "Back up the database", "/admin/task/back-up": "Verify after writing",
            f"/admin/run/{run}": "dumped", f"/admin/run/{run}?tab=result": "1204",
        }.items():  # fmt: skip
            await page.goto(path)
            await expect(page.get_by_text(seen).first).to_be_visible()


async def test_each_kind_of_parameter_has_its_widget(house: House) -> None:
    """project-forge-task-engine.md § Usage Examples › Task Parameters: field, dropdown, checkbox and file chooser."""
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        await expect(page.get_by_role("textbox", name="Database")).to_have_attribute("type", "text")
        await expect(page.get_by_role("combobox", name=re.compile("^Format")).locator("option")).to_have_count(3)
        await expect(page.get_by_role("checkbox", name="Verify after writing")).to_be_checked()
        await page.goto("/admin/task/measure")
        await expect(page.locator("input[type=file]")).to_be_attached()


async def test_without_websockets_the_browser_polls(house: House) -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: a run is followed all the same."""
    house.gates.open.clear()
    async with house_of(house.yard, house.gates, house.browser, websocket_enabled=False) as other:
        slow = await other.start("slow")
        async with visit(other, expected=(403,)) as page:
            await page.goto(f"/admin/run/{slow}")
            await expect(page.get_by_text("it has begun")).to_be_visible()
            house.gates.open.set()
            await expect(page.get_by_text("it goes on")).to_be_visible()


async def test_the_addresses_of_the_browser_and_of_one_task(house: House) -> None:
    """project-forge-task-engine.md § Integration Points › Web Routes: the list, and one task with form and runs."""
    run = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin/task")
        await expect(page.get_by_role("heading", name="Tasks", exact=True)).to_be_visible()
        await page.goto("/admin/task/back-up")
        await expect(page.get_by_role("textbox", name="Database")).to_be_visible()
        await expect(page.get_by_role("link", name=run, exact=True)).to_be_visible()


async def test_tasks_are_grouped_by_category(house: House) -> None:
    """project-forge-task-engine.md § Advanced Features › Custom Task Categories: each under its heading."""
    async with visit(house) as page:
        await page.goto("/admin/task")
        headings = page.get_by_role("heading", level=2)
        await expect(headings).to_have_text(["Maintenance", "Data", "Admin", "Reports"])


async def test_icon_danger_and_expense_are_shown_and_danger_is_confirmed(house: House) -> None:
    """project-forge-task-engine.md § Advanced Features › Task Metadata: beside the title, and before it starts."""
    async with visit(house) as page:
        await page.goto("/admin/task")
        row = page.locator(".task-row", has_text="Purge sessions")
        await expect(row.locator("svg.icon").first).to_be_visible()
        await row.get_by_role("link", name="Run Purge sessions").click()
        await expect(page.get_by_text("Locks the table for a minute.")).to_be_visible()
        await expect(page.get_by_text("Deletes every session.")).to_be_visible()
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("alert")).to_contain_text("Say first that you have read the warning")
        assert "run=" not in page.url
