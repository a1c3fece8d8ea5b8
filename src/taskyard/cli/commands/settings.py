"""`taskyard settings`."""

from __future__ import annotations

from taskyard.cli.options import AsJson


def settings(as_json: AsJson = False) -> None:
    """Show every setting with its value and its source.

    The environment goes before taskyard.toml, and that before the defaults. Secrets are masked.
    """
    from taskyard.cli.output import print_json, print_table
    from taskyard.settings import load
    from taskyard.settings.masking import shown

    rows = shown(load())
    if as_json:
        print_json({"items": rows, "nextCursor": None})
    else:
        print_table(["setting", "value", "source", "meaning"], [tuple(row.values()) for row in rows])
