"""SOAP services: one of soapbar's, and servers that mean harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.security.egress.certificates import Authority
from tests.security.egress.receiver import Asked, answer, receiving
from tests.servers.soap import USER, counter

from taskyard.contracts.integration import Answer, OperationFailed
from taskyard.errors import CallFailed, EgressRefused, ValidationFailed
from taskyard.executors.integration.soap import wsdl
from taskyard.executors.integration.soap.type import Soap
from taskyard.testing.conformance.connection import *  # noqa: F403 - the suite
from taskyard.testing.conformance.connection import CANARY, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

WSDL = """<?xml version="1.0"?>{doctype}
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">{more}
  <types><xsd:schema targetNamespace="urn:t" elementFormDefault="qualified">{imports}
    <xsd:element name="ask"><xsd:complexType><xsd:sequence><xsd:element name="a" type="xsd:string"/></xsd:sequence>
    </xsd:complexType></xsd:element>
    <xsd:element name="told"><xsd:complexType><xsd:sequence><xsd:element name="b" type="xsd:string"/></xsd:sequence>
    </xsd:complexType></xsd:element></xsd:schema></types>
  <message name="in"><part name="p" element="t:ask"/></message>
  <message name="out"><part name="p" element="t:told"/></message>
  <portType name="pt"><operation name="ask"><input message="t:in"/><output message="t:out"/></operation></portType>
  <binding name="b" type="t:pt"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="ask"><soap:operation soapAction=""/><input><soap:body use="literal"/></input>
    <output><soap:body use="literal"/></output></operation></binding>
  <service name="s"><port name="p" binding="t:b"><soap:address location="{address}"/></port></service>
</definitions>"""
TOLD = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>"""
FINE = TOLD.format('<told xmlns="urn:t"><b>yes</b></told>')


@pytest.fixture(params=["usernameToken", "usernameTokenDigest"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    with counter(CANARY) as url:
        async with a_house(tmp_path) as house:
            yield Side(
                type=Soap(house),
                settings={"url": url, "auth": request.param},
                secrets={"username": USER, "password": CANARY},
                operation={"operation": "add"},
                input={"a": 1, "b": 2},
                wrong_secrets={"username": USER, "password": "another-canary-secret"},
                nowhere={"url": "http://127.0.0.1:1/"},
                refused={"operation": "subtract"},
                unsound={},
            )


async def ask(side: Side, operation: str, given: Any, **more: Any) -> Answer:
    async with side.link() as link:
        told = await link.call(call_of({"operation": operation, **more}, given))
    assert isinstance(told, Answer)
    return told


async def test_a_call_gives_what_the_wsdl_says(side: Side) -> None:
    told = await ask(side, "add", {"a": 1, "b": 2})
    assert (told.status, told.output) == (200, 3)


@pytest.mark.parametrize("given", [{"a": "x", "b": 2}, {"a": 1, "b": 2, "c": 3}, [1], "text"])
async def test_a_body_that_does_not_fit(side: Side, given: Any) -> None:
    with pytest.raises((ValidationFailed, OperationFailed)) as failed:
        await ask(side, "add", given)
    assert not getattr(failed.value, "retryable", False)


@pytest.mark.parametrize(
    ("code", "detail", "passing"), [("Client", "", False), ("Server", "", True), ("Server", "no", False)]
)
async def test_faults_are_told(side: Side, code: str, detail: str, passing: bool) -> None:
    with pytest.raises(OperationFailed, match="it cannot be counted") as failed:
        await ask(side, "fail", {"code": code, "detail": detail})
    error = failed.value
    assert (error.reason, error.retryable, error.counts) == ("fault", passing, passing)
    assert error.output["code"] == code
    assert detail in str(error.output["detail"])


class Service:
    """Answers with the WSDL, and calls with what the test says."""

    def __init__(self) -> None:
        self.wsdl = ""
        self.told: bytes = answer(body=FINE.encode(), content_type="text/xml")
        self.doctype = self.more = self.imports = ""
        self.address = ""

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "GET":
            content = WSDL.format(doctype=self.doctype, more=self.more, imports=self.imports, address=self.address)
            writer.write(answer(body=content.encode(), content_type="text/xml"))
        else:
            writer.write(self.told)
        await writer.drain()


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[tuple[Service, Side, Any]]:
    service = Service()
    async with receiving(service.serve) as server, a_house(tmp_path) as house:
        service.address = f"http://127.0.0.1:{server.port}/calls"
        settings = {"url": f"http://127.0.0.1:{server.port}/", "auth": "basic"}
        yield service, Side(type=Soap(house), settings=settings, secrets={"username": USER, "password": CANARY}), server


Made = tuple[Service, Side, Any]
BOMB = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, OUTSIDE, '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd">'])
async def test_entities_are_forbidden_in_wsdls_and_answers(made: Made, doctype: str) -> None:
    service, side, _ = made
    for where in ("answer", "wsdl"):
        if where == "wsdl":
            service.doctype = doctype
        else:
            service.told = answer(body=(doctype + TOLD.format("&a;")).encode(), content_type="text/xml")
        with pytest.raises(OperationFailed) as failed:
            await ask(side, "ask", {"a": "x"})
        assert (failed.value.reason, failed.value.retryable) == ("xml", False)
        assert "root:" not in str(failed.value)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "/etc/passwd", "http://169.254.169.254/x.xsd", "http://10.0.0.1/x.xsd"]
)
async def test_imports_go_through_the_guard(made: Made, location: str) -> None:
    service, side, _ = made
    service.imports = f'<xsd:import namespace="urn:other" schemaLocation="{location}"/>'
    with pytest.raises((EgressRefused, OperationFailed)):
        await ask(side, "ask", {"a": "x"})


@pytest.mark.parametrize(("most_bytes", "most"), [(16 << 20, 101), (5000, 4)])
async def test_imports_without_an_end(made: Made, most_bytes: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsdl, "_MOST_BYTES", most_bytes)
    service, side, server = made
    service.more = '<import namespace="urn:more" location="more.wsdl"/>'
    count = 0
    serve = service.serve

    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        service.more = f'<import namespace="urn:more" location="more{count}.wsdl"/>'
        await serve(asked, writer)

    server.answer = endless
    with pytest.raises((ValidationFailed, CallFailed)):
        await ask(side, "ask", {"a": "x"})
    assert count <= most


async def test_credentials_go_to_the_service_alone(made: Made, tmp_path: Path) -> None:
    service, side, server = made
    async with receiving(answer(body=FINE.encode(), content_type="text/xml")) as other:
        service.address = f"http://127.0.0.1:{other.port}/elsewhere"
        assert (await ask(side, "ask", {"a": "x"})).output == "yes"
        assert not other.asked
        content = WSDL.format(doctype="", more="", imports="", address=service.address)
        other.answer = answer(body=content.encode(), content_type="text/xml")
        await ask(side, "ask", {"a": "x"}, wsdl=f"http://127.0.0.1:{other.port}/?wsdl")
        assert [one.headers.get("authorization") for one in other.asked] == [None]
    assert all("authorization" in one.headers for one in server.asked)


@pytest.mark.parametrize(
    ("status", "retryable", "counts"),
    [
        ("401 Unauthorized", False, False),
        ("403 Forbidden", False, False),
        ("500 Oops", True, True),
        ("404 No", False, False),
    ],
)
async def test_statuses_that_are_no_answer(made: Made, status: str, retryable: bool, counts: bool) -> None:
    service, side, _ = made
    service.told = answer(status, b"<html>nothing</html>", content_type="text/html")
    with pytest.raises(OperationFailed) as failed:
        await ask(side, "ask", {"a": "x"})
    assert (failed.value.retryable, failed.value.counts) == (retryable, counts)


async def test_who_asks_to_come_back_burns_no_try(made: Made) -> None:
    service, side, _ = made
    service.told = b"HTTP/1.1 503 Later\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
    with pytest.raises(OperationFailed) as failed:
        await ask(side, "ask", {"a": "x"})
    assert (failed.value.retry_after, failed.value.burns, failed.value.retryable) == (7.0, False, True)


@pytest.mark.parametrize("body", [b"", b"no xml", b"<a>", b"\0\xff"])
async def test_answers_that_are_none(made: Made, body: bytes) -> None:
    service, side, _ = made
    service.told = answer(body=body, content_type="text/xml")
    with pytest.raises(OperationFailed) as failed:
        await ask(side, "ask", {"a": "x"})
    assert not failed.value.retryable


async def test_an_answer_without_an_end(made: Made) -> None:
    service, side, _ = made
    type_: Any = side.type
    type_._house = type_._house._replace(most_bytes=10_000)
    service.told = answer(body=TOLD.format("x" * 20_000).encode(), content_type="text/xml")
    with pytest.raises(CallFailed) as failed:
        await ask(side, "ask", {"a": "x"})
    assert failed.value.reason == "too-large"


async def test_a_certificate_that_does_not_fit(tmp_path: Path) -> None:
    ours, theirs = Authority(), Authority()
    async with receiving(tls=theirs.server("localhost", tmp_path)) as server, a_house(tmp_path) as house:
        settings = {"url": f"https://localhost:{server.port}/", "authorities": ours.pem}
        with pytest.raises(CallFailed, match="certificate"):
            await ask(Side(type=Soap(house), settings=settings), "ask", {})


@pytest.mark.parametrize(
    "settings",
    [{"url": "http://h/", "auth": "basic"}, {"url": "https://h/", "authorities": "nonsense"}, {"url": "http://u:p@h"}],
)
async def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationFailed):
            await ask(Side(type=Soap(house), settings=settings), "ask", {})
