from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from taskyard.errors import ConfigurationError, Overloaded, Unauthorized
from taskyard.security.caller import Caller
from taskyard.security.jwks import MAX_KEY_SET_BYTES, JwksVerifier, read_key_set
from tests.security.forge import CLAIMS, NOW, b64, segment, sign

URL = "https://issuer.example/keys"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ISSUED = CLAIMS | {"iss": "https://issuer.example", "aud": "taskyard"}


def number(value: int, size: int) -> str:
    return b64(value.to_bytes(size, "big"))


def rsa_entry(key: rsa.RSAPrivateKey = RSA_KEY, **extra: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    entry = {"kty": "RSA", "kid": "r", "n": number(numbers.n, key.key_size // 8), "e": "AQAB"}
    return entry | extra


def ec_entry(**extra: Any) -> dict[str, Any]:
    numbers = EC_KEY.public_key().public_numbers()
    entry = {"kty": "EC", "crv": "P-256", "kid": "e", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
    return entry | extra


def by_rsa(claims: dict[str, Any] = ISSUED, key: rsa.RSAPrivateKey = RSA_KEY, **header: Any) -> str:
    signed = f"{segment({'alg': 'RS256', 'kid': 'r'} | header)}.{segment(claims)}"
    return f"{signed}.{b64(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def by_ec(claims: dict[str, Any] = ISSUED, **header: Any) -> str:
    signed = f"{segment({'alg': 'ES256', 'kid': 'e'} | header)}.{segment(claims)}"
    r, s = decode_dss_signature(EC_KEY.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


class Provider:
    """An identity provider: its keys, its clock, and a count of how often it was asked."""

    def __init__(self, *entries: Any) -> None:
        self.entries = list(entries) or [rsa_entry(), ec_entry()]
        self.now = float(NOW)
        self.asked = 0
        self.failure: Exception | None = None
        self.was_asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        assert (url, max_bytes) == (URL, MAX_KEY_SET_BYTES)
        self.asked += 1
        self.was_asked.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return json.dumps({"keys": self.entries}).encode()

    def verifier(self) -> JwksVerifier:
        return JwksVerifier(URL, "https://issuer.example", "taskyard", self.fetch, now=lambda: self.now)


@pytest.mark.parametrize("token", [by_rsa(), by_ec(), by_rsa(x5t="abc", typ="at+jwt")])
async def test_both_algorithms_are_accepted(token: str) -> None:
    caller = await Provider().verifier().verify(token)
    assert caller == Caller("ada", frozenset({"tasks:read"}), frozenset({"ops"}), is_token=True)


FORGED = {
    "HS256 with the modulus as secret": sign({"alg": "HS256", "kid": "r"}, ISSUED, rsa_entry()["n"].encode()),
    "HS256 with the empty key": sign({"alg": "HS256", "kid": "r"}, ISSUED, b""),
    "HS256 under a published oct key": sign({"alg": "HS256", "kid": "o"}, ISSUED, b"k" * 32),
    "none": f"{segment({'alg': 'none', 'kid': 'r'})}.{segment(ISSUED)}.AAAA",
    "another's key": by_rsa(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "a short key": by_rsa(key=SHORT_KEY, kid="short"),
    "no kid": by_rsa(kid=None),
    "an unknown kid": by_rsa(kid="../r"),
    "the EC key's kid": by_rsa(kid="e"),
    "the EC key's kid and algorithm": by_rsa(kid="e", alg="ES256"),
    "the RSA key's kid on EC": by_ec(kid="r"),
    "RS512 said": by_rsa(alg="RS512"),
    "PS256 said": by_rsa(alg="PS256"),
    "an encryption key": by_rsa(kid="enc"),
    "a key for another algorithm": by_rsa(kid="other"),
    "jku": by_rsa(jku=URL),
    "an embedded key": by_rsa(jwk=rsa_entry()),
    "an ECDSA signature of zeros": ".".join([*by_ec().split(".")[:2], b64(bytes(64))]),
    "an ECDSA signature cut short": by_ec()[:-8],
    "expired": by_rsa(ISSUED | {"exp": NOW}),
    "another issuer": by_rsa(ISSUED | {"iss": "https://issuer.example.org"}),
    "another audience": by_rsa(ISSUED | {"aud": "billing"}),
    "no audience": by_rsa(CLAIMS | {"iss": "https://issuer.example"}),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_refused(token: str) -> None:
    provider = Provider(
        rsa_entry(),
        ec_entry(),
        {"kty": "oct", "kid": "o", "k": b64(b"k" * 32)},
        rsa_entry(SHORT_KEY, kid="short"),
        rsa_entry(kid="enc", use="enc"),
        rsa_entry(kid="other", alg="RS512"),
    )
    with pytest.raises(Unauthorized):
        await provider.verifier().verify(token)


async def test_a_refusal_says_what_is_wrong() -> None:
    verifier = Provider().verifier()
    for token, reason in {
        by_rsa(kid="e"): "its key is for ES256",
        by_rsa(kid=None): "does not name its key",
        by_rsa(kid="unknown"): "its key is unknown",
    }.items():
        with pytest.raises(Unauthorized, match=reason):
            await verifier.verify(token)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"kid": "x"},
        {"kid": 1, "kty": "RSA"},
        {"kid": "x", "kty": ["RSA"]},
        {"kid": "x", "kty": "RSA", "n": 1, "e": "AQAB"},
        {"kid": "x", "kty": "RSA", "n": "!", "e": "AQAB"},
        rsa_entry(kid="x", e="AQ"),
        rsa_entry(kid="x", e=None),
        ec_entry(kid="x", x=b64(bytes(32))),
        ec_entry(kid="x", crv="P-521"),
        ec_entry(kid="x", y=3),
        {"kid": "x", "kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32))},
    ],
)
def test_a_key_that_cannot_be_used_does_not_hide_the_others(entry: Any) -> None:
    assert read_key_set(json.dumps({"keys": [entry, rsa_entry()]}).encode()).keys() == {"r"}


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"keys":{}}', b"\xff", b"[" * 200_000, b'{"keys":[]}' + b" " * MAX_KEY_SET_BYTES],
    ids=range(8),
)
def test_a_body_that_is_no_key_set_is_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_key_set(body)


async def test_known_keys_are_not_asked_for_again() -> None:
    provider = Provider()
    verifier = provider.verifier()
    for _ in range(20):
        await verifier.verify(by_rsa())
    assert provider.asked == 1


async def test_unknown_keys_are_asked_for_once_a_minute() -> None:
    provider = Provider()
    verifier = provider.verifier()
    for number_of_minutes in (1, 2, 3):
        for _ in range(50):
            with pytest.raises(Unauthorized):
                await verifier.verify(by_rsa(kid="unknown"))
            provider.now += 1
        assert provider.asked == number_of_minutes
        provider.now += 10


async def test_a_new_key_is_found() -> None:
    provider = Provider(ec_entry())
    verifier = provider.verifier()
    await verifier.verify(by_ec())
    provider.entries.append(rsa_entry())
    provider.now += 60
    assert (await verifier.verify(by_rsa(ISSUED | {"exp": NOW + 100}))).subject == "ada"


async def test_a_withdrawn_key_is_forgotten() -> None:
    provider = Provider()
    verifier = provider.verifier()
    token = by_rsa(ISSUED | {"exp": NOW + 10_000})
    await verifier.verify(token)
    provider.entries = [ec_entry()]
    provider.now += 600
    with pytest.raises(Unauthorized):
        await verifier.verify(token)


async def test_the_last_keys_outlive_the_provider() -> None:
    provider = Provider()
    verifier = provider.verifier()
    token = by_rsa(ISSUED | {"exp": NOW + 10_000})
    await verifier.verify(token)
    provider.failure = OSError("away")
    provider.now += 5000
    assert (await verifier.verify(token)).subject == "ada"


async def test_a_provider_that_was_never_there_is_not_the_callers_fault() -> None:
    provider = Provider()
    provider.failure = OSError("away")
    verifier = provider.verifier()
    for _ in range(10):
        with pytest.raises(Overloaded) as caught:
            await verifier.verify(by_rsa())
    assert provider.asked == 1
    provider.failure = None
    provider.now += caught.value.retry_after or 0
    assert (await verifier.verify(by_rsa())).subject == "ada"


async def test_many_callers_share_one_reading_and_one_giving_up_does_not_spoil_it() -> None:
    provider = Provider()
    provider.open.clear()
    verifier = provider.verifier()
    callers = [asyncio.create_task(verifier.verify(by_rsa())) for _ in range(20)]
    await provider.was_asked.wait()
    callers[0].cancel()
    provider.open.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [result.subject for result in results[1:] if not isinstance(result, BaseException)] == ["ada"] * 19
    assert provider.asked == 1


async def test_a_silent_provider_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.security.jwks.FETCH_SECONDS", 0.01)
    provider = Provider()
    provider.open.clear()
    with pytest.raises(Overloaded):
        await provider.verifier().verify(by_rsa())


@pytest.mark.parametrize("url", [URL, "http://localhost:9000/keys", "http://127.0.0.1/k", "http://[::1]:1/k"])
def test_safe_addresses(url: str) -> None:
    JwksVerifier(url, None, None, Provider().fetch)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys",
        "http://issuer.example/keys",
        "http://localhost.attacker.example/keys",
        "http://localhost@attacker.example/keys",
        "https://user@issuer.example/keys",
        "https://:secret@issuer.example/keys",
        "https:///keys",
        "file:///etc/passwd",
        "ftp://localhost/keys",
        "http://[::1/keys",
        "http://127.0.0.1.attacker.example/keys",
    ],
)
def test_unsafe_addresses(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_JWKS_URL"):
        JwksVerifier(url, None, None, Provider().fetch)
