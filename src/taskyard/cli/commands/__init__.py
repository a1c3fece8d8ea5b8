"""The commands, one a file, in the order of the help."""

from __future__ import annotations

import typer

from taskyard.cli.commands import (
    audit,
    bench,
    cancel,
    connections,
    deadletters,
    definitions,
    demo,
    doctor,
    follow,
    inbox,
    init,
    mcp,
    migrate,
    notifications,
    queues,
    retry,
    run,
    schedules,
    serve,
    settings,
    show,
    start,
    tasks,
    token,
    users,
    webhooks,
    why,
    worker,
    workflows,
)

_OPEN_OPTIONS = {"ignore_unknown_options": True, "allow_extra_args": True}


def add_to(program: typer.Typer) -> None:
    """Add every command to the program."""
    program.command("demo")(demo.demo)
    program.command("init")(init.init)
    program.command("serve")(serve.serve)
    program.command("worker")(worker.worker)
    program.command("run", context_settings=_OPEN_OPTIONS)(run.run)
    program.command("start", context_settings=_OPEN_OPTIONS)(start.start)
    program.command("tasks")(tasks.tasks)
    program.command("show")(show.show)
    program.command("follow")(follow.follow)
    program.command("cancel")(cancel.cancel)
    program.command("retry")(retry.retry)
    program.command("why")(why.why)
    for verb in (
        inbox.inbox, inbox.claim, inbox.release, inbox.assign, inbox.reassign, inbox.delegate, inbox.resolve,
        inbox.draft, inbox.complete, inbox.reject, inbox.repair,
    ):  # fmt: skip
        program.command(verb.__name__)(verb)
    program.add_typer(notifications.group, name="notifications")
    program.add_typer(audit.group, name="audit")
    program.add_typer(queues.group, name="queues")
    program.add_typer(deadletters.group, name="deadletters")
    program.add_typer(definitions.group, name="definitions")
    program.add_typer(connections.group, name="connections")
    program.add_typer(schedules.group, name="schedules")
    program.add_typer(workflows.group, name="workflows")
    program.add_typer(webhooks.group, name="webhooks")
    program.add_typer(token.group, name="token")
    program.add_typer(users.group, name="users")
    program.command("migrate")(migrate.migrate)
    program.command("settings")(settings.settings)
    program.command("doctor")(doctor.doctor)
    program.command("bench")(bench.bench)
    program.command("mcp")(mcp.mcp)
