-- JSON to look into, which PostgreSQL does only where no text has a NUL.
CREATE FUNCTION taskyard.as_json(stored bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
  SELECT CASE WHEN position('\u0000' IN t) = 0 THEN t
    ELSE regexp_replace(t, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') END::jsonb
  FROM convert_from(stored, 'UTF8') t);
-- Who alone of a group finds a task in the inbox, out of its sheet; null where it has no candidates.
CREATE FUNCTION taskyard.candidates_of(sheet bytea) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  CASE WHEN position('"candidates":'::bytea IN sheet) > 0 THEN (
    SELECT array_agg(c) FROM jsonb_array_elements_text(taskyard.as_json(sheet) -> 'candidates') c) END;
ALTER TABLE taskyard.open ADD COLUMN candidates text[] GENERATED ALWAYS AS (taskyard.candidates_of(sheet)) STORED;
