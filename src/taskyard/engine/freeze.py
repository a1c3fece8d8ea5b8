"""Freeze: the policy that will hold for a task, decided when it is submitted."""

from __future__ import annotations

from taskyard.domain.definition import Kind
from taskyard.domain.policy import ExecutionConfig, Policy, effective, invalid
from taskyard.engine.engine import Engine

_WITHOUT_TARGETS = frozenset({"function", "external", "system", "manual", "integration", "bpmn"})


async def freeze(engine: Engine, kind: Kind, config: ExecutionConfig | None) -> tuple[Policy, int]:
    """The effective policy and its id; what a definition alone makes of it is kept. Raises ValidationFailed."""
    if config is None:
        kept = engine.catalog.plain_policies.get(kind.id)
        if kept is not None:
            return kept
    definition = kind.definition
    if config is not None and config.target and definition.kind in _WITHOUT_TARGETS:
        raise invalid("/executionConfig/target", f"tasks of kind {definition.kind} run at no target", "kind")
    own = ExecutionConfig(timeout=definition.timeout, retry_policy=definition.retry_policy)
    layers = [own, engine.defaults] if config is None else [config, own, engine.defaults]
    policy = effective(layers, engine.maxima)
    frozen = policy, await engine.catalog.policy_id(policy)
    if config is None:
        engine.catalog.plain_policies[kind.id] = frozen
    return frozen
