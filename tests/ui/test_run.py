"""One run: followed live through lost connections, its result looked at and taken away."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, WebSocket, WebSocketRoute, expect

from taskyard.engine.requeue import requeue
from tests.support import eventually
from tests.ui.house import PHONE, House, house_of, violations, visit
from tests.ui.process import REFUND

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_run_is_followed_live_through_a_killed_connection(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    connections: list[str] = []
    async with visit(house) as page:

        async def cut_the_first(socket: WebSocketRoute) -> None:
            connections.append(socket.url)
            server = socket.connect_to_server()
            if len(connections) > 1:
                return

            def pass_on(message: str | bytes) -> None:
                socket.send(message)
                if any(told["type"] == "log" for told in json.loads(message)):
                    asyncio.get_running_loop().create_task(socket.close(code=1012))

            server.on_message(pass_on)

        await page.route_web_socket(re.compile("/ws/task/"), cut_the_first)
        await page.goto(f"/admin/run/{slow}")
        await expect(page.get_by_text("it has begun")).to_be_visible()
        await eventually(lambda: len(connections) >= 2)
        await expect(page.locator(".link")).to_have_text("Live")
        house.gates.open.set()
        await expect(page.get_by_text("it goes on")).to_be_visible()
        await expect(page.get_by_role("main").get_by_text("Succeeded").first).to_be_visible()
        await expect(page.locator(".terminal-row")).to_have_count(2)
    assert int(connections[-1].partition("after=")[2]) > 0


class Late:
    """A page whose code for runs comes late, and the sockets on which it follows them."""

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocket] = []
        self.is_wanted, self.may_come = asyncio.Event(), asyncio.Event()
        page.on("websocket", lambda socket: self.sockets.append(socket) if "/ws/task/" in socket.url else None)

    async def hold(self, route: Route) -> None:
        self.is_wanted.set()
        await self.may_come.wait()
        await route.continue_()


async def test_a_run_is_followed_from_the_click_on_by_one_connection(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        late = Late(page)
        await page.route(re.compile("/assets/RunPage"), late.hold)
        await page.goto("/admin/run")
        link = page.locator(f"[data-row='{slow}'] a").first
        await link.hover()
        await late.is_wanted.wait()
        assert not late.sockets, "what is merely pointed at costs the server nothing"
        await link.click()
        await eventually(lambda: late.sockets)
        late.may_come.set()
        await expect(page.get_by_text("it has begun")).to_be_visible()
        await page.get_by_role("link", name="Queues").click()
        await eventually(late.sockets[0].is_closed)
        await page.go_back()
        await expect(page.get_by_text("it has begun")).to_be_visible()
        await page.get_by_role("tab", name="Attempts").click()
        await expect(page.get_by_role("tab", name="Attempts")).to_have_attribute("aria-selected", "true")
        assert [socket.is_closed() for socket in late.sockets] == [True, False]
    house.gates.open.set()


async def test_a_run_that_is_left_before_its_page_has_come_is_followed_no_more(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        late = Late(page)
        await page.route(re.compile("/assets/RunPage"), late.hold)
        await page.goto("/admin/queue")
        await expect(page.get_by_role("heading", name="Queues", level=1)).to_be_visible()
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox", name="Go to or run").fill(slow)
        await page.keyboard.press("Enter")
        await eventually(lambda: late.sockets)
        await page.get_by_role("link", name="Workers").click()
        await eventually(late.sockets[0].is_closed)
        late.may_come.set()
    house.gates.open.set()


async def test_without_sockets_a_run_is_followed_by_asking(house: House) -> None:
    house.gates.open.clear()
    async with house_of(house.yard, house.gates, house.browser, websocket_enabled=False) as other:
        slow = await other.start("slow")
        async with visit(other, expected=(403,)) as page:
            await page.goto(f"/admin/run/{slow}")
            await expect(page.get_by_text("it has begun")).to_be_visible()
            house.gates.open.set()
            await expect(page.get_by_text("it goes on")).to_be_visible()
            await expect(page.locator(".link")).to_have_text("Complete")


async def test_a_run_that_is_had_run_again_is_followed_again(house: House) -> None:
    run = await house.finished("notify", {"port": 1})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}")
        await expect(page.locator(".link")).to_have_text("Complete")
        await page.get_by_role("tab", name="Events").click()
        failures = page.get_by_text("task.instance.failed", exact=True)
        await expect(failures).to_have_count(1)
        await page.get_by_role("button", name="Run again").click()
        await expect(failures).to_have_count(2)
        await expect(page.locator(".page-actions")).to_contain_text("Dead letter")
        await page.get_by_role("tab", name="Output").click()
        await expect(page.locator(".link")).to_have_text("Complete")


async def test_a_run_that_somebody_else_has_run_again_is_followed_again(house: House) -> None:
    run = await house.finished("notify", {"port": 2})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}?tab=attempts")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator(".page-actions")).to_contain_text("Dead letter")
        await requeue(house.yard.engine, [int(run)], "bob", "again", {"port": 8080})
        await expect(page.locator(".page-actions")).to_contain_text("Succeeded")
        await expect(page.locator("tbody tr")).to_have_count(2)


async def test_a_run_is_cancelled(house: House) -> None:
    house.gates.open.clear()
    slow = await house.start("slow")
    async with visit(house) as page:
        await page.goto(f"/admin/run/{slow}")
        await page.get_by_role("button", name="Cancel run").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
        await expect(page.locator(".page-actions")).to_contain_text("Cancelled")
        await expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
    house.gates.open.set()


async def test_a_result_is_a_table_a_tree_raw_and_a_file(house: House, tmp_path: Path) -> None:
    run = await house.finished("back-up", {"name": "orders"})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}?tab=result")
        await expect(page.get_by_role("cell", name="1204")).to_be_visible()
        await page.get_by_role("button", name="Tree").click()
        await expect(page.get_by_text('"orders"')).to_be_visible()
        await page.get_by_role("button", name="Raw").click()
        await expect(page.locator("pre")).to_contain_text('"rows": 1204')
        for format_, beginning in {"CSV": "table,rows", "XML": "<?xml", "YAML": "- table", "JSON": "[{"}.items():
            async with page.expect_download() as taken:
                await page.get_by_role("link", name=format_).click()
            path = tmp_path / format_
            await (await taken.value).save_as(path)
            assert path.read_text().startswith(beginning)


async def test_tabs_tell_the_rest_and_the_arrows_move_between_them(house: House) -> None:
    run = await house.finished("back-up", {"name": "nowhere"})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}")
        await expect(page.get_by_text("there is no database 'nowhere'").first).to_be_visible()
        await page.get_by_role("tab", name="Output").press("ArrowRight")
        await expect(page.get_by_text('"nowhere"')).to_be_visible()
        await page.get_by_role("tab", name="Attempts").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_role("tab", name="Events").click()
        await expect(page.get_by_text("task.instance.failed")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("tab", name="Events")).to_have_attribute("aria-selected", "true")
        await page.get_by_role("tab", name="Related").click()
        await expect(page.get_by_text("It stands alone")).to_be_visible()


async def test_output_is_searched_and_narrowed(house: House) -> None:
    run = await house.finished("chatty", {"lines": 3000})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}")
        await expect(page.get_by_text("3,000 lines")).to_be_visible()
        await page.get_by_label("Find in output").fill("line 7 of")
        await page.get_by_label("Find in output").press("Enter")
        await expect(page.locator(".is-marked")).to_have_text(re.compile("line 7 of 3000"))
        await page.get_by_label("Least level").select_option("error")
        await expect(page.get_by_text("No line is at this level")).to_be_visible()
        assert await page.locator(".terminal-row").count() < 200


async def test_why_a_run_waits_is_said_in_a_sentence(house: House) -> None:
    later = await house.start("back-up", {"name": "orders"}, delay=3600)
    async with visit(house) as page:
        await page.goto(f"/admin/run/{later}")
        await expect(page.get_by_text("Why it does not run")).to_be_visible()
        await expect(page.get_by_text("it is to run at")).to_be_visible()
        await expect(page.locator(".page-actions")).to_contain_text("Scheduled")


_GROUND = "it => getComputedStyle(it).backgroundColor"
_INK = "it => getComputedStyle(it).color"
_SHAPE = "it => { const {fill, stroke} = getComputedStyle(it); return [fill, stroke] }"


async def test_a_process_is_drawn_as_it_was_when_it_began(house: House) -> None:
    await house.ask("POST", "/api/v1/workflows", {"source": REFUND})
    started = await house.ask("POST", "/api/v1/workflows/refund/start", {"input": {"order": "#2"}})
    await house.ask("POST", "/api/v1/workflows", {"source": REFUND.replace("Look at it", "Ponder it")})
    async with visit(house) as page:
        await page.goto(f"/admin/run/{started['task']['taskId']}?tab=process")
        diagram = page.get_by_label("Diagram of the process")
        await expect(diagram.get_by_text("Look at it")).to_be_visible()
        await expect(diagram.get_by_text("Ponder it")).to_have_count(0)
        await page.emulate_media(color_scheme="dark")
        sheet = await page.locator(".sheet").first.evaluate(_GROUND)
        assert await diagram.evaluate(_GROUND) == sheet
        event = diagram.locator("[data-element-id=start] .djs-visual > circle").first
        assert await event.evaluate(_SHAPE) == [sheet, await page.locator("body").evaluate(_INK)]
        await page.set_viewport_size(PHONE)
        await diagram.scroll_into_view_if_needed()
        await expect(event).to_be_in_viewport()


async def test_a_run_leads_to_its_trace_where_the_server_knows_where_that_is(house: House) -> None:
    run = await house.finished("back-up", {"name": "orders"})
    trace = (await house.ask("GET", f"/api/v1/tasks/{run}/trace"))["traceId"]
    async with visit(house) as page:
        await page.goto(f"/admin/run/{run}")
        await expect(page.get_by_text(trace)).to_be_visible()
        await expect(page.get_by_role("link", name=trace)).to_have_count(0)
    shown_at = "https://traces.example/{traceId}"
    async with house_of(house.yard, house.gates, house.browser, trace_url=shown_at) as other, visit(other) as page:
        await page.goto(f"/admin/run/{run}")
        link = page.get_by_role("link", name=trace)
        await expect(link).to_have_attribute("href", f"https://traces.example/{trace}")
        assert not await violations(page)
