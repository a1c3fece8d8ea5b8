"""What hands and eyes need on whatever page: to take things away, their own time, calm, a keyboard alone; and that no
text, however hostile, is anything but text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Download, FilePayload, Locator, Page, expect

from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from tests.ui.house import PHONE, WIDE, House, visit
from tests.ui.test_house import settled
from tests.ui.test_inbox import BILLING, approval

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe\x1b[2J\x07 &amp;{{7*7}} " + "W" * 300

INSIDE = "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
FORMS = {"JSON": '"orders"', "CSV": "orders,1204", "XML": "<table>orders", "YAML": "table: orders"}


async def text_of(download: Download, folder: Path) -> str:
    """What was saved."""
    target = folder / download.suggested_filename
    await download.save_as(target)
    return target.read_bytes().decode()


@pytest.mark.parametrize("kind", ["CSV", "JSON", "NDJSON"])
async def test_the_runs_that_fit_a_filter_are_taken_away(house: House, tmp_path: Path, kind: str) -> None:
    tag = f"=away-{kind}"
    mine = [await house.start("count", {"many": number}, tags=[tag], delay=3600) for number in range(3)]
    await house.start("count", {"many": 9}, delay=3600)
    async with visit(house) as page:
        await page.goto(f"/admin/run?q=tag:{tag}")
        await expect(page.locator("tbody tr")).to_have_count(3)
        async with page.expect_download() as saved:
            await page.get_by_label("Export").select_option(kind)
        text = await text_of(await saved.value, tmp_path)
    if kind == "CSV":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["tags"] for row in rows} == {f"'{tag}"}  # to a spreadsheet it is no formula
    else:
        rows = json.loads(text) if kind == "JSON" else [json.loads(line) for line in text.splitlines()]
    assert [row["taskId"] for row in rows] == mine[::-1]


async def test_a_result_is_taken_away_in_each_form(house: House, tmp_path: Path) -> None:
    run = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}?tab=result")
        for form, told in FORMS.items():
            async with page.expect_download() as saved:
                await page.get_by_role("link", name=form, exact=True).click()
            assert told in await text_of(await saved.value, tmp_path)


async def test_a_file_is_attached_to_work_and_taken_from_it(house: House, tmp_path: Path) -> None:
    task_id = await approval(house, "#file")
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        await page.get_by_text("Comments and history").click()
        receipt: FilePayload = {"name": "receipt <1>.txt", "mimeType": "text/html", "buffer": b"<b>paid</b>"}
        await page.get_by_label("Attach a file").set_input_files(files=[receipt])
        async with page.expect_download() as saved:
            await page.get_by_role("link", name="receipt <1>.txt").click()
        assert await text_of(await saved.value, tmp_path) == "<b>paid</b>"


async def test_times_are_those_of_the_place_or_utc(house: House) -> None:
    run = await house.finished("back-up", {"name": "orders"})
    created = (await house.ask("GET", f"/api/v1/tasks/{run}"))["createdAt"]
    async with visit(house, timezone_id="Pacific/Kiritimati") as page:
        await page.goto(f"/admin/run/{run}")
        moment = page.locator(f"time[datetime='{created}']").first
        line = page.locator(".terminal-row time").first
        there = [await moment.get_attribute("title"), await line.text_content()]
        await page.goto("/admin/settings")
        await page.get_by_label("UTC").check()
        await page.goto(f"/admin/run/{run}")
        await expect(moment).to_have_attribute("title", re.compile(created[11:19]))
        here = [await moment.get_attribute("title"), await line.text_content()]
    for local, utc in zip(there, here, strict=True):
        hours = [int(re.findall(r"(\d+):\d\d:\d\d", text or "")[0]) for text in (local, utc)]
        assert (hours[0] - hours[1]) % 24 == 14


@pytest.mark.parametrize(("motion", "name"), [("no-preference", "turn"), ("reduce", "none")])
async def test_nothing_moves_for_who_wants_it_still(house: House, motion: str, name: str) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house, reduced_motion=motion) as page:
        await page.goto(f"/admin/run/{slow}")
        await expect(page.locator(".turns").first).to_have_css("animation-name", name)
    house.gates.open.set()


async def test_a_form_is_filled_in_and_started_by_keyboard_alone(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/task/back-up")
        await settled(page)
        await tab_to(page, page.get_by_role("textbox", name="Database"))
        await page.keyboard.type("keys")
        await tab_to(page, page.get_by_role("checkbox", name="Verify after writing"))
        await page.keyboard.press("Space")
        await page.keyboard.press("Control+Enter")
        await expect(page).to_have_url(re.compile(r"run=\d+"))
        await expect(page.get_by_role("main").get_by_text("Succeeded").first).to_be_visible()
        run = await house.ask("GET", f"/api/v1/tasks/{re.findall(r'run=([0-9]+)', page.url)[0]}")
    assert (run["input"]["name"], run["input"]["verify"]) == ("keys", False)


async def test_a_dialog_keeps_the_focus_and_gives_it_back(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/people")
        await settled(page)
        opener = page.get_by_role("button", name="Enter a person")
        await tab_to(page, opener)
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        for _ in range(12):
            await page.keyboard.press("Tab")
            assert await page.evaluate(INSIDE)
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(opener).to_be_focused()


async def test_work_is_claimed_filled_in_and_completed_by_keyboard_alone(house: House) -> None:
    task_id = await approval(house, "#keys")
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await expect(page.get_by_role("button", name="Claim", exact=True)).to_be_visible()
        await page.locator("body").press("c")
        await expect(page.get_by_role("button", name="Release")).to_be_visible()
        await tab_to(page, page.get_by_role("radio", name="approve"))
        await page.keyboard.press("Space")
        await tab_to(page, page.get_by_role("textbox", name="Reason"))
        await page.keyboard.type("by keyboard")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_text("Completed").first).to_be_visible()
    task = await house.ask("GET", f"/api/v1/tasks/{task_id}")
    assert task["output"] == {"decision": "approve", "reason": "by keyboard"}


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not get there")


@pytest.mark.timeout(300)
async def test_hostile_text_is_nothing_but_text_on_every_page(house: House) -> None:
    """Markup stays words, and neither long words nor letters that run the other way break a page."""
    paths = await furnish_hostile(house)
    wide: list[str] = []
    async with visit(house, groups=("billing", HOSTILE[:60]), expected=(404,)) as page:
        page.on("dialog", lambda dialog: wide.append(f"a script ran: {dialog.message}"))
        for path in paths:
            await page.set_viewport_size(WIDE)
            await page.goto(f"/admin{path}")
            await settled(page)
            await expect(page.get_by_role("main").get_by_text("<img src=x").first).to_be_attached()
            assert await page.locator("img[src=x], main script").count() == 0, path
            for size in (WIDE, PHONE):
                await page.set_viewport_size(size)
                excess = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                if excess > 0:
                    wide.append(f"{path} is {excess} px wider than {size['width']}")
    assert not wide, wide


async def furnish_hostile(house: House) -> list[str]:
    """Hostile text wherever people or programs may write; where it is to be seen."""
    word = HOSTILE[:120]
    manual = {"kind": "manual", "assignment": {"type": "GROUP", "id": "billing"}}
    hostile = Definition(
        key="hostile", title=HOSTILE[:200], description=HOSTILE, task_type=TaskType.MANUAL, category=word,
        tags=(word,), danger=HOSTILE, expense=HOSTILE, implementation=manual,
    )  # fmt: skip
    await define(house.yard.engine, [hostile])
    done = await house.finished("echo", {"text": HOSTILE})
    failed = await house.finished("echo", {"text": HOSTILE, "fails": True})
    work = (await house.yard.start("hostile", {HOSTILE: HOSTILE}, tags=[word])).id
    await house.ask("PUT", "/api/v1/users/mallory", {"name": word, "groups": ["billing"], "skills": [word[:60]]})
    schedule = {"taskDefinitionId": "echo", "input": {"text": HOSTILE}, "cron": "0 3 * * *"}
    await house.ask("PUT", "/api/v1/schedules/hostile", schedule)
    tabs = [f"/run/{done}?tab={tab}" for tab in ("output", "input", "result")]
    tabs += [f"/run/{failed}?tab={tab}" for tab in ("output", "attempts", "events")]
    return [
        *tabs, "/task?q=hostile", "/task/hostile", f"/inbox/{work}", "/inbox", "/run", "/error", "/dead-letter",
        "/people", f"/task/echo?run={failed}",
    ]  # fmt: skip
