"""What one attempt may do: what its definition, its task and the deployment grant, all three."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from taskyard.domain.permission import Permission, missing, normal_path, parse_permission
from taskyard.errors import Forbidden, ValidationFailed
from taskyard.security.folders import Place


class Grants(NamedTuple):
    """`task` None: its request did not restrict it."""

    definition: tuple[Permission, ...]
    task: tuple[Permission, ...] | None
    deployment: tuple[Permission, ...]

    def need(self, area: str, resource: str) -> None:
        """Raises Forbidden naming the permission that is missing and who would have to give it."""
        permission = Permission(area, resource)
        who = missing(permission, definition=self.definition, task=self.task, deployment=self.deployment)
        if who is not None:
            raise Forbidden(f"the permission {permission} is missing: {_MENDS[who]}")

    def place(self, area: str, path: str) -> Place:
        """The file that a permitted path means. Raises Forbidden, ValidationFailed."""
        if normal_path(path) is None:
            raise ValidationFailed(f"{path!r} is no whole path; give it from / on, without . and ..")
        self.need(area, path)
        roots = [grant.resource for grant in self.deployment if grant.covers(Permission(area, path))]
        root = min(roots, key=len)
        return Place(root, tuple(part for part in path[len(root) :].split("/") if part))


_MENDS = {
    "definition": "add it to `implementation.permissions` of the definition",
    "task": "the task's own `securityContext.permissions` leave it out",
    "deployment": "the operator has to allow it in TASKYARD_SYSTEM_PERMISSIONS",
}


def parse_grants(texts: Iterable[str]) -> tuple[Permission, ...]:
    """Grants as they are written; what is none grants nothing."""
    grants = []
    for text in texts:
        try:
            grants.append(parse_permission(text))
        except ValueError:
            continue
    return tuple(grants)
