-- A task is in exactly one of ready, sched, parked, claim, open, dead, or has a final attempt.
-- Times are microseconds since the epoch. The numbers of states, events and queues are the domain's.

CREATE TABLE node (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL);
INSERT INTO node VALUES (1, 0);

-- Names: what the hot path calls by number.
CREATE TABLE kind (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
  spec BLOB NOT NULL, created_at INTEGER NOT NULL, UNIQUE (key, hash), UNIQUE (key, number));
CREATE TABLE definition (key TEXT PRIMARY KEY, kind_id INTEGER NOT NULL, retired INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, home INTEGER NOT NULL, definition TEXT NOT NULL,
  priority INTEGER NOT NULL, solo INTEGER NOT NULL, UNIQUE (queue, home, definition, priority, solo));
CREATE TABLE policy (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, spec BLOB NOT NULL);
CREATE TABLE queue (id INTEGER PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0);
INSERT INTO queue (id) VALUES (1), (2), (3), (4), (5);

-- The body: written once.
CREATE TABLE task (
  id INTEGER PRIMARY KEY, kind_id INTEGER NOT NULL, policy_id INTEGER NOT NULL, priority INTEGER NOT NULL,
  workflow_id TEXT, correlation_id TEXT, cause_type TEXT, cause TEXT, parent_id INTEGER, hash BLOB,
  input BLOB NOT NULL, extra BLOB, revision INTEGER NOT NULL DEFAULT 0);
CREATE INDEX task_kind ON task (kind_id, id);
CREATE INDEX task_workflow ON task (workflow_id, id) WHERE workflow_id IS NOT NULL;
CREATE INDEX task_correlation ON task (correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX task_cause_type ON task (cause_type, id) WHERE cause_type IS NOT NULL;
CREATE INDEX task_cause ON task (cause, id) WHERE cause IS NOT NULL;
CREATE INDEX task_hash ON task (hash, id) WHERE hash IS NOT NULL;
CREATE INDEX task_parent ON task (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE TABLE tag (tag TEXT NOT NULL, task_id INTEGER NOT NULL, PRIMARY KEY (tag, task_id)) WITHOUT ROWID;
CREATE INDEX tag_task ON tag (task_id);
CREATE TABLE uniq (key BLOB PRIMARY KEY, task_id INTEGER NOT NULL, fingerprint BLOB, expires_at INTEGER) WITHOUT ROWID;
CREATE INDEX uniq_task ON uniq (task_id);

-- The places. `ready` is its own claim index.
CREATE TABLE ready (
  lane_id INTEGER NOT NULL, ord INTEGER NOT NULL, task_id INTEGER NOT NULL UNIQUE, attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL, losses INTEGER NOT NULL, PRIMARY KEY (lane_id, ord, task_id)) WITHOUT ROWID;
CREATE TABLE sched (
  run_at INTEGER NOT NULL, task_id INTEGER NOT NULL UNIQUE, lane_id INTEGER NOT NULL, attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL, losses INTEGER NOT NULL, retry INTEGER NOT NULL, PRIMARY KEY (run_at, task_id)) WITHOUT ROWID;
CREATE INDEX sched_place ON sched (retry, task_id);
-- A parked task stands in the line of one limit that was full when it was last looked at, with those of its fairness
-- key ('' for none), whose turn it is by age less the priority's head start.
CREATE TABLE parked (
  task_id INTEGER PRIMARY KEY, ord INTEGER NOT NULL, turn INTEGER NOT NULL, lane_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL, failures INTEGER NOT NULL, losses INTEGER NOT NULL, key TEXT NOT NULL,
  fairness_key TEXT NOT NULL);
CREATE INDEX parked_line ON parked (key, fairness_key, turn, task_id);
CREATE TABLE claim (
  task_id INTEGER PRIMARY KEY, claim_id INTEGER NOT NULL, worker_id INTEGER NOT NULL, claimed_at INTEGER NOT NULL,
  expires_at INTEGER, lane_id INTEGER NOT NULL, ord INTEGER NOT NULL, attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL, losses INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX claim_worker ON claim (worker_id);
CREATE INDEX claim_expiry ON claim (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE open (
  task_id INTEGER PRIMARY KEY, place INTEGER NOT NULL, at INTEGER NOT NULL, attempt INTEGER NOT NULL,
  lane_id INTEGER NOT NULL, failures INTEGER NOT NULL, losses INTEGER NOT NULL, assignee_type TEXT, assignee_id TEXT,
  claimed_by TEXT, correlation_id TEXT, due_at INTEGER, wake_at INTEGER, changes INTEGER NOT NULL DEFAULT 0);
CREATE INDEX open_place ON open (place, task_id);
CREATE INDEX open_assignee ON open (assignee_id, task_id) WHERE assignee_id IS NOT NULL;
CREATE INDEX open_claimed ON open (claimed_by, task_id) WHERE claimed_by IS NOT NULL;
CREATE INDEX open_correlation ON open (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE TABLE dead (task_id INTEGER PRIMARY KEY, at INTEGER NOT NULL, attempt INTEGER NOT NULL, lane_id INTEGER NOT NULL);

-- The story: how each attempt ended, what was noted, what was said.
CREATE TABLE attempt (
  task_id INTEGER NOT NULL, attempt INTEGER NOT NULL, outcome INTEGER NOT NULL, worker_id INTEGER,
  started_at INTEGER, finished_at INTEGER NOT NULL, run_ms INTEGER, result BLOB, detail BLOB,
  PRIMARY KEY (task_id, attempt)) WITHOUT ROWID;
CREATE INDEX attempt_outcome ON attempt (outcome, task_id) WHERE outcome <> 1;
CREATE INDEX attempt_started ON attempt (started_at);
CREATE TABLE note (
  task_id INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, type INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (task_id, sequence)) WITHOUT ROWID;
CREATE TABLE line (
  task_id INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (task_id, sequence)) WITHOUT ROWID;
CREATE TABLE progress (
  task_id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, at INTEGER NOT NULL, current REAL NOT NULL, total REAL, action TEXT);
CREATE TABLE feed (pos INTEGER PRIMARY KEY, at INTEGER NOT NULL, type INTEGER NOT NULL, task_ids TEXT NOT NULL, sequences TEXT NOT NULL);

-- Limits: slots are rows held by tasks, never counters. Of a shared one no more are than the workers can take soon.
-- `served` is the fairness key that had the last turn in its line.
CREATE TABLE slot_limit (
  key TEXT PRIMARY KEY, size INTEGER, shared INTEGER NOT NULL, served TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE slot (
  key TEXT NOT NULL, fairness_key TEXT NOT NULL, task_id INTEGER NOT NULL,
  PRIMARY KEY (key, fairness_key, task_id)) WITHOUT ROWID;
CREATE INDEX slot_task ON slot (task_id);
CREATE TABLE task_slot (
  task_id INTEGER NOT NULL, key TEXT NOT NULL, fairness_key TEXT NOT NULL, PRIMARY KEY (task_id, key)) WITHOUT ROWID;
CREATE INDEX task_slot_key ON task_slot (key);

-- Processes.
CREATE TABLE worker (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, info BLOB NOT NULL, started_at INTEGER NOT NULL, beat_at INTEGER NOT NULL,
  supervised INTEGER NOT NULL, running TEXT, stats BLOB, dead INTEGER NOT NULL DEFAULT 0);
CREATE INDEX worker_name ON worker (name);
CREATE TABLE leader (
  role TEXT PRIMARY KEY, holder TEXT NOT NULL, since INTEGER NOT NULL, renewed_at INTEGER NOT NULL, until INTEGER NOT NULL)
  WITHOUT ROWID;

CREATE TABLE upload (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, created_at INTEGER NOT NULL,
  content BLOB NOT NULL);
CREATE TABLE token (hash BLOB PRIMARY KEY, caller BLOB NOT NULL, expires_at INTEGER) WITHOUT ROWID;
