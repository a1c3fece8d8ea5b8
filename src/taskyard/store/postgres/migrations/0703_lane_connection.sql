-- Tasks go over the connection of their own version, and keep to its limits: those of different ones stand in different
-- lanes. Of what waits already the current version is taken to say it.
ALTER TABLE taskyard.lane ADD COLUMN connection text NOT NULL DEFAULT '';
ALTER TABLE taskyard.lane DROP CONSTRAINT lane_queue_home_definition_priority_solo_target_key;
ALTER TABLE taskyard.lane ADD UNIQUE (queue, home, definition, priority, solo, target, connection);
UPDATE taskyard.lane l SET connection = convert_from(k.spec, 'UTF8')::json #>> '{implementation,connectionId}'
FROM taskyard.definition d JOIN taskyard.kind k ON k.id = d.kind_id
WHERE d.key = l.definition AND convert_from(k.spec, 'UTF8')::json #>> '{implementation,kind}' = 'integration';
