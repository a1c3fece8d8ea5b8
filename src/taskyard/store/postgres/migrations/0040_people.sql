-- What is kept of a person's task beside its assignment, and its priority, which an escalation may raise.
ALTER TABLE taskyard.open ADD COLUMN sheet bytea, ADD COLUMN urgency smallint;
CREATE INDEX open_wake ON taskyard.open (wake_at, task_id) WHERE wake_at IS NOT NULL;
-- What nobody has claimed, in the orders of an inbox.
CREATE INDEX open_free_due ON taskyard.open
  (assignee_id, assignee_type, (coalesce(due_at, 9223372036854775807)), task_id) WHERE claimed_by IS NULL;
CREATE INDEX open_free_urgency ON taskyard.open
  (assignee_id, assignee_type, (-coalesce(urgency, 2)), task_id) WHERE claimed_by IS NULL;
-- What a person has ended.
CREATE TABLE taskyard.worked (
  person text COLLATE "C" NOT NULL, ended_at bigint NOT NULL, task_id bigint NOT NULL,
  PRIMARY KEY (person, ended_at, task_id));
CREATE INDEX worked_ended ON taskyard.worked (ended_at);
CREATE TABLE taskyard.rota (key text COLLATE "C" PRIMARY KEY, turn bigint NOT NULL);
CREATE TABLE taskyard.person (id text COLLATE "C" PRIMARY KEY, spec bytea NOT NULL);
CREATE TABLE taskyard.membership (
  group_id text COLLATE "C" NOT NULL, person_id text COLLATE "C" NOT NULL, PRIMARY KEY (group_id, person_id));
CREATE INDEX membership_person ON taskyard.membership (person_id);
