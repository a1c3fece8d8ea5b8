-- What operators and programs did that no task's own trail records.
CREATE TABLE taskyard.journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, who text NOT NULL, action text NOT NULL,
  facts bytea NOT NULL);
CREATE INDEX journal_at ON taskyard.journal (at);
