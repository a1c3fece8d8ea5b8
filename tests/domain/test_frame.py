"""Frames are read from code that may say anything."""

from __future__ import annotations

import json
from base64 import b64encode

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskyard.domain.frame import Advanced, Broke, Frame, FrameReader, Gave, Plain, Said, Wrote, parse_frame
from taskyard.domain.json import dumps

patient = settings(suppress_health_check=[HealthCheck.too_slow])
FRAMES = (Said, Advanced, Gave, Broke, Wrote, Plain)
LONGEST = 200
FIELDS = ("level", "text", "current", "total", "action", "output", "error", "name", "data", "last")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
like_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(["log", "progress", "result", "error", "file", "exit"]) | json_values},
    optional=dict.fromkeys(
        ("level", "text", "current", "total", "action", "output", "error", "name", "data", "last"), json_values
    ),
).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))


def read(*pieces: bytes, longest: int = 1 << 20) -> list[Frame]:
    reader = FrameReader(longest)
    return [frame for piece in pieces for frame in reader.feed(piece)] + list(reader.close())


def test_each_kind_of_frame() -> None:
    assert read(
        b'{"type": "log", "level": "warning", "text": "mind the gap"}\n'
        b'{"type": "progress", "current": 1, "total": 3, "action": "packing"}\n'
        b'{"type": "file", "name": "a.txt", "data": "' + b64encode(b"abc") + b'", "last": true}\n'
        b'{"type": "error", "error": {"message": "no", "code": "MINE", "details": [1]}}\n'
        b'{"type": "result", "output": {"a": 1}}\n'
    ) == [
        Said("warning", "mind the gap"),
        Advanced(1, 3, "packing"),
        Wrote("a.txt", b"abc", last=True),
        Broke("no", "MINE", None, [1]),
        Gave({"a": 1}),
    ]


def test_what_cannot_be_kept_is_no_result() -> None:
    for output in ("NaN", '"\\ud800"', '"\\u0000"', "9" * 30, "[" * 100 + "]" * 100, "1e999"):
        frame = parse_frame(b'{"type": "result", "output": ' + output.encode() + b"}")
        assert isinstance(frame, Plain), output


def test_a_line_that_is_too_long_is_told_once_and_forgotten() -> None:
    pieces = [b"x" * 150, b"y" * 150, b"z" * 10_000, b'\n{"type": "result", "output": 1}\n']
    frames = read(*pieces, longest=LONGEST)
    assert [type(frame) for frame in frames] == [Plain, Gave]


def test_text_is_made_safe_to_show() -> None:
    frame = parse_frame(b'{"type": "log", "level": "shout", "text": "\\u001b]0;title\\u0007a\\u001b[31mb\\u001b[2J"}')
    assert frame == Said("info", "a\x1b[31mb")


@patient
@given(st.lists(st.binary(max_size=300) | like_frames, max_size=20))
@example([b'{"type": "log", "text": 1}\n', b"\n\n", b"{}", b'{"type": []}\n', b'{"type": "error", "error": 1}\n'])
def test_nothing_that_is_fed_makes_it_fail_or_hoard(pieces: list[bytes]) -> None:
    reader = FrameReader(LONGEST)
    for piece in pieces:
        for frame in reader.feed(piece + b"\n"):
            assert isinstance(frame, FRAMES)
            if isinstance(frame, Gave):
                dumps(frame.output)
        assert len(reader._rest) <= LONGEST
    assert all(isinstance(frame, FRAMES) for frame in reader.close())


@patient
@given(st.lists(like_frames, max_size=6), st.data())
def test_how_the_bytes_are_cut_does_not_matter(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cut = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))
    pieces = [whole[start:end] for start, end in zip([0, *cut], [*cut, len(whole)], strict=True)]
    assert repr(read(*pieces)) == repr(read(whole))
