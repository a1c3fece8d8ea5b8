"""What task-execution-layer.md promises of the browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support import eventually
from tests.ui.house import House, visit
from tests.ui.process import REFUND

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("house_url", ["sqlite"], indirect=True, scope="module"),
]


async def test_the_present_manual_step_of_a_process_is_shown_and_completing_it_goes_on(house: House) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: shown with its form, where the process stands in
    its diagram; completing it there resumes the process.
    """
    await house.ask("POST", "/api/v1/workflows", {"source": REFUND})
    started = await house.ask("POST", "/api/v1/workflows/refund/start", {"input": {"order": "#77"}})
    process = started["task"]["taskId"]

    async def has_come_to_somebody() -> bool:
        return bool((await house.ask("GET", f"/api/v1/tasks?workflowId={process}&status=ASSIGNED"))["items"])

    await eventually(has_come_to_somebody)
    async with visit(house, "tasks:manual", "tasks:read", groups=("billing",)) as page:
        await page.goto(f"/admin/run/{process}?tab=process")
        diagram = page.get_by_role("region", name="Diagram of the process")
        await expect(diagram.locator("[data-element-id='look'].step-assigned")).to_be_visible()
        await expect(diagram.locator(".bjs-powered-by")).to_be_visible()
        await page.get_by_role("region", name="Steps of the process").get_by_role("link", name="Look at it").click()
        await page.get_by_role("link", name="Open in the inbox").click()
        await page.get_by_role("button", name="Claim", exact=True).click()
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_text("Completed", exact=True)).to_be_visible()
        await page.goto(f"/admin/run/{process}")
        await expect(page.locator(".page-actions")).to_contain_text("Succeeded")
