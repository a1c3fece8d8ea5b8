-- The worker $1 is dead; $2 is what it ran, where that is known.
UPDATE taskyard.worker SET dead = true, running = coalesce($2::bigint[], running) WHERE id = $1::int
