-- An upload is kept as long as the tasks that were made of it.
ALTER TABLE upload ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
