-- What a file is; those that nobody uses are forgotten, so what is there counts as used.
ALTER TABLE taskyard.upload ADD COLUMN media_type text NOT NULL DEFAULT 'application/octet-stream';
UPDATE taskyard.upload SET used_at = greatest(used_at, created_at);
CREATE INDEX upload_unused ON taskyard.upload (created_at) WHERE used_at = 0;
