-- An empty claim $2 of the worker $3, at the part $4 where a lost statement would write: it waits for that statement,
-- and where it was first, that one fails.
INSERT INTO taskyard.claim (id, part, worker_id, claimed_at, task_ids, attempts, lanes, ords, failures, losses)
VALUES ($2, $4, $3, @now, '{}', '{}', '{}', '{}', '{}', '{}') ON CONFLICT DO NOTHING
