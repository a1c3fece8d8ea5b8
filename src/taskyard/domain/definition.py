"""A task definition: what can be run, and everything that is decided about it beforehand."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from taskyard.domain.category import CATEGORIES
from taskyard.domain.json import canonical, digest
from taskyard.domain.priority import Priority
from taskyard.domain.queue import TaskType
from taskyard.domain.retry import RetryPatch

JsonObject = dict[str, Any]

OWN_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}/[a-z][a-z0-9-]{0,31}")
"""The form of kinds that installed packages bring, such as `acme/gpu`."""

OWN_TASKS = frozenset({"taskyard.notify"})
"""The engine's own tasks: they emit no public events, and nobody else defines them, asks for them or leases them."""

IMPLEMENTATION_KINDS = frozenset(
    {
        "function", "external", "system", "javascript", "typescript", "python", "shell", "python-lite",
        "bash-lite", "lambda", "kubernetes", "http", "manual", "integration", "bpmn",
    }
)  # fmt: skip


class Definition(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """One definition as its author writes it; durations in seconds, `fallback` any JSON value or None.

    `repair`: who mends a task that has failed for good, written as a manual task is.
    """

    key: str
    title: str = ""
    description: str = ""
    task_type: TaskType = TaskType.AUTOMATED
    category: Annotated[str, msgspec.Meta(examples=list(CATEGORIES))] = ""
    icon: str = ""
    tags: tuple[str, ...] = ()
    danger: str = ""
    expense: str = ""
    implementation: JsonObject = {}
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None
    ui_schema: JsonObject | None = None
    ui_components: list[JsonObject] | None = None
    timeout: float | None = None
    retry_policy: RetryPatch | None = None
    priority: str | None = None
    expire: float | None = None
    max_concurrent: int | None = None
    concurrency_key: str | None = None
    rate_limit: str | None = None
    fallback: Any = None
    repair: JsonObject | None = None
    service: str = ""
    trigger: str = ""
    action: str = ""

    @property
    def kind(self) -> str:
        """The implementation's kind, such as `function` or `external`."""
        return str(self.implementation.get("kind", ""))

    @property
    def default_priority(self) -> Priority:
        """The priority of its tasks that name none."""
        return Priority.parse(self.priority) if self.priority else Priority.MEDIUM

    def content_hash(self) -> bytes:
        """SHA-256 of the canonical content: the identity of this version."""
        return digest(canonical(msgspec.to_builtins(self)))


class Kind(msgspec.Struct, frozen=True):
    """A stored version of a definition; `id` is the store's short name for it, `number` counts from 1."""

    id: int
    number: int
    hash: bytes
    definition: Definition
    created_at: int = 0
    retired: bool = False

    @property
    def version(self) -> str:
        """The version's public name: the first 12 hex digits of its content hash."""
        return self.hash.hex()[:12]
