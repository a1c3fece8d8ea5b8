"""Operating it: queues, dead letters, workers, schedules, events, webhooks."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Request, expect

from taskyard.settings.masking import shown
from tests.servers.receiver import receiving
from tests.support import eventually
from tests.ui.house import House, house_of, violations, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def all_have_run(house: House, task_ids: list[str]) -> bool:
    """Whether they have succeeded; a list that was asked for sooner has new rows wait."""
    found = [await house.ask("GET", f"/api/v1/tasks/{task_id}") for task_id in task_ids]
    return all(task["status"] == "COMPLETED" for task in found)


async def test_dead_letters_are_grouped_by_cause_and_mended_with_another_input(house: House) -> None:
    mended = [await house.finished("notify", {"port": port}) for port in (1, 2, 3)]
    async with visit(house, expected=(422,)) as page:
        await page.goto("/admin/dead-letter")
        cause = page.locator(".cause", has_text="Notify the legacy system")
        await expect(cause).to_contain_text("3 failures")
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
        await eventually(lambda: all_have_run(house, mended))
        await page.goto("/admin/run?q=task:notify+state:succeeded")
        await expect(page.locator("tbody tr")).to_have_count(3)


@pytest.mark.parametrize("path", ["/dead-letter", "/error"])
async def test_causes_are_asked_for_again_though_nothing_changes(house: House, path: str) -> None:
    """What the server told may have been counted before the last change."""
    async with visit(house) as page:
        await page.clock.install()
        await page.route_web_socket("**/ws/changes", lambda socket: None)
        async with page.expect_response("**/api/v1/errors?*"):
            await page.goto(f"/admin{path}")
        await expect(page.locator(".skeleton")).to_have_count(0)
        async with page.expect_response("**/api/v1/errors?*"):
            await page.clock.fast_forward(15_000)


async def test_dead_letters_are_discarded(house: House) -> None:
    await house.finished("back-up", {"name": "nowhere"})
    async with visit(house) as page:
        await page.goto("/admin/dead-letter")
        cause = page.locator(".cause", has_text="Back up the database")
        await cause.get_by_role("button", name="Discard").click()
        await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        await expect(page.get_by_text(re.compile(r"\d+ discarded"))).to_be_visible()
        await expect(page.get_by_text("No dead letters", exact=True)).to_be_visible()


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
    await house.ask("PUT", "/api/v1/schedules/nightly", schedule)
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
        await page.locator(".toasts p", has_text="nightly goes on").get_by_role("button", name="Undo").click()
        await expect(row.get_by_text("Paused")).to_be_visible()
        await row.get_by_role("button", name="Remove").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(row).to_have_count(0)
        await page.locator(".toasts p", has_text="nightly is removed").get_by_role("button", name="Undo").click()
        await expect(row).to_contain_text("0 3 * * *")
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


async def test_what_fails_is_grouped_by_cause_and_leads_to_its_runs(house: House) -> None:
    for port in (11, 12):
        await house.finished("notify", {"port": port})
    async with visit(house) as page:
        await page.goto("/admin/error")
        cause = page.locator(".cause", has_text="Notify the legacy system")
        await expect(cause).to_contain_text("nobody listens at port")
        await cause.get_by_text("Show the runs").click()
        await expect(cause.get_by_role("listitem").first).to_contain_text("nobody listens at port")
        await cause.get_by_role("link", name="Open the runs").click()
        await expect(page.get_by_label("Filter runs")).to_have_value("task:notify error:EXECUTION_ERROR")
        await expect(page.locator("tbody tr").first).to_be_visible()


async def test_the_overview_draws_how_it_went(house: House) -> None:
    await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto("/admin")
        chart = page.get_by_role("img", name=re.compile("^Runs that ended"))
        await expect(chart.locator("canvas")).to_be_visible()
        await page.get_by_role("button", name="15 min").click()
        await expect(page).to_have_url(re.compile("range=15m"))
        await page.get_by_text("Show as a table").first.click()
        await expect(page.get_by_role("region", name="Runs that ended, per minute").locator("tbody tr")).to_have_count(
            90
        )


async def test_an_address_is_subscribed_tested_given_a_new_secret_and_removed(house: House) -> None:
    async with receiving() as receiver, visit(house, expected=(422,)) as page:
        await page.goto("/admin/webhook")
        await page.get_by_role("button", name="Subscribe an address").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Address that is to be told").fill("http://169.254.169.254/")
        await dialog.get_by_role("button", name="Subscribe an address").click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await dialog.get_by_label("Address that is to be told").fill(receiver.url)
        await dialog.get_by_role("button", name="Subscribe an address").click()
        await expect(dialog.locator("pre")).to_contain_text("whsec_")
        first = await dialog.locator("pre").inner_text()
        await dialog.get_by_role("button", name="Done").click()
        row = page.locator("tbody tr", has_text=receiver.url).first
        await row.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_text("The test was delivered")).to_be_visible()
        assert receiver.taken[0].json["type"] == "webhook.ping"
        await row.get_by_role("button", name="New secret").click()
        await dialog.get_by_role("button", name="New secret").click()
        await expect(dialog.locator("pre")).to_contain_text("whsec_")
        assert await dialog.locator("pre").inner_text() != first
        await dialog.get_by_role("button", name="Done").click()
        await row.get_by_role("button", name="Remove").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("Nobody has subscribed")).to_be_visible()


async def test_a_delivery_is_sent_again(house: House) -> None:
    async with receiving() as receiver:
        body = {"url": receiver.url, "events": ["task.completed"]}
        made = await house.ask("POST", "/api/v1/subscriptions", body)
        await house.finished("back-up", {"name": "orders"})
        async with visit(house) as page:
            await page.goto("/admin/webhook?status=DELIVERED")
            row = page.get_by_role("region", name="Deliveries").locator("tbody tr", has_text="task.completed").first
            await row.get_by_role("button", name="Send again").click()
            await expect(page.get_by_text("Sent again")).to_be_visible()
            await row.get_by_role("button", name="Request and answers").click()
            await expect(page.get_by_role("dialog")).to_contain_text("task.completed")
        await house.ask("PATCH", f"/api/v1/subscriptions/{made['subscriptionId']}", {"enabled": False})


async def test_people_are_entered_found_by_group_and_removed(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/people")
        await page.get_by_role("button", name="Enter a person").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name in tokens").fill("zoe")
        await dialog.get_by_label("Full name").fill("Zoe Example")
        await dialog.get_by_label("Groups, one per line").fill("night shift")
        await dialog.get_by_role("button", name="Enter a person").click()
        row = page.locator("tbody tr", has_text="Zoe Example")
        await row.get_by_role("button", name="night shift").click()
        await expect(page.get_by_role("heading", name="The group night shift")).to_be_visible()
        await row.get_by_role("button", name="Change zoe").click()
        await dialog.get_by_label("Is away").check()
        await dialog.get_by_role("button", name="Change", exact=True).click()
        await expect(row).to_contain_text("away")
        await page.get_by_role("button", name="Everybody").click()
        await row.get_by_role("button", name="Remove zoe").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(row).to_have_count(0)


async def test_who_may_only_read_is_offered_nothing_that_changes(house: House) -> None:
    await house.finished("notify", {"port": 3})
    async with visit(house, "tasks:read") as page:
        for path in ("/task/back-up", "/run", "/people", "/queue", "/schedule", "/error"):
            await page.goto(f"/admin{path}")
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await expect(page.locator(".skeleton")).to_have_count(0)
            main = page.get_by_role("main")
            for name in ("Start", "Enter a person", "Pause", "Run now", "Remove"):
                await expect(main.get_by_role("button", name=name)).to_have_count(0)


async def test_what_was_done_can_be_undone(house: House) -> None:
    async with visit(house) as page:
        await page.goto("/admin/queue")
        row = page.locator("tbody tr", has_text="task-execution-integration")
        await row.get_by_role("button", name="Pause").click()
        await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        await expect(row.get_by_text("Paused")).to_be_visible()
        await page.get_by_role("button", name="Undo").click()
        await expect(row.get_by_text("Paused")).to_have_count(0)


async def test_the_settings_of_the_server_are_shown_to_admins_without_secrets(house: House) -> None:
    settings = house.yard.app.settings.with_values(TASKYARD_JWT_SECRET="a secret that nobody is to see here")
    async with house_of(house.yard, house.gates, house.browser, settings=lambda: shown(settings)) as other:
        async with visit(other) as page:
            await page.goto("/admin/settings")
            await page.get_by_label("Search settings").fill("JWT_SECRET")
            await expect(page.locator("tbody tr")).to_have_count(1)
            await expect(page.locator("tbody tr")).to_contain_text("********")
        async with visit(other, "tasks:read") as page:
            await page.goto("/admin/settings")
            await expect(page.get_by_role("heading", name="Who you are")).to_be_visible()
            await expect(page.get_by_role("heading", name="The server")).to_have_count(0)


async def test_a_connection_is_shown_with_its_breaker_and_tested(house: House) -> None:
    async with receiving("") as receiver:
        body = {"type": "rest", "settings": {"baseUrl": receiver.url}}
        await house.ask("PUT", "/api/v1/connections/billing", body)
        async with visit(house) as page:
            await page.goto("/admin/connection")
            row = page.locator("tbody tr", has_text="billing")
            await expect(row).to_contain_text("Works")
            await row.get_by_role("button", name="Test billing").click()
            await expect(page.locator(".toasts p")).to_contain_text("billing answers")
            assert not await violations(page)


async def test_a_connection_is_made_tested_and_changed_and_its_secret_never_shown(house: House) -> None:
    secret = "canary-7d1-token"
    seen: list[Request] = []

    def keep(request: Request) -> None:
        if "/api/v1/connection" in request.url:
            seen.append(request)

    async with receiving("") as receiver, visit(house) as page:
        page.on("requestfinished", keep)  # one that another has made idle ends without its answer
        await page.goto("/admin/connection")
        await page.get_by_role("button", name="New connection").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name by which").fill("shop")
        await dialog.get_by_label("Type").first.select_option("rest")
        await dialog.get_by_role("button", name="Store").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("This is needed")
        assert not await violations(page)
        await dialog.get_by_label("Base URL").fill(receiver.url)
        await dialog.get_by_label("Type").nth(1).select_option("bearer")
        await dialog.get_by_label(re.compile("^Token")).last.fill(secret)
        await expect(dialog.get_by_label(re.compile("^Token")).last).to_have_attribute("type", "password")
        await dialog.get_by_role("button", name="Store").click()
        await page.get_by_role("button", name="Test shop").click()
        await expect(page.locator(".toasts p", has_text="shop answers")).to_be_visible()
        await page.get_by_role("button", name="Change shop").click()
        await expect(dialog.get_by_label("Base URL")).to_have_value(receiver.url)
        await expect(dialog.get_by_label(re.compile("^Token")).last).to_have_value("")
        await dialog.get_by_label("Read timeout").fill("7")
        await dialog.get_by_label("Rate limit").fill("5/s")
        await dialog.get_by_label(re.compile("^Token")).last.fill(secret)
        assert not await violations(page)
        await dialog.get_by_role("button", name="Store").click()
        await expect(dialog).to_have_count(0)
        answers = [await request.response() for request in seen]
        assert not any([secret in await answer.text() for answer in answers if answer])
        kept = await house.ask("GET", "/api/v1/connections/shop")
        assert (kept["settings"]["readTimeout"], kept["secrets"]) == (7, {"token": True})
        assert kept["limits"]["rateLimit"] == "5/s"
        await page.get_by_role("button", name="Remove shop").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("button", name="Change shop")).to_have_count(0)
    left = (await house.ask("GET", "/api/v1/connections"))["items"]
    assert "shop" not in [each["connectionId"] for each in left]
