-- The chain that shows whether the history of tasks was changed; it is kept for good.
CREATE TABLE taskyard.audit (
  number bigint PRIMARY KEY, pos bigint NOT NULL, task_id bigint NOT NULL, sequence bigint NOT NULL,
  type smallint NOT NULL, at bigint NOT NULL, digest bytea NOT NULL, chain bytea NOT NULL);
