"""Secrets in the environment of scripts: put in when the code starts, and kept out of all that is said of it."""

from __future__ import annotations

import asyncio

from taskyard.contracts.target import Call, Observer, Target
from taskyard.domain.implementation import SCRIPT_KINDS
from taskyard.domain.mask import Mask, spellings
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.security.secrets import NoSecret, Secrets


async def run_with_secrets(target: Target, call: Call, observer: Observer, secrets: Secrets) -> Report:
    """Run the call, with values where its `env` names secrets; they are masked in whatever it says and gives."""
    env = (call.implementation.get("env") or {}) if call.kind in SCRIPT_KINDS else {}
    named = {name: str(value["secret"]) for name, value in env.items() if isinstance(value, dict)}
    if not named:
        return await target.run(call, observer)
    try:
        values = {name: await asyncio.to_thread(secrets.value, secret) for name, secret in named.items()}
    except NoSecret as error:
        return Failed(TaskError("SANDBOX_UNAVAILABLE", str(error)))
    mask = Mask(spelling for value in values.values() for spelling in spellings(value))
    given = {**call.implementation, "env": {**env, **values}}
    return mask.report(await target.run(call._replace(implementation=given), _Masked(observer, mask)))


class _Masked:
    """Passes on what a call says, without the secrets."""

    def __init__(self, observer: Observer, mask: Mask) -> None:
        self._observer = observer
        self._mask = mask
        self.placed = observer.placed

    def log(self, level: str, text: str) -> None:
        self._observer.log(level, self._mask.said(text))

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        self._observer.progress(current, total, None if action is None else self._mask.said(action))
