"""Telling people of their tasks: with a real mail server and a clock that is moved."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.preferences import Digest, Preferences
from taskyard.domain.queue import TaskType
from taskyard.domain.task import Task
from taskyard.domain.webhook import Endpoint, Health
from taskyard.engine.define import define
from taskyard.engine.events import latest_position, read_feed
from taskyard.engine.own import NOTIFY
from taskyard.engine.people import verbs
from taskyard.engine.people.notices import notice_json
from taskyard.engine.query import get_task, list_tasks
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.engine.subscriptions import subscribe
from taskyard.errors import NotFound, ValidationFailed
from taskyard.notify.people.endpoints import Endpoints
from taskyard.notifying import make_planner
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.keys import derive
from taskyard.security.links import LinkSigner
from taskyard.security.webhooks import callback_secret, verify_webhook
from taskyard.settings import Settings
from taskyard.testing.clock import ManualClock
from tests.servers.post import Post, post_office
from tests.servers.receiver import receiving, say
from tests.support import eventually, keep_all_time

HOUR = 3600.0
ANN, BOB = "ann@example.com", "bob@example.com"
PEOPLE = (Person("ann", "Ann", ANN, ("ops",)), Person("bob", "Bob", BOB, ("ops",)), Person("eve", "Eve"))
MANUAL = frozenset({"tasks:manual"})


class Office:
    """A yard at work whose people are told by hand, so that a test knows when."""

    def __init__(self, yard: Taskyard, post: Post, clock: ManualClock) -> None:
        self.yard = yard
        self.engine = yard.engine
        self.post = post
        self.clock = clock
        self._planner = make_planner(yard.app.notifying)

    async def hand(self, key: str = "pay", title: str = "Pay the bill", **spec: Any) -> int:
        """A manual task that has been handed over."""
        implementation = {"kind": "manual", **spec}
        manual = Definition(key=key, title=title, task_type=TaskType.MANUAL, implementation=implementation)
        await define(self.engine, [manual])
        task_id = (await submit(self.engine, TaskRequest(task_definition_id=key, input={"sum": 7}), LOCAL)).id

        async def is_open() -> bool:
            return (await get_task(self.engine, task_id)).status is State.ASSIGNED

        await eventually(is_open)
        return task_id

    async def tell(self) -> None:
        """Let people be told of all that has happened, as far as tasks can."""
        await latest_position(self.engine)
        await self._planner.turn()
        await eventually(self._all_carried)

    async def tell_owners(self) -> None:
        """Let the owners of endpoints be told, as by somebody who has just come."""
        await Endpoints(self.engine, self._planner).turn()
        await eventually(self._all_carried)

    async def _all_carried(self) -> bool:
        await self.engine.store.promote(1000)
        return all(task.status not in (State.PENDING, State.RUNNING) for task in await self.carriers())

    async def carriers(self) -> list[Task]:
        """The tasks that carry notices, oldest first."""
        kinds = [kind.id for kind in await self.engine.store.versions(NOTIFY.key)]
        page = await list_tasks(self.engine, Filter(kind_ids=tuple(kinds)), 200, None)
        return page.items[::-1] if kinds else []

    async def pass_time(self, hours: float) -> None:
        """Let so much time pass, and all that is due happen."""
        self.clock.move(hours * HOUR)
        await keep_all_time(self.engine)
        await self.tell()

    async def shown(self, person: str) -> list[dict[str, Any]]:
        """What a person finds here, oldest first."""
        rows = await self.engine.store.notices(person, 200, None, unread=False)
        return [notice_json(row) for row in rows[::-1]]


Open = Callable[..., Awaitable[Office]]


@pytest.fixture
async def open_office(settings: Settings, clock: ManualClock) -> AsyncIterator[Open]:
    """Opens an office; settings may be given."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(**changes: Any) -> Office:
            post = await stack.enter_async_context(post_office())
            given = {"TASKYARD_SMTP_URL": post.url, "TASKYARD_MAIL_FROM": "Tasks <tasks@example.com>"}
            told = settings.with_values(
                TASKYARD_EGRESS_ALLOW=("127.0.0.1",), TASKYARD_URL="https://tasks.example.com", **(given | changes)
            )
            yard = Taskyard(settings=told, clock=clock)
            await stack.enter_async_context(yard.worker())
            for person in PEOPLE:
                await yard.engine.store.save_person(person)
            office = Office(yard, post, clock)
            await office.tell()
            return office

        yield open_one


@pytest.fixture
async def office(open_office: Open) -> Office:
    return await open_office()


ON_ONE_STORE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What the stores have no part in."""

TO_ANN = {"type": "USER", "id": "ann"}
OPS = {"type": "GROUP", "id": "ops"}


async def test_assignment_reminder_overdue_and_escalation_are_mailed(office: Office) -> None:
    boss = {"type": "USER", "id": "bob"}
    spec: dict[str, Any] = {
        "assignment": TO_ANN, "due": {"after": 4 * HOUR}, "reminders": [0.5],
        "escalation": [{"action": "notify", "after": HOUR, "to": boss}],
    }  # fmt: skip
    task_id = await office.hand(**spec)
    await office.tell()
    (letter,) = office.post.letters
    assert (letter.recipients, letter.subject) == ([ANN], "For you: Pay the bill")
    assert "https://tasks.example.com/signin?link=" in letter.text
    assert letter.message["Auto-Submitted"] == "auto-generated"
    await office.pass_time(2)
    await office.pass_time(2)
    await office.pass_time(1)
    assert [each.subject for each in office.post.to(ANN)] == [
        "For you: Pay the bill", "Reminder: Pay the bill", "Overdue: Pay the bill",
    ]  # fmt: skip
    assert [each.subject for each in office.post.to(BOB)] == ["Escalated: Pay the bill"]
    assert [each["kind"] for each in await office.shown("ann")] == ["assigned", "reminder", "overdue"]
    assert {each["taskId"] for each in await office.shown("ann")} == {str(task_id)}
    assert await office.engine.store.unread("ann") == 3


async def test_nobody_is_told_twice_nor_of_what_they_did(office: Office, another_yard: Callable[[], Taskyard]) -> None:
    task_id = await office.hand(assignment=OPS)
    await office.tell()
    assert sorted(letter.recipients[0] for letter in office.post.letters) == [ANN, BOB]
    async with another_yard() as other:
        await make_planner(other.app.notifying).turn()
    await office.tell()
    ann = Caller("ann", MANUAL, frozenset({"ops"}))
    await verbs.claim(office.engine, ann, task_id)
    await verbs.delegate(office.engine, ann, task_id, "bob", "you know more")
    await office.tell()
    assert [each["kind"] for each in await office.shown("bob")] == ["offered", "delegated"]
    assert [each["kind"] for each in await office.shown("ann")] == ["offered"]
    (asked,) = [letter for letter in office.post.to(BOB) if letter.subject.startswith("Delegated")]
    assert "By: ann" in asked.text
    assert "Why: you know more" in asked.text
    await verbs.resolve(office.engine, Caller("bob", MANUAL), task_id)
    await office.tell()
    assert [each["kind"] for each in await office.shown("ann")] == ["offered", "returned"]


async def test_the_owner_of_an_endpoint_is_told_once_that_it_was_given_up(office: Office) -> None:
    async with receiving("/hook") as hook:
        hook.answer = lambda posted: say(410)
        ann = Caller("ann", frozenset({"webhooks:manage"}))
        outside = office.yard.app.outside
        row, _ = await subscribe(office.engine, outside, ann, Endpoint(url=hook.url, events=["task.*"]))
        await office.hand(assignment={"type": "USER", "id": "eve"})
        await eventually(lambda: hook.posted)
        await eventually(office.engine.store.given_up_subscriptions)
    for _ in range(2):
        await office.tell_owners()
    (letter,) = office.post.to(ANN)
    assert letter.subject == f"Webhook disabled: {hook.url}"
    assert "Why: it answered 410 Gone" in letter.text
    assert letter.text.rstrip().endswith("https://tasks.example.com/admin/inbox") or "/signin?link=" in letter.text
    (told,) = await office.shown("ann")
    assert (told["kind"], told["taskId"], told["subscriptionId"]) == ("disabled", None, row.id)
    office.clock.move(1)
    again = Health(disabled_at=office.clock.now(), disabled_reason="it took nothing")
    await office.engine.store.save_health(row.id, again)
    await office.tell_owners()
    assert len(await office.shown("ann")) == 2


@ON_ONE_STORE
async def test_the_next_channel_is_taken_where_one_fails(office: Office) -> None:
    async with receiving("/hook") as hook, receiving("/slack") as slack:
        slack.answer = lambda posted: say(500)
        wanted = Preferences(["slack", "email", "webhook"], email="gone@example.com", slack=slack.url, webhook=hook.url)
        await office.engine.store.save_preferences("ann", wanted)
        await office.hand(assignment=TO_ANN)
        await office.tell()
        (posted,) = hook.taken
        secret = callback_secret(office.yard.app.outside.callbacks, "ann")
        told = verify_webhook(posted.body, posted.headers, secret, now=office.clock.now() / 1e6)
        assert (told["recipient"]["id"], told["subject"]) == ("ann", "For you: Pay the bill")
        assert told["link"].startswith("https://tasks.example.com/admin/inbox/")
        (task,) = await office.carriers()
        assert task.output == {"channel": "webhook", "notices": 1}
        assert [each["item"]["channel"] for each in task.warnings] == ["slack", "email"]
        assert "no such user" in task.warnings[1]["error"]
        slack.answer = lambda posted: say(200)
        await office.hand(assignment=TO_ANN, title="1 < 2 & <https://evil.example|3>")
        await office.tell()
        text = slack.taken[0].json["text"]
        assert "1 &lt; 2 &amp; &lt;https://evil.example|3&gt;" in text
        assert all("signin" not in posted.body.decode() for posted in (*slack.taken, *hook.taken))


@ON_ONE_STORE
async def test_where_no_channel_works_it_is_tried_again(office: Office) -> None:
    office.post.away = True
    await office.hand(assignment=TO_ANN)
    await office.tell()
    (task,) = await office.carriers()
    assert task.status is State.RETRYING
    assert [each["kind"] for each in await office.shown("ann")] == ["assigned"]
    office.post.away = False
    office.clock.move(60)
    await office.tell()
    (task,) = await office.carriers()
    assert (task.status, len(office.post.letters)) == (State.COMPLETED, 1)


@ON_ONE_STORE
async def test_an_unknown_address_is_not_tried_for_ever(office: Office) -> None:
    await office.engine.store.save_preferences("ann", Preferences(email="gone@example.com"))
    await office.hand(assignment=TO_ANN)
    await office.tell()
    (task,) = await office.carriers()
    assert (task.status, (task.error or {})["code"]) == (State.FAILED, "NOTIFICATION_FAILED")
    assert len(office.post.refused) == 1


@ON_ONE_STORE
async def test_the_notification_service_comes_first_and_is_not_needed(open_office: Open) -> None:
    async with receiving("") as service:
        office = await open_office(TASKYARD_NOTIFICATION_SERVICE_URL=service.url)
        await office.hand(assignment=TO_ANN)
        await office.tell()
        assert service.taken[0].path == "/api/notifications"
        assert service.taken[0].json["recipient"] == {"id": "ann", "name": "Ann", "email": ANN}
        assert office.post.letters == []
        service.answer = lambda posted: say(404)
        await office.hand(assignment=TO_ANN)
        await office.tell()
        assert [letter.recipients for letter in office.post.letters] == [[ANN]]
        figures = office.yard.app.breakers.figures()
        assert figures["service:notification"]["state"] == "closed"


async def test_preferences_mute_and_gather(office: Office) -> None:
    store = office.engine.store
    await store.save_preferences("ann", Preferences(mute=["offered"], digest=Digest(every=3600)))
    await office.hand(assignment=OPS)
    first = await office.hand(assignment=TO_ANN, title="First", due={"after": 30 * HOUR})
    await office.hand(assignment=TO_ANN, title="Second")
    await office.tell()
    assert office.post.to(ANN) == []
    assert [each["kind"] for each in await office.shown("ann")] == ["offered", "assigned", "assigned"]
    await office.pass_time(1.1)
    (digest,) = office.post.to(ANN)
    assert digest.subject == "2 notices about your tasks"
    assert "- For you: First" in digest.text
    assert "- For you: Second" in digest.text
    await office.pass_time(1.1)
    assert len(office.post.to(ANN)) == 1
    await office.pass_time(30)
    assert [each.subject for each in office.post.to(ANN)][1:] == ["Overdue: First"]
    assert str(first) in {each["taskId"] for each in await office.shown("ann")}


@ON_ONE_STORE
async def test_who_may_not_do_it_is_not_told(office: Office) -> None:
    await office.hand(assignment=OPS | {"exclude": "'ann'"})
    await office.tell()
    assert await office.shown("ann") == []
    assert [each["kind"] for each in await office.shown("bob")] == ["offered"]


@ON_ONE_STORE
async def test_another_group_hears_of_an_escalation_whatever_its_skills(office: Office) -> None:
    for name, group, skills in (("ann", "ops", ("sql",)), ("bob", "ops", ()), ("eve", "heads", ())):
        await office.engine.store.save_person(Person(name, groups=(group,), skills=skills))
    await office.hand(
        assignment=OPS | {"group": "ops", "skills": ["sql"]},
        due={"after": HOUR},
        escalation=[{"action": "notify", "to": {"type": "GROUP", "id": "heads"}}],
    )
    await office.pass_time(HOUR)
    await office.tell()
    assert [each["kind"] for each in await office.shown("eve")] == ["escalated"]
    assert await office.shown("bob") == []
    assert "offered" in [each["kind"] for each in await office.shown("ann")]


TEMPLATE = {
    "subject": "{{ person.name }}: {{ task.title }}\r\nBcc: eve@evil.example",
    "text": "{{ task.input.sum }} at {{ link }}",
    "html": "<p>{{ task.title }}</p>",
}


@ON_ONE_STORE
async def test_a_link_holds_no_longer_than_it_is_known_to_be_used(open_office: Open) -> None:
    office = await open_office(TASK_RETENTION_DAYS=0.5)
    await office.hand(assignment=TO_ANN)
    await office.tell()
    link = next(word for word in office.post.letters[0].text.split() if "/signin?link=" in word)
    signer = LinkSigner(derive(office.yard.app.master_key, "links"))
    now, token = office.clock.now() / 1e6, link.partition("link=")[2]
    assert signer.read(token, now + 11 * 3600) is not None
    assert signer.read(token, now + 12 * 3600) is None


@ON_ONE_STORE
async def test_templates_fill_in_and_inject_nothing(office: Office) -> None:
    title = "<b>Pay</b>\r\nBcc: eve@evil.example"
    await office.hand(assignment=TO_ANN, title=title, notifications={"assigned": TEMPLATE})
    await office.tell()
    (letter,) = office.post.letters
    assert letter.recipients == [ANN]
    assert letter.message["Bcc"] is None
    assert letter.subject == "Ann: <b>Pay</b> Bcc: eve@evil.example Bcc: eve@evil.example"
    assert letter.text.startswith("7 at https://tasks.example.com/signin?link=")
    html = letter.message.get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;Pay&lt;/b&gt;" in html.get_content()


@ON_ONE_STORE
@pytest.mark.parametrize("text", ["{{ task.nothing.at.all }}", "{% for", "{{ ''.__class__.__mro__ }}"])
async def test_a_template_that_fails_is_reported_and_the_plain_words_go_out(office: Office, text: str) -> None:
    await office.hand(assignment=TO_ANN, notifications={"assigned": {"subject": "x", "text": text}})
    await office.tell()
    (letter,) = office.post.letters
    assert letter.subject == "For you: Pay the bill"
    (task,) = await office.carriers()
    assert task.status is State.COMPLETED
    assert task.warnings[0]["item"] == {"definition": "pay", "template": "assigned"}


@ON_ONE_STORE
@pytest.mark.parametrize("title", ["x" * 5000, "a\r\nBcc: eve@evil.example", "tab\tand\x00nul \x1b[31mred", "Grüße 🎉"])
async def test_any_title_makes_one_subject(office: Office, title: str) -> None:
    await office.hand(assignment=TO_ANN, title=title.replace("\x00", ""))
    await office.tell()
    (letter,) = office.post.letters
    assert letter.message["Bcc"] is None
    assert letter.recipients == [ANN]
    assert len(letter.subject) <= 200
    assert "\n" not in letter.subject
    assert "\x1b" not in letter.subject


async def test_its_tasks_are_the_engines_own(office: Office) -> None:
    await office.hand(assignment=TO_ANN)
    await office.tell()
    (task,) = await office.carriers()
    assert [note["noticeId"] for note in await office.shown("ann")] == task.input["notices"]
    told = {event.event.data["taskId"] for event in await read_feed(office.engine, 0, 1000)}
    assert task.task_id not in told
    with pytest.raises(NotFound):
        await submit(office.engine, TaskRequest(task_definition_id=NOTIFY.key, input=task.input), LOCAL)
    with pytest.raises(ValidationFailed):
        await define(office.engine, [Definition(key=NOTIFY.key, implementation={"kind": "external", "topic": "x"})])


@ON_ONE_STORE
async def test_who_has_no_way_finds_it_here(office: Office) -> None:
    await office.hand(assignment={"type": "USER", "id": "eve"})
    await office.hand(assignment={"type": "USER", "id": "a stranger"})
    await office.tell()
    assert await office.carriers() == []
    assert len(await office.shown("eve")) == len(await office.shown("a stranger")) == 1
