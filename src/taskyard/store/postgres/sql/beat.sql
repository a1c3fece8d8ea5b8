-- A sign of life of the worker $2, unless it has been given up.
UPDATE taskyard.worker SET beat_at = @now, running = $3::bigint[], stats = $4::bytea
WHERE id = $2::int AND NOT dead RETURNING true
