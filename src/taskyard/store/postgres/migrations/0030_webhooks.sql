-- Webhook endpoints, and the client apps that subscribe by themselves.
CREATE TABLE taskyard.subscription (
  id text COLLATE "C" PRIMARY KEY, owner text COLLATE "C" NOT NULL, created_at bigint NOT NULL, since bigint NOT NULL,
  endpoint bytea NOT NULL, secrets bytea NOT NULL, health bytea NOT NULL, app text, revision bigint NOT NULL,
  enabled bool NOT NULL);
CREATE INDEX subscription_owner ON taskyard.subscription (owner, id);
CREATE TABLE taskyard.client_app (
  key text COLLATE "C" PRIMARY KEY, name text NOT NULL, owner text COLLATE "C" NOT NULL, created_at bigint NOT NULL,
  secret bytea NOT NULL);

-- How far deliveries are planned. Who plans or settles holds the row, so that nobody waits behind one that is over.
CREATE TABLE taskyard.webhook_mark (pos bigint NOT NULL, callbacks_since bigint) WITH (fillfactor = 50);
INSERT INTO taskyard.webhook_mark (pos, callbacks_since) VALUES (0, NULL);

-- Deliveries. Open ones (1, 2) have `next_at`, unless they wait behind another one to the same endpoint about the same
-- task.
CREATE TABLE taskyard.delivery (
  id bigint PRIMARY KEY, endpoint text COLLATE "C" NOT NULL, owner text COLLATE "C" NOT NULL, task_id bigint NOT NULL,
  pos bigint NOT NULL, event text NOT NULL, event_id text NOT NULL, body bytea NOT NULL, url text, status int NOT NULL,
  tries int NOT NULL, next_at bigint, log bytea NOT NULL)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);
CREATE INDEX delivery_due ON taskyard.delivery (endpoint, next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_line ON taskyard.delivery (endpoint, task_id, pos) WHERE status IN (1, 2);
CREATE INDEX delivery_of_endpoint ON taskyard.delivery (endpoint, id);
CREATE INDEX delivery_of_task ON taskyard.delivery (task_id, id);
CREATE INDEX delivery_of_owner ON taskyard.delivery (owner, id);
