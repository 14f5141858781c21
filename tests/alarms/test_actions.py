"""What alarms do: real commands, a real web server, a real broker."""

from __future__ import annotations

import json
import logging
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecgfast.alarms import ActionRunner, ActionSettings, Alarm, check_actions, open_actions
from ecgfast.errors import InputError, MissingExtraError
from ecgfast.rhythm import EventKind

RAISED = Alarm(1, EventKind.ASYSTOLE, "high", 10.0, 13.0)


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others keep the processors busy a program takes long to start."""
    monkeypatch.setattr("ecgfast.alarms.actions._LAST_S", 60.0)
    monkeypatch.setattr("ecgfast.alarms.actions._PATIENCE_S", 60.0)


def did(kind: str, alarm: Alarm = RAISED, **options: Any) -> None:
    (runner,) = open_actions([ActionSettings(kind, "low", options)])
    runner.alarm(alarm)
    runner.close()


def test_a_command_gets_the_alarm(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import sys; open(sys.argv[1], 'w').write(' '.join(sys.argv[2:]) + sys.stdin.read())"
    texts = ["{kind}", "{priority} {state}", "{text}", "$HOME;`ls`"]
    did("command", command=[sys.executable, "-c", code, str(out), *texts])
    words, _, message = out.read_text().partition("{")
    assert words == "asystole high raised asystole $HOME;`ls`"
    assert json.loads("{" + message)["since"] == 10.0


def test_the_page_shows_the_message_that_is_sent(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "alarms.md"
    if not page.is_file():
        pytest.skip("the docs are not in this checkout")
    (shown,) = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    out = tmp_path / "out"
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    alarm = Alarm(1, EventKind.ASYSTOLE, "high", 754.2, 757.3)
    did("command", alarm, command=[sys.executable, "-c", code, str(out)])
    assert json.loads(out.read_text()) == json.loads(shown)


def test_an_action_that_fails_is_reported_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    did("command", command=[sys.executable, "-c", "raise SystemExit('no room')"])
    assert "alarm action command: failed (" in caplog.text
    assert "ended with 1: no room" in caplog.text


def test_a_program_that_is_not_there_is_said_before_the_first_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match="there is no program 'no-such-program' here; install it"):
        did("command", command=["no-such-program", "{text}"])
    with pytest.raises(InputError, match="there is no program 'no-such-program'"):
        check_actions([ActionSettings("command", "low", {"command": ["no-such-program"]})])
    script = tmp_path / "tell.sh"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match=r"tell\.sh is no program that can be run; chmod \+x"):
        did("command", command=[str(script)])
    program = tmp_path / "gone"
    program.symlink_to(sys.executable)
    (runner,) = open_actions([ActionSettings("command", "low", {"command": [str(program)]})])
    program.unlink()
    runner.alarm(RAISED)
    runner.close()
    assert "No such file or directory" in caplog.text


def test_only_what_is_urgent_enough() -> None:
    done: list[Alarm] = []
    runner = ActionRunner("test", done.append, "medium")
    for priority in ("low", "medium", "high"):
        runner.alarm(Alarm(1, EventKind.NOISE, priority, 0.0, 0.0))
    runner.close()
    assert [alarm.priority for alarm in done] == ["medium", "high"]


def test_a_slow_action_never_holds_up_the_signal(caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def act(_: Alarm) -> None:
        begun.set()
        go_on.wait(300)

    runner = ActionRunner("slow", act)
    for _ in range(102):
        runner.alarm(RAISED)
        begun.wait(300)
    assert caplog.text.count("is too slow; an alarm was not sent") == 1
    go_on.set()
    runner.close()


def test_the_bell_rings_when_an_alarm_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    did("bell")
    did("bell", Alarm(1, EventKind.ASYSTOLE, "high", 10.0, 13.0, ended=14.0))
    assert capsys.readouterr().err == "\a"


@pytest.fixture
def web_server() -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    posted: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((dict(self.headers), json.loads(body)))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_alarm(web_server: Any) -> None:
    url, posted = web_server
    did("webhook", url=f"{url}/alarm", headers={"Authorization": "Bearer x"})
    ((headers, message),) = posted
    assert headers["Authorization"] == "Bearer x"
    assert headers["Content-Type"] == "application/json"
    assert (message["kind"], message["priority"], message["state"]) == (
        "asystole",
        "high",
        "raised",
    )


def test_a_web_server_that_fails_is_reported(
    web_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url, _ = web_server
    did("webhook", url=f"{url}/broken")
    assert "alarm action webhook: failed (the server answered 500)" in caplog.text
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        did("webhook", url=f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert "Connection refused" in caplog.text


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


class Broker:
    """A mosquitto of this test alone."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1200):
            with socket.socket() as link:
                if link.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    pytest.importorskip("paho.mqtt.client")
    if not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()):
        pytest.skip("no mosquitto here")
    made = Broker(tmp_path)
    made.start()
    yield made
    made.stop()


def test_an_alarm_reaches_a_real_broker(broker: Broker) -> None:
    import paho.mqtt.client as mqtt

    found: list[Any] = []
    subscribed, arrived = threading.Event(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: subscribed.set()

    def take(_: object, __: object, message: Any) -> None:
        found.append((message.topic, json.loads(message.payload)))
        arrived.set()

    client.on_message = take
    client.connect("127.0.0.1", broker.port)
    client.subscribe("ward/#", qos=1)
    client.loop_start()
    assert subscribed.wait(300)
    did("mqtt", host="127.0.0.1", port=broker.port, topic="ward/bed 3")
    assert arrived.wait(300)
    client.loop_stop()
    ((topic, message),) = found
    assert topic == "ward/bed 3"
    assert (message["kind"], message["state"]) == ("asystole", "raised")


def test_an_alarm_reaches_a_broker_that_answers_late(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that ends at once: the message waited for a connection, and was lost."""
    connect = socket.create_connection

    def late(*args: Any, **more: Any) -> socket.socket:
        time.sleep(0.3)
        return connect(*args, **more)

    monkeypatch.setattr(socket, "create_connection", late)
    did("mqtt", host="127.0.0.1", port=broker.port)
    assert caplog.text == ""


def test_without_a_broker_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("paho.mqtt.client")
    with caplog.at_level(logging.WARNING):
        did("mqtt", host="127.0.0.1", port=_free_port())
    assert "alarm action mqtt: failed (no connection to 127.0.0.1 now; it is sent" in caplog.text


def until(caplog: pytest.LogCaptureFixture, text: str) -> None:
    for _ in range(1200):
        if text in caplog.text:
            return
        time.sleep(0.05)
    raise AssertionError(f"never reported: {text}; {caplog.text}")


def test_a_broker_that_refuses_goes_or_never_answers_is_reported_before_an_alarm(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each once, though the connection is tried again and again."""

    def opened(**options: Any) -> ActionRunner:
        (runner,) = open_actions(
            [ActionSettings("mqtt", "low", {"host": "127.0.0.1", "port": broker.port, **options})]
        )
        return runner

    runner = opened()
    runner.alarm(RAISED)  # the connection has been made once this is taken
    while runner._waiting.qsize():
        time.sleep(0.05)
    broker.stop()
    until(caplog, "alarm action mqtt: the connection to 127.0.0.1 is lost; it is opened again")
    until(caplog, f"alarm action mqtt: 127.0.0.1, port {broker.port}, does not answer")
    runner.close()
    caplog.clear()

    config = tmp_path / "mosquitto.conf"
    config.write_text(config.read_text().replace("anonymous true", "anonymous false"))
    broker.start()
    (tmp_path / "password").write_text("wrong\n")
    runner = opened(username="ecgfast", password_file=str(tmp_path / "password"))
    refused = "127.0.0.1 refuses the connection (Not authorized); check username and password_file"
    until(caplog, refused)
    time.sleep(2.5)  # two attempts more
    assert caplog.text.count("alarm action mqtt") == 1
    runner.close()


def test_without_paho_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("paho", "paho.mqtt", "paho.mqtt.client"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[alarms\]"):
        check_actions([ActionSettings("mqtt", "low", {"host": "x"})])
    with pytest.raises(MissingExtraError, match=r"ecgfast\[alarms\]"):
        open_actions([ActionSettings("mqtt", "low", {"host": "x"})])


def test_a_password_that_cannot_be_read_is_said_before_the_first_alarm(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    options = {"host": "x", "username": "x", "password_file": str(tmp_path / "none")}
    with pytest.raises(InputError, match=r"password_file .*none cannot be read"):
        check_actions([ActionSettings("mqtt", "low", options)])
