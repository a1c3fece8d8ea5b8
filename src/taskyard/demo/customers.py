"""Import customers from a CSV file into a SQLite table, row by row, with a report of every row refused."""

from __future__ import annotations

import csv
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from taskyard.demo.sample_data import NAMES
from taskyard.demo.workspace import OnProgress

BATCH = 100
"""Rows between two reports of progress."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "is not an e-mail address")
    return value.lower()


def _country(value: str) -> str:
    if value not in NAMES:
        raise PydanticCustomError("country", "is not a country we deliver to")
    return value


class Customer(BaseModel):
    """A valid row; `amount` is in euros."""

    model_config = ConfigDict(str_strip_whitespace=True, extra="forbid")

    number: Annotated[int, Field(gt=0)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, AfterValidator(_email)]
    country: Annotated[str, AfterValidator(_country)]
    signed_up: date
    amount: Annotated[Decimal, Field(ge=0, decimal_places=2)]


class RowError(BaseModel):
    """Why a row was refused: the line of the file, the column, what stood there and what is wrong with it."""

    line: int
    column: str
    value: str
    error: str


class ImportResult(BaseModel):
    """What became of the rows; `errors` is the file that tells of the refused ones."""

    summary: str
    rows: int
    imported: int
    refused: int
    database: str
    errors: str


_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    email TEXT PRIMARY KEY, number INTEGER NOT NULL, name TEXT NOT NULL, country TEXT NOT NULL,
    signed_up TEXT NOT NULL, amount_cents INTEGER NOT NULL
)
"""
_UPSERT = """
INSERT INTO customers (email, number, name, country, signed_up, amount_cents) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (email) DO UPDATE SET number = excluded.number, name = excluded.name, country = excluded.country,
    signed_up = excluded.signed_up, amount_cents = excluded.amount_cents
"""


def import_customers(
    source: Path,
    database: Path,
    report: Path,
    on_progress: OnProgress,
    on_refused: Callable[[RowError], None],
    *,
    replace: bool = False,
    rows_per_second: float = float("inf"),
) -> ImportResult:
    """Import the rows of `source` into the table `customers` of `database`, in one transaction.

    Rows known by their e-mail are updated; with `replace` all others are deleted. Each refused row is handed
    to `on_refused` and written to the CSV file `report`. `on_progress` counts rows.
    """
    total = sum(1 for _ in _rows(source))
    refused = 0
    with (
        closing(sqlite3.connect(database, timeout=30)) as connection,
        connection,
        report.open("w", encoding="utf-8", newline="") as report_file,
    ):
        errors = csv.writer(report_file)
        errors.writerow(RowError.model_fields)
        connection.execute(_SCHEMA)
        if replace:
            connection.execute("DELETE FROM customers")
        on_progress(0, total)
        for outcome in _paced(_validated(source), total, on_progress, rows_per_second):
            if isinstance(outcome, RowError):
                refused += 1
                errors.writerow(outcome.model_dump().values())
                on_refused(outcome)
            else:
                connection.execute(_UPSERT, _columns(outcome))
    return ImportResult(
        summary=f"{total - refused:,} of {total:,} rows imported, {refused:,} refused",
        rows=total,
        imported=total - refused,
        refused=refused,
        database=str(database),
        errors=str(report),
    )


def _rows(source: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the named values of each row; a row that is too short lacks its last names."""
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restkey="more")
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if value is not None}


def _validated(source: Path) -> Iterator[Customer | RowError]:
    first_lines: dict[str, int] = {}
    for line, row in _rows(source):
        try:
            customer = Customer.model_validate(row)
        except ValidationError as invalid:
            yield _row_error(line, row, invalid)
            continue
        first = first_lines.setdefault(customer.email, line)
        if first == line:
            yield customer
        else:
            yield RowError(line=line, column="email", value=customer.email, error=f"stands in line {first} already")


def _row_error(line: int, row: dict[str, str], invalid: ValidationError) -> RowError:
    """Tell of the first thing that is wrong with a row: one line in the report for one in the file."""
    error = invalid.errors()[0]
    column = str(error["loc"][0])
    return RowError(line=line, column=column, value=str(row.get(column, "")), error=error["msg"])


def _columns(customer: Customer) -> tuple[str, int, str, str, str, int]:
    return (
        customer.email,
        customer.number,
        customer.name,
        customer.country,
        customer.signed_up.isoformat(),
        int(customer.amount * 100),
    )


def _paced(
    outcomes: Iterator[Customer | RowError], total: int, on_progress: OnProgress, per_second: float
) -> Iterator[Customer | RowError]:
    """Yield the outcomes no faster than `per_second`, reporting progress after each batch and at the end."""
    start = time.monotonic()
    for done, outcome in enumerate(outcomes, 1):
        yield outcome
        if done % BATCH == 0 or done == total:
            on_progress(done, total)
            time.sleep(max(0.0, start + done / per_second - time.monotonic()))
