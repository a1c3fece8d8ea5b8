-- Connections to external systems, and how the breaker of each stands.
CREATE TABLE connection (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, created_at INTEGER NOT NULL, content BLOB NOT NULL,
  secrets BLOB NOT NULL);
CREATE TABLE breaker (name TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL);
