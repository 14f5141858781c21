"""The page of a live stream: a small web server in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import resources
from time import monotonic, sleep
from typing import Any

from ..errors import InputError
from ..extras import need
from ..printable import printable
from ..web import Gate, is_loopback, listen, make_token, page_url
from .feed import Cursor, LiveFeed

__all__ = ["MAX_VIEWERS", "PORT", "LiveServer", "make_app"]

_log = logging.getLogger(__name__)

# What the extra is wanted for.
_WHAT = "The live page"

#: Where the page is, if the caller does not say otherwise.
PORT = 8765

#: Pages at a time.
MAX_VIEWERS = 100

# Seconds between two looks at the feed, and between two messages on the state.
_TICK_S, _STATE_S = 1 / 30, 0.5

# Messages held for a viewer: two seconds. What comes beyond drops them all for a new snapshot.
_QUEUE = 64

# Seconds of signal in such a snapshot: a slow viewer is sent little.
_AGAIN_S = 10.0

# Seconds in which a viewer must take a message, the server must stop, a page must be closed.
_SEND_S, _STOP_S, _CLOSE_S = 30.0, 3.0, 1.0

# Characters of a message from a page.
_LONGEST = 1000

_FILES = {
    "/": ("index.html", "text/html"),
    "/live.js": ("live.js", "text/javascript"),
    "/tick.js": ("tick.js", "text/javascript"),
    "/live.css": ("live.css", "text/css"),
}


class _Viewer:
    """One page: what is still to be sent to it."""

    def __init__(self, feed: LiveFeed, first: list[str | bytes]) -> None:
        self._feed = feed
        self._queue: deque[str | bytes] = deque(first)
        self._behind = False
        self._ready = asyncio.Event()
        self._ready.set()

    def put(self, messages: list[str | bytes]) -> None:
        """Send these too; a viewer that is too slow gets the newest state instead."""
        if len(self._queue) + len(messages) > _QUEUE:
            self._behind = True
        if self._behind:
            self._queue.clear()
        else:
            self._queue.extend(messages)
        self._ready.set()

    def restart(self) -> None:
        """Send all anew: the source is another."""
        self._behind = True
        self._queue.clear()
        self._ready.set()

    async def next(self) -> str | bytes:
        """The next message."""
        while True:
            await self._ready.wait()
            if self._behind:
                self._behind = False
                self._queue.extend(self._feed.snapshot(_AGAIN_S)[0])
            if self._queue:
                return self._queue.popleft()
            self._ready.clear()


class _Hub:
    """Looks at the feed thirty times a second, and hands what is new to every viewer."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed
        self.viewers: set[_Viewer] = set()
        self._cursor: Cursor | None = None

    def join(self) -> _Viewer:
        """A new viewer, which gets all that comes after its first messages."""
        first, cursor = self._feed.snapshot()
        if self._cursor is None:
            self._cursor = cursor
        viewer = _Viewer(self._feed, first)
        self.viewers.add(viewer)
        return viewer

    async def run(self) -> None:
        """Look, until cancelled."""
        stated = 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            if not self.viewers or self._cursor is None:
                self._cursor = None
                continue
            now = monotonic()
            found = self._feed.since(self._cursor)
            if found is None:
                self._cursor = self._feed.snapshot(0.0)[1]
                for viewer in self.viewers:
                    viewer.restart()
                continue
            messages, self._cursor = found
            if now - stated >= _STATE_S:
                messages.append(self._feed.state())
                stated = now
            if messages:
                for viewer in self.viewers:
                    viewer.put(messages)


def make_app(
    feed: LiveFeed,
    *,
    token: str | None = None,
    loopback: bool = True,
    max_viewers: int = MAX_VIEWERS,
    on_acknowledge: Callable[[str | int], None] | None = None,
) -> Any:
    """The page as an ASGI application; `LiveServer` has the parameters.

    Raises
    ------
    MissingExtraError
        If starlette is not installed.
    """
    need("starlette", _WHAT, "live")
    need("anyio", _WHAT, "live")
    import anyio
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    hub = _Hub(feed)
    files = resources.files(__package__) / "page"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(hub.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def page(request: Request) -> Response:
        name, kind = _FILES[request.url.path]
        return Response((files / name).read_bytes(), media_type=kind)

    async def strip(request: Request) -> Response:
        found = feed.strip(request.path_params["number"])
        if found is None:
            return PlainTextResponse("this event is not kept any more\n", 404)
        return JSONResponse(found)

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        if len(hub.viewers) >= max_viewers:
            await websocket.close(1013, f"{max_viewers} pages are open: close one of them")
            return
        viewer = hub.join()
        reason = ""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_send, websocket, viewer, group.cancel_scope)
                reason = await _receive(websocket, feed, on_acknowledge)
                group.cancel_scope.cancel()
        finally:
            hub.viewers.discard(viewer)
        if reason:
            host = websocket.client.host if websocket.client else "unknown"
            _log.warning(
                "a page (%s) sent what is no message: %s; its connection is closed", host, reason
            )
        with suppress(Exception), anyio.move_on_after(_CLOSE_S):  # it may be gone
            await websocket.close(1008 if reason else 1000)

    routes = [
        *(Route(path, page) for path in _FILES),
        Route("/strip/{number:int}", strip),
        WebSocketRoute("/socket", socket),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    return Gate(app, token=token, loopback=loopback, public=("/live.js", "/tick.js", "/live.css"))


class _GarbageError(Exception):
    """A page sent something else than a message."""


async def _send(websocket: Any, viewer: _Viewer, scope: Any) -> None:
    """Send what there is, until the page is gone or takes nothing any more."""
    import anyio

    while True:
        message = await viewer.next()
        try:
            # Not asyncio.wait_for: before Python 3.12 it may lose a cancellation.
            with anyio.fail_after(_SEND_S):
                if isinstance(message, str):
                    await websocket.send_text(message)
                else:
                    await websocket.send_bytes(message)
        except Exception as error:
            _log.debug("a page is gone: %s", error)
            scope.cancel()
            return


async def _receive(
    websocket: Any, feed: LiveFeed, on_acknowledge: Callable[[str | int], None] | None
) -> str:
    """Take what a page sends, until it is gone; returns what it sent, if that is no message."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return ""
        try:
            number = _acknowledged(message)
        except _GarbageError as error:
            return str(error)
        alarm = feed.alarm(number)
        if alarm is None:
            continue  # it has just gone
        if on_acknowledge is None:
            feed.publish({**alarm, "acknowledged": True})
            continue
        try:
            on_acknowledge(number)
        except Exception:
            _log.exception("the alarm %s could not be acknowledged", number)


def _acknowledged(message: Mapping[str, Any]) -> str | int:
    """The id of the alarm that a page acknowledges."""
    text = message.get("text")
    if not isinstance(text, str):
        raise _GarbageError("bytes")
    if len(text) > _LONGEST:
        raise _GarbageError(f"{len(text)} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _GarbageError(f"no JSON: {printable(text[:40])}") from None
    if isinstance(found, dict) and found.get("type") == "acknowledge":
        number = found.get("id")
        if isinstance(number, (str, int)) and not isinstance(number, bool):
            return number
    raise _GarbageError(printable(text[:40]))


class LiveServer:
    """Serves the page of a feed until it is stopped.

    Parameters
    ----------
    feed : LiveFeed
    host : str, default "127.0.0.1"
        Address to listen on; ``0.0.0.0`` is every address of this machine.
    port : int, default 8765
        0 takes a free one.
    token : str, optional
        What the address of the page must carry. One is made where the address is not a loopback
        one and none is given.
    max_viewers : int, default 100
        Pages at a time; a further one is refused.
    on_acknowledge : callable, optional
        Called with the id of an alarm that somebody acknowledges on a page, on the server's
        thread: it must not wait. Without it the alarm is marked as acknowledged.
    port_option : str
        How the caller gives the port, for messages.

    Attributes
    ----------
    url : str
        What to open in a browser, with the token.
    token : str or None

    Raises
    ------
    InputError
        If the address cannot be listened on, or `max_viewers` is less than one.
    MissingExtraError
        If starlette, uvicorn or websockets is not installed.

    Notes
    -----
    The server pulls from the feed: a page that is slow, or gone, costs the stream nothing.

    Examples
    --------
    >>> feed = LiveFeed()
    >>> with LiveServer(feed, port=0) as server:       # doctest: +SKIP
    ...     print(server.url)
    ...     feed.begin("strap", 130.0, ["ECG"])
    ...     for chunk in strap:
    ...         feed.take(chunk, labeller.process(chunk), [])
    """

    def __init__(
        self,
        feed: LiveFeed,
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        token: str | None = None,
        max_viewers: int = MAX_VIEWERS,
        on_acknowledge: Callable[[str | int], None] | None = None,
        port_option: str = "port=",
    ) -> None:
        if max_viewers < 1:
            raise InputError(f"max_viewers={max_viewers}: give at least one")
        need("uvicorn", _WHAT, "live")
        need("websockets", _WHAT, "live")
        import uvicorn

        loopback = is_loopback(host)
        self.feed = feed
        self.token = token or (None if loopback else make_token())
        app = make_app(
            feed,
            token=self.token,
            loopback=loopback,
            max_viewers=max_viewers,
            on_acknowledge=on_acknowledge,
        )
        self._socket = listen(host, port, option=port_option)
        self.url = page_url(host, self._socket.getsockname()[1], self.token)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                ws="auto",
                ws_max_size=4096,
                ws_max_queue=8,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="ecgfast page", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close all pages and end the thread, within a moment."""
        if self._thread.is_alive():
            sleep(3 * _TICK_S)  # pages get what came last
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
        self._socket.close()

    def publish(self, message: Mapping[str, Any]) -> None:
        """Show an alarm, or what has become of it; see `LiveFeed.publish`."""
        self.feed.publish(message)

    def __enter__(self) -> LiveServer:
        """Begin to serve."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException:
            # The stream continues without its page.
            _log.exception("the page's server failed: the stream continues without it")
