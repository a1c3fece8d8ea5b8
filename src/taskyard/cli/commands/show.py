"""`taskyard show ID`."""

from __future__ import annotations

from typing import Any

from taskyard.cli.options import AsJson, TaskId, YardName


def show(task_id: TaskId, app: YardName = None, as_json: AsJson = False) -> None:
    """Show a task: state, input, output, error, attempts."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            task = await access.task(task_id)
            if as_json:
                print_json(task)
            else:
                _print(task, await access.attempts(task_id))

    execute(ask())


def _print(task: dict[str, Any], attempts: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import duration, error_line, local_time, print_details, print_line, print_table

    print_details(_rows(task))
    stack = (task["error"] or {}).get("stackTrace")
    if stack:
        print_line("")
        print_line(str(stack).rstrip())
    if len(attempts) > 1:
        print_line("")
        print_table(
            ["attempt", "outcome", "waited", "started", "took", "error"],
            [
                (
                    one.get("attempt"),
                    one.get("outcome") or one.get("status"),
                    duration(one.get("queueWait")),
                    local_time(one.get("startTime")),
                    duration(one.get("executionTime")),
                    error_line(one.get("error")),
                )
                for one in attempts
            ],
        )


def _rows(task: dict[str, Any]) -> list[tuple[str, Any]]:
    from taskyard.cli.output import duration, error_line, local_time, progress_line, styled

    warnings = task["warnings"]
    who = f"{task['assigneeType']} {task['assigneeId']}" if task["assigneeId"] else None
    cause = f"{task['causeType']} {task['cause']}" if task["causeType"] else None
    tries = f"{task['attempt']} (retries: {task['retryCount']} of {task['maxRetries']})" if task["attempt"] else None
    return [
        ("id", task["taskId"]),
        ("task", f"{task['title']} ({task['taskDefinitionId']}, version {task['definitionVersion']})"),
        ("status", styled(task["status"])),
        ("priority", task["priority"]),
        ("progress", progress_line(task["progress"])),
        ("attempt", tries),
        ("next retry", local_time(task["nextRetryTime"])),
        ("created", local_time(task["createdAt"])),
        ("available", local_time(task["availableAt"])),
        ("started", local_time(task["startTime"])),
        ("ended", local_time(task["endTime"])),
        ("took", duration(task["executionTime"])),
        ("executor", task["executorId"]),
        ("assignee", who),
        ("claimed by", task["claimedBy"]),
        ("due", local_time(task["dueDate"])),
        ("workflow", task["workflowId"]),
        ("correlation", task["correlationId"]),
        ("cause", cause),
        ("parent", task["parentTaskId"]),
        ("tags", ", ".join(task["tags"])),
        ("input", task["input"]),
        ("output", task["output"]),
        ("fallback", "its fallback gave the output" if task["fallback"] else None),
        ("warnings", f"{len(warnings)}, first {warnings[0]}" if warnings else None),
        ("error", error_line(task["error"])),
    ]
