-- How people log in with a password.
CREATE TABLE login (person TEXT PRIMARY KEY, hashed TEXT NOT NULL, scopes BLOB NOT NULL) WITHOUT ROWID;
