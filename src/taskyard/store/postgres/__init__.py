"""The store for more than one machine: PostgreSQL through asyncpg."""

from taskyard.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
