-- What is kept of a person's task beside its assignment, and its priority, which an escalation may raise.
ALTER TABLE open ADD COLUMN sheet BLOB;
ALTER TABLE open ADD COLUMN urgency INTEGER;
CREATE INDEX open_wake ON open (wake_at, task_id) WHERE wake_at IS NOT NULL;
-- What nobody has claimed, in the orders of an inbox.
CREATE INDEX open_free_due ON open
  (assignee_id, assignee_type, coalesce(due_at, 9223372036854775807), task_id) WHERE claimed_by IS NULL;
CREATE INDEX open_free_urgency ON open
  (assignee_id, assignee_type, (-coalesce(urgency, 2)), task_id) WHERE claimed_by IS NULL;
-- What a person has ended.
CREATE TABLE worked (
  person TEXT NOT NULL, ended_at INTEGER NOT NULL, task_id INTEGER NOT NULL,
  PRIMARY KEY (person, ended_at, task_id)) WITHOUT ROWID;
CREATE INDEX worked_ended ON worked (ended_at);
CREATE TABLE rota (key TEXT PRIMARY KEY, turn INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE person (id TEXT PRIMARY KEY, spec BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE membership (
  group_id TEXT NOT NULL, person_id TEXT NOT NULL, PRIMARY KEY (group_id, person_id)) WITHOUT ROWID;
CREATE INDEX membership_person ON membership (person_id);
