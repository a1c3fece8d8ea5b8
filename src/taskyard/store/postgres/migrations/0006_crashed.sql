-- Whether a dead worker is known to have crashed.
ALTER TABLE taskyard.worker ADD COLUMN crashed boolean NOT NULL DEFAULT false;
