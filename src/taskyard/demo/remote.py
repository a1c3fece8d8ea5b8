"""Two services that are not well, both on this machine: one recovers, one never answers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

Currency = Literal["EUR", "USD", "GBP", "CHF", "SEK", "PLN", "JPY", "INR", "BRL", "KES"]

MAJOR_CURRENCIES: list[Currency] = ["USD", "GBP", "CHF", "SEK", "JPY"]

FAILING_CALLS = 2
"""How many calls the simulated rate service refuses before it answers."""

_UNITS_PER_EURO: dict[Currency, float] = {
    "EUR": 1.0, "USD": 1.09, "GBP": 0.85, "CHF": 0.96, "SEK": 11.3, "PLN": 4.31,
    "JPY": 163.0, "INR": 90.5, "BRL": 5.9, "KES": 141.0,
}  # fmt: skip


class ExchangeRates(BaseModel):
    """What one unit of `base` buys, by currency, and how many calls it took to learn it."""

    summary: str
    base: Currency
    rates: dict[Currency, float]
    calls: int


class Receipt(BaseModel):
    """What the legacy system would answer."""

    summary: str


class ServiceUnavailableError(Exception):
    """The service refused the call for now; another try may succeed."""


def fetch_rates(counter: Path, base: Currency, currencies: list[Currency]) -> ExchangeRates:
    """Ask a simulated service, with sample rates, that refuses the first two calls it counts in `counter`.

    Raises ServiceUnavailableError for each of these.
    """
    calls = 1 + (int(counter.read_text(encoding="ascii")) if counter.exists() else 0)
    counter.parent.mkdir(parents=True, exist_ok=True)
    counter.write_text(str(calls), encoding="ascii")
    if calls <= FAILING_CALLS:
        raise ServiceUnavailableError(f"the simulated rate service is busy: it refused call {calls}")
    rates = {
        currency: round(_UNITS_PER_EURO[currency] / _UNITS_PER_EURO[base], 4)
        for currency in currencies
        if currency != base
    }
    return ExchangeRates(
        summary=f"{len(rates)} rates for {base}, after {calls} calls", base=base, rates=rates, calls=calls
    )


async def notify_legacy_system(message: str) -> Receipt:
    """Send a line to a port of this machine where nobody listens; raises ConnectionRefusedError."""
    with socket.socket() as nobody:
        # A port that is bound but not listened on refuses for certain: no one else can take it meanwhile.
        nobody.bind(("127.0.0.1", 0))
        host, port = nobody.getsockname()
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError as error:
            raise ConnectionRefusedError(f"nobody listens at {host}:{port}") from error
    writer.write(f"{message}\n".encode())
    answer = await reader.readline()
    writer.close()
    return Receipt(summary=answer.decode())
