"""Writes the server's OpenAPI document, from which the types of the interface's calls are made."""

import json
from pathlib import Path

from taskyard.api.openapi import make_document
from taskyard.api.server import all_operations

TARGET = Path(__file__).with_name("openapi.json")

TARGET.write_text(json.dumps(make_document(all_operations(), "0")), encoding="utf-8")
