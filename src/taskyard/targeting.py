"""From settings to the places where code of definitions runs."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from taskyard.contracts.target import Target
from taskyard.domain.resources import ResourcePatch, Resources
from taskyard.executors.script.lite import Lite
from taskyard.executors.script.sandbox.cgroups import Cgroups
from taskyard.executors.script.sandbox.packages.packages import Origin
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.security.egress.rules import Rules
from taskyard.security.secrets import Secrets
from taskyard.settings import Settings


def make_targets(settings: Settings, slots: int) -> list[Target]:
    """The places on this machine where code of definitions can run; at most `slots` calls at once.

    Its own proxy does not pass calls on to another, so where all has to go through one there is no network.
    """
    from taskyard.security.egress.guard import Guard

    rules = Rules.parse(settings["TASKYARD_EGRESS_ALLOW"], settings["TASKYARD_EGRESS_DENY"])
    guard = None if settings["TASKYARD_EGRESS_PROXY"] else Guard(rules)
    tiers = settings["TASKYARD_SANDBOX_TIERS"]
    folder = settings["TASKYARD_CGROUP"]
    cgroups = Cgroups(Path(folder)) if folder else None
    sandbox = Sandbox(tiers, warm=slots, guard=guard, origin=make_origin(settings), cgroups=cgroups)
    return [sandbox, Lite(slots)]


def make_origin(settings: Settings) -> Origin:
    """Where packages of code come from, and where they are kept."""
    folder = settings["TASKYARD_PACKAGES_DIR"] or ("/var/cache/taskyard" if os.geteuid() == 0 else "~/.cache/taskyard")
    return Origin(
        python_index=settings["TASKYARD_PYTHON_INDEX"],
        npm_registry=settings["TASKYARD_NPM_REGISTRY"],
        folder=Path(folder).expanduser().absolute(),
        most_mb=settings["TASKYARD_PACKAGES_MB"],
        proxy=settings["TASKYARD_EGRESS_PROXY"],
    )


def make_secrets(settings: Settings) -> Secrets:
    """The secrets that code of definitions may be given."""
    folder = settings["TASKYARD_SECRETS_DIR"]
    return Secrets(settings["TASKYARD_SECRETS"], Path(folder) if folder else None)


def make_resources(settings: Settings) -> Resources:
    """The limits of code whose definition names none."""
    return Resources().patched(msgspec.convert(settings["TASK_RESOURCES"], ResourcePatch))
