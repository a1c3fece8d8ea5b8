"""What people were told, how they want to be told, and the links of messages, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from taskyard import Taskyard
from taskyard.engine.events import latest_position
from taskyard.notifying import make_planner
from tests.api.test_people import ANN, BOB, EVE, act, made
from tests.api.yard import Client

API = "/api/v1/notifications"


async def listed(http: Client, who: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = await http.get(f"{API}{query}", headers=who)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.fixture
def tell(working_yard: Taskyard) -> Callable[[], Awaitable[None]]:
    """Lets everybody be told of what has happened."""
    planner = make_planner(working_yard.app.notifying)

    async def tell() -> None:
        await latest_position(working_yard.engine)
        await planner.turn()

    return tell


@pytest.fixture
async def planned(working: Client, tell: Callable[[], Awaitable[None]]) -> Client:
    """People are told from now on."""
    await tell()
    return working


async def test_notices_are_listed_and_read(planned: Client, tell: Callable[[], Awaitable[None]]) -> None:
    for _ in range(3):
        await made(planned, {"assignment": {"type": "USER", "id": "ann"}})
    await tell()
    assert (await planned.get(f"{API}/count", headers=ANN)).json() == {"unread": 3}
    items = await listed(planned, ANN)
    assert [item["text"] for item in items] == ["For you: Decide"] * 3
    assert {item["readAt"] for item in items} == {None}
    first = (await planned.get(f"{API}?limit=2", headers=ANN)).json()
    rest = await listed(planned, ANN, f"?limit=2&cursor={first['nextCursor']}")
    assert [each["noticeId"] for each in [*first["items"], *rest]] == [each["noticeId"] for each in items]
    for who in (BOB, EVE):
        assert await listed(planned, who) == []
        marked = await planned.post(f"{API}/read", json={"noticeIds": [items[0]["noticeId"]]}, headers=who)
        assert marked.json() == {"count": 0}
        assert (await planned.get(f"{API}?cursor={first['nextCursor']}", headers=who)).status_code == 422
    marked = await planned.post(f"{API}/read", json={"noticeIds": [items[0]["noticeId"]]}, headers=ANN)
    assert marked.json() == {"count": 1}
    assert len(await listed(planned, ANN, "?unread=true")) == 2
    assert (await planned.post(f"{API}/read", headers=ANN)).json() == {"count": 2}
    assert (await planned.get(f"{API}/count", headers=ANN)).json() == {"unread": 0}
    back = {"noticeIds": [items[2]["noticeId"]], "read": False}
    assert (await planned.post(f"{API}/read", json=back, headers=ANN)).json() == {"count": 1}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"channels": ["pigeon"]}, "/channels/0"),
        ({"email": "ann@example.com\r\nBcc: eve@evil.example"}, "/email"),
        ({"email": "nobody"}, "/email"),
        ({"slack": "javascript:alert(1)"}, "/slack"),
        ({"webhook": "http://169.254.169.254/latest"}, "/webhook"),
        ({"mute": ["everything"]}, "/mute/0"),
        ({"digest": {}}, "/digest"),
        ({"digest": {"every": 3600, "at": "08:00"}}, "/digest"),
        ({"digest": {"at": "25:00"}}, "/digest/at"),
        ({"digest": {"at": "08:00", "timezone": "Mars/Base"}}, "/digest/timezone"),
        ({"fax": "1"}, "/fax"),
    ],
)
async def test_what_cannot_be_preferred_is_refused(client: Client, body: dict[str, Any], path: str) -> None:
    answer = await client.put(f"{API}/preferences", json=body, headers=ANN)
    assert answer.status_code == 422, answer.text
    assert path in {each["path"] for each in answer.json()["error"]["details"]}
    assert (await client.get(f"{API}/preferences", headers=ANN)).json() == {}


async def test_preferences_are_ones_own(client: Client) -> None:
    wanted = {"channels": ["email"], "email": "ann@example.com", "mute": ["offered"], "digest": {"at": "08:00"}}
    answer = await client.put(f"{API}/preferences", json=wanted, headers=ANN)
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert (await client.get(f"{API}/preferences", headers=ANN)).json() == wanted
    assert (await client.get(f"{API}/preferences", headers=BOB)).json() == {}


# ---- links


def link_of(http: Client, person: str, task_id: str | None, lasts: float = 60) -> str:
    return http.services.links.issue(person, task_id, http.services.now() + lasts)


async def test_a_link_signs_in_once_and_opening_it_does_nothing(planned: Client) -> None:
    task_id = await made(planned, {"assignment": {"type": "USER", "id": "ann"}})
    before = (await planned.get(f"/api/v1/tasks/{task_id}")).json()
    link = link_of(planned, "ann", task_id)
    del planned.headers["authorization"]
    for method in ("GET", "GET", "HEAD"):
        page = await planned.request(method, f"/signin?link={link}")
        assert "set-cookie" not in page.headers
    page = await planned.get(f"/signin?link={link}")
    assert (page.status_code, "Continue as ann" in page.text) == (200, True)
    entered = await planned.post("/signin", data={"link": link})
    assert (entered.status_code, urlsplit(entered.headers["location"]).path) == (303, f"/admin/inbox/{task_id}")
    item = (await planned.get(f"/api/v1/inbox/{task_id}")).json()
    assert {name: item[name] for name in ("status", "version", "claimedBy")} == {
        name: before[name] for name in ("status", "version", "claimedBy")
    }
    assert (await planned.get("/api/v1/me")).json()["scopes"] == ["tasks:manual"]
    planned.cookies.clear()
    again = await planned.post("/signin", data={"link": link})
    assert (again.status_code, "set-cookie" in again.headers) == (401, False)


async def test_links_of_others_and_old_ones_are_refused(client: Client) -> None:
    good = link_of(client, "ann", None)
    reserved = [link_of(client, name, None) for name in ("local", "system")]
    for link in (good[:-4] + "AAAA", "x", good + "A", link_of(client, "ann", None, -1), *reserved):
        for answer in (await client.get(f"/signin?link={link}"), await client.post("/signin", data={"link": link})):
            assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    foreign = await client.post("/signin", data={"link": good}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert (await client.post("/signin", data={})).status_code == 422
    assert (await client.post("/signin", data={"link": good})).status_code == 303


async def test_the_name_in_a_link_is_text(client: Client) -> None:
    page = await client.get(f"/signin?link={link_of(client, '<script>alert(1)</script>', None)}")
    assert "<script>" not in page.text


# ---- history and figures


async def test_a_history_is_a_story_and_can_be_exported(planned: Client) -> None:
    task_id = await made(planned, input={"amount": 7})
    await act(planned, ANN, task_id, "claim")
    await act(planned, ANN, task_id, "comments", text="=HYPERLINK(1)\nsecond line")
    await act(planned, ANN, task_id, "reassign", assigneeType="USER", assigneeId="eve", reason="=1+1")
    await act(planned, EVE, task_id, "complete", output={"ok": True})
    path = f"/api/v1/tasks/{task_id}/history"
    story = await planned.get(path)
    assert story.headers["content-type"].startswith("text/plain")
    lines = story.text.splitlines()
    assert [line.partition("  ")[2] for line in lines[4:]] == [
        "claimed by ann",
        "comment “=HYPERLINK(1) second line” by ann",
        "assigned to eve, from ann by ann: =1+1",
        "completed, output {'ok': True} by eve",
    ]
    given_up = await made(planned)
    await act(planned, ANN, given_up, "claim")
    await act(planned, ANN, given_up, "reject", reason="too dear")
    told = (await planned.get(f"/api/v1/tasks/{given_up}/history")).text.splitlines()
    assert told[-2].endswith("  failed with REJECTED “too dear” by ann")
    events = (await planned.get(f"/api/v1/tasks/{task_id}/events?limit=200")).json()["items"]
    exported = (await planned.get(f"{path}?format=jsonl")).text.splitlines()
    assert len(exported) == len(events) == len(lines) - 1
    table = (await planned.get(f"{path}?format=csv")).text
    assert "'=1+1" in table
    assert (await planned.get(path, headers=BOB)).status_code == 404
    assert (await planned.get(f"{path}?format=pdf")).status_code == 422


async def test_figures_tell_how_work_goes(planned: Client) -> None:
    done = await made(planned, {"due": {"after": 3600}})
    await act(planned, ANN, done, "claim")
    await act(planned, ANN, done, "complete", output={"ok": True})
    open_one = await made(planned, {"assignment": {"type": "USER", "id": "ann"}})
    key = (await planned.get(f"/api/v1/tasks/{done}")).json()["taskDefinitionId"]
    figures = (await planned.get("/api/v1/people/metrics")).json()
    (work,) = [each for each in figures["work"] if each["definition"] == key]
    assert (work["group"], work["open"], work["ended"], work["slaKept"]) == ("ops", 0, 1, 1.0)
    assert work["completionTime"]["p50"] >= work["waitingTime"]["p50"] >= 0
    assert {"person": "ann", "open": 1, "overdue": 0} in figures["persons"]
    assert (await planned.get("/api/internal/tasks/metrics")).json()["people"]["persons"] == figures["persons"]
    text = (await planned.get("/metrics")).text
    assert f'taskyard_people_sla_kept_ratio{{definition="{key}",group="ops"}} 1.0' in text
    assert 'taskyard_person_open{person="ann"} 1.0' in text
    assert f'taskyard_people_time_seconds{{definition="{key}",group="ops",quantile="0.95",span="completion"}}' in text
    assert (await planned.get(f"/api/v1/tasks/{open_one}")).json()["status"] == "ASSIGNED"
