"""What an alarm does beyond the screen: a bell, a command, a webhook, an MQTT message."""

from __future__ import annotations

import json
import logging
import queue
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, content_reason
from ..extras import need
from ..records.files import read_regular
from .alarm import Alarm
from .settings import PRIORITIES, ActionSettings

__all__ = ["ActionRunner", "check_actions", "open_actions"]

_log = logging.getLogger(__name__)

# Alarms that wait for a slow action, at most: later ones are dropped and reported.
_WAITING = 100

# Seconds that a command, a web server or a broker has.
_PATIENCE_S = 10.0

# Seconds between attempts to connect to a broker, at most: an alarm waits for the next one.
_RECONNECT_S = 5

# Seconds in which waiting alarms are still sent when the stream ends.
_LAST_S = 5.0


class ActionRunner:
    """Does one action for each alarm, on a thread of its own: the signal never waits for it.

    An action that fails is reported as a warning of the logger ``ecgfast``, and tried again at the
    next alarm.

    Parameters
    ----------
    name : str
        For messages.
    act : callable
        Takes an alarm, and raises an exception if the action fails.
    priority : str, default "low"
        The lowest priority that it is done for.
    close : callable, optional
        Ends what it holds open.

    Examples
    --------
    >>> runner = ActionRunner("print", lambda alarm: print(alarm.text), "high")
    >>> runner.close()
    """

    def __init__(
        self,
        name: str,
        act: Callable[[Alarm], None],
        priority: str = "low",
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._act = act
        self._least = PRIORITIES.index(priority)
        self._close = close
        self._waiting: queue.Queue[Alarm | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name=f"ecgfast {name}", daemon=True)
        self._thread.start()

    def alarm(self, alarm: Alarm) -> None:
        """Queue the action for a change of an alarm, if it is urgent enough."""
        if PRIORITIES.index(alarm.priority) < self._least:
            return
        try:
            self._waiting.put_nowait(alarm)
        except queue.Full:
            _log.warning("alarm action %s: is too slow; an alarm was not sent", self.name)

    def close(self) -> None:
        """Send what waits, for five seconds at most."""
        try:
            self._waiting.put(None, timeout=_LAST_S)
        except queue.Full:
            _log.warning("alarm action %s: alarms were not sent at the end", self.name)
            return
        self._thread.join(timeout=_LAST_S)
        if self._thread.is_alive():
            _log.warning("alarm action %s: has not ended", self.name)

    def _run(self) -> None:
        while (alarm := self._waiting.get()) is not None:
            try:
                self._act(alarm)
            except Exception as error:  # whatever an action raises, the stream continues
                reason = " ".join(str(error).split()) or type(error).__name__
                _log.warning("alarm action %s: failed (%s)", self.name, reason)
        self._close()


def check_actions(settings: Iterable[ActionSettings]) -> None:
    """Refuse actions that could not be done, before a stream begins: nothing is run or connected.

    Parameters
    ----------
    settings : iterable of ActionSettings

    Raises
    ------
    InputError
        If the program of a command is not there, or a password cannot be read.
    MissingExtraError
        If the library for MQTT is not installed.

    Examples
    --------
    >>> check_actions([ActionSettings("command", options={"command": ["no-such", "{text}"]})])
    Traceback (most recent call last):
        ...
    ecgfast.errors.InputError: alarm action command: there is no program 'no-such' here; install it,
    or correct its name
    """
    for action in settings:
        if action.kind == "command":
            _check_program(action.options["command"][0])
        elif action.kind == "mqtt":
            _mqtt_library()
            _password(action.options.get("password_file"))


def open_actions(settings: Iterable[ActionSettings]) -> list[ActionRunner]:
    """Open the actions of a file of settings.

    Parameters
    ----------
    settings : iterable of ActionSettings

    Returns
    -------
    list of ActionRunner

    Raises
    ------
    InputError
        If the program of a command is not there, or a password cannot be read.
    MissingExtraError
        If the library for MQTT is not installed.

    Notes
    -----
    ``bell``: the terminal's bell, once an alarm is raised.

    ``command``: a list of program and arguments, without a shell; ``{text}``, ``{kind}``,
    ``{priority}`` and ``{state}`` in it are replaced, and the alarm comes as JSON on its standard
    input.

    ``webhook``: the alarm as JSON, sent with POST to ``url``, with ``headers``.

    ``mqtt``: the alarm as JSON to ``topic`` (``ecgfast/alarms``) of the broker ``host``, ``port``
    (1883, with ``tls`` 8883), as ``username`` with the password in ``password_file``; delivered at
    least once. A broker that refuses, does not answer or goes away is reported when it does so, and
    connected again at most five seconds after it is back.

    Examples
    --------
    >>> from ecgfast.alarms import open_actions, read_settings
    >>> runners = open_actions(read_settings("alarms.toml").actions)  # doctest: +SKIP
    """
    openers: dict[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]] = {
        "bell": _bell,
        "command": _command,
        "webhook": _webhook,
        "mqtt": _mqtt,
    }
    runners: list[ActionRunner] = []
    try:
        for action in settings:
            act, *close = openers[action.kind](action.options)
            runners.append(ActionRunner(action.kind, act, action.priority, *close))
    except BaseException:
        for runner in runners:
            runner.close()
        raise
    return runners


def message_of(alarm: Alarm) -> dict[str, Any]:
    """What is sent: all fields of the alarm, and its state in a word."""
    return {**alarm.to_dict(), "state": state_of(alarm)}


def state_of(alarm: Alarm) -> str:
    """``raised``, ``acknowledged``, ``ended``, ``over`` or ``withdrawn``."""
    if alarm.withdrawn:
        return "withdrawn"
    if alarm.over:
        return "over"
    if alarm.acknowledged:
        return "acknowledged"
    return "raised" if alarm.ended is None else "ended"


def _bell(_: Mapping[str, Any]) -> tuple[Callable[[Alarm], None]]:
    def act(alarm: Alarm) -> None:
        if state_of(alarm) == "raised" and sys.stderr is not None:
            sys.stderr.write("\a")
            sys.stderr.flush()

    return (act,)


def _command(options: Mapping[str, Any]) -> tuple[Callable[[Alarm], None]]:
    parts: list[str] = options["command"]
    _check_program(parts[0])

    def act(alarm: Alarm) -> None:
        message = message_of(alarm)
        words = {
            f"{{{name}}}": str(message[name]) for name in ("text", "kind", "priority", "state")
        }
        command = []
        for part in parts:
            for name, value in words.items():
                part = part.replace(name, value)
            command.append(part)
        done = subprocess.run(
            command,
            input=json.dumps(message).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE_S,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {''.join(lines[-1:])}")

    return (act,)


def _check_program(program: str) -> None:
    if "{" in program or shutil.which(program) is not None:
        return
    if Path(program).name != program and Path(program).is_file():
        raise InputError(
            f"alarm action command: {program} is no program that can be run; chmod +x makes it one"
        )
    raise InputError(
        f"alarm action command: there is no program {program!r} here; install it, or correct its "
        "name"
    )


def _webhook(options: Mapping[str, Any]) -> tuple[Callable[[Alarm], None]]:
    headers = {"Content-Type": "application/json", **options.get("headers", {})}

    def act(alarm: Alarm) -> None:
        body = json.dumps(message_of(alarm)).encode()
        request = urllib.request.Request(options["url"], body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the server answered {error.code}") from None
        except urllib.error.URLError as error:
            raise RuntimeError(str(error.reason)) from None

    return (act,)


def _mqtt(options: Mapping[str, Any]) -> tuple[Callable[[Alarm], None], Callable[[], None]]:
    mqtt = _mqtt_library()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    topic = options.get("topic", "ecgfast/alarms")
    if "username" in options:
        client.username_pw_set(options["username"], _password(options.get("password_file")))
    tls = options.get("tls", False)
    if tls:
        client.tls_set()
    # Set once the first connection has been made, or has failed: an alarm of a stream that ends
    # before would be lost otherwise.
    answered = threading.Event()
    host, port = options["host"], options.get("port", 8883 if tls else 1883)
    said = ""

    def say(text: str) -> None:
        """Report how the link is, once: it is tried again every few seconds."""
        nonlocal said
        if text and text != said:
            _log.warning("alarm action mqtt: %s", text)
        said = text

    def on_connect(_: object, __: object, ___: object, reason: Any, ____: object) -> None:
        refused = f"{host} refuses the connection ({reason}); check username and password_file"
        say(refused if reason.is_failure else "")
        answered.set()

    def on_connect_fail(*_: object) -> None:
        say(f"{host}, port {port}, does not answer; it is tried again, and alarms wait for it")
        answered.set()

    def on_disconnect(_: object, __: object, ___: object, reason: Any, ____: object) -> None:
        if reason.is_failure and not said:
            say(f"the connection to {host} is lost; it is opened again, and alarms wait for it")

    client.on_connect, client.on_connect_fail = on_connect, on_connect_fail
    client.on_disconnect = on_disconnect
    # Until the broker is there messages wait; it is connected again whenever it was gone, and soon.
    client.reconnect_delay_set(1, _RECONNECT_S)
    client.connect_async(host, port)
    client.loop_start()

    def act(alarm: Alarm) -> None:
        answered.wait(_PATIENCE_S)
        sent = client.publish(topic, json.dumps(message_of(alarm)), qos=1)
        if sent.rc == mqtt.MQTT_ERR_NO_CONN:
            raise RuntimeError(f"no connection to {host} now; it is sent when there is")
        sent.wait_for_publish(_PATIENCE_S)
        if not sent.is_published():
            raise RuntimeError(f"{host} has not taken it yet; it is sent when it does")

    def close() -> None:
        client.disconnect()
        client.loop_stop()

    return act, close


def _mqtt_library() -> Any:
    return need("paho.mqtt.client", "An alarm over MQTT", "alarms")


def _password(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return read_regular(Path(path).expanduser(), 4096).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"alarm action mqtt: password_file {path} cannot be read ({content_reason(error)})"
        ) from None
