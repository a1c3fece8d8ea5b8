-- How long people's tasks lay and took, and whether in time: kept with what a person has ended.
ALTER TABLE taskyard.open ADD COLUMN claimed_at bigint;
ALTER TABLE taskyard.worked ADD COLUMN definition text, ADD COLUMN group_id text, ADD COLUMN opened_at bigint,
  ADD COLUMN claimed_at bigint, ADD COLUMN due_at bigint;
