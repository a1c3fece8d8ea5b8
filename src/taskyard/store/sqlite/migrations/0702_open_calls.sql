-- Calls over connections with a limit that are no task's; what is never ended counts until its time is over.
CREATE TABLE open_call (id INTEGER PRIMARY KEY, connection_id TEXT NOT NULL, ends_at INTEGER NOT NULL);
CREATE INDEX open_call_connection ON open_call (connection_id);
