-- Tasks go over the connection of their own version, and keep to its limits: those of different ones stand in different
-- lanes. Of what waits already the current version is taken to say it, read without \u0000, which no text can hold.
ALTER TABLE taskyard.lane ADD COLUMN connection text NOT NULL DEFAULT '';
ALTER TABLE taskyard.lane DROP CONSTRAINT lane_queue_home_definition_priority_solo_target_key;
ALTER TABLE taskyard.lane ADD UNIQUE (queue, home, definition, priority, solo, target, connection);
UPDATE taskyard.lane l SET connection = i.implementation ->> 'connectionId'
FROM taskyard.definition d JOIN taskyard.kind k ON k.id = d.kind_id
CROSS JOIN LATERAL (
  SELECT replace(convert_from(k.spec, 'UTF8'), '\u0000', '\ufffd')::json -> 'implementation' AS implementation) i
WHERE d.key = l.definition AND i.implementation ->> 'kind' = 'integration';
