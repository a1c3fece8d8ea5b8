-- How people log in with a password.
CREATE TABLE taskyard.login (person text PRIMARY KEY, hashed text NOT NULL, scopes bytea NOT NULL);
