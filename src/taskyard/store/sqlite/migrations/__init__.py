"""Numbered, forward-only steps of the schema."""
