"""Statements with named parameters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.sql.compiler import BIND_PARAMS

from taskyard.domain.statement import controls_session, escaped, numbered

PARTS = st.sampled_from(["'", '"', ":a", "::", ":b", "--", "\n", "/*", "*/", "$$", "$x$", " ", "x", "\\"])
STATEMENTS = st.lists(PARTS, max_size=20).map("".join)


@given(STATEMENTS)
def test_both_forms_have_the_same_names(statement: str) -> None:
    names = escaped(statement)[1]
    assert names == numbered(statement)[1]
    assert {name for name in BIND_PARAMS.findall(escaped(statement)[0]) if name} <= set(names)


@pytest.mark.parametrize(
    ("statement", "controls"),
    [
        ("COMMIT", True),
        (" /* SELECT */ -- x\n; rollback to x", True),
        ("SET ROLE admin", True),
        ("SELECT 1", False),
        ("SELECT 'COMMIT'", False),
        ("commitment", False),
        ("(SELECT 1)", False),
        ("/* SELECT */ # x\r\n-- y\nSELECT 1", False),
        ("/*!50000 SET SESSION TRANSACTION READ WRITE */", True),
        ("/*M!100000 COMMIT */ -- SELECT", True),
        ("/*! */ SELECT 1", True),
        ("/* /* */ SELECT */ COMMIT", True),
        ("-- x\rSET a = '\nSELECT 1'", True),
        ("# x\nCOMMIT", True),
        ("EXECUTE IMMEDIATE 'COMMIT'", True),
        ("", True),
    ],
)
def test_statements_that_control_the_session(statement: str, controls: bool) -> None:
    assert controls_session(statement) is controls


@pytest.mark.parametrize(
    "statement",
    [
        "/* " * 200_000,
        " ".join(f"$a{number}$" for number in range(50_000)),
        " ".join(f":a{number}" for number in range(50_000)),
        "'" * 199_999,
    ],
)
def test_a_long_statement_takes_no_longer_than_its_length_asks(statement: str) -> None:
    began = time.process_time()
    numbered(statement)
    escaped(statement)
    assert time.process_time() - began < 5


def test_names_within_identifiers_with_dollars_are_names() -> None:
    assert numbered("SELECT a$b$c FROM t WHERE x = :x")[1] == ["x"]
    assert numbered("SELECT $b$ :x $b$, :y")[1] == ["y"]
