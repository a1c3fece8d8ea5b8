"""Who may use which route: the one table. A route without a row, or a row without a route, stops the start."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.errors import Forbidden, Unauthorized
from taskyard.security.caller import ADMIN, Caller

READ, WRITE, EXECUTE, MANUAL = "tasks:read", "tasks:write", "tasks:execute", "tasks:manual"
DEFINE, QUEUES, SERVICE, HOOKS = "definitions:write", "queues:manage", "service", "webhooks:manage"
CONNECT = "connections:manage"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller: one of the scopes `any_of`, or nothing but to be known where it is empty.

    `service` asks for that scope besides, and takes no cookie. `own`: public, but the route asks for a credential of
    its own kind.
    """

    any_of: tuple[str, ...] = ()
    service: bool = False
    public: bool = False
    own: bool = False

    def check(self, caller: Caller) -> None:
        """Raise Forbidden naming the scope that is missing, or Unauthorized for a cookie where none is taken."""
        if self.service:
            if not caller.is_token:
                raise Unauthorized("Services bring a token: send Authorization: Bearer.")
            caller.require(SERVICE)
        if self.any_of and not any(caller.allows(scope) for scope in self.any_of):
            names = " or ".join(repr(scope) for scope in self.any_of)
            raise Forbidden(
                f"This needs the scope {names}; ask for a token that has it.", details={"scope": self.any_of[0]}
            )


def _needs(*any_of: str) -> Access:
    return Access(any_of)


def _internal(*any_of: str) -> Access:
    return Access(any_of, service=True)


_PUBLIC = Access(public=True)
_ANYBODY = Access()
_OWN = Access(public=True, own=True)

_PERSONAL = (
    "claim", "release", "reassign", "delegate", "resolve", "draft", "complete", "reject", "follow-up", "due-date",
    "comments", "attachments", "repair",
)  # fmt: skip

ACCESS: dict[str, Access] = {
    # service to service
    "POST /api/internal/tasks": _internal(WRITE),
    "POST /api/internal/tasks/bulk": _internal(WRITE),
    "GET /api/internal/tasks/metrics": _internal(READ),
    "GET /api/internal/tasks/{taskId}": _internal(READ),
    "PUT /api/internal/tasks/{taskId}/status": _internal(WRITE),
    "POST /api/internal/tasks/{taskId}/cancel": _internal(WRITE),
    "POST /api/internal/tasks/{taskId}/reassign": _internal(WRITE, MANUAL),
    "GET /api/internal/tasks/workflow/{workflowId}": _internal(READ),
    "GET /api/internal/tasks/user/{userId}": _internal(READ),
    "POST /api/internal/queues/{queue}/dequeue": _internal(EXECUTE),
    "POST /api/internal/queues/messages/{taskId}/heartbeat": _internal(EXECUTE),
    "POST /api/internal/queues/messages/{taskId}/complete": _internal(EXECUTE),
    "POST /api/internal/queues/messages/{taskId}/fail": _internal(EXECUTE),
    "POST /api/internal/queues/messages/{taskId}/retry": _internal(EXECUTE),
    "GET /api/internal/queues/task-execution-deadletter/messages": _internal(QUEUES),
    "POST /api/internal/deadletters/requeue": _internal(QUEUES),
    "POST /api/internal/deadletters/discard": _internal(QUEUES),
    "POST /api/internal/connections/{connectionId}/resolve": _internal(EXECUTE),
    # public
    "GET /api/v1/definitions": _needs(READ, DEFINE),
    "GET /api/v1/definitions/{key}": _needs(READ, DEFINE),
    "PUT /api/v1/definitions/{key}": _needs(DEFINE),
    "DELETE /api/v1/definitions/{key}": _needs(DEFINE),
    "GET /api/v1/definitions/{key}/versions": _needs(READ, DEFINE),
    "GET /api/v1/definitions/{key}/form": _needs(READ, DEFINE),
    "GET /api/v1/recent": _needs(READ),
    "GET /api/v1/tasks": _needs(READ, MANUAL),
    "POST /api/v1/tasks": _needs(WRITE),
    "GET /api/v1/tasks/{taskId}": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/attempts": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/events": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/logs": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/messages": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/output": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/trace": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/why": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/history": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/form": _needs(READ, MANUAL),
    "GET /api/v1/tasks/{taskId}/uploads/{uploadId}": _needs(READ, MANUAL),
    "GET /api/v1/views": _needs(READ),
    "POST /api/v1/views": _needs(READ),
    "DELETE /api/v1/views/{viewId}": _needs(READ),
    "POST /api/v1/tasks/cancel": _needs(WRITE),
    "POST /api/v1/tasks/retry": _needs(WRITE),
    "POST /api/v1/tasks/{taskId}/cancel": _needs(WRITE),
    "POST /api/v1/tasks/{taskId}/retry": _needs(WRITE),
    "POST /api/v1/tasks/{taskId}/assign": _needs(WRITE),
    **{f"POST /api/v1/tasks/{{taskId}}/{verb}": _needs(MANUAL) for verb in _PERSONAL},
    "GET /api/v1/inbox": _needs(MANUAL),
    "GET /api/v1/inbox/counts": _needs(MANUAL),
    "GET /api/v1/inbox/{taskId}": _needs(MANUAL),
    "POST /api/v1/inbox/claim": _needs(MANUAL),
    "POST /api/v1/inbox/reassign": _needs(MANUAL),
    "POST /api/v1/inbox/due-date": _needs(MANUAL),
    "GET /api/v1/notifications": _needs(MANUAL),
    "GET /api/v1/notifications/count": _needs(MANUAL),
    "POST /api/v1/notifications/read": _needs(MANUAL),
    "GET /api/v1/notifications/preferences": _needs(MANUAL),
    "PUT /api/v1/notifications/preferences": _needs(MANUAL),
    "GET /api/v1/people/metrics": _needs(READ),
    "GET /api/v1/users": _needs(READ, MANUAL),
    "GET /api/v1/users/{userId}": _needs(READ, MANUAL),
    "PUT /api/v1/users/{userId}": _needs(ADMIN),
    "DELETE /api/v1/users/{userId}": _needs(ADMIN),
    "PUT /api/v1/users/{userId}/password": _needs(ADMIN),
    "DELETE /api/v1/users/{userId}/password": _needs(ADMIN),
    "GET /api/v1/groups/{groupId}": _needs(READ, MANUAL),
    "GET /api/v1/schedules": _needs(READ, WRITE),
    "GET /api/v1/schedules/{scheduleId}": _needs(READ, WRITE),
    "PUT /api/v1/schedules/{scheduleId}": _needs(WRITE),
    "DELETE /api/v1/schedules/{scheduleId}": _needs(WRITE),
    "POST /api/v1/schedules/{scheduleId}/pause": _needs(WRITE),
    "POST /api/v1/schedules/{scheduleId}/resume": _needs(WRITE),
    "POST /api/v1/schedules/{scheduleId}/run": _needs(WRITE),
    "POST /api/v1/schedules/{scheduleId}/backfill": _needs(WRITE),
    "GET /api/v1/queues": _needs(READ, QUEUES),
    "POST /api/v1/queues/{name}/pause": _needs(QUEUES),
    "POST /api/v1/queues/{name}/resume": _needs(QUEUES),
    "GET /api/v1/workers": _needs(READ, QUEUES),
    "GET /api/v1/metrics": _needs(READ, QUEUES),
    "GET /api/v1/metrics/history": _needs(READ, QUEUES),
    "GET /api/v1/errors": _needs(READ, QUEUES),
    "GET /api/v1/settings": _needs(ADMIN),
    "GET /api/v1/deadletters": _needs(QUEUES),
    "POST /api/v1/deadletters/requeue": _needs(QUEUES),
    "POST /api/v1/deadletters/discard": _needs(QUEUES),
    "GET /api/v1/events": _needs(READ),
    "GET /api/v1/audit": _needs(READ),
    "GET /api/v1/audit/journal": _needs(ADMIN),
    "POST /api/v1/events/trigger": _needs(WRITE),
    "GET /api/v1/events/deadletters": _needs(QUEUES),
    "POST /api/v1/events/deadletters/replay": _needs(QUEUES),
    "POST /api/v1/events/deadletters/discard": _needs(QUEUES),
    "GET /api/v1/events/mapping": _needs(READ, DEFINE),
    "POST /api/v1/events/mapping": _needs(DEFINE),
    "DELETE /api/v1/events/mapping/{mappingId}": _needs(DEFINE),
    "GET /api/v1/tasks/mapping": _needs(READ, DEFINE),
    "POST /api/v1/tasks/mapping": _needs(DEFINE),
    "DELETE /api/v1/tasks/mapping/{mappingId}": _needs(DEFINE),
    "GET /api/v1/workflows": _needs(READ, DEFINE),
    "POST /api/v1/workflows": _needs(DEFINE),
    "GET /api/v1/workflows/{key}": _needs(READ, DEFINE),
    "POST /api/v1/workflows/{key}/start": _needs(WRITE),
    "POST /api/v1/triggers/{name}": _needs(WRITE),
    "POST /api/v1/actions/{name}": _needs(WRITE),
    "GET /api/v1/subscriptions": _needs(HOOKS),
    "POST /api/v1/subscriptions": _needs(HOOKS),
    "GET /api/v1/subscriptions/{subscriptionId}": _needs(HOOKS),
    "PATCH /api/v1/subscriptions/{subscriptionId}": _needs(HOOKS),
    "DELETE /api/v1/subscriptions/{subscriptionId}": _needs(HOOKS),
    "POST /api/v1/subscriptions/{subscriptionId}/rotate": _needs(HOOKS),
    "POST /api/v1/subscriptions/{subscriptionId}/test": _needs(HOOKS),
    "GET /api/v1/deliveries": _needs(HOOKS),
    "POST /api/v1/deliveries/redeliver": _needs(HOOKS),
    "GET /api/v1/deliveries/{deliveryId}": _needs(HOOKS),
    "POST /api/v1/deliveries/{deliveryId}/redeliver": _needs(HOOKS),
    "GET /api/v1/callbacks/secret": _needs(HOOKS, WRITE, MANUAL),
    "GET /api/v1/client-apps": _needs(HOOKS),
    "POST /api/v1/client-apps": _needs(HOOKS),
    "DELETE /api/v1/client-apps/{apiKey}": _needs(HOOKS),
    "GET /api/v1/connection-types": _needs(CONNECT, DEFINE),
    "GET /api/v1/connections": _needs(CONNECT, DEFINE),
    "GET /api/v1/connections/{connectionId}": _needs(CONNECT, DEFINE),
    "PUT /api/v1/connections/{connectionId}": _needs(CONNECT),
    "DELETE /api/v1/connections/{connectionId}": _needs(CONNECT),
    "POST /api/v1/connections/{connectionId}/test": _needs(CONNECT),
    "POST /api/v1/integrations/{connectionId}/invoke": _needs(CONNECT, WRITE),
    "POST /api/v1/webhooks/subscribe": _OWN,
    "POST /api/v1/uploads": _needs(WRITE, MANUAL),
    "GET /api/v1/uploads/{uploadId}": _needs(READ, MANUAL),
    "GET /api/v1/me": _ANYBODY,
    # Camunda 7
    "POST /engine-rest/external-task/fetchAndLock": _needs(EXECUTE),
    "POST /engine-rest/external-task/{externalTaskId}/complete": _needs(EXECUTE),
    "POST /engine-rest/external-task/{externalTaskId}/failure": _needs(EXECUTE),
    "POST /engine-rest/external-task/{externalTaskId}/bpmnError": _needs(EXECUTE),
    "POST /engine-rest/external-task/{externalTaskId}/extendLock": _needs(EXECUTE),
    "POST /engine-rest/external-task/{externalTaskId}/unlock": _needs(EXECUTE),
    "GET /engine-rest/external-task/{externalTaskId}": _needs(EXECUTE),
    "PUT /engine-rest/external-task/{externalTaskId}/retries": _needs(QUEUES),
    "PUT /engine-rest/external-task/retries": _needs(QUEUES),
    "GET /engine-rest/external-task/{externalTaskId}/errorDetails": _needs(EXECUTE),
    "GET /engine-rest/external-task/topic-names": _needs(EXECUTE),
    "GET /engine-rest/external-task": _needs(EXECUTE),
    "POST /engine-rest/external-task": _needs(EXECUTE),
    "GET /engine-rest/external-task/count": _needs(EXECUTE),
    "POST /engine-rest/external-task/count": _needs(EXECUTE),
    # people
    "GET /": _ANYBODY,
    "GET /login": _PUBLIC,
    "POST /login": _PUBLIC,
    "GET /login/openid": _PUBLIC,
    "GET /login/openid/done": _PUBLIC,
    "GET /signin": _PUBLIC,
    "POST /signin": _PUBLIC,
    "POST /logout": _PUBLIC,
    "GET /admin": _ANYBODY,
    "GET /admin/assets/{file}": _ANYBODY,
    "GET /admin/{page}": _ANYBODY,
    "GET /admin/task": _needs(READ, DEFINE),
    "GET /admin/task/{key}": _needs(READ, DEFINE),
    "POST /admin/task/{key}/run": _needs(WRITE),
    "POST /admin/task/{key}/start": _needs(WRITE),
    "SOCKET /ws/task/{runId}": _needs(READ, MANUAL),
    "SOCKET /ws/changes": _needs(READ),
    # operations
    "GET /healthz": _PUBLIC,
    "GET /readyz": _PUBLIC,
    "GET /metrics": _needs(READ),
    "GET /openapi.json": _ANYBODY,
    "GET /asyncapi.json": _ANYBODY,
    "GET /docs": _ANYBODY,
}

PUBLIC_PATHS = frozenset(name.partition(" ")[2] for name, access in ACCESS.items() if access.public)
"""The exact paths that are served without a credential."""
