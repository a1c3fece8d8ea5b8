"""Results in other formats, for spreadsheets and for programs that do not read JSON."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import yaml

EXPORTS = {"json": "application/json", "csv": "text/csv", "xml": "application/xml", "yaml": "application/yaml"}
"""The formats and their media types."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def export(value: Any, format_: str) -> bytes:
    """`value`, any JSON value, in one of `EXPORTS`.

    CSV has a row for each item of a list, and a column for each field; text that a spreadsheet would take for
    a formula is led by an apostrophe.
    """
    match format_:
        case "csv":
            return _csv(value)
        case "xml":
            return _xml(value)
        case "yaml":
            return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode()
        case _:
            return msgspec.json.encode(value)


def _csv(value: Any) -> bytes:
    rows = value if isinstance(value, list) else [value]
    records = [row if isinstance(row, dict) else {"value": row} for row in rows]
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(record.get(name)) for name in columns] for record in records)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value).decode()


def _xml(value: Any) -> bytes:
    root = ET.Element("output")
    _fill(root, value)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _fill(element: ET.Element, value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _fill(_child(element, name), item)
    elif isinstance(value, list):
        for item in value:
            _fill(ET.SubElement(element, "item"), item)
    elif value is not None:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        element.text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _child(parent: ET.Element, name: str) -> ET.Element:
    """An element of that name; a name that XML does not know becomes an attribute."""
    if _XML_NAME.fullmatch(name):
        return ET.SubElement(parent, name)
    return ET.SubElement(parent, "field", name=_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", name))
