"""Finding a user's yard by name."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from taskyard.errors import ConfigurationError, TaskyardError
from taskyard.yard import Taskyard


def load_yard(target: str | None) -> Taskyard:
    """The yard that `module:name` names (name defaults to `yard`); None gives an empty one.

    Raises ConfigurationError saying what was looked for and where, or why the module cannot be imported.
    """
    if target is None:
        return Taskyard()
    module_name, _, name = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except TaskyardError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and module_name.startswith(error.name or module_name):
            raise ConfigurationError(f"there is no module {module_name!r} in {here} or on the path") from None
        raise ConfigurationError(f"{module_name} cannot be imported: {_told(error)}") from error
    yard = getattr(module, name or "yard", None)
    if not isinstance(yard, Taskyard):
        raise ConfigurationError(f"{module_name} has no Taskyard named {name or 'yard'!r}; write module:name")
    return yard


def _told(error: Exception) -> str:
    """What was raised, and in which line of the module that was imported last; a SyntaxError tells its own."""
    modules = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
    place = f" ({Path(modules[-1].filename).name}, line {modules[-1].lineno})" if modules else ""
    return f"{type(error).__name__}: {error}{place}"
