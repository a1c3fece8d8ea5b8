"""The process that renders one template: JSON comes in, JSON goes out, and limits hold from the first line on."""

import json
import resource
import sys
from collections.abc import Iterator

_CPU_SECONDS, _MEMORY, _MOST_TEXT = 5, 256 << 20, 1 << 20


def text_of(pieces: Iterator[str]) -> str:
    """All pieces together. Raises OverflowError when they are too long."""
    text, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > _MOST_TEXT:
            raise OverflowError
        text.append(piece)
    return "".join(text)


def main() -> None:
    """Read, render, answer."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=asked.get("html", False))
    try:
        answer = {"text": text_of(environment.from_string(asked["template"]).generate(asked.get("values", {})))}
    except (MemoryError, OverflowError) as error:
        answer = {"limit": "memory" if isinstance(error, MemoryError) else "output"}
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        answer = {"wrong": f"{type(error).__name__}: {error}"[:1000]}
    except RecursionError:
        answer = {"limit": "memory"}
    sys.stdout.write(json.dumps(answer))


main()
