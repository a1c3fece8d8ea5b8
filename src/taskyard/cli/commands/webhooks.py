"""`taskyard webhooks`: subscriptions (list, create, show, …) and deliveries (deliveries, delivery, redeliver)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.cli.asking import ask, ask_and_tell, tell_page
from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="Say who is told of what happens, and see what was sent.", rich_markup_mode=None)

_Id = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.", show_default=False)]
_Delivery = Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id.", show_default=False)]
_Fields = Annotated[
    str | None, typer.Option("--fields", metavar="JSON|@FILE|-", help="Further fields, such as clientAuth, as JSON.")
]
_Subscription = Annotated[str | None, typer.Option("--subscription", metavar="ID", help="Those of one subscription.")]
_Status = Annotated[
    list[str] | None, typer.Option("--status", help="PENDING, RETRYING, DELIVERED or DEAD; may be given again.")
]
_Overlap = Annotated[float, typer.Option("--overlap", min=0, help="Seconds for which the secret before signs too.")]
_DAY = 86_400.0


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_webhooks(limit, cursor, app, as_json)


@group.command("list")
def list_webhooks(limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the subscriptions, and how their endpoints fare."""
    ask_and_tell(app, as_json, lambda access: access.subscriptions(limit, cursor), tell_page(_print_subscriptions))


@group.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent.", show_default=False)],
    events: Annotated[list[str], typer.Argument(metavar="EVENT...", help="task.completed, 'task.*', '*', …")],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    fields: _Fields = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Have an address told of what happens from now on; the secret is shown this once."""
    body = {"url": url, "events": events, "description": description, **_read(fields)}
    ask_and_tell(app, as_json, lambda access: access.subscribe(body), _print_secret)


@group.command()
def show(subscription_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Show a subscription, and how its endpoint fares."""
    ask_and_tell(app, as_json, lambda access: access.subscription(subscription_id), _print_details)


@group.command()
def change(
    subscription_id: _Id,
    fields: Annotated[str, typer.Argument(metavar="JSON|@FILE|-", help='What is to be otherwise: {"events": […]}.')],
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Change the fields that are given; the others stay."""
    body = _read(fields)
    ask_and_tell(app, as_json, lambda access: access.change_subscription(subscription_id, body), _print_details)


@group.command()
def enable(subscription_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Take up an endpoint again, also one that was given up; it is told of what happens from now on."""
    ask_and_tell(
        app, as_json, lambda access: access.change_subscription(subscription_id, {"enabled": True}), _print_details
    )


@group.command()
def disable(subscription_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Tell an endpoint nothing until it is enabled again; what waits for it waits."""
    ask_and_tell(
        app, as_json, lambda access: access.change_subscription(subscription_id, {"enabled": False}), _print_details
    )


@group.command()
def rotate(subscription_id: _Id, overlap: _Overlap = _DAY, app: YardName = None, as_json: AsJson = False) -> None:
    """Give a subscription a new secret, shown this once; for a while the one before signs as well."""
    ask_and_tell(app, as_json, lambda access: access.rotate_subscription(subscription_id, overlap), _print_secret)


@group.command("test")
def send_ping(subscription_id: _Id, app: YardName = None, as_json: AsJson = False) -> None:
    """Send a ping now, also to a disabled endpoint, and tell what came of it."""
    ask_and_tell(app, as_json, lambda access: access.ping_subscription(subscription_id), _print_tries)


@group.command()
def remove(subscription_id: _Id, app: YardName = None) -> None:
    """Forget a subscription; what is on its way to it is dead."""
    ask(app, lambda access: access.remove_subscription(subscription_id))


@group.command()
def deliveries(
    subscription: _Subscription = None,
    status: _Status = None,
    task: Annotated[str | None, typer.Option("--task", metavar="ID", help="Those about one task.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Those of one routing key.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent, or is on its way, newest first."""
    given = {**_filter(subscription, status, task, event), "limit": limit, "cursor": cursor}
    query = {name: value for name, value in given.items() if value is not None}
    ask_and_tell(app, as_json, lambda access: access.deliveries(query), tell_page(_print_deliveries))


@group.command()
def delivery(delivery_id: _Delivery, app: YardName = None, as_json: AsJson = False) -> None:
    """Show a delivery: what is sent, and what came of each try."""
    ask_and_tell(app, as_json, lambda access: access.delivery(delivery_id), _print_tries)


@group.command()
def redeliver(
    delivery_id: Annotated[str | None, typer.Argument(metavar="[DELIVERY]", help="One delivery's id.")] = None,
    subscription: _Subscription = None,
    status: _Status = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Send one delivery again, or all that fit a filter and are over."""
    from taskyard.errors import ValidationFailed

    filter_ = _filter(subscription, status, None, None)
    if (delivery_id is None) == (not filter_):
        raise ValidationFailed("say which: a delivery's id, or --subscription and --status")
    if delivery_id is not None:
        ask_and_tell(app, as_json, lambda access: access.redeliver(delivery_id), lambda one: _print_deliveries([one]))
    else:
        ask_and_tell(app, as_json, lambda access: access.redeliver_all(filter_), _print_count)


@group.command()
def callbacks(app: YardName = None, as_json: AsJson = False) -> None:
    """Show the secret that signs what the callbackUrl of one's tasks is told."""
    from taskyard.cli.output import print_line

    ask_and_tell(app, as_json, lambda access: access.callback_secret(), lambda answer: print_line(answer["secret"]))


def _read(text: str | None) -> dict[str, Any]:
    """The object in a text, a file or stdin. Raises ValidationFailed."""
    from taskyard.cli.fields import read_input
    from taskyard.errors import ValidationFailed

    if text is None:
        return {}
    value = read_input(text)
    if not isinstance(value, dict):
        raise ValidationFailed("the fields must be a JSON object")
    return value


def _filter(subscription: str | None, status: list[str] | None, task: str | None, event: str | None) -> dict[str, Any]:
    found = {
        "subscriptionId": subscription,
        "status": [each.upper() for each in status] if status else None,
        "taskId": task,
        "event": event,
    }
    return {name: value for name, value in found.items() if value is not None}


def _print_subscriptions(items: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import print_table

    rows = [
        (one["subscriptionId"], one["url"], ", ".join(one["events"]), _state(one), one["lastError"]) for one in items
    ]
    print_table(["subscription", "url", "events", "state", "last error"], rows, empty="there are no subscriptions yet")


def _state(subscription: dict[str, Any]) -> str:
    if not subscription["enabled"]:
        return "disabled"
    return "failing" if subscription["failingSince"] else "enabled"


def _print_secret(subscription: dict[str, Any]) -> None:
    from taskyard.cli.output import hint, print_line

    hint(f"subscription {subscription['subscriptionId']}; its secret is shown this once:")
    print_line(subscription["secret"])


def _print_details(one: dict[str, Any]) -> None:
    from taskyard.cli.output import local_time, print_details

    print_details(
        [
            ("subscription", one["subscriptionId"]),
            ("url", one["url"]),
            ("events", ", ".join(one["events"])),
            ("filter", one["filter"]),
            ("description", one["description"]),
            ("authentication", one["clientAuth"].get("type", "none")),
            ("state", _state(one)),
            ("disabled", one["disabledReason"] and f"{local_time(one['disabledAt'])}: {one['disabledReason']}"),
            ("failing since", local_time(one["failingSince"])),
            ("last error", one["lastError"]),
        ]
    )


def _print_deliveries(items: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import local_time, print_table, styled

    rows = [
        (
            one["deliveryId"],
            one["subscriptionId"] or one["url"],
            one["event"],
            one["taskId"],
            styled(one["status"]),
            len(one["attempts"]),
            local_time(one["nextAttemptAt"]),
            (one["attempts"][-1].get("error") if one["attempts"] else None),
        )
        for one in items
    ]
    columns = ["delivery", "to", "event", "task", "status", "tries", "next", "error"]
    print_table(columns, rows, empty="there are no deliveries")


def _print_tries(one: dict[str, Any]) -> None:
    from taskyard.cli.output import local_time, print_table

    _print_deliveries([one])
    rows = [
        (local_time(each.get("at")), each.get("status"), f"{each.get('latencyMs', 0):g} ms", each.get("error"))
        for each in one["attempts"]
    ]
    print_table(["at", "answer", "took", "error"], rows, empty="it was not tried yet")


def _print_count(answer: dict[str, Any]) -> None:
    from taskyard.cli.output import print_line

    print_line(f"{answer['count']} sent again")
