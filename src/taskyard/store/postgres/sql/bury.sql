-- The worker $1 is dead; $2 is what it ran, where that is known; $3: whether it crashed.
UPDATE taskyard.worker SET dead = true, crashed = $3::bool, running = coalesce($2::bigint[], running) WHERE id = $1::int
