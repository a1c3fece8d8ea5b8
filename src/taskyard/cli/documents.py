"""Files of documents: YAML or JSON, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from taskyard.cli.fields import read_file
from taskyard.errors import ValidationFailed


class _JsonSafeLoader(yaml.SafeLoader):
    """YAML that is JSON: times and dates stay text."""


_JsonSafeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str) -> Any:
    """The one document in a text, times and dates as text. Raises yaml.YAMLError."""
    return yaml.load(text, _JsonSafeLoader)  # noqa: S506 - it is a SafeLoader


def read_documents(file: str, what: str) -> list[Any]:
    """The documents in a file, the items of a list each for itself; `what` they are. Raises ValidationFailed."""
    text = read_file(file)
    try:
        documents = [document for document in yaml.load_all(text, _JsonSafeLoader) if document is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValidationFailed(f"is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    flat = [one for document in documents for one in (document if isinstance(document, list) else [document])]
    if not flat:
        raise ValidationFailed(f"holds no {what}")
    return flat


def read_all(files: Sequence[str], what: str) -> list[Any]:
    """The documents in all files. Raises ValidationFailed."""
    return [document for file in files for document in read_documents(file, what)]
