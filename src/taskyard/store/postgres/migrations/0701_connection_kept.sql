-- What the links of a connection keep for each other, sealed: such as a token that is another each time it is used.
CREATE TABLE taskyard.connection_kept (id text PRIMARY KEY, version bigint NOT NULL, content bytea NOT NULL);
