"""What REST connections and their operations are told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_Header = Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
_Text = Annotated[str, Meta(max_length=8192)]
_Seconds = Annotated[float, Meta(gt=0, le=3600)]
_Url = Annotated[str, Meta(pattern="^https?://[^/?#@]+[^?#@]*$", max_length=2048)]


class _Closed(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class Auth(_Closed, frozen=True):
    """How the connection proves who calls. `name` and `in`: of an API key. `tokenUrl` to `client`: of OAuth 2, where
    the client's id and secret go in the `header` or in the `body`. `region` and `service`: of AWS's signature.
    """

    type: Literal["none", "basic", "bearer", "apiKey", "oauth2", "mtls", "sigv4"] = "none"
    name: _Header = "X-Api-Key"
    place: Annotated[Literal["header", "query"], Meta(description="where an API key goes")] = msgspec.field(
        default="header", name="in"
    )
    token_url: _Url | None = None
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    scope: _Text = ""
    audience: _Text = ""
    client: Literal["header", "body"] = "header"
    region: str = ""
    service: str = ""


class Settings(_Closed, frozen=True):
    """`headers` go with every call. `authorities` (PEM) are trusted instead of the usual ones. Seconds to connect, and
    between two pieces of an answer. `maxBytes` of an answer, unpacked. `redirects` that are followed.
    `idempotencyHeader`: empty where the other side knows none. `testPath` is asked for (GET) by a test.
    """

    base_url: _Url
    auth: Auth = Auth()
    headers: dict[_Header, _Text] = {}
    authorities: Annotated[str, Meta(max_length=1 << 20)] = ""
    connect_timeout: _Seconds = 10.0
    read_timeout: _Seconds = 30.0
    max_bytes: Annotated[int, Meta(ge=1)] = 8 << 20
    redirects: Annotated[int, Meta(ge=0, le=10)] = 0
    idempotency_header: _Header | Literal[""] = "Idempotency-Key"
    test_path: Annotated[str, Meta(pattern="^/")] = "/"


class Secrets(_Closed, frozen=True):
    """What the ways to prove who calls want: each its own."""

    token: str = ""
    username: str = ""
    password: str = ""
    api_key: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    certificate: str = ""
    private_key: str = ""
    passphrase: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""


NEEDED: dict[str, tuple[str, ...]] = {
    "basic": ("username", "password"), "bearer": ("token",), "apiKey": ("api_key",),
    "oauth2": ("client_id", "client_secret"), "mtls": ("certificate", "private_key"),
    "sigv4": ("access_key_id", "secret_access_key"),
}  # fmt: skip


class Paging(_Closed, frozen=True):
    """How to go on to the next page: by the `link` header, by a `cursor` in the answer that goes into the query as
    `parameter`, or by the number of the `page` there.

    `items` (JMESPath) finds a page's items in its answer, `cursor` what leads to the next. A page without items, or
    with fewer than `pageSize`, is the last. `maxPages` and `maxItems` bound the whole.
    """

    by: Literal["link", "cursor", "page"]
    items: Annotated[str, Meta(min_length=1, max_length=1000)] = "@"
    cursor: Annotated[str, Meta(min_length=1, max_length=1000)] = "nextCursor"
    parameter: Annotated[str, Meta(min_length=1, max_length=200)] = ""
    first: int = 1
    page_size: Annotated[int, Meta(ge=1)] | None = None
    max_pages: Annotated[int, Meta(ge=1, le=1000)] = 100
    max_items: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


class Operation(_Closed, frozen=True):
    """One request. In texts of `path`, `query`, `headers` and `body`, `{expression}` (JMESPath) stands for what it
    finds in the input, `{{` and `}}` for braces.

    In the path it is one segment, or a part of one. A text of the query or the body that is nothing else becomes the
    value itself: null leaves a parameter out, a list gives it several times. Without `body` the mapped input is sent.
    `encoding` of the body; of multipart and binary a file is `{"file": uploadId}`. `expect` of the answer: auto goes by
    its media type, and what is neither JSON nor text is kept as a file.
    """

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Annotated[str, Meta(pattern=r"^/[^?#\\]*$", max_length=2048)] = "/"
    query: dict[str, Any] = {}
    headers: dict[_Header, _Text] = {}
    body: Any = msgspec.UNSET
    encoding: Literal["json", "form", "multipart", "binary", "text", "none"] | None = None
    content_type: Annotated[str, Meta(pattern=r"^[ -~]{1,200}$")] = ""
    expect: Literal["auto", "json", "text", "binary"] = "auto"
    pagination: Paging | None = None
