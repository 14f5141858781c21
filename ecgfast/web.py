"""Who may reach a page that this package serves: addresses, host names, origins and a token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from .errors import InputError

__all__ = ["Gate", "is_loopback", "listen", "make_token", "page_url"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Nothing is loaded from other servers, no other page can embed this one, and its address (which may
# hold a token) is sent to no other site.
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


def is_loopback(host: str) -> bool:
    """Whether a host name or address reaches this machine only.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def make_token() -> str:
    """A token that cannot be guessed: 128 random bits, fit for a URL."""
    return secrets.token_urlsafe(16)


def listen(host: str, port: int, *, option: str = "port=") -> socket.socket:
    """Open a listening TCP socket.

    Parameters
    ----------
    host : str
        Name or address of this machine; ``0.0.0.0`` or ``::`` is all of its addresses.
    port : int
        0 takes a free one.
    option : str
        How the caller gives the port, for the message.

    Raises
    ------
    InputError
        If the address or the port cannot be used.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"{option}{port}: ports are 0 to 65535")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{host}:{port}: cannot be listened on ({reason}): give another {option.strip(' =')}, "
            "or 0 for a free one"
        ) from None


def page_url(host: str, port: int, token: str | None) -> str:
    """The address to open in a browser.

    Parameters
    ----------
    host : str
        What the server is bound to; of all addresses, the one that other machines reach is taken.
    port : int
    token : str or None

    Examples
    --------
    >>> page_url("127.0.0.1", 8765, None)
    'http://127.0.0.1:8765/'
    >>> page_url("::1", 8765, "a b")
    'http://[::1]:8765/?token=a%20b'
    """
    if host in ("", "0.0.0.0", "::"):
        host = _own_address(socket.AF_INET6 if host == "::" else socket.AF_INET)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{port}/" + (f"?token={quote(token)}" if token else "")


def _own_address(family: socket.AddressFamily) -> str:
    """The address of this machine on its network; its name where there is none."""
    there = ("192.0.2.1", 9) if family == socket.AF_INET else ("2001:db8::1", 9)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(there)  # of a datagram socket: nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


class Gate:
    """ASGI application that lets through to another only who may see the page.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        What a request must carry, as ``?token=`` or as a bearer token; None for none.
    loopback : bool
        Whether the server is bound to a loopback address. A request must then name such a host: a
        page of another site whose name was made to point here (DNS rebinding) is refused.
    public : collection of str
        Paths that need no token: they hold nothing of a patient.
    hosts : collection of str
        Values of the header ``Host`` that are served, such as ``"127.0.0.1:8765"``: any other is
        refused with status 421. By default, `loopback` alone decides.

    Notes
    -----
    A request that names its origin, as browsers do for WebSockets, must come from the same host.
    Every answer gets headers that forbid to load anything from elsewhere, except those that the
    application set itself, such as a content security policy with a nonce.
    """

    def __init__(
        self,
        app: App,
        *,
        token: str | None,
        loopback: bool,
        public: Collection[str] = (),
        hosts: Collection[str] = (),
    ) -> None:
        self._app = app
        self._token = token.encode() if token else None
        self._loopback = loopback
        self._public = frozenset(public)
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                own = {name for name, _ in headers}
                message["headers"] = headers + [one for one in _HEADERS if one[0] not in own]
            await send(message)

        status, reason = self._refusal(scope)
        if not reason:
            await self._app(scope, receive, guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            text = f"{reason}\n".encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await guarded({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": text})

    def _refusal(self, scope: Scope) -> tuple[int, str]:
        """The status and the reason with which a request is refused; empty if it is not."""
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
        host = headers.get(b"host", "")
        if self._hosts and host not in self._hosts:
            return 421, "this address is not served: open the address that the server printed"
        try:
            if self._loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
                return 403, "this page is served to this machine only: open it as localhost"
            origin = headers.get(b"origin")
            if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
                return 403, "the request comes from a page of another site"
        except ValueError:
            return 403, "the request names no host"
        if self._token is None or scope["path"] in self._public:
            return 200, ""
        query = scope.get("query_string", b"").decode("latin-1")
        given = parse_qs(query).get("token", [""])[0]
        kind, _, bearer = headers.get(b"authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given = bearer
        if hmac.compare_digest(given.encode(), self._token):
            return 200, ""
        return 403, "the token is missing or wrong: open the address that the server printed"
