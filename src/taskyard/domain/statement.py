"""SQL statements with `:name` for parameters."""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (?<!\w)(\$\w*\$)(?:.*?\1|.*) | --[^\n]* | /\*.*?(?:\*/|\Z) | ::
    | :(?P<name>[A-Za-z_]\w*)?""",
    re.VERBOSE | re.DOTALL,
)
"""What is not closed goes on to the end, so that nothing is looked through again and again."""
_SILENCE = re.compile(r"(?:\s|;|(?:--|\#)[^\r\n]*(?:\r?\n|$)|/\*(?!M?!)(?:(?!/\*).)*?\*/)*", re.DOTALL)
"""What all databases pass over alike: not what MySQL executes (`/*! … */`), nor comments that only some nest or end."""
_WORD = re.compile(r"[A-Za-z]*")
_CONTROL = frozenset(
    {
        "ABORT", "BEGIN", "COMMIT", "DISCARD", "END", "EXECUTE", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT",
        "SET", "START", "USE",
    }
)  # fmt: skip


def numbered(statement: str) -> tuple[str, list[str]]:
    """The statement with `$1` for its first `:name`, and the names in that order; literals and comments stay."""
    names: dict[str, int] = {}
    text = _replaced(statement, lambda name: f"${names.setdefault(name, len(names) + 1)}", str)
    return text, [*names]


def escaped(statement: str) -> tuple[str, list[str]]:
    """The statement as SQLAlchemy's `text` reads it, with what looks like a name but is none escaped; and its names."""
    names: dict[str, None] = {}

    def keep(name: str) -> str:
        names[name] = None
        return f":{name}"

    return _replaced(statement, keep, lambda other: other.replace(":", "\\:")), [*names]


def controls_session(statement: str) -> bool:
    """Whether it may end the transaction that it stands in, or change the session for who comes after.

    So may what begins with neither a word nor a parenthesis: a comment that some databases execute or end elsewhere.
    """
    word = first_word(statement)
    return word in _CONTROL if word else not _begin(statement).startswith("(")


def first_word(statement: str) -> str:
    """What the statement begins with after blanks, comments and semicolons, in capitals; empty for anything else."""
    word = _WORD.match(_begin(statement))
    return word[0].upper() if word else ""


def _begin(statement: str) -> str:
    return statement[_SILENCE.match(statement).end() :]  # type: ignore[union-attr]  # it matches nothing too


def _replaced(statement: str, name: Callable[[str], str], other: Callable[[str], str]) -> str:
    return _TOKEN.sub(lambda token: other(token[0]) if token["name"] is None else name(token["name"]), statement)
