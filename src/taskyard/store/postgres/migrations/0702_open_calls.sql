-- Calls over connections with a limit that are no task's; what is never ended counts until its time is over.
CREATE TABLE taskyard.open_call (id bigint PRIMARY KEY, connection_id text NOT NULL, ends_at bigint NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX open_call_connection ON taskyard.open_call (connection_id);
