"""How a handler's process finds the handler: by its module and its name in there."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from typing import Any, NamedTuple

import msgspec

from taskyard.domain.outcome import Failed
from taskyard.errors import ConfigurationError
from taskyard.executors.function.errors import report_failure
from taskyard.executors.function.handler import Handler

importing_main = False
"""Whether this is a handler's process that imports its parent's script just now."""

_has_main = False


class Main(NamedTuple):
    """How to import the parent's `__main__`: by its module's name or else from its file, with its command line."""

    name: str | None
    path: str | None
    argv: tuple[str, ...]


class Name(NamedTuple):
    """A function's name; `main` where the module is `__main__`."""

    module: str
    qualname: str
    main: Main | None


class Refused(ConfigurationError):
    """A handler cannot run in a process of its own: that would not find it, or cannot be sent what it needs."""


def name_of(handler: Handler) -> Name:
    """The name under which another process finds the handler's function, or Refused."""
    function = handler.function
    module, qualname = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    main = _main() if module == "__main__" else None
    try:
        is_findable = _look_up(module, qualname) == function
    except (ImportError, AttributeError, ValueError):
        is_findable = False
    if is_findable and (main is None or main.name or main.path):
        return Name(module, qualname, main)
    raise Refused(
        f"{handler.key!r} cannot run in a process of its own, which finds a handler by its name, and "
        f"{module}.{qualname} does not lead to it; define it at the top level of a module "
        "(no lambda, no function within a function), or drop isolation='process'"
    )


def find(name: Name) -> Any:
    """The function of this name, in the handler's process. Raises Refused, or what its module raises."""
    if name.main is not None:
        _import_main(name.main)
    try:
        return _look_up(name.module, name.qualname)
    except (ImportError, AttributeError) as error:
        raise Refused(
            f"the handler's process cannot find {name.module}.{name.qualname}: {error}; "
            "define it at the top level of a module that can be imported, or drop isolation='process'"
        ) from error


def report_refusal(error: Refused) -> Failed:
    """The failure of a handler that cannot run in a process of its own, nor could the next time."""
    failed = report_failure(error)
    return Failed(msgspec.structs.replace(failed.error, retryable=False))


def _look_up(module: str, qualname: str) -> Any:
    found = functools.reduce(getattr, qualname.split("."), importlib.import_module(module))
    return found if inspect.isroutine(found) else getattr(found, "function", found)  # a task's handle has it


def _main() -> Main:
    script = sys.modules["__main__"]
    spec = script.__spec__
    return Main(None if spec is None else spec.name, getattr(script, "__file__", None), tuple(sys.argv))


def _import_main(main: Main) -> None:
    """Make the parent's script this process's `__main__`, without what stands under `if __name__ == "__main__"`."""
    global importing_main, _has_main
    if _has_main:
        return
    from multiprocessing.spawn import prepare  # slow to import, and of no use to the parent

    script = {"init_main_from_name": main.name} if main.name else {"init_main_from_path": main.path}
    importing_main = True
    try:
        prepare({"sys_argv": list(main.argv), **script})
    finally:
        importing_main = False
    _has_main = True
