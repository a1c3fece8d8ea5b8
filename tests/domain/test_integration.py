"""What is made of inputs and answers by a definition's expressions."""

from typing import Any

import pytest

from taskyard.domain.implementation import Integration
from taskyard.domain.integration import Seen, body_of, verdict
from taskyard.domain.outcome import Done, Failed, TaskError

OK = Seen(200, {"items": [{"id": 1}, {"id": 2}], "state": "fine"}, {"headers": {}})
FAULT = TaskError("INTEGRATION_ERROR", "it answered 404", retryable=False)
MISSING = Seen(404, {"reason": "gone"}, {}, FAULT)


def asked(**expressions: Any) -> Integration:
    return Integration("integration", "billing", **expressions)


def test_without_expressions_the_input_goes_and_the_answer_comes() -> None:
    assert body_of(asked(), {"a": 1}, {}) == {"a": 1}
    assert verdict(asked(), {"a": 1}, OK) == Done(OK.output)
    assert verdict(asked(), {}, MISSING) == Failed(FAULT)


def test_expressions_map_both_ways() -> None:
    request = asked(request="{customer: input.id, task: task.taskId}")
    assert body_of(request, {"id": 7}, {"taskId": "1"}) == {"customer": 7, "task": "1"}
    assert verdict(asked(response="output.items[].id"), {}, OK) == Done([1, 2])
    assert verdict(asked(response="{status: status, wanted: input.x}"), {"x": 3}, OK) == Done(
        {"status": 200, "wanted": 3}
    )


def test_an_answer_may_be_a_failure_and_a_failure_an_answer() -> None:
    broke = asked(error_expression="output.state == 'fine' && {code: 'TOO_FINE', message: 'no', details: output.items}")
    assert verdict(broke, {}, OK) == Failed(TaskError("TOO_FINE", "no", OK.output["items"], retryable=False))
    again = asked(error_expression="{code: 'LATER', retryable: `true`}")
    found = verdict(again, {}, OK)
    assert isinstance(found, Failed)
    assert found.error.retryable is True
    rescued = asked(error_expression="status == `404` && {output: output.reason}", response="'not used'")
    assert verdict(rescued, {}, MISSING) == Done("gone")
    assert verdict(asked(error_expression="error.code == 'OTHER' && {code: 'X'}"), {}, MISSING) == Failed(FAULT)


@pytest.mark.parametrize("expression", ["'text'", "[output]", "{code: `1`}", "abs(output.state)"])
def test_an_error_expression_that_gives_nothing_sensible_is_told(expression: str) -> None:
    found = verdict(asked(error_expression=expression), {}, OK)
    assert isinstance(found, Failed)
    assert found.error.code == "OUTPUT_VALIDATION_ERROR"


@pytest.mark.parametrize("seen", [OK, MISSING])
def test_a_response_that_cannot_be_mapped_is_told(seen: Any) -> None:
    found = verdict(asked(response="abs(output.state)"), {}, seen)
    assert isinstance(found, Failed)
    assert found.error.code == ("OUTPUT_VALIDATION_ERROR" if seen is OK else "INTEGRATION_ERROR")
