-- Keep what attempts emitted, a row an event: tasks $2, sequences $3, bodies $4; each once, and told in their order.
-- An attempt that has ended emits no more.
WITH clock AS MATERIALIZED (SELECT @now AS us),
noted AS (
  INSERT INTO taskyard.note (task_id, sequence, at, type, body)
  SELECT u.task_id, u.sequence, us, @event_emitted, u.body
  FROM clock, unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS u (task_id, sequence, body)
  WHERE NOT EXISTS (SELECT FROM taskyard.attempt a WHERE a.task_id = u.task_id AND a.attempt = u.sequence / @span)
  ON CONFLICT DO NOTHING
  RETURNING task_id, sequence, at
)
INSERT INTO taskyard.outbox (at, type, task_ids, sequences)
SELECT at, @event_emitted, array_agg(task_id ORDER BY sequence), array_agg(sequence ORDER BY sequence)
FROM noted GROUP BY at
