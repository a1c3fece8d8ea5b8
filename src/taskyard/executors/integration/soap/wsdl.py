"""Reading WSDLs: through the guarded client, and without entities or a document type."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import zeep
from lxml import etree
from zeep import exceptions
from zeep.wsse.username import UsernameToken

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import TaskyardError, ValidationFailed
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

_MOST_DOCUMENTS: Final = 100
_MOST_BYTES: Final = 16 << 20
SAFE: Final = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False, force_https=False)


class Loader:
    """Stands where zeep has its transport: what a WSDL imports is loaded from a thread, by the loop's client. All its
    documents together are bounded.
    """

    def __init__(self, egress: Egress, headers: Mapping[str, str], origin: str, seconds: float) -> None:
        self._egress, self._headers, self._origin = egress, headers, origin
        self._seconds, self._bytes_left = seconds, _MOST_BYTES
        self._loop = asyncio.get_running_loop()
        self._left = _MOST_DOCUMENTS

    def load(self, url: str) -> bytes:
        """A document. Called from a thread."""
        self._left -= 1
        if self._left < 0:
            raise ValidationFailed(f"the WSDL consists of more than {_MOST_DOCUMENTS} documents")
        return asyncio.run_coroutine_threadsafe(self._get(url), self._loop).result()

    async def _get(self, url: str) -> bytes:
        headers = self._headers if origin_of(url) == self._origin else {}
        limits = Limits(total=self._seconds, max_bytes=self._bytes_left)
        response = await self._egress.send("GET", url, headers=headers, limits=limits)
        self._bytes_left -= len(response.content)
        if response.status_code != 200:
            raise OperationFailed(
                f"the WSDL at {url[:500]} cannot be had: status {response.status_code}",
                status=response.status_code,
                retryable=response.status_code >= 500,
                counts=response.status_code >= 500,
            )
        return response.content


def read_wsdl(url: str, loader: Loader, token: UsernameToken | None) -> zeep.Client:
    """The client for a WSDL. For a thread. Raises OperationFailed for one that cannot be used."""
    try:
        return zeep.Client(url, transport=loader, settings=SAFE, wsse=token)
    except (exceptions.DTDForbidden, exceptions.EntitiesForbidden):
        raise OperationFailed(
            "the WSDL has a document type or entities, which are not taken; it must go without",
            reason="xml",
            retryable=False,
        ) from None
    except TaskyardError:
        raise
    except (exceptions.Error, etree.LxmlError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise OperationFailed(
            f"the WSDL cannot be read: {type(error).__name__}: {str(error)[:300]}", reason="xml", retryable=False
        ) from None


def bound(client: zeep.Client, service: str, port: str, operation: str) -> tuple[Any, str]:
    """The binding that has the operation, and the address the WSDL gives it. Raises ValidationFailed."""
    found = client.wsdl.services
    if service and service not in found:
        raise ValidationFailed(f"operation: the WSDL has no service {service!r}; it has {', '.join(found)}")
    for one in [found[service]] if service else found.values():
        for name, each in one.ports.items():
            if port in ("", name) and operation in each.binding._operations:
                return each.binding, str(each.binding_options.get("address") or "")
    raise ValidationFailed(f"operation: the WSDL has no operation {operation!r} there")


def origin_of(url: str) -> str:
    """Scheme, host and port, in one writing; empty for what is no address."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return ""
    return f"{parts.scheme}://{parts.host}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme, 0)}"
