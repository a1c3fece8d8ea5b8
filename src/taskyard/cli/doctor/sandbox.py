"""The sandbox: whether canaries get out of it, for each kind of code that definitions may bring."""

from __future__ import annotations

from taskyard.cli.doctor.finding import Finding, ok, warning, wrong
from taskyard.contracts.target import Standing
from taskyard.domain.isolation import LEVEL_OF, LEVELS, TIERS
from taskyard.errors import ConfigurationError
from taskyard.settings import Settings
from taskyard.targeting import make_targets


async def look(settings: Settings) -> list[Finding]:
    """How each kind of code would run here."""
    try:
        targets = make_targets(settings, 1)
    except ConfigurationError as error:
        return [wrong("code", error.message, "mend the setting; no worker starts with it")]
    findings = []
    for target in targets:
        await target.start()
        try:
            findings += [_finding(standing) for standing in await target.standings()]
        finally:
            await target.stop()
    return findings


def _finding(standing: Standing) -> Finding:
    check = f"code: {standing.kind}"
    if not standing.tier:
        return warning(check, f"cannot run here: {standing.missing}", standing.mend)
    level = LEVEL_OF.get(standing.tier, "")
    if not level:
        return ok(check, f"runs at {standing.tier}")
    proof = ", out of which no canary got" if standing.tier in TIERS else ""
    less = "" if level == LEVELS[-1] else f"; a definition that asks for more than {level} is refused"
    return ok(check, f"runs in the tier {standing.tier}{proof}{less}")
