"""A report of the imported customers by country, as a web page or as Markdown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

ReportFormat = Literal["html", "markdown"]


class CountryTotal(BaseModel):
    """The customers of a country and what they spent, in euros."""

    country: str
    customers: int
    total: float
    average: float


class WeeklyReport(BaseModel):
    """The report that was written to `file`; `total` is in euros."""

    summary: str
    file: str
    customers: int
    total: float
    countries: list[CountryTotal]


class NothingToReportError(Exception):
    """No customers have been imported yet."""


_TOTALS = """
SELECT country, count(*), sum(amount_cents) / 100.0, avg(amount_cents) / 100.0
FROM customers GROUP BY country ORDER BY sum(amount_cents) DESC, country
"""


def write_report(database: Path, folder: Path, report_format: ReportFormat = "html") -> WeeklyReport:
    """Write the totals by country to `folder`; raises NothingToReportError before the first import."""
    countries = _totals(database)
    customers = sum(country.customers for country in countries)
    total = round(sum(country.total for country in countries), 2)
    headline = f"{customers:,} customers in {len(countries)} countries spent {total:,.2f} EUR"
    render, suffix = {"html": (_html, "html"), "markdown": (_markdown, "md")}[report_format]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"weekly-report.{suffix}"
    file.write_text(render(headline, countries), encoding="utf-8")
    return WeeklyReport(summary=headline, file=str(file), customers=customers, total=total, countries=countries)


def _totals(database: Path) -> list[CountryTotal]:
    rows = _query(database) if database.exists() else []
    if not rows:
        raise NothingToReportError("no customers yet: import them first")
    return [
        CountryTotal(country=country, customers=customers, total=round(total, 2), average=round(average, 2))
        for country, customers, total, average in rows
    ]


def _query(database: Path) -> list[tuple[str, int, float, float]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(_TOTALS).fetchall()


def _cells(row: CountryTotal) -> tuple[str, str, str, str]:
    return row.country, f"{row.customers:,}", f"{row.total:,.2f}", f"{row.average:,.2f}"


_HEADINGS = ("Country", "Customers", "Total EUR", "Average EUR")


def _markdown(headline: str, countries: list[CountryTotal]) -> str:
    table = [_HEADINGS, ("---", "---:", "---:", "---:"), *map(_cells, countries)]
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join(["# Weekly report", "", f"{headline}.", "", *lines, ""])


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Weekly report</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
  table {{ border-collapse: collapse; width: 100% }}
  th, td {{ padding: .4rem .6rem; border-bottom: 1px solid #ddd; text-align: right }}
  th:first-child, td:first-child {{ text-align: left }}
</style>
<h1>Weekly report</h1>
<p>{headline}.</p>
<table>
<tr>{headings}</tr>
{rows}
</table>
</html>
"""


def _html(headline: str, countries: list[CountryTotal]) -> str:
    return _PAGE.format(
        headline=escape(headline),
        headings="".join(f"<th>{heading}</th>" for heading in _HEADINGS),
        rows="\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row))}</tr>" for row in countries),
    )
