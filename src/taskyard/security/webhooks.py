"""Signing webhooks, and telling whether one is genuine.

Two forms are sent: that of the Standard Webhooks specification (`webhook-id`, `webhook-timestamp`,
`webhook-signature`) and `x-task-timestamp` with `x-task-signature`, the hex HMAC-SHA256 of the raw body, a colon
and the timestamp in milliseconds, keyed with the secret as it is shown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.errors import Unauthorized

PREFIX = "whsec_"
PREVIOUS = "x-task-signature-previous"
"""Beside `x-task-signature`, while a secret is being replaced: the same, made with the one before."""

_SECRET_BYTES = 32
_TOLERANCE = 300.0


def new_secret() -> str:
    """A random secret, `whsec_` and base64."""
    return secret_of(os.urandom(_SECRET_BYTES))


def secret_of(key: bytes) -> str:
    """The secret with these bytes, as it is shown."""
    return PREFIX + base64.b64encode(key).decode()


def callback_secret(key: bytes, owner: str) -> str:
    """The secret that signs what the `callbackUrl`s of an owner's tasks are told; `key` is 32 secret bytes."""
    return secret_of(hmac.digest(key, owner.encode(), hashlib.sha256))


def standard_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One `v1,…` of the Standard Webhooks specification; `timestamp` in seconds."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def task_signature(secret: str, timestamp_ms: int | str, body: bytes) -> str:
    """The hex digits of `x-task-signature`."""
    return hmac.digest(secret.encode(), body + f":{timestamp_ms}".encode(), hashlib.sha256).hex()


def signed_headers(secrets: Sequence[str], message_id: str, now_us: int, body: bytes, *, both: bool) -> dict[str, str]:
    """The headers that prove who sent `body` at `now_us`; `secrets` are those that hold now, the newest first."""
    seconds, ms = now_us // 1_000_000, now_us // 1000
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(standard_signature(each, message_id, seconds, body) for each in secrets),
    }
    if both:
        headers["x-task-timestamp"] = str(ms)
        headers["x-task-signature"] = task_signature(secrets[0], ms, body)
        if len(secrets) > 1:
            headers[PREVIOUS] = task_signature(secrets[1], ms, body)
    return headers


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = _TOLERANCE,
    now: float | None = None,
) -> Any:
    """The JSON value of a webhook of ours, once it has proved genuine by either form of signature.

    `body` as it was received, not parsed and written again. `secret` as it was shown, or several of which one must
    fit. `tolerance`: seconds by which its time may differ from `now` (unix seconds, default the machine's).
    Raises Unauthorized, saying what is wrong. A webhook may come more than once: remember its `webhook-id`.
    """
    raw = body.encode() if isinstance(body, str) else body
    given = {name.lower(): value for name, value in headers.items()}
    secrets = [secret] if isinstance(secret, str) else list(secret)
    present = time.time() if now is None else now
    if "webhook-signature" in given:
        moment, genuine = _check_standard(raw, given, secrets)
    elif "x-task-signature" in given:
        moment, genuine = _check_task(raw, given, secrets)
    else:
        raise Unauthorized("the webhook carries no signature: neither webhook-signature nor x-task-signature")
    if not genuine:
        raise Unauthorized("the webhook's signature does not fit: another secret, or the body was changed on the way")
    if not abs(present - moment) <= tolerance:
        raise Unauthorized(
            f"the webhook was signed {abs(present - moment):.0f} s from now; {tolerance:g} s are allowed"
        )
    try:
        return json.loads(raw)
    except ValueError:
        raise Unauthorized("the webhook's body is not JSON") from None


def _check_standard(raw: bytes, given: Mapping[str, str], secrets: Sequence[str]) -> tuple[float, bool]:
    moment = _moment(given.get("webhook-timestamp", ""), "webhook-timestamp")
    message_id = given.get("webhook-id", "")
    if not message_id:
        raise Unauthorized("the webhook has a webhook-signature but no webhook-id")
    wanted = [standard_signature(each, message_id, moment, raw) for each in secrets]
    return moment, _any_same(given["webhook-signature"].split(" "), wanted)


def _check_task(raw: bytes, given: Mapping[str, str], secrets: Sequence[str]) -> tuple[float, bool]:
    moment = _moment(given.get("x-task-timestamp", ""), "x-task-timestamp")
    wanted = [task_signature(each, moment, raw) for each in secrets]
    return moment / 1000, _any_same([given["x-task-signature"], given.get(PREVIOUS, "")], wanted)


def _any_same(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether any is one of those wanted; every pair is compared, in constant time."""
    same = False
    for one in found:
        for other in wanted:
            same |= hmac.compare_digest(one.encode(), other.encode())
    return same


def _moment(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Unauthorized(f"the webhook has no {name}, or one that is not a number")
    return int(text)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise Unauthorized("the secret is not one of ours: whsec_ and base64") from None
