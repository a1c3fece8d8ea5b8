-- Schedules: what their authors wrote, and how far each has come. `due_at` is null where nothing is to be decided.
CREATE TABLE taskyard.schedule (
  id text COLLATE "C" PRIMARY KEY, revision bigint NOT NULL, due_at bigint, spec bytea NOT NULL, progress bytea NOT NULL)
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX schedule_due ON taskyard.schedule (due_at, id) WHERE due_at IS NOT NULL;
