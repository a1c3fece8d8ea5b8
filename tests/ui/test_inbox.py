"""People's work: claimed, drafted, completed, handed over; late work says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.support import eventually
from tests.ui.house import PHONE, House, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

BILLING = ("billing",)


async def approval(house: House, order: str, **options: object) -> str:
    """A refund to approve, as it lies with its group."""
    run = await house.yard.start("approve", {"order": order}, **options)  # type: ignore[arg-type]

    async def is_assigned() -> bool:
        await run.refresh()
        return run.status == "ASSIGNED"

    await eventually(is_assigned)
    return run.id


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
        visit(house, "tasks:manual", subject="bob", groups=BILLING) as bob,
    ):
        for page in (ada, bob):
            await page.goto(f"/admin/inbox/{task_id}")
            await expect(page.get_by_role("button", name="Claim", exact=True)).to_be_visible()
        await ada.get_by_role("button", name="Claim", exact=True).click()
        await expect(ada.get_by_role("button", name="Release")).to_be_visible()
        if await bob.get_by_role("button", name="Claim", exact=True).is_visible():
            await bob.get_by_role("button", name="Claim", exact=True).click()
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
    async with visit(house, "tasks:manual", groups=BILLING) as page:
        await page.goto("/admin/inbox")
        rail = page.get_by_role("navigation", name="Pages")
        await expect(rail.get_by_role("link", name="Inbox")).to_be_visible()
        await expect(rail.get_by_role("link", name="Queues")).to_have_count(0)
        await page.goto("/admin/queue")
        await expect(page.get_by_role("alert")).to_contain_text("You may not see this")
    async with visit(house, "tasks:manual", subject="eve") as page:
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
