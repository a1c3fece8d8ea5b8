-- How long people's tasks lay and took, and whether in time: kept with what a person has ended.
ALTER TABLE open ADD COLUMN claimed_at INTEGER;
ALTER TABLE worked ADD COLUMN definition TEXT;
ALTER TABLE worked ADD COLUMN group_id TEXT;
ALTER TABLE worked ADD COLUMN opened_at INTEGER;
ALTER TABLE worked ADD COLUMN claimed_at INTEGER;
ALTER TABLE worked ADD COLUMN due_at INTEGER;
