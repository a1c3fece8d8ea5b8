-- Workflows under way, by the task that each is, and their steps that have not ended.
CREATE TABLE taskyard.instance (
  task_id bigint PRIMARY KEY, revision bigint NOT NULL, due_at bigint NOT NULL, state bytea NOT NULL)
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX instance_due ON taskyard.instance (due_at, task_id);
CREATE TABLE taskyard.instance_step (task_id bigint PRIMARY KEY, instance bigint NOT NULL);
CREATE INDEX instance_step_of ON taskyard.instance_step (instance);
