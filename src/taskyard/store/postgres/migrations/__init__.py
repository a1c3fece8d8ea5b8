"""The numbered, forward-only migrations of the PostgreSQL store."""
