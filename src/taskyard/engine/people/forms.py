"""Forms of tasks: told to whoever has to fill them in, and asked about what comes back."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from taskyard.domain.definition import Definition
from taskyard.domain.forms.form import Form
from taskyard.domain.forms.judge import File, judge, judge_files, judge_outcome, validator_for
from taskyard.domain.forms.make import make_form
from taskyard.domain.forms.secrets import without_secrets
from taskyard.domain.forms.show import input_fields, show
from taskyard.domain.forms.sources import input_source, output_source
from taskyard.domain.forms.start import about_start, input_schema
from taskyard.domain.json import Detail, refusal
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.document import asked_of, document
from taskyard.domain.people.spec import work_of
from taskyard.domain.schema import Validator
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.people.holding import Holding, holding_of
from taskyard.engine.query import Known
from taskyard.engine.upload import among, check_uploads, named_files
from taskyard.security.caller import Caller


def tell_form(known: Known) -> dict[str, Any]:
    """The form of the task's own version, with the input it is about; where it is a repair, the input's form too."""
    definition = known.kind.definition
    about = document(asked_of(known.facts.body))
    about["input"] = without_secrets(input_schema(definition), about["input"])
    repair, work = None, work_of(definition)
    if work.kind == "repair":
        repair = show(make_form(input_source(definition)), about)
        repair |= {"value": about["input"], "error": detail_of(known.facts.last).error}
    fields = input_fields(input_schema(definition), definition.ui_schema, about["input"])
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
    brought = {*holding.sheet.brought, *named_files(input_schema(holding.known.kind.definition), about["input"])}
    validator = validator_for(form, output, about)
    await check_files(engine, form, validator, output, caller, brought, "/output")


async def check_input(engine: Engine, holding: Holding, input_: Any, caller: Caller) -> None:
    """Raise ValidationFailed with all that is wrong with a corrected input; the files it had before it may keep."""
    form = make_form(input_source(holding.known.kind.definition))
    about = document(asked_of(holding.known.facts.body))
    _refuse(judge(form, input_, about, "/input"))
    former = named_files(form.schema, about["input"])
    await check_files(engine, form, validator_for(form, input_, about), input_, caller, former, "/input")


async def check_start(
    engine: Engine, form: Form, value: Any, caller: Caller, prefix: str, brought: Set[str] = frozenset()
) -> None:
    """Raise ValidationFailed with all that is wrong with the input that a task is asked for with."""
    about = about_start(value)
    _refuse(judge(form, value, about, prefix))
    await check_files(engine, form, validator_for(form, value, about), value, caller, brought, prefix)


async def has_file(engine: Engine, known: Known, upload_id: str) -> bool:
    """Whether a file is the task's: named in its input or result, attached to it, drafted, or sent with an approval.

    What was put there was theirs to use who put it there, as far as its schema says that it is a file.
    """
    definition, facts = known.kind.definition, known.facts
    result = None if facts.last is None else facts.last.result
    named = named_files(input_schema(definition), msgspec.json.decode(facts.body.input))
    if result is not None:
        named |= result_files(definition, msgspec.json.decode(result))
    if upload_id in named:
        return True
    holding = holding_of(known)
    if holding is not None and upload_id in holding.sheet.brought:
        return True
    for note in await engine.store.notes([facts.body.id]):
        if (note.body.get("attachment") or {}).get("uploadId") == upload_id:
            return True
        if note.type is EventType.DECIDED and upload_id in result_files(definition, note.body.get("output")):
            return True
    return False


def result_files(definition: Definition, value: Any) -> set[str]:
    """The ids that a result, finished or not, names where its form wants files."""
    return named_files(make_form(output_source(definition)).schema, value)


async def check_files(
    engine: Engine, form: Form, validator: Validator | None, value: Any, caller: Caller, brought: Set[str], prefix: str
) -> None:
    """That the files may be used, as those may that others have brought before, and are what their fields take."""
    if validator is None:
        return
    found = await check_uploads(engine, validator, value, caller, prefix, among(brought))
    _refuse(judge_files(form, value, {each.id: File(each.name, each.media_type, each.size) for each in found}, prefix))


def _refuse(wrong: list[Detail]) -> None:
    if wrong:
        raise refusal(wrong)
