-- Webhook endpoints, and the client apps that subscribe by themselves. `disabled_at` is their health's, to be found by.
CREATE TABLE subscription (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at INTEGER NOT NULL, since INTEGER NOT NULL, endpoint BLOB NOT NULL,
  secrets BLOB NOT NULL, health BLOB NOT NULL, app TEXT, revision INTEGER NOT NULL, enabled INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX subscription_owner ON subscription (owner, id);
CREATE TABLE client_app (
  key TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL, created_at INTEGER NOT NULL, secret BLOB NOT NULL)
  WITHOUT ROWID;

-- How far deliveries are planned.
CREATE TABLE webhook_mark (pos INTEGER NOT NULL, callbacks_since INTEGER);
INSERT INTO webhook_mark (pos, callbacks_since) VALUES (0, NULL);

-- Deliveries. Open ones (1, 2) have `next_at`, unless they wait behind another one to the same endpoint about the same
-- task.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, owner TEXT NOT NULL, task_id INTEGER NOT NULL, pos INTEGER NOT NULL,
  event TEXT NOT NULL, event_id TEXT NOT NULL, body BLOB NOT NULL, url TEXT, status INTEGER NOT NULL,
  tries INTEGER NOT NULL, next_at INTEGER, log BLOB NOT NULL);
CREATE INDEX delivery_due ON delivery (endpoint, next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_line ON delivery (endpoint, task_id, pos) WHERE status IN (1, 2);
CREATE INDEX delivery_of_endpoint ON delivery (endpoint, id);
CREATE INDEX delivery_of_task ON delivery (task_id, id);
CREATE INDEX delivery_of_owner ON delivery (owner, id);
