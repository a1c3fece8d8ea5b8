-- Workflows under way, by the task that each is, and their steps that have not ended.
CREATE TABLE instance (
  task_id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, due_at INTEGER NOT NULL, state BLOB NOT NULL);
CREATE INDEX instance_due ON instance (due_at, task_id);
CREATE TABLE instance_step (task_id INTEGER PRIMARY KEY, instance INTEGER NOT NULL);
CREATE INDEX instance_step_of ON instance_step (instance);
