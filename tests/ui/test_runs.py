"""Runs: found by a filter, kept as they are now, opened, cancelled and had run again."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.support import eventually
from tests.ui.house import PHONE, WIDE, House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_SIGHT = "all => all.map(it => it.getBoundingClientRect().bottom <= innerHeight)"


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
        await expect(page.get_by_role("button", name="Save this view")).to_have_count(0)
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
        await expect(dialog).to_contain_text("2 will be cancelled. 1 stays as it is: 1 succeeded.")
        await dialog.get_by_role("button", name="Cancel").last.click()
        await expect(page.get_by_text("2 cancelled")).to_be_visible()
        for task_id in slow:
            await expect(page.locator(f"[data-row='{task_id}']")).to_contain_text("Cancelled")
        await expect(page.locator(f"[data-row='{done}']")).to_contain_text("Succeeded")
    house.gates.open.set()


async def test_several_runs_are_had_run_again_after_a_look_at_which_can_be(house: House) -> None:
    failed = [await house.finished("back-up", {"name": "nowhere"}) for _ in range(2)]
    done = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin/run")
        for task_id in (*failed, done):
            await page.get_by_label(f"Select run {task_id}").check()
        await page.get_by_role("toolbar").get_by_role("button", name="Run again").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("2 will be queued again. 1 stays as it is: 1 succeeded.")
        attempts = [await house.ask("GET", f"/api/v1/tasks/{task_id}/attempts") for task_id in failed]
        assert [len(each["items"]) for each in attempts] == [1, 1], "only looked at so far"
        await dialog.get_by_role("button", name="Run again").click()
        await expect(page.get_by_text("2 queued again")).to_be_visible()

        async def counts() -> bool:
            attempts = [await house.ask("GET", f"/api/v1/tasks/{task_id}/attempts") for task_id in (*failed, done)]
            return [len(each["items"]) for each in attempts] == [2, 2, 1]

        await eventually(counts)


async def test_while_runs_are_selected_no_row_changes(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.goto("/admin/run")
        row = page.locator(f"[data-row='{slow}']")
        await expect(row).to_contain_text("50 %")
        await page.get_by_label(f"Select run {slow}").check()
        await page.get_by_role("heading", level=1).hover()
        await expect(page.get_by_role("toolbar")).to_contain_text("updates are held meanwhile")
        house.gates.open.set()
        await house.finished("back-up", {"name": "orders"})
        await expect(page.get_by_role("button", name="1 new run")).to_be_visible()
        await expect(row).to_contain_text("50 %")
        await page.get_by_label(f"Select run {slow}").uncheck()
        await page.get_by_role("heading", level=1).hover()
        await expect(row).to_contain_text("Succeeded")


async def test_without_sockets_rows_change_by_asking(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.route_web_socket("**/ws/changes", lambda socket: socket.close())
        await page.goto("/admin/run")
        row = page.locator(f"[data-row='{slow}']")
        await expect(row).to_contain_text("50 %")
        house.gates.open.set()
        await expect(row).to_contain_text("Succeeded")


async def test_what_happens_under_the_pointer_is_shown_once_it_leaves(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.goto("/admin/run")
        row = page.locator(f"[data-row='{slow}']")
        await expect(row).to_contain_text("50 %")
        await row.hover()
        house.gates.open.set()
        new = await house.finished("back-up", {"name": "orders"})
        await expect(page.get_by_role("button", name="1 new run")).to_be_visible()
        await expect(row).to_contain_text("50 %")
        await page.get_by_role("heading", level=1).hover()
        await expect(row).to_contain_text("Succeeded")
        assert await page.locator(f"[data-row='{new}']").count() == 0


async def test_what_was_asked_before_the_pointer_came_is_shown_once_it_leaves(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    asked: list[str] = []
    answered = asyncio.Event()
    async with visit(house) as page:

        async def hold(route: Route) -> None:
            asked.append(route.request.url)
            await answered.wait()
            await route.continue_()

        await page.goto("/admin/run")
        row = page.locator(f"[data-row='{slow}']")
        await expect(row).to_contain_text("50 %")
        await page.route(re.compile(f"taskIds=.*{slow}"), hold)
        house.gates.open.set()
        await eventually(lambda: asked)
        await row.hover()
        async with page.expect_response(re.compile(f"taskIds=.*{slow}")) as answer:
            answered.set()
        await (await answer.value).finished()
        await house.finished("back-up", {"name": "orders"})
        await expect(page.get_by_role("button", name="1 new run")).to_be_visible()
        await expect(row).to_contain_text("50 %")
        await page.get_by_role("heading", level=1).hover()
        await expect(row).to_contain_text("Succeeded")


async def test_what_another_filter_shows_is_not_new(house: House) -> None:
    await house.finished("back-up", {"name": "orders"})
    lists: list[str] = []
    answered = asyncio.Event()
    told: list[WebSocketRoute] = []
    async with visit(house) as page:

        async def hold_the_first(route: Route) -> None:
            lists.append(route.request.url)
            if len(lists) == 1:
                await answered.wait()
            await route.continue_()

        await page.route_web_socket("**/ws/changes", lambda socket: told.append(socket))
        await page.route(re.compile(r"/tasks\?.*definition=back-up"), hold_the_first)
        await page.goto("/admin/run")
        await expect(page.locator("[data-row]").first).to_be_visible()
        new = await house.finished("back-up", {"name": "orders"})
        await page.get_by_label("Filter runs").fill("task:back-up")
        await eventually(lambda: len(lists) == 1)
        await eventually(lambda: told)
        async with page.expect_response(re.compile(r"/tasks\?.*definition=back-up")):
            told[0].send(json.dumps({"taskIds": [new], "more": False}))
        answered.set()
        await expect(page.locator(f"[data-row='{new}']")).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("new run"))).to_have_count(0)


async def test_everything_that_fits_a_filter_is_cancelled_and_only_that(house: House) -> None:
    runs = await house.yard.start_many("back-up", [{"name": f"n{n}"} for n in range(130)], delay=3600, tags=["mass"])
    other = await house.start("back-up", {"name": "other"}, delay=3600)
    async with visit(house) as page:
        await page.goto("/admin/run?q=tag:mass")
        await page.get_by_label("Select all rows").check()
        bar = page.get_by_role("toolbar")
        await bar.get_by_role("button", name="Select everything that fits").click()
        await bar.get_by_role("button", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("130 will be cancelled.")
        await dialog.get_by_label("Type 130 to confirm").fill("130")
        await dialog.get_by_role("button", name="Cancel").last.click()
        await expect(page.get_by_text("130 cancelled")).to_be_visible()
    for run in (runs[0], runs[-1]):
        await run.refresh()
        assert run.status == "CANCELED"
    async with visit(house) as page:
        await page.goto(f"/admin/run/{other}")
        await expect(page.locator(".page-actions")).to_contain_text("Scheduled")


async def test_a_long_list_goes_on_by_itself_and_draws_only_what_is_seen(house: House) -> None:
    await house.yard.start_many("back-up", [{"name": f"n{n}"} for n in range(450)], delay=3600, tags=["long"])
    async with visit(house) as page:
        await page.goto("/admin/run?q=tag:long")
        table = page.get_by_role("table")
        await expect(table).to_have_attribute("aria-rowcount", "101")
        await page.mouse.move(WIDE["width"] / 2, WIDE["height"] / 2)

        last = page.locator("[aria-rowindex='451']")

        async def wheeled_to_the_end() -> bool:
            await page.mouse.wheel(0, 50_000)
            return any(await last.evaluate_all(IN_SIGHT))

        # How many pages one turn of the wheel brings, and how far it goes, is the browser's affair.
        await eventually(wheeled_to_the_end)
        await expect(last).to_be_in_viewport()
        await expect(table).to_have_attribute("aria-rowcount", "451")
        assert await page.locator("[data-row]").count() < 200


async def test_a_keyboard_alone_finds_selects_and_opens_a_run(house: House) -> None:
    newest = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin")
        await expect(page.get_by_role("heading", name="Overview")).to_be_focused()
        # The second key has to follow soon, so it does not wait for what the page makes of the first.
        await asyncio.gather(page.keyboard.press("g"), page.keyboard.press("r"))
        await expect(page.get_by_role("heading", name="Runs")).to_be_focused()
        await expect(page.locator(f"[data-row='{newest}']")).to_be_visible()
        await page.locator("body").press("j")
        await page.keyboard.press("x")
        await expect(page.get_by_label(f"Select run {newest}")).to_be_checked()
        await page.keyboard.press("Escape")
        await expect(page.get_by_label(f"Select run {newest}")).not_to_be_checked()
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox", name="Go to or run").fill(newest)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/admin/run/{newest}"))
        await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def test_without_shortcuts_no_letter_does_anything_in_a_list(house: House) -> None:
    newest = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin/settings")
        await page.get_by_label("Single letters are shortcuts").uncheck()
        await page.goto("/admin/run")
        await expect(page.locator(f"[data-row='{newest}']")).to_be_visible()
        for key in ("j", "x"):
            await page.locator("body").press(key)
        await expect(page.locator(".is-at")).to_have_count(0)
        await expect(page.get_by_role("toolbar")).to_have_count(0)


async def test_runs_are_filtered_by_error_and_by_how_long_they_took(house: House) -> None:
    failed = await house.finished("back-up", {"name": "nowhere"})
    async with visit(house) as page:
        await page.goto("/admin/run?q=error:EXECUTION_ERROR+took:<1m")
        await expect(page.locator(f"[data-row='{failed}']")).to_be_visible()
        await page.goto("/admin/run?q=error:EXECUTION_ERROR+took:>1m")
        await expect(page.get_by_text("No run fits this filter")).to_be_visible()


async def test_a_view_is_saved_under_a_name(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/run?q=state:failed")
        await page.get_by_role("button", name="Save this view").click()
        await page.get_by_label("Name of the view").fill("Broken")
        await page.get_by_role("dialog").get_by_role("button", name="Save this view").click()
        await expect(page.get_by_role("button", name="Broken", exact=True)).to_be_visible()
        await page.goto("/admin/run")
        await page.get_by_role("button", name="Broken", exact=True).click()
        await expect(page.get_by_label("Filter runs")).to_have_value("state:failed")


async def test_a_view_that_is_shared_is_used_by_others_and_forgotten_by_its_owner(house: House) -> None:
    failed = await house.finished("back-up", {"name": "nowhere"})
    name = f"Gone {failed}"
    async with visit(house, "tasks:read", subject="ann") as ann, visit(house, "tasks:read", subject="bob") as bob:
        await ann.goto("/admin/run?q=task:back-up+state:failed")
        await ann.get_by_role("button", name="Save this view").click()
        await ann.get_by_label("Name of the view").fill(name)
        await ann.get_by_label("Everybody sees it").check()
        await ann.get_by_role("dialog").get_by_role("button", name="Save this view").click()
        await expect(ann.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
        await bob.goto("/admin/run")
        await bob.get_by_role("button", name=f"{name} (ann)").click()
        await expect(bob.get_by_label("Filter runs")).to_have_value("task:back-up state:failed")
        await expect(bob.locator(f"[data-row='{failed}']")).to_be_visible()
        await expect(bob.get_by_role("button", name="Forget the view")).to_have_count(0)
        await ann.get_by_role("button", name=f"Forget the view {name}").click()
        await expect(ann.get_by_role("button", name=name, exact=True)).to_have_count(0)
        await ann.get_by_role("button", name="Undo").click()
        await ann.get_by_role("button", name=f"Forget the view {name}").click()
        await expect(ann.get_by_role("button", name=name, exact=True)).to_have_count(0)
        await bob.reload()
        await expect(bob.get_by_role("button", name="Save this view")).to_be_visible()
        await expect(bob.get_by_role("button", name=f"{name} (ann)")).to_have_count(0)


async def test_runs_are_found_by_queue_priority_attempts_who_asked_and_trace(house: House) -> None:
    body = {"taskDefinitionId": "back-up", "input": {"name": "orders"}, "priority": "HIGH", "delay": 3600}
    waiting = (await house.ask("POST", "/api/v1/tasks", body))["taskId"]
    failed = await house.finished("back-up", {"name": "nowhere"})
    trace = (await house.ask("GET", f"/api/v1/tasks/{failed}/trace"))["traceId"]
    finds = {
        "queue:automated priority:high": (waiting, failed), "actor:admin priority:high": (waiting, failed),
        "queue:deadletter attempt:1": (failed, waiting), f"trace:{trace}": (failed, waiting),
    }  # fmt: skip
    async with visit(house) as page:
        await page.goto("/admin/run")
        for text, (found, other) in finds.items():
            await page.get_by_label("Filter runs").fill(text)
            await expect(page.locator(f"[data-row='{other}']")).to_have_count(0)
            await expect(page.locator(f"[data-row='{found}']")).to_be_visible()


async def test_a_phone_shows_runs_without_scrolling_sideways(house: House) -> None:
    run = await house.finished("back-up", {"name": "nowhere"})
    async with visit(house, size=PHONE) as page:
        for path in ("/admin/run", f"/admin/run/{run}", "/admin/inbox", "/admin/task", "/admin"):
            await page.goto(path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await page.wait_for_load_state("networkidle")
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
