"""The targets besides this machine's sandbox: those of this package, and those that others have installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import NamedTuple

from taskyard.calls.breakers import Breakers
from taskyard.contracts.clock import Clock
from taskyard.contracts.target import Target
from taskyard.errors import ConfigurationError
from taskyard.executors.script.http import HttpTarget, Sign
from taskyard.security.egress.client import Egress

GROUP = "taskyard.targets"
"""The entry points of installed packages; each names a function that makes a target, without arguments."""


class Remote(NamedTuple):
    """What the targets work with. `url`: where we answer; `kubernetes`: which cluster, empty for none.

    The runners: a function and an image that run scripts, empty for none.
    """

    egress: Callable[[], Egress]
    breakers: Breakers
    clock: Clock
    sign: Sign | None
    url: str
    aws_region: str
    lambda_runner: str
    kubernetes: str
    namespace: str
    images: tuple[str, ...]
    service_accounts: tuple[str, ...]
    kubernetes_runner: str


def remote_targets(remote: Remote) -> list[Target]:
    """All that can be had here. Raises ConfigurationError for a cluster, or somebody's target, that cannot be used."""
    targets: list[Target] = [HttpTarget(remote.egress, remote.breakers, remote.clock, remote.sign, remote.url)]
    if find_spec("aiobotocore") is not None:
        from taskyard.executors.script.aws_lambda import LambdaTarget

        targets.append(LambdaTarget(remote.breakers, remote.aws_region, remote.lambda_runner))
    if remote.kubernetes:
        targets.append(_kubernetes(remote))
    return targets + _installed()


def _kubernetes(remote: Remote) -> Target:
    from taskyard.executors.script.kubernetes.client import KubeClient
    from taskyard.executors.script.kubernetes.cluster import find_cluster
    from taskyard.executors.script.kubernetes.target import KubernetesTarget, Rules

    cluster = find_cluster(remote.kubernetes, remote.namespace)
    rules = Rules(remote.images, remote.service_accounts, runner=remote.kubernetes_runner)
    return KubernetesTarget(lambda: KubeClient(cluster, remote.egress()), remote.breakers, remote.clock, rules)


def _installed() -> list[Target]:
    targets: list[Target] = []
    for point in entry_points(group=GROUP):
        try:
            targets.append(point.load()())
        except Exception as error:
            raise ConfigurationError(
                f"the target {point.name} of {point.value} cannot be used: {error}; mend or uninstall its package"
            ) from error
    return targets
