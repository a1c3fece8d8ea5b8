-- What people are told about their tasks, and how they want to be told.
CREATE TABLE taskyard.notice (
  id bigint PRIMARY KEY, person text COLLATE "C" NOT NULL, task_id bigint NOT NULL, kind text NOT NULL,
  at bigint NOT NULL, body bytea NOT NULL, read_at bigint, digest_at bigint);
CREATE INDEX notice_person ON taskyard.notice (person, id);
CREATE INDEX notice_unread ON taskyard.notice (person, id) WHERE read_at IS NULL;
CREATE INDEX notice_digest ON taskyard.notice (person, id) WHERE digest_at IS NOT NULL;
CREATE TABLE taskyard.preference (person text COLLATE "C" PRIMARY KEY, spec bytea NOT NULL);
-- The events that people are told of: assigned, delegated, overdue, reminder, escalated, resolved.
CREATE INDEX feed_told ON taskyard.feed (pos) WHERE type IN (7, 12, 15, 16, 17, 40);
