-- A task is in exactly one of ready, sched, parked, an unsettled claim, open, dead, or has a final attempt: see `place`.
-- A move deletes from one place and inserts into another in one statement; leaving a claim is the attempt's row.
-- Times are microseconds since the epoch. The numbers of outcomes, events, places and queues are the domain's.

-- By this a caller's own connection is told to lead to the same database as ours.
DO $$ BEGIN EXECUTE format('COMMENT ON SCHEMA taskyard IS %L', gen_random_uuid()); END $$;

CREATE SEQUENCE taskyard.node AS int MINVALUE 0 MAXVALUE 1023 CYCLE;

-- Names: what the hot path calls by number.
CREATE TABLE taskyard.kind (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, number int NOT NULL, hash bytea NOT NULL,
  task_type text NOT NULL, tags text[] NOT NULL, spec bytea NOT NULL, created_at bigint NOT NULL,
  UNIQUE (key, hash), UNIQUE (key, number));
CREATE TABLE taskyard.definition (key text PRIMARY KEY, kind_id int NOT NULL, retired bool NOT NULL DEFAULT false);
CREATE TABLE taskyard.policy (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, hash bytea NOT NULL UNIQUE, spec bytea NOT NULL);
CREATE TABLE taskyard.queue (id smallint PRIMARY KEY, paused bool NOT NULL DEFAULT false);
INSERT INTO taskyard.queue (id) VALUES (1), (2), (3), (4), (5);
-- Nothing visible in a lane stands before its floor, so a claim need not walk the rows that died there.
CREATE TABLE taskyard.lane (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue smallint NOT NULL, home smallint NOT NULL,
  definition text NOT NULL, priority smallint NOT NULL, solo smallint NOT NULL, floor bigint NOT NULL DEFAULT 0,
  UNIQUE (queue, home, definition, priority, solo)) WITH (fillfactor = 50);

-- The body: written once. What every task adds to is partitioned by its id, which grows with time; the partitions are
-- made by the store (`partitions.py`). The default ones hold what no other does: above all, what outlived its own.
CREATE TABLE taskyard.task (
  id bigint NOT NULL PRIMARY KEY, parent_id bigint, kind_id int NOT NULL, policy_id int NOT NULL,
  revision int NOT NULL DEFAULT 0, priority smallint NOT NULL, workflow_id text COLLATE "C",
  correlation_id text COLLATE "C", cause_type text COLLATE "C", cause text COLLATE "C", hash bytea,
  input bytea NOT NULL, extra bytea) PARTITION BY RANGE (id);
CREATE TABLE taskyard.task_default PARTITION OF taskyard.task DEFAULT;
CREATE INDEX task_kind ON taskyard.task (kind_id, id);
CREATE INDEX task_workflow ON taskyard.task (workflow_id, id) WHERE workflow_id IS NOT NULL;
CREATE INDEX task_correlation ON taskyard.task (correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX task_cause_type ON taskyard.task (cause_type, id) WHERE cause_type IS NOT NULL;
CREATE INDEX task_cause ON taskyard.task (cause, id) WHERE cause IS NOT NULL;
CREATE INDEX task_parent ON taskyard.task (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX task_hash ON taskyard.task (hash, id) WHERE hash IS NOT NULL;
CREATE TABLE taskyard.tag (tag text COLLATE "C" NOT NULL, task_id bigint NOT NULL, PRIMARY KEY (tag, task_id))
  PARTITION BY RANGE (task_id);
CREATE TABLE taskyard.tag_default PARTITION OF taskyard.tag DEFAULT;
CREATE INDEX tag_task ON taskyard.tag (task_id);
CREATE TABLE taskyard.uniq (key bytea PRIMARY KEY, task_id bigint NOT NULL, fingerprint bytea, expires_at bigint);
CREATE INDEX uniq_task ON taskyard.uniq (task_id);

-- A task as it is handed in: an array of rows costs the client half of what an array a column does.
CREATE TYPE taskyard.entry AS (
  id bigint, kind_id int, policy_id int, lane_id int, priority smallint, input bytea, run_at bigint, extra bytea,
  workflow_id text, correlation_id text, cause_type text, cause text, parent_id bigint, hash bytea, key text,
  fairness_key text);

-- The places. The hot ones hold rows that are inserted and deleted only, and are vacuumed by count, not by share.
CREATE TABLE taskyard.ready (
  task_id bigint NOT NULL, ord bigint NOT NULL, lane_id int NOT NULL, attempt int NOT NULL DEFAULT 1,
  failures int NOT NULL DEFAULT 0, losses smallint NOT NULL DEFAULT 0, keyed bool NOT NULL DEFAULT false)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX ready_lane ON taskyard.ready (lane_id, ord, task_id);
CREATE UNIQUE INDEX ready_task ON taskyard.ready (task_id);
CREATE TABLE taskyard.sched (
  task_id bigint NOT NULL, run_at bigint NOT NULL, lane_id int NOT NULL, attempt int NOT NULL DEFAULT 1,
  failures int NOT NULL DEFAULT 0, losses smallint NOT NULL DEFAULT 0, retry bool NOT NULL DEFAULT false)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX sched_due ON taskyard.sched (run_at);
CREATE UNIQUE INDEX sched_task ON taskyard.sched (task_id);
CREATE INDEX sched_delay ON taskyard.sched (task_id) WHERE NOT retry;
CREATE INDEX sched_retry ON taskyard.sched (task_id) WHERE retry;
-- A parked task stands in the line of one limit that was full when it was last looked at, with those of its fairness
-- key ('' for none), whose turn it is by age less the priority's head start.
CREATE TABLE taskyard.parked (
  task_id bigint PRIMARY KEY, ord bigint NOT NULL, turn bigint NOT NULL, lane_id int NOT NULL,
  attempt int NOT NULL DEFAULT 1, failures int NOT NULL DEFAULT 0, losses smallint NOT NULL DEFAULT 0,
  key text COLLATE "C" NOT NULL, fairness_key text COLLATE "C" NOT NULL);
CREATE INDEX parked_line ON taskyard.parked (key, fairness_key, turn, task_id);
-- A lease: one row a batch (part 0), or one row a task (parts from 1) where the lease has a visibility of its own.
CREATE TABLE taskyard.claim (
  id bigint NOT NULL, claimed_at bigint NOT NULL, expires_at bigint, worker_id int NOT NULL, part int NOT NULL,
  task_ids bigint[] NOT NULL, attempts int[] NOT NULL, lanes int[] NOT NULL, ords bigint[] NOT NULL,
  failures int[] NOT NULL, losses smallint[] NOT NULL, keyed bigint[], PRIMARY KEY (id, part))
  WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE TABLE taskyard.open (
  task_id bigint PRIMARY KEY, at bigint NOT NULL, due_at bigint, wake_at bigint, lane_id int NOT NULL,
  attempt int NOT NULL, failures int NOT NULL, changes int NOT NULL DEFAULT 0, losses smallint NOT NULL,
  place smallint NOT NULL, assignee_type text, assignee_id text COLLATE "C", claimed_by text COLLATE "C",
  correlation_id text COLLATE "C");
CREATE INDEX open_place ON taskyard.open (place, task_id);
CREATE INDEX open_assignee ON taskyard.open (assignee_id, task_id) WHERE assignee_id IS NOT NULL;
CREATE INDEX open_claimed ON taskyard.open (claimed_by, task_id) WHERE claimed_by IS NOT NULL;
CREATE INDEX open_correlation ON taskyard.open (correlation_id) WHERE correlation_id IS NOT NULL;
-- A discarded letter has left the dead letters, but stays the mark of a task that FAILED.
CREATE TABLE taskyard.dead (
  task_id bigint PRIMARY KEY, at bigint NOT NULL, kind_id int NOT NULL, lane_id int NOT NULL, attempt int NOT NULL,
  failures int NOT NULL, losses smallint NOT NULL, discarded bool NOT NULL DEFAULT false);
CREATE INDEX dead_kind ON taskyard.dead (kind_id, task_id);

-- The story: how each attempt ended, what was noted, what was said.
CREATE TABLE taskyard.attempt (
  task_id bigint NOT NULL, started_at bigint, finished_at bigint NOT NULL, attempt int NOT NULL, worker_id int,
  run_ms bigint, outcome smallint NOT NULL, result bytea, detail bytea, PRIMARY KEY (task_id, attempt))
  PARTITION BY RANGE (task_id);
CREATE TABLE taskyard.attempt_default PARTITION OF taskyard.attempt DEFAULT;
CREATE INDEX attempt_outcome ON taskyard.attempt (outcome, task_id) WHERE outcome <> 1;
CREATE INDEX attempt_started ON taskyard.attempt (started_at);
-- The end of an attempt as it is handed in where all went well.
CREATE TYPE taskyard.completion AS (
  claim_id bigint, task_id bigint, attempt int, run_ms bigint, result bytea, detail bytea);
CREATE TABLE taskyard.note (
  task_id bigint NOT NULL, sequence bigint NOT NULL, at bigint NOT NULL, type smallint NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (task_id, sequence)) PARTITION BY RANGE (task_id);
CREATE TABLE taskyard.note_default PARTITION OF taskyard.note DEFAULT;
CREATE TABLE taskyard.line (
  task_id bigint NOT NULL, sequence bigint NOT NULL, at bigint NOT NULL, level text NOT NULL, text text NOT NULL,
  PRIMARY KEY (task_id, sequence)) PARTITION BY RANGE (task_id);
CREATE TABLE taskyard.line_default PARTITION OF taskyard.line DEFAULT;
CREATE TABLE taskyard.progress (
  task_id bigint PRIMARY KEY, sequence bigint NOT NULL, at bigint NOT NULL, current float8 NOT NULL, total float8,
  action text) PARTITION BY RANGE (task_id);
CREATE TABLE taskyard.progress_default PARTITION OF taskyard.progress DEFAULT WITH (fillfactor = 70);

-- Events: a row a statement, first without and then with a position; `sequencer` has given out positions up to `pos`.
CREATE TABLE taskyard.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, type smallint NOT NULL,
  task_ids bigint[] NOT NULL, sequences bigint[] NOT NULL)
  WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE TABLE taskyard.feed (
  pos bigint PRIMARY KEY, at bigint NOT NULL, type smallint NOT NULL, task_ids bigint[] NOT NULL,
  sequences bigint[] NOT NULL) WITH (toast_tuple_target = 8160);
CREATE INDEX feed_at ON taskyard.feed (at);
CREATE TABLE taskyard.sequencer (id int PRIMARY KEY CHECK (id = 1), pos bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO taskyard.sequencer VALUES (1, 0);

-- Limits: slots are rows held by tasks, never counters; who gives them out holds the row of the limit. Of a shared one
-- no more are than workers can take soon. `served` is the fairness key that had the last turn in its line.
CREATE TABLE taskyard.slot_limit (
  key text COLLATE "C" PRIMARY KEY, size int, shared bool NOT NULL, served text COLLATE "C" NOT NULL DEFAULT '') WITH (fillfactor = 50);
CREATE TABLE taskyard.slot (
  key text COLLATE "C" NOT NULL, fairness_key text COLLATE "C" NOT NULL, task_id bigint NOT NULL,
  PRIMARY KEY (key, fairness_key, task_id));
CREATE INDEX slot_task ON taskyard.slot (task_id);
CREATE TABLE taskyard.task_slot (
  task_id bigint NOT NULL, key text COLLATE "C" NOT NULL, size int, shared bool NOT NULL,
  fairness_key text COLLATE "C" NOT NULL, PRIMARY KEY (task_id, key));
CREATE INDEX task_slot_key ON taskyard.task_slot (key, task_id);

-- Processes.
CREATE TABLE taskyard.worker (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, beat_at bigint NOT NULL, started_at bigint NOT NULL,
  pid int NOT NULL, slots int NOT NULL, supervised bool NOT NULL, dead bool NOT NULL DEFAULT false,
  name text NOT NULL, host text NOT NULL, version text NOT NULL, queues text[] NOT NULL, running bigint[], stats bytea)
  WITH (fillfactor = 40, toast_tuple_target = 8160);
CREATE UNIQUE INDEX worker_http ON taskyard.worker (name) WHERE pid = 0;
CREATE TABLE taskyard.leader (
  role text PRIMARY KEY, holder text NOT NULL, until bigint NOT NULL, renewed_at bigint NOT NULL, since bigint NOT NULL)
  WITH (fillfactor = 50);

CREATE TABLE taskyard.upload (
  id text PRIMARY KEY, name text NOT NULL, size bigint NOT NULL, sha256 text NOT NULL, created_at bigint NOT NULL,
  content bytea NOT NULL);
CREATE TABLE taskyard.token (hash bytea PRIMARY KEY, caller bytea NOT NULL, expires_at bigint);

-- What is under lease: everything in a claim that no attempt's row has taken out of it.
CREATE VIEW taskyard.running AS
SELECT m.task_id, m.attempt, m.lane_id, m.failures, m.losses, c.id AS claim_id, c.worker_id, c.claimed_at, c.expires_at
FROM taskyard.claim c
CROSS JOIN LATERAL unnest(c.task_ids, c.attempts, c.lanes, c.failures, c.losses)
  AS m (task_id, attempt, lane_id, failures, losses)
WHERE NOT EXISTS (SELECT FROM taskyard.attempt a WHERE a.task_id = m.task_id AND a.attempt = m.attempt);

-- Where the tasks are that have not been COMPLETED.
CREATE VIEW taskyard.uncompleted AS
SELECT task_id, 'ready' AS place, attempt, 'PENDING' AS state FROM taskyard.ready
UNION ALL
SELECT task_id, 'sched', attempt, CASE WHEN retry THEN 'RETRYING' ELSE 'PENDING' END FROM taskyard.sched
UNION ALL
SELECT task_id, 'parked', attempt, 'PENDING' FROM taskyard.parked
UNION ALL
SELECT task_id, 'claim', attempt, 'RUNNING' FROM taskyard.running
UNION ALL
SELECT task_id, 'open', attempt, CASE place WHEN 6 THEN 'ASSIGNED' ELSE 'WAITING' END FROM taskyard.open
UNION ALL
SELECT task_id, CASE WHEN discarded THEN 'final' ELSE 'dead' END, attempt, 'FAILED' FROM taskyard.dead
UNION ALL
SELECT task_id, 'final', attempt, 'CANCELED' FROM taskyard.attempt WHERE outcome = 4;

-- The law made visible: every task is in here exactly once.
CREATE VIEW taskyard.place AS
SELECT * FROM taskyard.uncompleted
UNION ALL
SELECT task_id, 'final', attempt, 'COMPLETED' FROM taskyard.attempt WHERE outcome IN (1, 6);
