"""One statement in a transaction of its own: SQLite files and PostgreSQL, for whoever asks."""
