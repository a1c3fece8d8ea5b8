-- How many tasks the living workers run at once. One that works over HTTP has no heartbeat: it counts for a while
-- after each dequeue.
SELECT coalesce(sum(slots), 0)::int FROM taskyard.worker WHERE NOT dead AND (pid <> 0 OR beat_at > @now - $2::bigint)
