-- While a partition is being compacted its tables tell here which tasks were written to meanwhile.
CREATE TABLE taskyard.touched (task_id bigint NOT NULL);
CREATE FUNCTION taskyard.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE format('INSERT INTO taskyard.touched SELECT ($1).%I', TG_ARGV[0])
    USING CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
  RETURN NULL;
END $$;

-- What has not ended and is not under lease.
CREATE VIEW taskyard.resting AS
SELECT task_id FROM taskyard.ready
UNION ALL SELECT task_id FROM taskyard.sched
UNION ALL SELECT task_id FROM taskyard.parked
UNION ALL SELECT task_id FROM taskyard.open;

-- An upload is kept as long as the tasks that were made of it.
ALTER TABLE taskyard.upload ADD COLUMN used_at bigint NOT NULL DEFAULT 0;

-- Whether an attempt has left its claim. A look-up that is rarely made costs its statement nothing when it is a function:
-- otherwise all partitions are opened to begin with.
CREATE FUNCTION taskyard.has_ended(task_id bigint, attempt int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN
  RETURN EXISTS (SELECT FROM taskyard.attempt a WHERE a.task_id = $1 AND a.attempt = $2);
END $$;
