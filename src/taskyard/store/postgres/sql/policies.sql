SELECT id, spec FROM taskyard.policy WHERE id = ANY ($1::int[])
