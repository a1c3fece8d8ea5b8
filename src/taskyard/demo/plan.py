"""What the demo starts, in this order, and how each of it should end."""

from __future__ import annotations

from typing import Any, NamedTuple


class Step(NamedTuple):
    """One run: the definition's key, the input, the options apart from input, and the expected final state."""

    key: str
    input: dict[str, Any]
    options: dict[str, Any]
    expected: str = "COMPLETED"


STEPS = (
    Step("back-up-database", {"keep": 5}, {}),
    Step("import-customers", {"mode": "replace"}, {"priority": "HIGH"}),
    Step("checksum-folder", {"folder": "files"}, {}),
    Step("fetch-exchange-rates", {"base": "EUR"}, {}),
    Step("notify-legacy-system", {"message": "The import has begun."}, {"priority": "LOW"}, expected="FAILED"),
    Step("refund-customer", {"customer": "Anna Becker", "amount": 19.9}, {}),
    Step("send-weekly-report", {"format": "html"}, {"delay": 5}),
)

PROCESS_STEPS = (Step("publish-prices", {"base": "EUR"}, {}),)
"""What is started besides where the extra for BPMN is installed."""
