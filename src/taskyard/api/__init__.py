"""The HTTP door: one resource a file, every route closed unless the table in `access` opens it."""
