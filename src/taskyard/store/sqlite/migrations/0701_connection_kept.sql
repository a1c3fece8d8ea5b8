-- What the links of a connection keep for each other, sealed: such as a token that is another each time it is used.
CREATE TABLE connection_kept (id TEXT PRIMARY KEY, version INTEGER NOT NULL, content BLOB NOT NULL);
