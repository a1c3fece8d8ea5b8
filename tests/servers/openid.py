"""A small OpenID provider: whoever comes is logged in at once, everything else is checked as the standards say."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "taskyard", "a secret: 50% & more"


class Provider:
    """The provider at a port of loopback. `claims` are told of who logs in, over what the protocol wants;
    `answer` goes back with the browser, over the code and the state.
    """

    def __init__(self, port: int, *, public: bool = False) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.public = public
        self.claims: dict[str, Any] = {"sub": "ann", "groups": ["ops"]}
        self.answer: dict[str, str | None] = {}
        self.metadata: dict[str, Any] = {}
        self.key = self.signing = _new_key("k1")
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._redeem, methods=["POST"]),
                Route("/keys", self._show_keys),
            ]
        )

    def change_key(self, kid: str) -> None:
        """Sign with another key from now on, and publish it alone."""
        self.key = self.signing = _new_key(kid)

    def sign_with_another(self) -> None:
        """Sign with a key that is not the published one of its name."""
        self.signing = _new_key(str(self.key.kid))

    async def _describe(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        told = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True, "response_types_supported": ["code"],
        }  # fmt: skip
        return JSONResponse(told | self.metadata)

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if any(query.get(name) != value for name, value in wanted.items()) or "openid" not in query["scope"].split():
            return Response("what is that", 400)
        code = secrets.token_urlsafe()
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, "session_state": "x"} | self.answer
        kept = {name: value for name, value in answer.items() if value is not None}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(kept)}", 303)

    async def _redeem(self, request: Request) -> Response:
        form = dict(await request.form())
        asked = self._codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or not self._is_client(request, form)
            or form.get("grant_type") != "authorization_code"
            or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, form.get("redirect_uri"))
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "nonce": asked["nonce"], "iat": now, "exp": now + 300}
        header = {"alg": "RS256", "kid": self.signing.kid}
        token = jwt.encode(header, claims | self.claims, self.signing)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _is_client(self, request: Request, form: dict[str, Any]) -> bool:
        if self.public:
            return form.get("client_id") == CLIENT_ID and "authorization" not in request.headers
        pair = urlencode({CLIENT_ID: CLIENT_SECRET}).replace("=", ":")
        expected = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return request.headers.get("authorization") == expected

    async def _show_keys(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return JSONResponse({"keys": [{**self.key.as_dict(private=False), "kid": self.key.kid}]})


def _new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid}, private=True)
