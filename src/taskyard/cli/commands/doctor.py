"""`taskyard doctor`."""

from __future__ import annotations

import typer

from taskyard.cli.options import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Check what Taskyard stands on, and how to mend it.

    The exit code is 1 when something is wrong.
    """
    from taskyard.cli.doctor import Health, examine
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import print_json, print_table, styled
    from taskyard.cli.running import execute

    findings = execute(examine())
    healthy = all(finding.health is not Health.WRONG for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding._asdict() for finding in findings]})
    else:
        rows = [(one.check, styled(one.health.value), one.message, one.mend) for one in findings]
        print_table(["check", "is", "what was seen", "how to mend it"], rows)
    if not healthy:
        raise typer.Exit(Exit.FAILED)
