from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from taskyard.errors import CallFailed, ConfigurationError, EgressRefused
from taskyard.security.egress.tls import tls_context
from tests.security.egress.certificates import Authority
from tests.security.egress.conftest import MakeEgress, Names
from tests.security.egress.receiver import answer, receiving

HERE = ["127.0.0.1"]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def names() -> Names:
    return Names(hooks=[["127.0.0.1"]], other=[["127.0.0.1"]])


async def test_the_name_of_the_url_is_asked_for_and_checked(
    authority: Authority, tmp_path: Path, make_egress: MakeEgress
) -> None:
    asked: list[str | None] = []
    context = authority.server("hooks.example", tmp_path)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with receiving(tls=context) as receiver:
        egress = make_egress(HERE, names(), tls=tls_context(authorities=authority.pem))
        assert (await egress.send("GET", f"https://hooks.example:{receiver.port}/")).text == "ok"
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await egress.send("GET", f"https://other.example:{receiver.port}/")
        assert asked == ["hooks.example", "other.example"]
        assert len(receiver.asked) == 1
        reader, writer = await egress.guard.open_connection(
            "hooks.example", receiver.port, tls=tls_context(authorities=authority.pem)
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_unknown_authority_is_refused(authority: Authority, tmp_path: Path, make_egress: MakeEgress) -> None:
    async with receiving(tls=authority.server("hooks.example", tmp_path)) as receiver:
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await make_egress(HERE, names()).send("GET", f"https://hooks.example:{receiver.port}/")


@pytest.mark.parametrize("password", [None, "open sesame"])
async def test_a_client_certificate_is_shown(
    authority: Authority, tmp_path: Path, make_egress: MakeEgress, password: str | None
) -> None:
    certificate, key = authority.issue("client.example", password)
    shown = tls_context(authorities=authority.pem, certificate=certificate, key=key, password=password)
    async with receiving(tls=authority.server("hooks.example", tmp_path, asks=True)) as receiver:
        url = f"https://hooks.example:{receiver.port}/"
        assert (await make_egress(HERE, names(), tls=shown).send("GET", url)).text == "ok"
        with pytest.raises(CallFailed):
            await make_egress(HERE, names(), tls=tls_context(authorities=authority.pem)).send("GET", url)


async def test_a_client_certificate_is_not_shown_to_another_origin_nor_plain_http_followed(
    authority: Authority, tmp_path: Path, make_egress: MakeEgress
) -> None:
    context = tls_context(authorities=authority.pem)
    async with receiving() as other, receiving(tls=authority.server("hooks.example", tmp_path)) as receiver:
        for target in (f"https://other.example:{receiver.port}/", f"http://other.example:{other.port}/"):
            receiver.answer = answer("302 Found", location=target)
            with pytest.raises(EgressRefused):
                await make_egress(HERE, names(), tls=context).send(
                    "GET", f"https://hooks.example:{receiver.port}/", redirects=2
                )
        assert (other.accepted, receiver.accepted) == (0, 2)


def test_bad_material_is_refused_without_telling_it(authority: Authority) -> None:
    certificate, key = authority.issue("client.example", "right")
    bad = [("x", "y", None), (certificate, key, "wrong"), (certificate, key, None), (certificate, "", None)]
    for shown, private, password in bad:
        with pytest.raises(ConfigurationError) as refused:
            tls_context(certificate=shown, key=private, password=password)
        assert "BEGIN" not in refused.value.message
    with pytest.raises(ConfigurationError):
        tls_context(authorities="nonsense")


def test_old_protocols_are_not_spoken() -> None:
    assert tls_context().minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_named_context_checks_its_name_whatever_is_connected_to(authority: Authority, tmp_path: Path) -> None:
    async with receiving(tls=authority.server("hooks.example", tmp_path)) as receiver:
        for name, fits in (("hooks.example", True), ("other.example", False)):
            context = tls_context(authorities=authority.pem, name=name)
            connecting = asyncio.open_connection("127.0.0.1", receiver.port, ssl=context)
            if not fits:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await connecting
                continue
            reader, writer = await connecting
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", receiver.port, ssl=tls_context(name="hooks.example"))
