-- Whether a dead worker is known to have crashed.
ALTER TABLE worker ADD COLUMN crashed INTEGER NOT NULL DEFAULT 0;
