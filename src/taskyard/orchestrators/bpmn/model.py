"""A BPMN file, read with care: what of it concerns our tasks, and everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import defusedxml.ElementTree
import msgspec
from defusedxml import DefusedXmlException
from lxml import etree
from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnValidator
from SpiffWorkflow.bpmn.parser.ValidationException import ValidationException

from taskyard.domain.implementation import NOT_OFFERED, SCRIPT_KINDS
from taskyard.domain.json import Detail, detail, digest, refusal
from taskyard.domain.people.spec import parse_time
from taskyard.errors import ValidationFailed
from taskyard.orchestrators.bpmn.expressions import Text, condition, faults

MOST_ELEMENTS = 300
"""How many elements a process may have; their engine follows its flows by recursion."""

_BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
_CAMUNDA = "http://camunda.org/schema/1.0/bpmn"
_ZEEBE = "http://camunda.org/schema/zeebe/1.0"

_SERVICES = frozenset({"serviceTask", "sendTask", "businessRuleTask", "callActivity"})
STEPS = _SERVICES | {"userTask", "scriptTask"}
"""The elements whose work is a task of ours."""

_FLOW = STEPS | {
    "startEvent", "endEvent", "boundaryEvent", "intermediateCatchEvent", "intermediateThrowEvent", "task",
    "subProcess", "exclusiveGateway", "parallelGateway", "inclusiveGateway",
}  # fmt: skip
_EVENTS = {
    "startEvent": set(), "intermediateThrowEvent": set(),
    "endEvent": {"errorEventDefinition", "terminateEventDefinition"},
    "boundaryEvent": {"errorEventDefinition", "timerEventDefinition"},
    "intermediateCatchEvent": {"timerEventDefinition"},
}  # fmt: skip
_BESIDE = frozenset(
    {
        "sequenceFlow", "textAnnotation", "association", "group", "laneSet", "documentation", "extensionElements",
        "dataObject", "dataObjectReference", "dataStoreReference", "ioSpecification", "property",
    }
)  # fmt: skip
_MEANINGLESS = ("dataObject", "dataObjectReference", "dataStoreReference", "ioSpecification", "property",
                "dataInputAssociation", "dataOutputAssociation")  # fmt: skip
_LOOPS = ("multiInstanceLoopCharacteristics", "standardLoopCharacteristics")
_COMPUTED = "jmespath"
_HASH_LENGTH = 12
_EPOCH = datetime.fromtimestamp(0, UTC)
_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml\s[^>]*\?>")
_VALIDATOR = BpmnValidator()


class Step(NamedTuple):
    """An element whose work is a task of `definition`.

    `inputs` None: all variables that the definition's schema lets in. `result`: the variable that takes the output.
    `script`: its language and text; what is written in JMESPath has no task.
    """

    id: str
    tag: str
    name: str
    documentation: str
    definition: str
    inputs: dict[str, Text] | None
    outputs: dict[str, Text]
    result: str | None
    assignee: Text | None
    group: Text | None
    due: Text | None
    script: tuple[str, str] | None

    @property
    def is_computed(self) -> bool:
        """Whether it is written in JMESPath, and so has no task."""
        return self.script is not None and self.script[0] == _COMPUTED


class Model(NamedTuple):
    """A process: `root` is the file's element, and `steps` those of its elements that are tasks of ours."""

    key: str
    name: str
    documentation: str
    root: Any
    steps: dict[str, Step]


def read(source: str) -> Model:
    """The one executable process in the file. Raises ValidationFailed with everything that is wrong."""
    root = _parse(source)
    processes = [each for each in root.iterfind(f"{{{_BPMN}}}process") if each.get("isExecutable") != "false"]
    if len(processes) != 1:
        raise _refused([f"must have exactly one executable process; this has {len(processes)}"])
    (process,) = processes
    found = [*_faults(process)]
    if found:
        raise _refused(found)
    key = process.get("id")
    steps = {each.get("id"): _step(key, each) for each in process.iter() if _tag(each) in STEPS}
    found = [f"{step.id} {fault}" for step in steps.values() for fault in _step_faults(step)]
    if found:
        raise _refused(found)
    for name in _MEANINGLESS:
        for each in [*process.iter(f"{{{_BPMN}}}{name}")]:
            each.getparent().remove(each)
    return Model(key, process.get("name") or "", _documentation(process), root, steps)


def due_at(kind: str, text: str, variables: dict[str, Any], now: int) -> int:
    """When a timer goes off that begins `now`, in microseconds.

    Raises ValueError for what is no time or duration, or does not lie within the years 1 to 9999.
    """
    value = Text(text.strip()).value(variables)
    try:
        at = _due_at(kind, value, now)
        _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        raise ValueError(f"the timer's {kind} is {value!r}; it must lie within the years 1 to 9999") from None
    return at


def _due_at(kind: str, value: Any, now: int) -> int:
    if kind == "timeDate":
        at = parse_time(value) if isinstance(value, str) else None
        if at is None:
            raise ValueError(
                f"the timer's date is {value!r}; it must be a time with its offset, within the years 1970 to 8999"
            )
        return at
    if isinstance(value, int | float) and not isinstance(value, bool):
        return now + int(value * 1_000_000)
    try:
        return now + round(msgspec.convert(value, timedelta, strict=False) / timedelta(microseconds=1))
    except msgspec.ValidationError:
        raise ValueError(f"the timer's duration is {value!r}; it must be such as PT5M or P2D, or seconds") from None


def _parse(source: str) -> Any:
    """Its elements; what would fetch or multiply anything is refused before it is looked at."""
    content = _DECLARATION.sub("", source).encode()  # whatever it was written in, it is text by now
    try:
        defusedxml.ElementTree.fromstring(content, forbid_dtd=True)
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        _VALIDATOR.validate(root)
    except DefusedXmlException:
        raise _refused(["must not have a DOCTYPE or entities"]) from None
    except defusedxml.ElementTree.ParseError as error:
        raise _refused([f"is no XML: {error}"]) from None
    except (etree.LxmlError, ValidationException, ValueError, RecursionError) as error:
        raise _refused([f"is no BPMN 2.0: {' '.join(str(error).split()).rstrip('. ')}"]) from None
    return root


def _faults(process: Any) -> Iterator[str]:
    if not process.get("id"):
        yield "process needs an id"
    nodes = [
        each for each in process.iter() if _tag(each) in _FLOW or _tag(each).endswith(("Task", "Gateway", "Event"))
    ]
    if len(nodes) > MOST_ELEMENTS:
        yield f"has {len(nodes)} elements and may have {MOST_ELEMENTS}; call another process for a part of it"
    for scope in [process, *process.iter(f"{{{_BPMN}}}subProcess")]:
        starts = [each for each in scope if _tag(each) == "startEvent"]
        if len(starts) != 1:
            yield f"{scope.get('id')} must have exactly one start event; it has {len(starts)}"
        for each in scope:
            if isinstance(each.tag, str) and _tag(each) not in _FLOW | _BESIDE | {"incoming", "outgoing"}:
                yield f"{each.get('id')} is a {_tag(each)}, which is not supported"
    for each in nodes:
        yield from _node_faults(each)
    for each in process.iter(f"{{{_BPMN}}}conditionExpression"):
        flow = each.getparent().get("id")
        yield from (f"{flow}: {fault}" for fault in faults(condition(each.text or "")))


def _node_faults(node: Any) -> Iterator[str]:
    id_, tag = node.get("id"), _tag(node)
    if not id_:
        yield f"a {tag} has no id"
    if node.get("triggeredByEvent") == "true":
        yield f"{id_} is an event subprocess, which is not supported"
    for name in _LOOPS:
        if node.find(f"{{{_BPMN}}}{name}") is not None:
            yield f"{id_} has {name}, which are not supported"
    for event in (each for each in node if _tag(each).endswith("EventDefinition")):
        if _tag(event) not in _EVENTS.get(tag, set()):
            yield f"{id_} is a {tag} with a {_tag(event)}, which is not supported"
        elif _tag(event) == "timerEventDefinition":
            yield from (f"{id_} {fault}" for fault in _timer_faults(event))


def _timer_faults(event: Any) -> Iterator[str]:
    for kind in ("timeDate", "timeDuration"):
        found = event.find(f"{{{_BPMN}}}{kind}")
        if found is None:
            continue
        text = (found.text or "").strip()
        wrong = [*Text(text).faults()]
        if not wrong and Text(text).expression is None:
            try:
                due_at(kind, text, {}, 0)
            except ValueError as error:
                wrong = [str(error)]
        yield from wrong
        return
    yield "must have a timeDate or a timeDuration; what begins again and again is a schedule's"


def _step(key: str, node: Any) -> Step:
    tag = _tag(node)
    text = node.findtext(f"{{{_BPMN}}}script")
    script = ((node.get("scriptFormat") or _COMPUTED).lower(), (text or "").strip()) if tag == "scriptTask" else None
    named = {
        f"{{{_CAMUNDA}}}{place}": name for place, name in (("inputParameter", "inputs"), ("outputParameter", "outputs"))
    }
    mapped: dict[str, dict[str, Text]] = {"inputs": {}, "outputs": {}}
    for each in node.iter(*named):
        mapped[named[each.tag]][each.get("name")] = Text((each.text or "").strip())
    return Step(
        id=node.get("id"),
        tag=tag,
        name=node.get("name") or "",
        documentation=_documentation(node),
        definition=_definition(key, node, script),
        inputs=mapped["inputs"] or None,
        outputs=mapped["outputs"],
        result=_camunda(node, "resultVariable"),
        assignee=_text(node, "assignee") or _text(node, "candidateUsers"),
        group=_text(node, "candidateGroups"),
        due=_text(node, "dueDate"),
        script=script,
    )


def _definition(key: str, node: Any, script: tuple[str, str] | None) -> str:
    """The key of the definition that does the step's work. That of a script names its content: what was deployed with
    other content goes on with its own.
    """
    tag = _tag(node)
    if tag == "callActivity":
        return str(node.get("calledElement") or "")
    if tag in _SERVICES:
        zeebe = next(node.iter(f"{{{_ZEEBE}}}taskDefinition"), None)
        return str(_camunda(node, "topic") or (None if zeebe is None else zeebe.get("type")) or node.get("id"))
    own = f"{key}.{node.get('id')}"
    if script is None or script[0] == _COMPUTED:
        return own
    return f"{own}.{digest(*(part.encode() for part in script)).hex()[:_HASH_LENGTH]}"


def _step_faults(step: Step) -> Iterator[str]:
    if not step.definition:
        yield "calls nothing; name the definition as its calledElement"
    if step.script is not None:
        language, text = step.script
        if not text:
            yield "has no script"
        elif language == _COMPUTED:
            yield from faults(condition(text))
        elif language in NOT_OFFERED:
            yield f"is a script in {language!r}, which is not offered; {NOT_OFFERED[language]}"
        elif language not in SCRIPT_KINDS:
            yield f"is a script in {language!r}; it can be in {', '.join(sorted(SCRIPT_KINDS))} or jmespath"
    for text_ in [*(step.inputs or {}).values(), *step.outputs.values(), step.assignee, step.group, step.due]:
        if text_ is not None:
            yield from text_.faults()
    for text_ in (step.assignee, step.group):
        if text_ is not None and text_.expression is None and "," in text_.text:
            yield f"names several ({text_.text}); name one person or one group"


def _documentation(node: Any) -> str:
    return (node.findtext(f"{{{_BPMN}}}documentation") or "").strip()


def _camunda(node: Any, name: str) -> str | None:
    found = node.get(f"{{{_CAMUNDA}}}{name}")
    return None if found is None else str(found)


def _text(node: Any, name: str) -> Text | None:
    found = _camunda(node, name)
    return Text(found.strip()) if found else None


def _tag(node: Any) -> str:
    """The element's name, where it is one of BPMN's; else nothing."""
    tag = node.tag
    return tag.removeprefix(f"{{{_BPMN}}}") if isinstance(tag, str) and tag.startswith(f"{{{_BPMN}}}") else ""


def _refused(found: list[str]) -> ValidationFailed:
    details: list[Detail] = [detail("/source", each, "bpmn") for each in found[:50]]
    return refusal(details)
