SELECT hash, id FROM taskyard.policy WHERE hash = ANY ($1::bytea[])
