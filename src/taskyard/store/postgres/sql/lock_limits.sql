-- Lock the limits $1, in order, each at the size that the newest task under it gave.
INSERT INTO taskyard.slot_limit (key, size, shared)
SELECT k.key, newest.size, newest.shared FROM unnest($1::text[]) AS k (key)
CROSS JOIN LATERAL (SELECT size, shared FROM taskyard.task_slot WHERE key = k.key ORDER BY task_id DESC LIMIT 1) newest
ORDER BY k.key
ON CONFLICT (key) DO UPDATE SET size = EXCLUDED.size, shared = EXCLUDED.shared
