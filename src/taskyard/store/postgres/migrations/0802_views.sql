-- Filters of tasks under names, one's own and those that were shared.
CREATE TABLE taskyard.view (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
  filter text NOT NULL, shared bool NOT NULL, UNIQUE (owner, name));
CREATE INDEX view_shared ON taskyard.view (id) WHERE shared;
