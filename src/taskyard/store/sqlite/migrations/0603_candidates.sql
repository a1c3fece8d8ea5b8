-- Who alone of a group finds a task in the inbox, out of its sheet; null where it has no candidates.
ALTER TABLE open ADD COLUMN candidates TEXT GENERATED ALWAYS AS (
  CASE WHEN instr(sheet, CAST('"candidates":' AS BLOB)) THEN json_extract(CAST(sheet AS TEXT), '$.candidates') END);
