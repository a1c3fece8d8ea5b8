from __future__ import annotations

import json
import time
import tracemalloc
import zlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import ConfigurationError, Unauthorized, ValidationFailed
from taskyard.security.api_tokens import hash_api_token, is_api_token, new_api_token
from taskyard.security.caller import SCOPES, Caller
from taskyard.security.tokens import JwtVerifier, mint
from tests.security.forge import CLAIMS, HEADER, NOW, SECRET, b64, segment, sign, with_claims, with_header

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = RSA_KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
JWK = {"kty": "oct", "k": b64(b"the attacker's own key, 32 bytes")}
GOOD = sign(HEADER, CLAIMS)


def verifier(issuer: str | None = None, audience: str | None = None) -> JwtVerifier:
    return JwtVerifier(SECRET, issuer, audience, now=lambda: NOW)


def rs256() -> str:
    signed = f"{segment({'alg': 'RS256'})}.{segment(CLAIMS)}"
    return f"{signed}.{b64(RSA_KEY.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def es256() -> str:
    signed = f"{segment({'alg': 'ES256'})}.{segment(CLAIMS)}"
    return f"{signed}.{b64(ec.generate_private_key(ec.SECP256R1()).sign(signed.encode(), ec.ECDSA(SHA256())))}"


def non_canonical() -> str:
    """The same signature bytes with stray low bits in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return GOOD[:-1] + alphabet[alphabet.index(GOOD[-1]) + 1]


UNSIGNED = {
    f"alg {name!r} with {label}": f"{segment({'alg': name})}.{segment(CLAIMS)}.{signature}"
    for name in ("none", "None", "NONE", "nOnE", "none ", "", "null", "NoNe")
    for label, signature in (("no signature", ""), ("any signature", "AAAA"))
}

OTHER_KEYS = {
    "another secret": sign(HEADER, CLAIMS, b"another secret of 32 bytes or more"),
    "the empty key": sign(HEADER, CLAIMS, b""),
    "a zero key": sign(HEADER, CLAIMS, bytes(32)),
    "the word None as key": sign(HEADER, CLAIMS, b"None"),
    "a public PEM as secret": sign(HEADER, CLAIMS, PEM),
    "a public DER as secret": sign(HEADER, CLAIMS, DER),
    "a JWK's text as secret": sign(HEADER, CLAIMS, json.dumps(JWK).encode()),
    "HS384": sign({"alg": "HS384"}, CLAIMS, digest="sha384"),
    "HS512": sign({"alg": "HS512"}, CLAIMS, digest="sha512"),
    "HS256 that says RS256": sign({"alg": "RS256"}, CLAIMS),
    "RS256": rs256(),
    "ES256": es256(),
    "a lower-case algorithm": with_header(alg="hs256"),
    "an algorithm that is a list": with_header(alg=["HS256"]),
    "an algorithm that is null": with_header(alg=None),
    "no algorithm": sign({"typ": "JWT"}, CLAIMS),
    "two algorithms": sign('{"alg":"none","alg":"HS256"}', CLAIMS),
    "two algorithms, the other way": sign('{"alg":"HS256","alg":"none"}', CLAIMS),
}

HEADERS = {
    "an embedded jwk": with_header(jwk=JWK),
    "an embedded jwk, signed with it": sign(HEADER | {"jwk": JWK}, CLAIMS, b"the attacker's own key, 32 bytes"),
    "jku": with_header(jku="https://attacker.example/keys"),
    "x5u": with_header(x5u="https://attacker.example/chain"),
    "x5c": with_header(x5c=["MIIB"]),
    "unknown crit": sign(HEADER | {"crit": ["exp"], "exp": NOW}, CLAIMS),
    "empty crit": with_header(crit=[]),
    "crit that is a string": with_header(crit="b64"),
    "b64 false": with_header(b64=False, crit=["b64"]),
    "b64 false without crit": with_header(b64=False),
    "zip": with_header(zip="DEF"),
    "an unknown name": with_header(role="admin"),
    "kid that is an object": with_header(kid={"path": "/dev/null"}),
    "kid that is a number": with_header(kid=1),
    "a path as kid, signed with that file's content": sign(HEADER | {"kid": "../../dev/null"}, CLAIMS, b""),
    "SQL as kid": sign(HEADER | {"kid": "' UNION SELECT 'k"}, CLAIMS, b"k"),
    "an address as kid": sign(HEADER | {"kid": "http://169.254.169.254/"}, CLAIMS, b"k"),
    "a token for something else": with_header(typ="logout+jwt"),
    "a typ that is no string": with_header(typ=1),
    "a header that is a list": sign("[]", CLAIMS),
    "a header that is null": sign("null", CLAIMS),
    "a header that is not JSON": sign("{alg:HS256}", CLAIMS),
    "a header with a byte order mark": sign("\ufeff" + json.dumps(HEADER), CLAIMS),
    "a header nested deep": sign("[" * 4000, CLAIMS),
    "a header of 1 MB": with_header(kid="k" * 1_000_000),
    "a header of 7 kB": with_header(kid="k" * 5000),
}

CLAIM_SETS = {
    "no exp": with_claims(exp=...),
    "exp null": with_claims(exp=None),
    "exp negative": with_claims(exp=-1),
    "exp zero": with_claims(exp=0),
    "exp now": with_claims(exp=NOW),
    "exp a fraction ago": with_claims(exp=NOW - 0.5),
    "exp a string": with_claims(exp=str(NOW + 60)),
    "exp true": with_claims(exp=True),
    "exp a list": with_claims(exp=[NOW + 60]),
    "exp an object": with_claims(exp={"$gt": 0}),
    "exp NaN": sign(HEADER, json.dumps(CLAIMS | {"exp": float("nan")})),
    "exp Infinity": sign(HEADER, json.dumps(CLAIMS | {"exp": float("inf")})),
    "exp 1e400": sign(HEADER, '{"sub":"ada","exp":1e400}'),
    "exp of 5000 digits": sign(HEADER, '{"sub":"ada","exp":' + "9" * 5000 + "}"),
    "exp twice": sign(HEADER, f'{{"sub":"ada","exp":1,"exp":{NOW + 60}}}'),
    "nbf in the future": with_claims(nbf=NOW + 30),
    "nbf a string": with_claims(nbf=str(NOW)),
    "no sub": with_claims(sub=...),
    "sub empty": with_claims(sub=""),
    "sub null": with_claims(sub=None),
    "sub a number": with_claims(sub=7),
    "sub twice": sign(HEADER, f'{{"sub":"ada","sub":"root","exp":{NOW + 60}}}'),
    "sub with a zero byte": with_claims(sub="ada\u0000"),
    "sub with a lone surrogate": with_claims(sub="\ud800"),
    "sub with a terminal command": with_claims(sub="\x1b]0;x\x07"),
    "sub of 300 characters": with_claims(sub="a" * 300),
    "sub the engine": with_claims(sub="system"),
    "sub the local user": with_claims(sub="local"),
    "scope a list": with_claims(scope=["admin"]),
    "scope null": with_claims(scope=None),
    "groups a string": with_claims(groups="ops"),
    "groups with a number": with_claims(groups=["ops", 1]),
    "groups with a line break": with_claims(groups=["ops\nadmin"]),
    "an audience we were not told of": with_claims(aud="billing"),
    "an audience list we were not told of": with_claims(aud=["billing"]),
    "an audience that is an object": with_claims(aud={"taskyard": True}),
    "an issuer that is a list": with_claims(iss=["https://issuer.example"]),
    "claims that are a list": sign(HEADER, "[]"),
    "claims that are a string": sign(HEADER, '"ada"'),
    "claims that are not JSON": sign(HEADER, "sub=ada"),
    "claims nested deep": sign(HEADER, '{"sub":"ada","exp":' + "[" * 5000),
}

SHAPES = {
    "nothing": "",
    "a space": " ",
    "two dots": "..",
    "one part": segment(HEADER),
    "two parts": GOOD.rpartition(".")[0],
    "four parts": GOOD + ".AAAA",
    "an empty signature": GOOD.rpartition(".")[0] + ".",
    "a signature cut short": GOOD[:-4],
    "a signature too long": GOOD + "AAAA",
    "a signature that is one bit off": GOOD[:-2] + ("A" if GOOD[-2] != "A" else "B") + GOOD[-1],
    "non-canonical base64": non_canonical(),
    "padding": GOOD + "=",
    "a line break at the end": GOOD + "\n",
    "a space in front": " " + GOOD,
    "a scheme in front": "Bearer " + GOOD,
    "the ordinary alphabet": sign(HEADER, CLAIMS | {"sub": "???>>>"}).replace("_", "/").replace("-", "+"),
    "full-width letters": GOOD.replace("e", "\uff45", 1),
    "a zero byte": GOOD + "\x00",
    "a lone surrogate": GOOD + "\ud800",
    "another's claims": ".".join([GOOD.split(".")[0], segment(CLAIMS | {"scope": "admin"}), GOOD.split(".")[2]]),
    "the JSON serialisation": json.dumps({"payload": segment(CLAIMS), "protected": segment(HEADER)}),
    "an encrypted token": segment({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10**9}) + ".AA" * 4,
    "an encrypted token with a direct key": f"{segment({'alg': 'dir', 'enc': 'A256GCM'})}..AAAA.AAAA.AAAA",
    "a compression bomb": f"{segment(HEADER | {'zip': 'DEF'})}.{b64(zlib.compress(bytes(4_000_000)))}.AAAA",
    "10 MB of dots": "." * 10_000_000,
}

FORGED = UNSIGNED | OTHER_KEYS | HEADERS | CLAIM_SETS | SHAPES


def test_the_honest_token_is_accepted() -> None:
    caller = verifier().verify(GOOD)
    assert caller == Caller("ada", frozenset({"tasks:read"}), frozenset({"ops"}), is_token=True)


def test_there_are_enough_forgeries() -> None:
    assert len(set(FORGED.values())) >= 60


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        verifier().verify(token)


def refusal_seconds(subject: JwtVerifier, token: str) -> float:
    began = time.process_time()
    with pytest.raises(Unauthorized):
        subject.verify(token)
    return time.process_time() - began


def test_no_forgery_costs_more_than_10_ms() -> None:
    subject = verifier()
    best = {name: min(refusal_seconds(subject, token) for _ in range(3)) for name, token in FORGED.items()}
    assert {name: seconds for name, seconds in best.items() if seconds > 0.010} == {}


def test_no_forgery_costs_more_than_1_mb() -> None:
    subject = verifier()
    tracemalloc.start()
    try:
        for token in FORGED.values():
            refusal_seconds(subject, token)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@given(st.text(max_size=200))
def test_no_text_makes_the_verifier_stumble(text: str) -> None:
    with pytest.raises(Unauthorized):
        verifier().verify(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def named(*names: str) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(names), JSON, max_size=4)


@given(
    named("alg", "typ", "kid", "crit", "jwk", "b64", "x5t"),
    named("sub", "exp", "nbf", "iss", "aud", "scope", "groups"),
)
def test_a_true_signature_excuses_nothing(header: dict[str, object], claims: dict[str, object]) -> None:
    for token in (sign(HEADER | header, claims), sign(HEADER, CLAIMS | claims)):
        try:
            verifier().verify(token)
        except Unauthorized:
            continue


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_no_character_can_be_changed(position: int, character: str) -> None:
    changed = GOOD[:position] + character + GOOD[position + 1 :]
    if changed == GOOD:
        return
    with pytest.raises(Unauthorized):
        verifier().verify(changed)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://issuer.example", "aud": "taskyard"},
        {"iss": "https://issuer.example", "aud": ["billing", "taskyard"]},
    ],
)
def test_the_expected_issuer_and_audience_are_accepted(claims: dict[str, object]) -> None:
    verifier("https://issuer.example", "taskyard").verify(with_claims(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"iss": "https://issuer.example"},
        {"aud": "taskyard"},
        {"iss": "https://issuer.example/", "aud": "taskyard"},
        {"iss": "HTTPS://issuer.example", "aud": "taskyard"},
        {"iss": "https://issuer.example.attacker.example", "aud": "taskyard"},
        {"iss": "https://issuer.example", "aud": "taskyard2"},
        {"iss": "https://issuer.example", "aud": "task"},
        {"iss": "https://issuer.example", "aud": ""},
        {"iss": "https://issuer.example", "aud": []},
        {"iss": "https://issuer.example", "aud": ["billing"]},
        {"iss": "https://issuer.example", "aud": "billing taskyard"},
    ],
)
def test_any_other_issuer_or_audience_is_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        verifier("https://issuer.example", "taskyard").verify(with_claims(**claims))


def test_unknown_scopes_are_left_out() -> None:
    token = with_claims(scope="tasks:read  root tasks:* ADMIN\ttasks:write tasks:execute")
    assert verifier().verify(token).scopes == {"tasks:read", "tasks:execute"}


@pytest.mark.parametrize("changes", [{"scope": ..., "groups": ...}, {"exp": NOW + 0.5}, {"nbf": NOW + 2}])
def test_what_issuers_do_is_accepted(changes: dict[str, object]) -> None:
    assert verifier().verify(with_claims(**changes)).subject == "ada"


@pytest.mark.parametrize("header", [{"alg": "HS256"}, HEADER | {"kid": "2"}, HEADER | {"typ": "at+jwt"}])
def test_harmless_headers_are_accepted(header: dict[str, object]) -> None:
    assert verifier().verify(sign(header, CLAIMS)).subject == "ada"


def test_what_is_minted_is_accepted_until_it_expires() -> None:
    token = mint(SECRET, "ada", ["admin", "tasks:read"], ["ops"], 60, NOW, issuer="us", audience="taskyard")
    clock = [NOW + 59.9]
    subject = JwtVerifier(SECRET, "us", "taskyard", now=lambda: clock[0])
    assert subject.verify(token).scopes == {"admin", "tasks:read"}
    clock[0] = NOW + 60
    with pytest.raises(Unauthorized, match="expired"):
        subject.verify(token)


@given(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=50),
    st.sets(st.sampled_from(sorted(SCOPES))),
)
def test_minting_and_verifying_are_inverse(subject: str, scopes: set[str]) -> None:
    caller = Caller(f"u-{subject}", frozenset(scopes), frozenset({subject}), is_token=True)
    assert verifier().verify(mint(SECRET, caller.subject, scopes, [subject], 60, NOW)) == caller


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * 31, PEM, DER], ids=["empty", "5", "31", "PEM", "DER"])
def test_a_secret_that_is_none_is_a_configuration_error(secret: bytes) -> None:
    with pytest.raises(ConfigurationError, match="TASKYARD_JWT_SECRET"):
        JwtVerifier(secret)
    with pytest.raises(ConfigurationError, match="TASKYARD_JWT_SECRET"):
        mint(secret, "ada", [], [], 60, NOW)


@pytest.mark.parametrize(
    ("subject", "scopes", "groups", "ttl"),
    [
        ("ada", ["tasks:reed"], [], 60),
        ("", [], [], 60),
        ("system", [], [], 60),
        ("ada", [], ["a\x00"], 60),
        ("ada", [], [], 0),
        ("ada", [], [f"group {number:0200}" for number in range(50)], 60),
    ],
)
def test_what_would_be_refused_is_not_minted(subject: str, scopes: list[str], groups: list[str], ttl: float) -> None:
    with pytest.raises(ValidationFailed):
        mint(SECRET, subject, scopes, groups, ttl, NOW)


def test_a_refusal_says_what_is_wrong() -> None:
    for token, reason in {
        OTHER_KEYS["RS256"]: "not signed with HS256",
        OTHER_KEYS["another secret"]: "signature",
        CLAIM_SETS["exp now"]: "expired",
        CLAIM_SETS["nbf in the future"]: "not valid yet",
        SHAPES["nothing"]: "not a signed JSON Web Token",
    }.items():
        with pytest.raises(Unauthorized, match=reason):
            verifier().verify(token)


def test_a_secret_of_32_bytes_is_enough() -> None:
    secret = bytes(range(32))
    JwtVerifier(secret, now=lambda: NOW).verify(mint(secret, "ada", [], [], 60, NOW))


def test_api_tokens_are_random_and_found_by_their_hash() -> None:
    first, second = new_api_token(), new_api_token()
    assert first.shown != second.shown
    assert is_api_token(first.shown)
    assert hash_api_token(first.shown) == first.hashed
    assert second.hashed != first.hashed
    assert first.shown not in first.hashed


@pytest.mark.parametrize(
    "text", ["", "ty_", "ty_" + "a" * 42, "ty_" + "a" * 44, "TY_" + "a" * 43, "ty_" + "a" * 43 + "\n", GOOD]
)
def test_what_is_no_api_token_is_told_apart(text: str) -> None:
    assert not is_api_token(text)


@given(st.text() | st.text(st.characters()))
def test_no_text_makes_the_hash_stumble(text: str) -> None:
    assert hash_api_token(text) != new_api_token().hashed
