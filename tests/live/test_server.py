"""The server of the page: who is let in, what pages may send, and viewers that are slow or gone."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfast
from ecgfast import Beat, Event, Quality
from ecgfast.errors import InputError, MissingExtraError
from ecgfast.live.feed import LiveFeed
from ecgfast.live.server import LiveServer, make_app
from ecgfast.live.wire import decode
from ecgfast.web import Gate, is_loopback, make_token, page_url

NEEDED = "the extra 'live', or httpx, is not installed"
testclient = pytest.importorskip("starlette.testclient", reason=NEEDED)
pytest.importorskip("uvicorn", reason=NEEDED)
websockets = pytest.importorskip("websockets.sync.client", reason=NEEDED)
exceptions = pytest.importorskip("websockets.exceptions", reason=NEEDED)

TestClient = testclient.TestClient
WebSocketDisconnect = testclient.WebSocketDisconnect
ConnectionClosed, InvalidStatus = exceptions.ConnectionClosed, exceptions.InvalidStatus
connect = websockets.connect

HERE = "localhost:8765"

ALARM = {
    "type": "alarm", "id": "asystole-1", "kind": "asystole", "priority": "high", "since": 3.5,
    "ended": None, "acknowledged": False, "text": "Asystole",
}  # fmt: skip


def opened_feed(seconds: int = 20, n_leads: int = 2, fs: float = 250.0) -> LiveFeed:
    feed = LiveFeed()
    feed.begin("made", fs, [f"ECG{i + 1}" for i in range(n_leads)])
    n = round(fs)
    for i in range(seconds):
        beat = Beat(i * n + 10, i + 10 / fs, "N", 0.9, {"N": 0.9}, 1.0, 60.0, Quality.GOOD)
        feed.take(np.full((n, n_leads), i, np.float32), [beat], [])
    return feed


@pytest.fixture
def serve() -> Iterator[Callable[..., LiveServer]]:
    with ExitStack() as stack:
        yield lambda feed, **more: stack.enter_context(LiveServer(feed, **({"port": 0} | more)))


def joined(server: LiveServer, **more: Any) -> Any:
    url = server.url.replace("http://", "ws://").replace("/?", "/socket?")
    if "?" not in url:
        url += "socket"
    # Without a limit: a client that has stopped to read would wait long at its end.
    return connect(url, max_size=None, max_queue=None, compression=None, close_timeout=2, **more)


def socket_of(client: Any, path: str = "/socket", **headers: str) -> Any:
    """A socket of a test client, which names no host of its own."""
    return client.websocket_connect(path, headers={"host": HERE} | headers)


def read_on(page: Any) -> None:
    """Read what comes, until the connection ends."""
    for _ in range(2000):
        page.recv(timeout=300)


def read_until(page: Any, kind: str) -> dict[str, Any]:
    for _ in range(500):
        message = page.recv(timeout=300)
        if isinstance(message, str) and json.loads(message)["type"] == kind:
            return dict(json.loads(message))
    raise AssertionError(f"no {kind} came")


# --------------------------------------------------------------------------------- what is served


def test_the_page_and_what_comes_over_its_socket() -> None:
    feed = opened_feed()
    with TestClient(make_app(feed), base_url="http://localhost:8765") as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in ("live.js", "live.css"):
            assert name in page.text
            assert client.get(f"/{name}").status_code == 200
        assert client.get("/../feed.py").status_code == 404
        with socket_of(client) as ws:
            hello = ws.receive_json()
            assert (hello["type"], hello["source"], hello["fs"]) == ("hello", "made", 250.0)
            assert [b["sample"] for b in hello["beats"]] == [250 * i + 10 for i in range(20)]
            blocks = decode(ws.receive_bytes())
            assert sum(len(points) for _, points in blocks) == 5000
            assert ws.receive_json()["type"] == "state"
            event = Event("pause", 5000, 5100, 20.0, 20.4)
            feed.take(np.full((100, 2), 7.5, np.float32), [], [event])
            message = ws.receive()
            while "bytes" not in message or message["bytes"] is None:
                message = ws.receive()
            ((begin, points),) = decode(message["bytes"])
            assert begin == 5000
            assert (points == 7.5).all()
            row = ws.receive_json()
            assert (row["type"], row["kind"], row["start"]) == ("event", "pause", 5000)
            strip = client.get(f"/strip/{row['id']}")
            assert strip.json()["begin"] == 4500
            assert client.get("/strip/99").status_code == 404
            assert client.get("/strip/x").status_code == 404


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_written_inline() -> None:
    page = Path(ecgfast.__file__).parent / "live" / "page"
    for file in page.iterdir():
        text = file.read_text("utf-8")
        assert "http://" not in text, file
        assert "https://" not in text, file
        assert "innerHTML" not in text, file  # names come from files and devices
    html = (page / "index.html").read_text("utf-8")
    assert "style=" not in html
    assert "onclick" not in html


def test_an_alarm_is_shown_and_acknowledged() -> None:
    feed, acknowledged = opened_feed(), []
    app = make_app(feed, on_acknowledge=acknowledged.append)
    with TestClient(app, base_url="http://localhost") as client:
        with socket_of(client) as ws:
            feed.publish(ALARM)
            message = ws.receive()
            while '"alarm"' not in (message.get("text") or "")[:16]:
                message = ws.receive()
            assert json.loads(message["text"]) == ALARM
            ws.send_json({"type": "acknowledge", "id": "no such"})
            ws.send_json({"type": "acknowledge", "id": ALARM["id"]})
            for _ in range(3000):
                if acknowledged:
                    break
                time.sleep(0.02)
            assert acknowledged == [ALARM["id"]]
        with socket_of(client) as late:
            assert late.receive_json()["alarms"] == [ALARM]


def test_without_a_callback_the_alarm_itself_is_marked(
    serve: Callable[..., LiveServer],
) -> None:
    feed = opened_feed()
    server = serve(feed)
    server.publish(ALARM)
    with joined(server) as page:
        page.send(json.dumps({"type": "acknowledge", "id": ALARM["id"]}))
        assert read_until(page, "alarm")["acknowledged"] is True


def test_a_callback_that_fails_costs_nothing(
    serve: Callable[..., LiveServer], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(number: str | int) -> None:
        raise RuntimeError("no such alarm")

    server = serve(opened_feed(), on_acknowledge=fails)
    server.publish(ALARM)
    with joined(server) as page:
        page.send(json.dumps({"type": "acknowledge", "id": ALARM["id"]}))
        page.send(json.dumps({"type": "acknowledge", "id": ALARM["id"]}))
        read_until(page, "state")
        read_until(page, "state")
    assert "could not be acknowledged" in caplog.text


# ----------------------------------------------------------------------------------- bad visitors


@pytest.mark.parametrize(
    "garbage",
    [
        "hello",
        "{",
        "[" * 900,
        "null",
        "[]",
        '{"type": "acknowledge"}',
        '{"type": "acknowledge", "id": true}',
        '{"type": "acknowledge", "id": [1]}',
        '{"type": "shutdown", "id": 1}',
        '"\x1b[2J"',
        b"\x00\xff" * 40,
        "x" * 1001,
        "x" * 100_000,
    ],
)
def test_garbage_on_the_socket_closes_that_socket_only(
    garbage: str | bytes, serve: Callable[..., LiveServer], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(opened_feed())
    with joined(server) as good, joined(server) as bad:
        bad.send(garbage)
        with pytest.raises(ConnectionClosed) as closed:
            read_on(bad)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == (1009 if len(garbage) > 4096 else 1008)
        read_until(good, "state")
        if len(garbage) <= 4096:
            (line,) = [r.getMessage() for r in caplog.records if "no message" in r.getMessage()]
            assert line.isprintable()
            assert len(line) < 200


def test_bytes_that_are_no_protocol_at_all(serve: Callable[..., LiveServer]) -> None:
    server = serve(opened_feed())
    port = server._socket.getsockname()[1]
    for start in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 9000):
        with socket.create_connection(("127.0.0.1", port), timeout=300) as raw:
            raw.sendall(start)
            raw.settimeout(0.5)
            with suppress(OSError):
                raw.recv(100)
    with joined(server) as page:
        read_until(page, "state")


def test_at_most_so_many_viewers(serve: Callable[..., LiveServer]) -> None:
    server = serve(opened_feed(), max_viewers=2)
    with joined(server) as first, joined(server) as second:
        read_until(first, "state")
        read_until(second, "state")
        with joined(server) as third:
            with pytest.raises(ConnectionClosed) as closed:
                third.recv(timeout=300)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert "2 pages are open" in closed.value.rcvd.reason
        first.close()
        for _ in range(1000):  # its place is free again
            with joined(server) as next_one:
                try:
                    read_until(next_one, "state")
                    break
                except ConnectionClosed:
                    time.sleep(0.05)
        else:
            pytest.fail("the place of a viewer that left stays taken")


def test_a_hundred_viewers_all_see_the_newest(serve: Callable[..., LiveServer]) -> None:
    feed = opened_feed(seconds=3)
    server = serve(feed)
    with ExitStack() as stack:
        pages = [stack.enter_context(joined(server)) for _ in range(100)]
        for page in pages:
            assert json.loads(page.recv(timeout=300))["type"] == "hello"
        feed.publish(ALARM)
        for page in pages:
            assert read_until(page, "alarm")["id"] == ALARM["id"]


def test_a_viewer_that_reads_nothing_costs_the_stream_nothing(
    serve: Callable[..., LiveServer],
) -> None:
    """It is sent no more than sockets hold, others see everything, and it gets the newest at last.

    Whoever takes samples never waits: it is the server that looks at the feed.
    """
    feed = opened_feed(n_leads=8)
    server = serve(feed)
    with joined(server) as good:
        port = server._socket.getsockname()[1]
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", port))
        request = (
            f"GET /socket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        slow.sendall(request.encode())
        seen: list[int] = []
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                message = good.recv(timeout=300)
                if isinstance(message, bytes):
                    seen.extend(begin + len(points) for begin, points in decode(message))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for _ in range(240):  # two minutes of a stream in some seconds
                feed.take(np.zeros((125, 8), np.float32), [], [])
                time.sleep(0.02)
            deadline = time.monotonic() + 120
            while (not seen or seen[-1] < 35000) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            ended.set()
            reader.join()
        assert seen[-1] == 35000
        # What is held for the slow one: its queue is bounded, and it is still served.
        slow.settimeout(30)
        received = b""
        while b'"sample":35000' not in received[-4000:] and len(received) < 3_000_000:
            received += slow.recv(1 << 16)
        assert b'"sample":35000' in received[-4000:]
        assert len(received) < 1_500_000
        slow.close()


def test_a_viewer_that_is_gone_without_a_word_is_forgotten(
    serve: Callable[..., LiveServer],
) -> None:
    feed = opened_feed()
    server = serve(feed, max_viewers=1)
    with joined(server) as page:
        read_until(page, "state")
        page.socket.shutdown(socket.SHUT_RDWR)
        for _ in range(1000):
            try:
                with joined(server) as other:
                    read_until(other, "state")
                    break
            except ConnectionClosed:
                time.sleep(0.05)
        else:
            pytest.fail("the place of a viewer that is gone stays taken")


# ------------------------------------------------------------------------------------ who is let in


def test_a_loopback_page_is_served_to_this_machine_only() -> None:
    app = make_app(opened_feed())
    for good in ("http://localhost:8765", "http://127.0.0.1", "http://[::1]:9"):
        with TestClient(app, base_url=good) as client:
            assert client.get("/").status_code == 200
    for bad in ("http://evil.example", "http://192.168.1.4:8765", "http://localhost.evil.example"):
        with TestClient(app, base_url=bad) as client:
            assert client.get("/").status_code == 403
            with pytest.raises(WebSocketDisconnect), socket_of(client, host=bad[7:]):
                pass


def test_a_page_of_another_site_cannot_open_the_socket() -> None:
    with TestClient(make_app(opened_feed()), base_url="http://localhost:8765") as client:
        for origin in ("http://evil.example", "http://localhost:9999", "null", "http://[x"):
            with (
                pytest.raises(WebSocketDisconnect),
                socket_of(client, origin=origin),
            ):
                pass
        with socket_of(client, origin=f"http://{HERE}") as ws:
            assert ws.receive_json()["type"] == "hello"


def test_another_address_needs_the_token() -> None:
    token = make_token()
    app = make_app(opened_feed(), token=token, loopback=False)
    with TestClient(app, base_url="http://192.168.1.4:8765") as client:
        assert client.get("/").status_code == 403
        assert "token" in client.get("/?token=wrong").text
        assert client.get("/?token=ä").status_code == 403
        assert client.get("/strip/0").status_code == 403
        assert client.get("/live.js").status_code == 200  # nothing of a patient
        assert client.get(f"/?token={token}").status_code == 200
        assert client.get("/", headers={"authorization": f"Bearer {token}"}).status_code == 200
        for query in ("", "?token=", f"?token={token}x"):
            with (
                pytest.raises(WebSocketDisconnect),
                socket_of(client, f"/socket{query}"),
            ):
                pass
        with socket_of(client, f"/socket?token={token}") as ws:
            assert ws.receive_json()["type"] == "hello"


def test_a_server_on_all_addresses_makes_a_token(serve: Callable[..., LiveServer]) -> None:
    server = serve(opened_feed(), host="0.0.0.0")
    assert server.token
    assert server.url.endswith(f"/?token={server.token}")
    port = server._socket.getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", "/")
    assert connection.getresponse().status == 403
    connection.close()
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{port}/socket"):
        pass
    with connect(f"ws://127.0.0.1:{port}/socket?token={server.token}", max_size=None) as page:
        read_until(page, "state")


def test_host_names_and_addresses() -> None:
    for host in ("localhost", "LOCALHOST.", "127.0.0.1", "127.5.4.3", "::1", "[::1]"):
        assert is_loopback(host), host
    for host in ("", "0.0.0.0", "::", "10.0.0.1", "localhost.com", "127.0.0.1.nip.io"):
        assert not is_loopback(host), host
    assert "//0.0.0.0" not in page_url("0.0.0.0", 80, "x")
    assert len({make_token() for _ in range(100)}) == 100
    assert Gate.__doc__


# ----------------------------------------------------------------------------------- begin and end


def test_a_port_that_is_taken_is_named(serve: Callable[..., LiveServer]) -> None:
    server = serve(opened_feed())
    port = server._socket.getsockname()[1]
    with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: cannot be listened on .*--port"):
        LiveServer(opened_feed(), port=port, port_option="--port ")
    with pytest.raises(InputError, match="ports are 0 to 65535"):
        LiveServer(opened_feed(), port=70000)
    with pytest.raises(InputError, match="cannot be listened on"):
        LiveServer(opened_feed(), host="no such host", port=0)
    with pytest.raises(InputError, match="max_viewers"):
        LiveServer(opened_feed(), port=0, max_viewers=0)


def test_the_server_stops_with_pages_open_and_its_port_is_free(
    serve: Callable[..., LiveServer],
) -> None:
    server = serve(opened_feed())
    port = server._socket.getsockname()[1]
    with joined(server) as page:
        read_until(page, "state")
        server.stop()
        assert not server._thread.is_alive()
        with pytest.raises(ConnectionClosed):
            read_on(page)
    again = serve(opened_feed(), port=port)
    with joined(again) as page:
        read_until(page, "state")


def test_a_server_that_was_never_started_stops() -> None:
    LiveServer(opened_feed(), port=0).stop()


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[live\]"):
        LiveServer(opened_feed(), port=0)


def test_importing_the_feed_loads_no_server() -> None:
    code = (
        "import sys, ecgfast.live\n"
        "assert not {'starlette', 'uvicorn', 'websockets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_server_logs_of_an_ordinary_visit(
    serve: Callable[..., LiveServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = serve(opened_feed())
    for _ in range(3):
        with joined(server) as page:
            read_until(page, "state")
    server.stop()
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
