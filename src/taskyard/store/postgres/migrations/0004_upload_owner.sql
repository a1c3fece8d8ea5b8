ALTER TABLE taskyard.upload ADD COLUMN owner text NOT NULL DEFAULT 'local';
