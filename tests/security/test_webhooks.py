"""Signatures of webhooks: in both forms, cross-checked with the specification's own library."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from taskyard import verify_webhook
from taskyard.errors import Unauthorized
from taskyard.security.webhooks import PREVIOUS, new_secret, signed_headers

NOW = 1_800_000_000
OLD, NEW = new_secret(), new_secret()
BODY = b'{"type":"task.instance.completed","n":1}'


def headers(
    secrets: list[str] | None = None, body: bytes = BODY, *, both: bool = True, at: int = NOW
) -> dict[str, str]:
    return signed_headers(secrets or [NEW], "id-1", at * 1_000_000 + 123_000, body, both=both)


def test_the_standard_form_is_the_librarys() -> None:
    signed = headers(both=False)
    assert set(signed) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    theirs = Webhook(NEW).sign("id-1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    assert signed["webhook-signature"] == theirs


def test_the_librarys_is_accepted() -> None:
    given_ = {
        "webhook-id": "x",
        "webhook-timestamp": str(NOW),
        "webhook-signature": Webhook(NEW).sign("x", datetime.fromtimestamp(NOW, UTC), BODY.decode()),
    }
    assert verify_webhook(BODY, given_, NEW, now=NOW) == json.loads(BODY)


def test_our_own_form_is_what_the_contract_says() -> None:
    signed = headers()
    timestamp = signed["x-task-timestamp"]
    assert timestamp == str(NOW * 1000 + 123)
    expected = hmac.new(NEW.encode(), BODY + b":" + timestamp.encode(), hashlib.sha256).hexdigest()
    assert signed["x-task-signature"] == expected


def only(signed: dict[str, str], form: str) -> dict[str, str]:
    return {name.title(): value for name, value in signed.items() if name.startswith(form)}


@pytest.mark.parametrize("form", ["webhook-", "x-task-"])
def test_both_forms_prove_genuine(form: str) -> None:
    signed = only(headers(), form)
    assert verify_webhook(BODY, signed, NEW, now=NOW) == json.loads(BODY)
    assert verify_webhook(BODY.decode(), signed, [OLD, NEW], now=NOW + 299) == json.loads(BODY)


@pytest.mark.parametrize("form", ["webhook-", "x-task-"])
def test_during_a_rotation_either_secret_does(form: str) -> None:
    signed = only(headers([NEW, OLD]), form)
    for secret in (NEW, OLD):
        verify_webhook(BODY, signed, secret, now=NOW)
    if form == "x-task-":
        assert PREVIOUS.title() in signed


def is_refused(body: bytes, given_: dict[str, str], secret: str | list[str], now: float) -> bool:
    try:
        verify_webhook(body, given_, secret, now=now)
    except Unauthorized:
        return True
    return False


@pytest.mark.parametrize("form", ["webhook-", "x-task-"])
def test_what_is_not_genuine_is_refused(form: str) -> None:
    signed = only(headers(), form)
    signature = f"{form}signature".title()
    stamp = f"{form}timestamp".title()
    cases: dict[str, tuple[bytes, dict[str, str], str | list[str], float]] = {
        "body": (BODY + b" ", signed, NEW, NOW),
        "secret": (BODY, signed, OLD, NOW),
        "no secrets": (BODY, signed, [], NOW),
        "late": (BODY, signed, NEW, NOW + 302),
        "early": (BODY, signed, NEW, NOW - 301),
        "nowhere": (BODY, {}, NEW, NOW),
        "empty": (BODY, {**signed, signature: ""}, NEW, NOW),
        "cut": (BODY, {**signed, signature: signed[signature][:-1]}, NEW, NOW),
        "no time": (BODY, {name: value for name, value in signed.items() if name != stamp}, NEW, NOW),
        "other time": (BODY, {**signed, stamp: str(int(signed[stamp]) + 1)}, NEW, NOW),
        "odd time": (BODY, {**signed, stamp: "1e9"}, NEW, NOW),
        "endless time": (BODY, {**signed, stamp: "9" * 5000}, NEW, NOW),
        "foreign text": (BODY, {**signed, signature: "v1,\u00e4"}, NEW, NOW),
    }
    for name, (body, given_, secret, now) in cases.items():
        assert is_refused(body, given_, secret, now), name


def test_the_standard_form_is_bound_to_its_id() -> None:
    signed = headers(both=False)
    with pytest.raises(Unauthorized):
        verify_webhook(BODY, {**signed, "webhook-id": "id-2"}, NEW, now=NOW)
    with pytest.raises(Unauthorized, match="webhook-id"):
        verify_webhook(BODY, {**signed, "webhook-id": ""}, NEW, now=NOW)


def test_a_stronger_form_that_fails_is_not_made_up_for_by_the_other() -> None:
    with pytest.raises(Unauthorized):
        verify_webhook(BODY, {**headers(), "webhook-signature": "v1,AAAA"}, NEW, now=NOW)


def test_a_genuine_body_that_is_not_json_is_told() -> None:
    with pytest.raises(Unauthorized, match="JSON"):
        verify_webhook(b"x", headers(body=b"x"), NEW, now=NOW)


NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-task-signature", "x-task-timestamp"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)), st.binary(max_size=40))
def test_no_nonsense_is_accepted_or_breaks_it(given_: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unauthorized):
        verify_webhook(body, given_, NEW, now=NOW)


def test_a_secret_that_is_none_is_told() -> None:
    with pytest.raises(Unauthorized, match="whsec_"):
        verify_webhook(BODY, headers(both=False), "whsec_*", now=NOW)
    assert len(base64.b64decode(new_secret().removeprefix("whsec_"))) == 32
