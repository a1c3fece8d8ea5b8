"""A server elsewhere: whether it answers, and whether our token is good."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from taskyard.cli.doctor.finding import Finding, ok, wrong
from taskyard.cli.doctor.postgres import clock_finding

_SECONDS = 5.0
_START = "start it there with `taskyard serve`, or mend TASKYARD_URL"


async def look(url: str, token: str) -> list[Finding]:
    """How well the server is, as far as it can be seen from here."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_SECONDS, headers=headers) as client:
            ready = await client.get("/readyz")
            me = await client.get("/api/v1/me")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [wrong("server", f"{url} cannot be reached: {error or type(error).__name__}", _START)]
    findings = [_server(url, ready), _token(me)]
    date = ready.headers.get("date")
    if date:
        findings.append(clock_finding(abs(time.time() - parsedate_to_datetime(date).timestamp()) - 1, "the server's"))
    return findings


def _server(url: str, ready: httpx.Response) -> Finding:
    if ready.status_code == httpx.codes.OK:
        return ok("server", f"{url} is ready")
    return wrong("server", f"{url} answers {ready.status_code}, so it is not ready", "run `taskyard doctor` over there")


def _token(me: httpx.Response) -> Finding:
    if me.status_code != httpx.codes.OK:
        mend = "set TASKYARD_TOKEN to one made with `taskyard token create`"
        return wrong("token", f"it is not accepted ({me.status_code})", mend)
    who = me.json()
    return ok("token", f"it stands for {who.get('subject')}, with {', '.join(who.get('scopes', [])) or 'no scope'}")
