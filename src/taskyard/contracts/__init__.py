"""The roles others play for the engine, one Protocol a file."""
