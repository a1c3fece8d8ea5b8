"""What everybody who sends to SQS has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LARGEST: Final = 1 << 20
"""Bytes of a message, with its attributes."""

REFUSED: Final = frozenset(
    {
        "InvalidMessageContents", "InvalidParameterValue", "InvalidAttributeValue", "BatchRequestTooLong",
        "AWS.SimpleQueueService.BatchRequestTooLong", "MessageTooLong", "UnsupportedOperation",
    }
)  # fmt: skip
"""What the messages are to blame for, rather than SQS."""


def told(error: Mapping[str, Any]) -> str:
    """An error of SQS in one line."""
    return f"{error.get('Code', 'unknown')}: {error.get('Message', '')}".strip(": ")


def attributes(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Headers as a message's attributes, which are never empty."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in headers.items() if value}
