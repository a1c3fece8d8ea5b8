"""Finding a user's yard by name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from taskyard.errors import ConfigurationError
from taskyard.yard import Taskyard


def load_yard(target: str | None) -> Taskyard:
    """The yard that `module:name` names (name defaults to `yard`); None gives an empty one.

    Raises ConfigurationError saying what was looked for and where.
    """
    if target is None:
        return Taskyard()
    module_name, _, name = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise ConfigurationError(f"there is no module {module_name!r} in {here} or on the path") from None
    yard = getattr(module, name or "yard", None)
    if not isinstance(yard, Taskyard):
        raise ConfigurationError(f"{module_name} has no Taskyard named {name or 'yard'!r}; write module:name")
    return yard
