"""Variables of the environment that look like settings and are none."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Final

from taskyard.settings import SETTINGS, Settings

_GIVEN: Final = {
    "TASKYARD_ATTEMPT", "TASKYARD_IDEMPOTENCY_KEY", "TASKYARD_INPUT_FILE", "TASKYARD_TASK_ID", "TASKYARD_UI",
}  # fmt: skip
"""What scripts and builds are told."""
_SERVICE: Final = re.compile(r"TASKYARD_(.+_)?(SERVICE_(HOST|PORT)|PORT_[0-9]+_(TCP|UDP))(_.+)?")
"""What Kubernetes tells every container of a service whose name begins with ours."""
_LIKE: Final = 0.85
"""How like a setting's name one of `TASK_` has to be, for those are others' as well."""


def misspelt(settings: Settings, environment: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each variable that is set and that nobody reads, with the setting that may be meant."""
    known = {setting.name for setting in SETTINGS} | _GIVEN | set(settings["TASKYARD_CONNECTION_ENV"])
    found = []
    for name in sorted((os.environ if environment is None else environment).keys() - known):
        meant = difflib.get_close_matches(name, known - _GIVEN, 1, _LIKE)
        if name.startswith("TASKYARD_") and not _SERVICE.fullmatch(name):
            found.append(f"{name} is no setting" + (f"; did you mean {meant[0]}?" if meant else ""))
        elif name.startswith("TASK_") and meant:
            found.append(f"{name} is no setting; did you mean {meant[0]}?")
    return found
