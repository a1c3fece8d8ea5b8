-- Tasks that ask for a place stand in lanes of their own, which only workers claim from that have it.
ALTER TABLE taskyard.lane ADD COLUMN target text NOT NULL DEFAULT '';
ALTER TABLE taskyard.lane DROP CONSTRAINT lane_queue_home_definition_priority_solo_key;
ALTER TABLE taskyard.lane ADD UNIQUE (queue, home, definition, priority, solo, target);
