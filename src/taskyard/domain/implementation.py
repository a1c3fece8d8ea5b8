"""What a definition says of its implementation, a shape for each kind that has one."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from taskyard.domain.connection import ID_PATTERN as CONNECTION_ID
from taskyard.domain.people.spec import Manual
from taskyard.domain.resources import ResourcePatch

_Endpoint = Annotated[str, Meta(pattern=r"^[^\s:/@]+:[0-9]{1,5}$", description="host:port")]
_False = Annotated[bool, Meta(extra_json_schema={"const": False})]
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_Expression = Annotated[str, Meta(min_length=1, max_length=4000)]
_Name = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]

SCRIPT_KINDS = frozenset({"javascript", "typescript", "python", "shell", "python-lite", "bash-lite"})
"""The kinds whose definitions bring source code."""

WITHOUT = {"python-lite": ("env", "network"), "bash-lite": ("network",)}
"""What the emulated kinds cannot be given."""

NOT_OFFERED = {"python-wasm": "use python, or python-lite where no sandbox holds (docs/adr/0010 says why)"}
"""Kinds that have a name and nothing that runs them, and what to do instead."""


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is kept elsewhere and only put in when the code starts."""

    secret: Annotated[str, Meta(min_length=1)]


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the code may speak to, through the guarded proxy and no other way."""

    allow: list[_Endpoint]


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Source code. `network` false: none. `target`: where it runs, by default in this machine's sandbox.

    A secret in `env` is the name of one that the operator gives to code of definitions.
    `dependencies`: packages of Python, as PEP 508 names them; `imports`: an import map of `npm:` specifiers.
    """

    kind: str
    source: Annotated[str, Meta(min_length=1)]
    env: dict[_Name, str | SecretRef] = {}
    dependencies: list[str] = []
    imports: dict[str, str] = {}
    network: Network | _False = False
    resources: ResourcePatch | None = None
    isolation: Literal["LOW", "MEDIUM", "HIGH"] = "LOW"
    target: str = ""


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A system function and what its tasks may do with it."""

    kind: Literal["system"]
    name: str
    permissions: list[str] = []


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An endpoint that is called with the input."""

    kind: Literal["http"]
    url: Annotated[str, Meta(pattern="^https?://", max_length=8192)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    resources: ResourcePatch | None = None
    target: str = ""


class Lambda(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A function of AWS Lambda. `invocation` async: it answers later."""

    kind: Literal["lambda"]
    function_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_:./$-]{1,256}$")]
    region: Annotated[str, Meta(pattern="^[a-z]{2,4}(-[a-z]+)+-[0-9]$")] = ""
    qualifier: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_$-]{1,128}$")] = ""
    invocation: Literal["sync", "async"] = "sync"
    resources: ResourcePatch | None = None
    target: str = ""


class Kubernetes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A container that runs as a job. A secret in `env` is `name/key` of a Secret in the job's namespace; `cpu` in
    cores.
    """

    kind: Literal["kubernetes"]
    image: Annotated[str, Meta(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,511}$")]
    command: list[str] = []
    args: list[str] = []
    env: dict[_Name, str | SecretRef] = {}
    cpu: Annotated[float, Meta(gt=0)] | None = None
    service_account: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] | None = None
    resources: ResourcePatch | None = None
    target: str = ""


class Integration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """An operation on an external system. What `operation` says depends on the connection's type.

    `request`, `response` and `errorExpression` are JMESPath over `{input, task}`, `{output, status, details, input}`
    and `{output, status, details, error, input}`; without them the input is the body and the answer the output.
    An error expression gives null for what it leaves as it is, `{code, message, retryable?, details?}` for a failure,
    and `{output}` for a success.
    """

    kind: Literal["integration"]
    connection_id: Annotated[str, Meta(pattern=CONNECTION_ID)]
    operation: dict[str, Any] = {}
    request: _Expression | None = None
    response: _Expression | None = None
    error_expression: _Expression | None = None


class Bpmn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A process: the text of a BPMN file."""

    kind: Literal["bpmn"]
    source: Annotated[str, Meta(min_length=1)]


SHAPES: dict[str, type[msgspec.Struct]] = {
    **dict.fromkeys(SCRIPT_KINDS, Script), "system": System, "http": Http, "lambda": Lambda,
    "kubernetes": Kubernetes, "manual": Manual, "integration": Integration, "bpmn": Bpmn,
}  # fmt: skip
"""The shape of each kind's implementation; a kind that is not here takes what it is given."""
