"""Forms of tasks: told to whoever has to fill them in, and asked about what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from taskyard.contracts.records import Upload
from taskyard.domain.definition import Definition
from taskyard.domain.forms.form import Form
from taskyard.domain.forms.judge import File, judge, judge_files, judge_outcome, validator_for
from taskyard.domain.forms.make import make_form
from taskyard.domain.forms.show import input_fields, show
from taskyard.domain.forms.sources import input_source, output_source
from taskyard.domain.json import Detail, refusal
from taskyard.domain.people.document import asked_of, document
from taskyard.domain.people.spec import work_of
from taskyard.domain.schema import Validator, compile_schema
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.people.holding import Holding, holding_of
from taskyard.engine.query import Known
from taskyard.engine.upload import find_uploads
from taskyard.security.caller import Caller


def tell_form(known: Known) -> dict[str, Any]:
    """The form of the task's own version, with the input it is about; where it is a repair, the input's form too."""
    definition = known.kind.definition
    about = document(asked_of(known.facts.body))
    repair, work = None, work_of(definition)
    if work.kind == "repair":
        repair = show(make_form(input_source(definition)), about)
        repair |= {"value": about["input"], "error": detail_of(known.facts.last).error}
    fields = input_fields(definition.input_schema, definition.ui_schema, about["input"])
    return show(make_form(output_source(definition)), about) | {
        "input": {"fields": fields, "value": about["input"]},
        "ui": work.ui,
        "repair": repair,
    }


async def check_output(engine: Engine, holding: Holding, output: Any, outcome: str | None, caller: Caller) -> None:
    """Raise ValidationFailed with all that is wrong with what is to end the task."""
    form = make_form(output_source(holding.known.kind.definition))
    about = document(asked_of(holding.known.facts.body))
    _refuse(judge(form, output, about, "/output") + judge_outcome(form, outcome, output, about))
    sheet = holding.sheet
    drafted = result_files(holding.known.kind.definition, sheet.draft)

    def may(file: Upload) -> bool:
        return file.owner == caller.subject or (file.owner == sheet.drafted_by and file.id in drafted)

    validator = validator_for(form, output, about)
    await _check_files(engine, form, validator, output, lambda file: caller.allows("service") or may(file), "/output")


async def check_input(engine: Engine, holding: Holding, input_: Any, caller: Caller) -> None:
    """Raise ValidationFailed with all that is wrong with a corrected input; the files it had before it may keep."""
    form = make_form(input_source(holding.known.kind.definition))
    about = document(asked_of(holding.known.facts.body))
    _refuse(judge(form, input_, about, "/input"))
    former = named_files(form.schema, about["input"])

    def may(file: Upload) -> bool:
        return file.owner == caller.subject or file.id in former or caller.allows("service")

    await _check_files(engine, form, validator_for(form, input_, about), input_, may, "/input")


async def has_file(engine: Engine, known: Known, upload_id: str) -> bool:
    """Whether a file is the task's: named in its input or result, attached to it, or drafted by who had handed it over.

    What was put there was theirs to use who put it there, as far as its schema says that it is a file.
    """
    definition, facts = known.kind.definition, known.facts
    result = None if facts.last is None else facts.last.result
    named = named_files(definition.input_schema, msgspec.json.decode(facts.body.input))
    if result is not None:
        named |= result_files(definition, msgspec.json.decode(result))
    if upload_id in named:
        return True
    for note in await engine.store.notes([facts.body.id]):
        if (note.body.get("attachment") or {}).get("uploadId") == upload_id:
            return True
    holding = holding_of(known)
    if holding is None or upload_id not in result_files(definition, holding.sheet.draft):
        return False
    return any(file.owner == holding.sheet.drafted_by for file in await find_uploads(engine, [upload_id]))


def result_files(definition: Definition, value: Any) -> set[str]:
    """The ids that a result, finished or not, names where its form wants files."""
    return named_files(make_form(output_source(definition)).schema, value)


def named_files(schema: dict[str, Any] | None, value: Any) -> set[str]:
    """The ids that stand where the schema wants files."""
    validator = None if schema is None else compile_schema(schema)
    return validator.upload_ids(value) if validator is not None and validator.takes_uploads else set()


async def _check_files(
    engine: Engine, form: Form, validator: Validator | None, value: Any, may: Callable[[Upload], bool], prefix: str
) -> None:
    """That the files may be used, and are what their fields take."""
    if validator is None or not validator.takes_uploads:
        return
    found = await find_uploads(engine, validator.upload_ids(value))
    validator.check_uploads(value, {each.id for each in found if may(each)}, prefix)
    _refuse(judge_files(form, value, {each.id: File(each.name, each.media_type, each.size) for each in found}, prefix))


def _refuse(wrong: list[Detail]) -> None:
    if wrong:
        raise refusal(wrong)
