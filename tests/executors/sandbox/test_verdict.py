"""What is reported of how a jail ended."""

from __future__ import annotations

import pytest

from taskyard.domain.frame import Broke, Gave
from taskyard.domain.outcome import Done, Failed
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.verdict import Ending, judge


def judged(tail: str, code: int = 1, last: Gave | Broke | None = None) -> Done | Failed:
    return judge(Ending(code, "", 0.1, last, None, tail, ""), Resources(), 10)


@pytest.mark.parametrize(
    ("tail", "limit"),
    [
        ("bash: xrealloc: cannot allocate 134217728 bytes", "memory"),
        ("tail: memory exhausted", "memory"),
        ("Traceback (most recent call last):\nMemoryError\n\n", "memory"),
        ("sort: write failed: /task/sortX: No space left on device", "disk"),
        ("head: error writing 'standard output': File too large", "disk"),
        ("/task/.task/task.sh: fork: Resource temporarily unavailable", "processes"),
        ("xargs: cannot fork: Resource temporarily unavailable", "processes"),
    ],
)
def test_a_tool_that_is_refused_more_says_which_limit_it_was(tail: str, limit: str) -> None:
    report = judged(tail)
    assert isinstance(report, Failed), report
    assert (report.error.code, (report.error.details or {})["limit"]) == ("RESOURCE_LIMIT", limit)


@pytest.mark.parametrize(
    ("tail", "last"),
    [
        ("tail: memory exhausted\nit was another's, and this is mine", None),
        ("MemoryError", Broke("ValueError: no")),
        ("no such file", None),
        ("", None),
    ],
)
def test_only_what_a_program_says_last_and_by_itself_is_why_it_ended(tail: str, last: Broke | None) -> None:
    report = judged(tail, last=last)
    assert isinstance(report, Failed), report
    assert report.error.code == "EXECUTION_ERROR"


def test_a_shell_that_may_not_fork_ends_with_a_code_that_is_no_signals() -> None:
    report = judged("/task/.task/task.sh: fork: Resource temporarily unavailable", code=254)
    assert isinstance(report, Failed), report
    assert report.error.details["limit"] == "processes"


def test_a_program_that_could_do_without_is_done() -> None:
    assert isinstance(judged("tail: memory exhausted", code=0), Done)
