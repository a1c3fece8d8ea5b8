-- What a file is; those that nobody uses are forgotten, so what is there counts as used.
ALTER TABLE upload ADD COLUMN media_type TEXT NOT NULL DEFAULT 'application/octet-stream';
UPDATE upload SET used_at = max(used_at, created_at);
CREATE INDEX upload_unused ON upload (created_at) WHERE used_at = 0;
