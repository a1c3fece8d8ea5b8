"""The one way bytes become JSON values and back, strict enough that both stores can keep what it lets in.

Refused, with the place: NUL characters, lone surrogates, NaN and infinities, integers beyond signed 64 bit, and
nesting deeper than `MAX_DEPTH`. A value is walked only when its bytes make it suspect.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Literal, TypeAlias

import msgspec

from taskyard.errors import Malformed, ValidationFailed

Detail: TypeAlias = dict[str, str]

SCALARS = (NoneType, bool, int, float, str)
MAX_DEPTH = 64
MAX_DETAILS = 100

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INT_DIGITS = len(str(_INT_MAX))
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL_ESCAPE = rb"\u0000"

# Digits become "0" and whatever may stand before a number ":", so that one substring search finds long integers
# and leaves identifiers alone, which stand behind a quote.
_SHAPE = bytes(0x30 if chr(byte).isdecimal() else 0x3A if chr(byte) in ":,[- \t\r\n" else 0 for byte in range(256))
_LONG_INTEGER = b"0" * _INT_DIGITS
_LONG_INTEGER_WITHIN = b":" + _LONG_INTEGER

_ENCODE = {order: msgspec.json.Encoder(order=order).encode for order in (None, "sorted")}
_TYPES_OF_SCALARS = frozenset(SCALARS)
_TYPE_OF_KEYS = frozenset((str,))

_Path: TypeAlias = "tuple[_Path, str | int] | None"


def loads(data: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON document; of a duplicate key the last value counts.

    Raises `Malformed` for what is not JSON in UTF-8 and `ValidationFailed` for JSON that may not enter.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        check(_reread(raw), max_depth=max_depth)
        raise Malformed(f"The text is not JSON: {error}.") from error
    if _is_suspect(raw) or (_may_be_deeper(raw, max_depth) and _is_deeper(value, max_depth)):
        check(value, max_depth=max_depth)
    return value


def dumps(value: Any, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Write `value` as compact JSON that `loads` accepts.

    Takes plain values, dataclasses, msgspec structs and `Raw`, dates, UUIDs, decimals, enums and sets.
    Raises `ValidationFailed` for anything else.
    """
    return _write(value, None, max_depth)


def canonical(value: Any, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Write `value` as `dumps` does with sorted keys: equal values give equal bytes."""
    return _write(value, "sorted", max_depth)


def check(value: Any, *, max_depth: int = MAX_DEPTH) -> None:
    """Hold a value that was parsed elsewhere to the rules of `loads`; raises `ValidationFailed`."""
    _refuse_faults(value, _nothing_else, max_depth)


def is_flat(value: Any) -> bool:
    """Whether `value` is a JSON scalar, or a list or an object of nothing else."""
    kind = type(value)
    if kind is dict:
        return _TYPE_OF_KEYS.issuperset(map(type, value)) and _TYPES_OF_SCALARS.issuperset(map(type, value.values()))
    return kind in _TYPES_OF_SCALARS or (kind is list and _TYPES_OF_SCALARS.issuperset(map(type, value)))


def digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each preceded by its length so that no two lists of parts collide."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def pointer(path: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a path; the empty path is the whole document, `""`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def detail(path: str, message: str, keyword: str) -> Detail:
    """One finding: what is wrong, in words that follow on the JSON Pointer, and the keyword that found it."""
    return {"path": path, "message": message, "keyword": keyword}


def refusal(details: list[Detail], subject: str = "The value") -> ValidationFailed:
    """The error for these findings in `subject`, led by the first in words; `details` must not be empty."""
    first = details[0]
    others = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return ValidationFailed(f"{first['path'] or subject} {first['message']}{others}.", details=details)


def _reread(raw: bytes) -> Any:
    """Read again with the slower reader, which lets pass what `check` can then refuse with its place."""
    try:
        return json.loads(raw.decode("utf-8", "surrogatepass"), parse_int=_integer, parse_constant=_not_json)
    except RecursionError as error:
        raise refusal([detail("", "is nested too deeply", "depth")]) from error
    except ValueError as error:
        raise Malformed(f"The text is not JSON: {error}.") from error


def _integer(digits: str) -> int:
    """The integer, or any that is out of range for one too long to be worth converting."""
    return int(digits) if len(digits) <= _INT_DIGITS + 1 else _INT_MAX + 1


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _write(value: Any, order: Literal["sorted"] | None, max_depth: int) -> bytes:
    try:
        raw = _ENCODE[order](value)
        suspect = _is_suspect(raw) or (b"null" in raw and value is not None and _may_hold_nan(value))
        too_deep = _may_be_deeper(raw, max_depth) and _is_deeper(msgspec.json.decode(raw), max_depth)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        _refuse_faults(value, _plain, max_depth)
        raise refusal([detail("", f"cannot be written as JSON: {error}", "type")]) from error
    if suspect or too_deep:
        _refuse_faults(value, _plain, max_depth)
    return raw


def _is_suspect(raw: bytes) -> bool:
    shape = raw.translate(_SHAPE)
    return _NUL_ESCAPE in raw or _LONG_INTEGER_WITHIN in shape or shape.startswith(_LONG_INTEGER)


def _may_hold_nan(value: Any) -> bool:
    """Tell NaN and the infinities from null, which is how JSON writes them: MessagePack keeps their bits."""
    try:
        packed = msgspec.msgpack.encode(value)
    except OverflowError:
        return True
    return b"\xcb\x7f" in packed or b"\xcb\xff" in packed


def _is_deeper(value: Any, max_depth: int) -> bool:
    level = [value]
    for _ in range(max_depth):
        level = [
            item
            for each in level
            for item in (each.values() if type(each) is dict else each)
            if (kind := type(item)) is dict or kind is list
        ]
        if not level:
            return False
    return True


def _may_be_deeper(raw: bytes, max_depth: int) -> bool:
    return len(raw) > 2 * max_depth and raw.count(b"[") + raw.count(b"{") > max_depth


def _refuse_faults(value: Any, convert: Callable[[Any], Any], max_depth: int) -> None:
    found: list[Detail] = []
    _survey(value, None, max_depth, convert, found)
    if found:
        raise refusal(found)


def _survey(value: Any, path: _Path, room: int, convert: Callable[[Any], Any], found: list[Detail]) -> None:
    """Collect what is wrong below `path`; `convert` makes other types plain or raises TypeError."""
    kind = type(value)
    if value is None or kind is bool or len(found) >= MAX_DETAILS:
        return
    if kind is dict or kind is list:
        if not room:
            found.append(detail(_place(path), "is nested too deeply", "depth"))
            return
        for key, item in value.items() if kind is dict else enumerate(value):
            if kind is dict:
                _survey_key(key, path, convert, found)
            _survey(item, (path, key), room - 1, convert, found)
    elif fault := _scalar_fault(value, kind):
        found.append(detail(_place(path), *fault))
    elif kind not in (str, int, float):
        try:
            plain = convert(value)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            found.append(detail(_place(path), f"is not JSON but of type {kind.__name__}", "type"))
        else:
            _survey(plain, path, room, convert, found)


def _scalar_fault(value: Any, kind: type) -> tuple[str, str] | None:
    """What is wrong with a string or a number, as message and keyword."""
    if kind is str:
        if "\0" in value:
            return "holds a NUL character", "text"
        if not value.isascii() and _SURROGATE.search(value):
            return "holds half a surrogate pair", "text"
    elif kind is int:
        if not _INT_MIN <= value <= _INT_MAX:
            return "is an integer beyond 64 bits", "integer"
    elif kind is float and not math.isfinite(value):
        return "is not a finite number", "number"
    return None


def _survey_key(key: Any, path: _Path, convert: Callable[[Any], Any], found: list[Detail]) -> None:
    if type(key) is str:
        if fault := _scalar_fault(key, str):
            found.append(detail(_place((path, key)), f"has a name that {fault[0]}", fault[1]))
        return
    try:
        convert({key: None})
    except TypeError:
        found.append(detail(_place((path, str(key))), f"has a name of type {type(key).__name__}", "type"))


def _place(path: _Path) -> str:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", pointer(reversed(steps)).replace("\0", "\\u0000"))


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    plain = msgspec.to_builtins(value, str_keys=True)
    return list(plain) if isinstance(plain, tuple) else plain  # which it leaves as they are


def _nothing_else(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON type")
