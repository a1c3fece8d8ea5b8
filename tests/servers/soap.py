"""A SOAP service of soapbar's, on loopback."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

from soapbar import SoapApplication, SoapFault, SoapService, WsgiSoapApp, soap_operation
from soapbar.core.wssecurity import UsernameTokenValidator

USER = "courier"


class Counter(SoapService):
    __service_name__ = "Counter"
    __tns__ = "http://example.com/counter"

    @soap_operation()
    def add(self, a: int, b: int) -> int:
        return a + b

    @soap_operation()
    def fail(self, code: str, detail: str) -> str:
        raise SoapFault(code, "it cannot be counted", detail=detail or None)


class _Validator(UsernameTokenValidator):
    def __init__(self, password: str) -> None:
        super().__init__()
        self._password = password

    def get_password(self, username: str) -> str | None:
        return self._password if username == USER else None


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextlib.contextmanager
def counter(password: str = "") -> Iterator[str]:
    """The service's address; with a password it wants a token of WS-Security."""
    server = make_server("127.0.0.1", 0, lambda *_: [], handler_class=_Quiet)
    url = f"http://127.0.0.1:{server.server_port}/counter"
    validator = _Validator(password) if password else None
    with warnings.catch_warnings(action="ignore"):  # soapbar's, of http
        application = SoapApplication(service_url=url, security_validator=validator, allow_plaintext_credentials=True)
    application.register(Counter())
    server.set_app(WsgiSoapApp(application))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
