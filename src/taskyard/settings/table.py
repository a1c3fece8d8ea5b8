"""The table of all settings, and what each is for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from taskyard.domain.isolation import TIERS
from taskyard.domain.priority import HEAD_STARTS
from taskyard.settings.reading import (
    addresses,
    boolean,
    comma_list,
    networks_and_hosts,
    one_of,
    permissions,
    port,
    positive_int,
    registry,
    resources,
    retry_policy,
    rights,
    scopes,
    seconds,
    tiers,
    topics,
    trace_url,
)
from taskyard.settings.secret import jwt_secret, secret_key, secret_keys, variables, webhook_secret

CONNECTORS = ("kafka", "sqs", "http")


class Setting(NamedTuple):
    """One setting: its name in environment and file, how its text is read, its default, what it is for."""

    name: str
    read: Callable[[str], Any]
    default: Any
    help: str
    secret: bool = False


_CEILING = "{} tasks at once on all machines together; set the same everywhere"

SETTINGS: tuple[Setting, ...] = (
    Setting("TASK_MAX_CONCURRENT", positive_int, os.cpu_count() or 1, "tasks at once in a worker process"),
    Setting("TASK_MAX_CONCURRENT_AUTOMATED", positive_int, None, _CEILING.format("automated")),
    Setting("TASK_MAX_CONCURRENT_INTEGRATION", positive_int, None, _CEILING.format("integration")),
    Setting(
        "TASK_MAX_CONCURRENT_MANUAL",
        positive_int,
        None,
        "manual tasks at once that are being handed over to people, on all machines together; it does not limit how"
        " many people have",
    ),
    Setting("TASK_TIMEOUT", seconds, 300.0, "seconds an attempt may take, where nothing else is said"),
    Setting("TASK_MAX_TIMEOUT", seconds, 86_400.0, "seconds an attempt may take at most"),
    Setting("TASK_RETRY_POLICY", retry_policy, {}, "the default retry policy, as JSON"),
    Setting("TASK_RESOURCES", resources, {}, "the default resource limits of sandboxed code, as JSON"),
    Setting("TASK_WEBSOCKET_ENABLED", boolean, True, "whether live progress is served over WebSockets"),
    Setting("TASK_BUFFER_SIZE", positive_int, 1000, "messages kept for a slow follower before some are skipped"),
    Setting("TASK_LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "the least level that is logged"),
    Setting("TASK_LOG_DESTINATION", one_of("stderr", "file", "syslog", "otlp"), "stderr", "where logs go"),
    Setting("TASKYARD_SYSLOG", str, "/dev/log", "where syslog listens: a socket of this machine, or host:port (UDP)"),
    Setting("TASK_RETENTION_DAYS", seconds, 30.0, "days that ended tasks, and events put aside, are kept"),
    Setting("TASKYARD_DATABASE_URL", str, "sqlite:///taskyard.db", "the store", secret=True),
    Setting(
        "TASKYARD_NOTIFY",
        boolean,
        True,
        "whether processes on a PostgreSQL wake each other (LISTEN and NOTIFY); without it they look now and then",
    ),
    Setting(
        "TASKYARD_LISTEN_URL",
        str,
        "",
        "the PostgreSQL's own address, where TASKYARD_DATABASE_URL leads to a connection pooler",
        secret=True,
    ),
    Setting("TASKYARD_HOST", str, "127.0.0.1", "the address the server binds to"),
    Setting("TASKYARD_PORT", port, 8420, "the port the server binds to; 0 for any that is free"),
    Setting("TASKYARD_DATA_DIR", str, ".taskyard", "where keys, tokens and files are kept"),
    Setting(
        "TASKYARD_GRACE",
        seconds,
        10.0,
        "seconds in which a process stops; its running tasks may finish in the first four fifths of them",
    ),
    Setting("TASKYARD_MAX_BODY", positive_int, 1 << 20, "bytes a request may have"),
    Setting("TASKYARD_MAX_DEPTH", positive_int, 10_000_000, "tasks that may wait in a queue"),
    Setting(
        "TASKYARD_PRIORITY",
        one_of(*HEAD_STARTS),
        "aged",
        "aged: higher priorities go first, but who waits long enough goes before them; strict: they always go first",
    ),
    Setting(
        "TASKYARD_SANDBOX_TIERS",
        tiers,
        TIERS,
        "how code of definitions may be confined on this machine; the first that holds is used, and none but these",
    ),
    Setting(
        "TASKYARD_CGROUP",
        str,
        "",
        "a control group (version 2) that may be written and holds no process, to bound each jail as a whole",
    ),
    Setting(
        "TASKYARD_PYTHON_INDEX",
        str,
        "",
        "the index that packages of Python come from (PEP 503); empty: the public one; none: there are no packages",
        secret=True,
    ),
    Setting(
        "TASKYARD_NPM_REGISTRY",
        registry,
        "",
        "the registry that packages of JavaScript come from; empty: the public one; none: there are no packages",
    ),
    Setting(
        "TASKYARD_PACKAGES_DIR",
        str,
        "",
        "where packages of code are kept; by default /var/cache/taskyard as root, ~/.cache/taskyard else",
    ),
    Setting("TASKYARD_PACKAGES_MB", positive_int, 2048, "MiB that packages of code may take in all"),
    Setting(
        "TASKYARD_SECRETS", addresses, {}, "secrets that code of definitions may name in `env`, as JSON", secret=True
    ),
    Setting(
        "TASKYARD_SECRETS_DIR", str, "", "a folder of such secrets, a file each, as Docker and Kubernetes mount them"
    ),
    Setting(
        "TASKYARD_CONNECTION_ENV",
        variables,
        {},
        "the variables of the environment that secrets of connections may name, separated by commas",
        secret=True,
    ),
    Setting(
        "TASKYARD_CONNECTION_FILES",
        comma_list,
        (),
        "the files of TASKYARD_SECRETS_DIR that secrets of connections may name, separated by commas",
    ),
    Setting(
        "TASKYARD_FILE_FOLDERS",
        comma_list,
        (),
        "the folders of this machine that file transfers may reach, by whole paths",
    ),
    Setting(
        "TASKYARD_UNGUARDED_DATABASES",
        comma_list,
        (),
        "databases, such as mssql, oracle, that connections may reach by drivers that nothing guards",
    ),
    Setting("TASKYARD_ALLOWED_HOSTS", comma_list, (), "names under which the server may be addressed, besides its own"),
    Setting(
        "TASKYARD_EGRESS_ALLOW",
        networks_and_hosts,
        (),
        "networks and hosts that calls may reach although they are private, such as 10.1.0.0/16, *.internal",
    ),
    Setting("TASKYARD_EGRESS_DENY", networks_and_hosts, (), "networks and hosts that calls may never reach"),
    Setting("TASKYARD_EGRESS_PROXY", str, "", "the HTTP proxy that calls go through; none is read from elsewhere"),
    Setting(
        "TASKYARD_SYSTEM_PERMISSIONS",
        permissions,
        ("http:*",),
        "what system functions may do here at most, such as http:*, mail:*@example.com, files:read:/srv/in",
    ),
    Setting(
        "TASKYARD_SYSTEM_DATABASES",
        addresses,
        {},
        'the databases of system functions by name, as JSON: {"reports": "postgresql://…"}',
        secret=True,
    ),
    Setting(
        "TASKYARD_PLACEMENT",
        addresses,
        {},
        'where code runs whose definition does not say so: target by definition or kind, as JSON: {"python": "gpu"}',
    ),
    Setting(
        "TASKYARD_TARGET_SECRET", webhook_secret, "", "signs calls of HTTP targets; whsec_ and base64", secret=True
    ),
    Setting(
        "TASKYARD_KUBERNETES",
        str,
        "",
        "the cluster that runs kubernetes tasks: the path of a kubeconfig, or in-cluster; without it none does",
    ),
    Setting(
        "TASKYARD_KUBERNETES_NAMESPACE", str, "", "where its jobs run, if not in the namespace the cluster's names"
    ),
    Setting(
        "TASKYARD_KUBERNETES_IMAGES", comma_list, ("*",), "the images that may run, such as registry.example.com/jobs/*"
    ),
    Setting("TASKYARD_KUBERNETES_SERVICE_ACCOUNTS", comma_list, (), "the service accounts that definitions may name"),
    Setting("TASKYARD_KUBERNETES_RUNNER", str, "", "the image that runs scripts whose target is kubernetes"),
    Setting("TASKYARD_LAMBDA_RUNNER", str, "", "the function that runs scripts whose target is lambda"),
    Setting("TASKYARD_SMTP_URL", str, "", "the mail server, smtp://user:password@host:587 or smtps://…", secret=True),
    Setting("TASKYARD_MAIL_FROM", str, "", "the sender of mail"),
    Setting(
        "TASKYARD_NOTIFY_LINK_HOURS",
        seconds,
        72.0,
        "hours the link of a mail signs in, once; 0: never; at most TASK_RETENTION_DAYS",
    ),
    Setting("TASKYARD_AUDIT_CHAIN", boolean, False, "whether a chain of hashes guards the history of tasks"),
    Setting(
        "TASKYARD_CONNECTOR",
        one_of("none", *CONNECTORS),
        "none",
        "how events come and go, besides the HTTP interface: none, kafka, sqs or http; one for a deployment",
    ),
    Setting(
        "TASKYARD_CONNECTOR_SCOPES",
        scopes,
        ("tasks:write",),
        "the rights of what comes through the connector; with admin it may also stop and maintain Taskyard",
    ),
    Setting("TASKYARD_CLOUD_EVENTS", boolean, False, "whether events carry the attributes of CloudEvents as headers"),
    Setting("KAFKA_BROKERS", comma_list, (), "Kafka: host:port of some brokers, separated by commas"),
    Setting("TASKYARD_KAFKA_TOPICS_IN", topics, ("taskyard.in",), "Kafka: topics to take events from; - for none"),
    Setting("TASKYARD_KAFKA_TOPICS_OUT", topics, ("taskyard.out",), "Kafka: topics to send events to; - for none"),
    Setting("TASKYARD_KAFKA_GROUP", str, "taskyard", "Kafka: the consumer group"),
    Setting("TASKYARD_KAFKA_IDEMPOTENT", boolean, True, "Kafka: whether the producer is idempotent"),
    Setting("TASKYARD_KAFKA_TLS", boolean, False, "Kafka: whether connections are encrypted"),
    Setting("TASKYARD_KAFKA_CA_FILE", str, "", "Kafka: a file of authorities to trust instead of the usual ones"),
    Setting("TASKYARD_KAFKA_CERT_FILE", str, "", "Kafka: a file with a client certificate"),
    Setting("TASKYARD_KAFKA_KEY_FILE", str, "", "Kafka: a file with its key"),
    Setting(
        "TASKYARD_KAFKA_SASL_MECHANISM",
        one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        "",
        "Kafka: how to log in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    ),
    Setting("TASKYARD_KAFKA_USERNAME", str, "", "Kafka: the user to log in as"),
    Setting("TASKYARD_KAFKA_PASSWORD", str, "", "Kafka: the password", secret=True),
    Setting("AWS_REGION", str, "", "the region of SQS queues, and of Lambda functions whose definition names none"),
    Setting("SQS_QUEUE_URL", str, "", "SQS: the queue to take events from"),
    Setting("TASKYARD_SQS_OUTPUT_URL", str, "", "SQS: the queue to send events to"),
    Setting("TASKYARD_HTTP_URL", str, "", "HTTP: where events are sent to; they come in at /api/v1/events/trigger"),
    Setting("TASKYARD_HTTP_TOKEN", str, "", "HTTP: the bearer token to send along", secret=True),
    Setting("TASKYARD_HTTP_SECRET", webhook_secret, "", "HTTP: the secret (whsec_…) that signs", secret=True),
    Setting(
        "TASKYARD_AUTH_SERVICE_URL",
        str,
        "",
        "a service that says at /api/auth/validate-token whom a token stands for; one way to check tokens",
    ),
    Setting(
        "TASKYARD_INTEGRATION_SERVICE_URL",
        str,
        "",
        "a service that executes integrations at /api/integrations/{id}/invoke, for connections of type remote",
    ),
    Setting(
        "TASKYARD_OBSERVABILITY_SERVICE_URL",
        str,
        "",
        "a service that is told of each attempt at /api/tracing/span",
    ),
    Setting("OTEL_EXPORTER_OTLP_ENDPOINT", str, "", "an OpenTelemetry collector (OTLP over HTTP) for traces and logs"),
    Setting(
        "TASKYARD_TRACE_URL",
        trace_url,
        "",
        "where runs link to for their trace, such as https://tempo.example.com/trace/{traceId}",
    ),
    Setting(
        "TASKYARD_RESOURCE_SERVICE_URL",
        str,
        "",
        "a service that says at /api/resources/allocations what code may use up; without it TASK_RESOURCES holds",
    ),
    Setting("TASKYARD_USER_SERVICE_URL", str, "", "a service that knows people and groups; else they are entered here"),
    Setting("TASKYARD_NOTIFICATION_SERVICE_URL", str, "", "a service that tells people; while it is away others do"),
    Setting(
        "CAMUNDA_URL",
        str,
        "",
        "the REST API of a Camunda 7, Operaton or CIB seven whose external tasks are done here, such as"
        " http://camunda:8080/engine-rest",
    ),
    Setting(
        "TASKYARD_CAMUNDA_AUTHORIZATION", str, "", "the Authorization header that engine wants to see", secret=True
    ),
    Setting(
        "TASKYARD_CAMUNDA_USER_TASKS", boolean, True, "whether the user tasks of that engine are manual tasks here"
    ),
    Setting(
        "TASKYARD_ZEEBE_URL",
        str,
        "",
        "a Camunda 8 whose jobs are done here: what stands before /v2 of its REST API, such as http://zeebe:8080",
    ),
    Setting("TASKYARD_ZEEBE_AUTHORIZATION", str, "", "the Authorization header it wants to see", secret=True),
    Setting("TASKYARD_ZEEBE_CLIENT_ID", str, "", "whose access tokens it wants to see, by OAuth 2 client credentials"),
    Setting("TASKYARD_ZEEBE_CLIENT_SECRET", str, "", "that client's secret", secret=True),
    Setting(
        "TASKYARD_ZEEBE_TOKEN_URL", str, "https://login.cloud.camunda.io/oauth/token", "who gives out those tokens"
    ),
    Setting("TASKYARD_ZEEBE_AUDIENCE", str, "zeebe.camunda.io", "for whom they are asked for"),
    Setting(
        "TASKYARD_ZEEBE_USER_TASKS", boolean, True, "whether the user tasks of that Camunda 8 are manual tasks here"
    ),
    Setting("TASKYARD_URL", str, "", "the server that the command line and client speak to"),
    Setting("TASKYARD_TOKEN", str, "", "their token", secret=True),
    Setting("TASKYARD_JWT_SECRET", jwt_secret, "", "the key of HS256 tokens, 32 bytes at least", secret=True),
    Setting(
        "TASKYARD_SECRET_KEY",
        secret_key,
        b"",
        "the installation's master key; set the same on every server, else each keeps one in its data directory",
        secret=True,
    ),
    Setting(
        "TASKYARD_FORMER_SECRET_KEYS",
        secret_keys,
        (),
        "master keys that TASKYARD_SECRET_KEY was before, separated by commas: what they have sealed is sealed anew",
        secret=True,
    ),
    Setting("TASKYARD_JWKS_URL", str, "", "where the keys of RS256 and ES256 tokens are published"),
    Setting("TASKYARD_JWT_ISSUER", str, "", "the issuer a token must name"),
    Setting("TASKYARD_JWT_AUDIENCE", str, "", "the audience a token must name"),
    Setting(
        "TASKYARD_OIDC_ISSUER", str, "", "an OpenID provider at which people log in, such as https://id.example.com"
    ),
    Setting("TASKYARD_OIDC_CLIENT_ID", str, "", "what we are at that provider"),
    Setting("TASKYARD_OIDC_CLIENT_SECRET", str, "", "our secret there; none for a public client", secret=True),
    Setting("TASKYARD_OIDC_NAME", str, "single sign-on", "what the login page calls that provider"),
    Setting("TASKYARD_OIDC_SCOPE", str, "openid profile email", "the scopes that are asked for there"),
    Setting("TASKYARD_OIDC_SUBJECT", str, "sub", "the claim that says who somebody is; their id here"),
    Setting(
        "TASKYARD_OIDC_GROUPS", str, "groups", "the claim with their groups; dots lead inside, as realm_access.roles"
    ),
    Setting(
        "TASKYARD_OIDC_RIGHTS",
        rights,
        {"*": ["tasks:manual"]},
        'what who logs in there may do, by group, as JSON: {"*": ["tasks:manual"], "ops": ["admin"]}; * is everybody',
    ),
)
