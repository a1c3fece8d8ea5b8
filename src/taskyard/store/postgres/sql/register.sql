-- Enter a worker. One without a process of its own (pid 0) is known by its name.
INSERT INTO taskyard.worker (beat_at, started_at, name, host, pid, version, queues, slots, supervised)
SELECT us, us, $2, $3, $4, $5, $6, $7, $8 FROM (SELECT @now AS us) clock
ON CONFLICT (name) WHERE pid = 0 DO UPDATE SET beat_at = EXCLUDED.beat_at, host = EXCLUDED.host,
  version = EXCLUDED.version, queues = EXCLUDED.queues, slots = EXCLUDED.slots, dead = false
RETURNING id
