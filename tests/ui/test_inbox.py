"""People's work: claimed, drafted, completed, handed over; late work says so."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.support import eventually
from tests.ui.house import PHONE, House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

BILLING = ("billing",)


async def approval(house: House, order: str, **options: Any) -> str:
    """A refund to approve, as it lies with its group."""
    run = await house.yard.start("approve", {"order": order}, **options)

    async def is_assigned() -> bool:
        await run.refresh()
        return run.status == "ASSIGNED"

    await eventually(is_assigned)
    return run.id


async def is_drafted(house: House, task_id: str, reason: str) -> bool:
    """Whether the server has it; what a page sends last may come after the next has asked."""
    item = await house.ask("GET", f"/api/v1/inbox/{task_id}")
    return bool((item["draft"] or {}).get("reason") == reason)


async def fill(page: Page) -> None:
    await page.get_by_role("radio", name="approve").check()
    await page.get_by_role("textbox", name="Reason").fill("It is small")


async def test_work_is_claimed_drafted_and_completed_and_the_next_comes(house: House) -> None:
    first, second = [await approval(house, f"#{number}") for number in (1, 2)]
    async with visit(house, "tasks:manual", "tasks:read", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{first}")
        await expect(page.get_by_text('"#1"')).to_be_visible()
        await expect(page.get_by_text("billing, unclaimed").first).to_be_visible()
        await page.get_by_role("button", name="Claim", exact=True).click()
        await fill(page)
        await page.get_by_role("button", name="Save draft").click()
        await expect(page.get_by_text("Draft saved")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("textbox", name="Reason")).to_have_value("It is small")
        await page.get_by_role("textbox", name="Reason").fill("no")
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_role("alert")).to_contain_text("Must have at least 3 characters.")
        await page.get_by_role("textbox", name="Reason").fill("It is small")
        await page.get_by_role("textbox", name="Reason").press("Control+Enter")
        await expect(page).to_have_url(re.compile(f"/admin/inbox/{second}"))
    task = await house.yard.engine.store.facts([int(first)])
    assert task[0].place is None


async def test_late_work_says_so(house: House) -> None:
    due = datetime.now(UTC) - timedelta(hours=2)
    late = await approval(house, "#late", due_date=due)
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto("/admin/inbox?view=overdue")
        row = page.get_by_role("navigation", name="Work to do").locator(f"a[href*='{late}']")
        await expect(row).to_contain_text("2 h late")
        await expect(row.locator("time")).to_have_class(re.compile("st-failed"))


async def test_who_comes_second_is_told_who_has_it(house: House) -> None:
    task_id = await approval(house, "#race")
    async with (
        visit(house, "tasks:manual", subject="ada", groups=BILLING) as ada,
        visit(house, "tasks:manual", subject="bob", groups=BILLING, expected=(409,)) as bob,
    ):
        for page in (ada, bob):
            await page.goto(f"/admin/inbox/{task_id}")
            await expect(page.get_by_role("button", name="Claim", exact=True)).to_be_visible()
        await ada.get_by_role("button", name="Claim", exact=True).click()
        await expect(ada.get_by_role("button", name="Release")).to_be_visible()
        await bob.get_by_role("button", name="Claim", exact=True).click()
        await expect(bob.locator(".toasts p")).to_contain_text("ada")
        await expect(bob.get_by_role("button", name="Claim", exact=True)).to_have_count(0)


async def test_work_is_handed_over_commented_on_and_rejected(house: House) -> None:
    task_id = await approval(house, "#talk")
    async with visit(house, "tasks:manual", "tasks:read", subject="ada", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        await page.get_by_text("Comments and history").click()
        await page.get_by_label("Add a comment").fill("Who knows this order?")
        await page.get_by_role("button", name="Comment", exact=True).click()
        await expect(page.get_by_text("Who knows this order?")).to_be_visible()
        await page.get_by_role("button", name="Hand over").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("bob")
        await dialog.get_by_role("button", name="Hand over").click()
        await expect(page.get_by_text("Handed over")).to_be_visible()
    async with visit(house, "tasks:manual", "tasks:read", subject="bob") as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Reject").click()
        await page.get_by_role("dialog").get_by_label("Why").fill("Nobody does")
        await page.get_by_role("dialog").get_by_role("button", name="Reject").click()
        await expect(page.get_by_text("Rejected")).to_be_visible()


async def test_a_person_sees_their_work_and_nothing_else(house: House) -> None:
    task_id = await approval(house, "#mine")
    async with visit(house, "tasks:manual", groups=BILLING, expected=(403,)) as page:
        await page.goto("/admin/inbox")
        rail = page.get_by_role("navigation", name="Pages")
        await expect(rail.get_by_role("link", name="Inbox")).to_be_visible()
        await expect(rail.get_by_role("link", name="Queues")).to_have_count(0)
        await page.goto("/admin/queue")
        await expect(page.get_by_role("alert")).to_contain_text("You may not see this")
    async with visit(house, "tasks:manual", subject="eve", expected=(404,)) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await expect(page.get_by_role("alert")).to_contain_text("There is nothing here")


async def test_work_is_done_on_a_phone(house: House) -> None:
    task_id = await approval(house, "#phone")
    async with visit(house, "tasks:manual", groups=BILLING, size=PHONE) as page:
        await page.goto("/admin/inbox")
        await page.get_by_role("navigation", name="Work to do").locator(f"a[href*='{task_id}']").click()
        await page.get_by_role("button", name="Claim", exact=True).click()
        await fill(page)
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_text("Completed", exact=True)).to_be_visible()


async def test_what_was_filled_in_is_there_again_however_the_work_was_left(house: House) -> None:
    first, second = [await approval(house, f"#left {number}") for number in (1, 2)]
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{first}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        await page.get_by_role("textbox", name="Reason").fill("before I leave")
        await page.get_by_role("navigation", name="Work to do").locator(f"a[href*='{second}']").click()
        await expect(page.get_by_text('"#left 2"')).to_be_visible()
        await page.get_by_role("navigation", name="Work to do").locator(f"a[href*='{first}']").click()
        await expect(page.get_by_role("textbox", name="Reason")).to_have_value("before I leave")
        await page.get_by_role("textbox", name="Reason").fill("and once more")
        await page.goto("/admin/settings")
        await eventually(lambda: is_drafted(house, first, "and once more"))
        await page.goto(f"/admin/inbox/{first}")
        await expect(page.get_by_role("textbox", name="Reason")).to_have_value("and once more")
        await page.get_by_role("textbox", name="Reason").fill("before I give it back")
        await page.get_by_role("button", name="Release").click()
        await page.get_by_role("button", name="Claim", exact=True).click()
        await expect(page.get_by_role("textbox", name="Reason")).to_have_value("before I give it back")


async def test_work_ends_after_its_draft_has_come(house: House) -> None:
    task_id = await approval(house, "#late draft")
    is_sent, may_come = asyncio.Event(), asyncio.Event()
    async with visit(house, "tasks:manual", "tasks:read", groups=BILLING) as page:

        async def hold(route: Route) -> None:
            is_sent.set()
            await may_come.wait()
            await route.continue_()

        await page.route("**/draft", hold)
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        await fill(page)
        await page.get_by_role("button", name="Save draft").click()
        await is_sent.wait()
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_role("button", name="Completing")).to_be_disabled()
        may_come.set()
        await expect(page.get_by_text("Completed", exact=True)).to_be_visible()


async def test_a_comment_that_could_not_be_posted_is_not_lost(house: House) -> None:
    task_id = await approval(house, "#comment")
    async with visit(house, "tasks:manual", "tasks:read", groups=BILLING, expected=(409,)) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_text("Comments and history").click()
        await page.get_by_label("Add a comment").fill("a long thought")
        await house.ask("POST", f"/api/v1/tasks/{task_id}/cancel")
        await page.get_by_role("button", name="Comment", exact=True).click()
        await expect(page.locator(".toasts p")).to_be_visible()
        await expect(page.get_by_label("Add a comment")).to_have_value("a long thought")


async def test_claiming_can_be_undone_and_keys_be_turned_off(house: House) -> None:
    task_id = await approval(house, "#keys")
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        claim = page.get_by_role("button", name="Claim", exact=True)
        await expect(claim).to_be_visible()
        await page.locator("body").press("c")
        await expect(page.get_by_role("button", name="Release")).to_be_visible()
        await page.get_by_role("button", name="Undo").click()
        await expect(claim).to_be_visible()
        await page.goto("/admin/settings")
        await page.get_by_label("Single letters are shortcuts").uncheck()
        await page.goto(f"/admin/inbox/{task_id}")
        await expect(claim).to_be_visible()
        await page.locator("body").press("c")
        await expect(page.get_by_role("button", name="Release")).to_have_count(0)


COMPONENTS = [
    {
        "componentId": "count",
        "displayTemplate": "Order {{ input.order }}",
        "fields": [
            {"fieldKey": "ok", "type": "boolean", "label": "All there"},
            {"fieldKey": "note", "type": "text", "label": "Note"},
        ],
        "layout": {"columns": 2, "sections": [{"title": "What was found", "fields": ["ok", "note"]}]},
        "actions": [
            {"actionKey": "accept", "label": "Accept it", "style": "primary"},
            {"actionKey": "return", "label": "Send it back", "confirmation": "It goes back to the sender."},
        ],
    }
]


async def test_a_form_has_sections_and_buttons_of_its_own(house: House) -> None:
    manual = {"kind": "manual", "assignment": {"type": "GROUP", "id": "billing"}}
    await house.ask("PUT", "/api/v1/definitions/check", {"implementation": manual, "uiComponents": COMPONENTS})
    made = await house.ask("POST", "/api/v1/tasks", {"taskDefinitionId": "check", "input": {"order": 7}})
    task_id = made["taskId"]

    async def is_assigned() -> bool:
        return bool((await house.ask("GET", f"/api/v1/tasks/{task_id}"))["status"] == "ASSIGNED")

    await eventually(is_assigned)
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        await expect(page.get_by_text("Order 7")).to_be_visible()
        await expect(page.get_by_role("group", name="What was found")).to_be_visible()
        await page.get_by_role("textbox", name="Note").fill("one is missing")
        await page.get_by_role("button", name="Send it back").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("It goes back to the sender.")
        await dialog.get_by_role("button", name="Send it back").click()
        await expect(page.get_by_text("Completed", exact=True)).to_be_visible()
    task = await house.ask("GET", f"/api/v1/tasks/{task_id}")
    assert task["output"]["note"] == "one is missing"


async def test_what_has_failed_is_repaired_by_correcting_its_input(house: House) -> None:
    body = {
        "implementation": {"kind": "function", "name": "notify"},
        "inputSchema": {"type": "object", "properties": {"port": {"type": "integer", "title": "Port"}}},
        "retryPolicy": {"maxRetries": 0},
        "repair": {"assignment": {"type": "GROUP", "id": "billing"}},
    }
    await house.ask("PUT", "/api/v1/definitions/mendable", body)
    task_id = (await house.ask("POST", "/api/v1/tasks", {"taskDefinitionId": "mendable", "input": {"port": 5}}))[
        "taskId"
    ]

    async def is_assigned() -> bool:
        return bool((await house.ask("GET", f"/api/v1/tasks/{task_id}"))["status"] == "ASSIGNED")

    await eventually(is_assigned)
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto(f"/admin/inbox/{task_id}")
        await page.get_by_role("button", name="Claim", exact=True).click()
        mend = page.get_by_role("region", name="Correct the input and run it again")
        await expect(mend).to_contain_text("nobody listens at port 5")
        await mend.get_by_role("textbox", name="Port").fill("8080")
        await mend.get_by_role("button", name="Run again").click()
        await expect(page.get_by_text("It runs again")).to_be_visible()

    async def is_done() -> bool:
        return bool((await house.ask("GET", f"/api/v1/tasks/{task_id}"))["status"] == "COMPLETED")

    await eventually(is_done)
