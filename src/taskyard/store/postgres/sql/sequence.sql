-- Give positions to the first $1 batches of events. Whoever holds the sequencer's row reads what is there, not what
-- comes after a position: an event that commits late is found, and one task's events are there in their order.
WITH holder AS MATERIALIZED (SELECT pos FROM taskyard.sequencer FOR UPDATE),
taken AS (
  DELETE FROM taskyard.outbox WHERE id = ANY (ARRAY (
    SELECT id FROM taskyard.outbox WHERE EXISTS (SELECT FROM holder) ORDER BY id LIMIT $1::int))
  RETURNING *
),
placed AS MATERIALIZED (
  SELECT taken.*, holder.pos + sum(cardinality(task_ids)) OVER (ORDER BY id) AS pos FROM taken, holder
),
told AS (
  INSERT INTO taskyard.feed (pos, at, type, task_ids, sequences)
  SELECT pos, at, type, task_ids, sequences FROM placed
),
moved AS (
  UPDATE taskyard.sequencer SET pos = (SELECT max(pos) FROM placed) WHERE EXISTS (SELECT FROM placed)
)
SELECT count(*) FROM placed
