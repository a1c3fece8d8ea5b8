-- Connections to external systems, and how the breaker of each stands.
CREATE TABLE taskyard.connection (
  id text PRIMARY KEY, revision bigint NOT NULL, created_at bigint NOT NULL, content bytea NOT NULL,
  secrets bytea NOT NULL);
CREATE TABLE taskyard.breaker (name text PRIMARY KEY, version bigint NOT NULL, state bytea NOT NULL)
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
