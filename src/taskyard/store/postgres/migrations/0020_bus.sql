-- How far those have come that read the feed for others.
CREATE TABLE taskyard.reader (name text COLLATE "C" PRIMARY KEY, pos bigint NOT NULL) WITH (fillfactor = 10);

-- Events that are kept until somebody or something decides about them, each as it came or goes.
CREATE TABLE taskyard.letter (
  id bigint PRIMARY KEY, direction text NOT NULL, event_id text COLLATE "C" NOT NULL, status text NOT NULL,
  at bigint NOT NULL, key text COLLATE "C" NOT NULL, reason text NOT NULL, tries int NOT NULL, body bytea NOT NULL,
  facts bytea NOT NULL, UNIQUE (direction, event_id));
CREATE INDEX letter_status ON taskyard.letter (status, id);

-- Events that were taken and have left no task by which that could be told.
CREATE TABLE taskyard.seen (key bytea PRIMARY KEY, at bigint NOT NULL);
CREATE TABLE taskyard.mapping (id text COLLATE "C" PRIMARY KEY, spec bytea NOT NULL);

-- A row while there is maintenance. A queue is then paused whatever was `asked` for it.
CREATE TABLE taskyard.maintenance (id int PRIMARY KEY CHECK (id = 1), who text NOT NULL, since bigint NOT NULL);
ALTER TABLE taskyard.queue ADD COLUMN asked bool NOT NULL DEFAULT false;
UPDATE taskyard.queue SET asked = paused;
