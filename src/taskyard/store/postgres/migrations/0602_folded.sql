-- A text without regard to case, in every script, whatever the database's own collation knows of it.
DO $$ DECLARE unicode text; BEGIN
  SELECT quote_ident(collname) INTO unicode FROM pg_collation
  WHERE collname IN ('und-x-icu', 'C.utf8', 'en_US.utf8') AND collencoding IN (-1, pg_char_to_encoding('UTF8'))
  ORDER BY collname = 'und-x-icu' DESC, collname = 'C.utf8' DESC LIMIT 1;
  EXECUTE 'CREATE FUNCTION taskyard.folded(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS '
    || quote_literal('SELECT lower(value' || coalesce(' COLLATE pg_catalog.' || unicode, '') || ')');
END $$;
