"""BPMN files, put together from what a test is about."""

from __future__ import annotations

import itertools

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="taskyard">'
)


def file(*elements: str, beside: str = "", key: str = "order") -> str:
    """A file with a process of these elements; `beside` stands before it."""
    return f'{HEAD}{beside}<process id="{key}" isExecutable="true">{"".join(elements)}</process></definitions>'


def flow(*path: str) -> str:
    """Sequence flows along these elements. `a?cond` is a condition of the flow that leads there."""
    flows = []
    for source, target in itertools.pairwise(path):
        source = source.partition("?")[0]
        to, _, condition = target.partition("?")
        inner = (
            f'<conditionExpression xsi:type="tFormalExpression">{condition}</conditionExpression>' if condition else ""
        )
        flows.append(f'<sequenceFlow id="{source}_{to}" sourceRef="{source}" targetRef="{to}">{inner}</sequenceFlow>')
    return "".join(flows)


def line(*elements: str, beside: str = "") -> str:
    """A process that goes from its start through these elements, each with an id, to its end."""
    ids = [element.split('id="')[1].split('"')[0] for element in elements]
    return file(START, *elements, END, flow("start", *ids, "end"), beside=beside)


def service(id_: str, topic: str | None = None, inner: str = "") -> str:
    named = "" if topic is None else f' camunda:type="external" camunda:topic="{topic}"'
    return f'<serviceTask id="{id_}"{named}>{inner}</serviceTask>'


def user(id_: str, more: str = "", inner: str = "") -> str:
    return f'<userTask id="{id_}" name="Task {id_}" {more}>{inner}</userTask>'


def script(id_: str, text: str, language: str = "", more: str = "") -> str:
    said = f'scriptFormat="{language}"' if language else ""
    return f'<scriptTask id="{id_}" {said} {more}><script><![CDATA[{text}]]></script></scriptTask>'


def mapped(inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None) -> str:
    """Input and output parameters."""
    said = "".join(
        f'<camunda:inputParameter name="{k}">{v}</camunda:inputParameter>' for k, v in (inputs or {}).items()
    )
    said += "".join(
        f'<camunda:outputParameter name="{k}">{v}</camunda:outputParameter>' for k, v in (outputs or {}).items()
    )
    return f"<extensionElements><camunda:inputOutput>{said}</camunda:inputOutput></extensionElements>"


def timer(kind: str, text: str) -> str:
    return f'<timerEventDefinition><{kind} xsi:type="tFormalExpression">{text}</{kind}></timerEventDefinition>'


def wait(id_: str, kind: str, text: str) -> str:
    """An event that only a timer lets pass."""
    return f'<intermediateCatchEvent id="{id_}">{timer(kind, text)}</intermediateCatchEvent>'


def boundary(id_: str, of: str, inner: str, *, interrupting: bool = True) -> str:
    cancels = str(interrupting).lower()
    return f'<boundaryEvent id="{id_}" attachedToRef="{of}" cancelActivity="{cancels}">{inner}</boundaryEvent>'


def error(code: str, id_: str = "e") -> str:
    """What stands beside a process that knows an error."""
    return f'<error id="{id_}" errorCode="{code}"/>'


START = '<startEvent id="start"/>'
END = '<endEvent id="end"/>'
ERROR = '<errorEventDefinition errorRef="e"/>'
ANY_ERROR = "<errorEventDefinition/>"
