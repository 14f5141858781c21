"""A headless Chromium, driven through its debugging pipe: no driver and no library in between."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

__all__ = ["Chromium", "chromium_path"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# What a key is called, where that is not the character that it types.
_CODES = {"Enter": 13, "Backspace": 8, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27}


def chromium_path() -> str:
    """Where the browser is; skips where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(_NAMES)}")
    return found


class Chromium:
    """One page of a headless browser; `log` gathers errors of scripts and of the policy."""

    def __init__(self, profile: Path, *, wide: int = 1280, high: int = 900) -> None:
        to_browser, self._out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        self._in, from_browser = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())

        def hand_over() -> None:
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        self._process = subprocess.Popen(
            [
                chromium_path(),
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
                *("--mute-audio", "--autoplay-policy=no-user-gesture-required"),
                f"--window-size={wide},{high}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=hand_over,  # noqa: PLW1509 - nothing but two dup2 runs in between
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._session, self._left = 0, "", b""
        self.log: list[str] = []
        self.exceptions = 0
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": params}
        if self._session:
            told["sessionId"] = self._session
        os.write(self._out, json.dumps(told).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, seconds: float = 120.0) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            part = os.read(self._in, 1 << 16)
            assert part, "the browser has ended"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.log.append(json.dumps(params["exceptionDetails"])[:600])
            self.exceptions += 1
        elif told.get("method") == "Log.entryAdded":
            self.log.append(params["entry"]["text"])
        elif told.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return told

    def go(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def open(self, address: str) -> None:
        """Go to an address, and wait until its page is there."""
        self.go(address)
        self.wait(f"location.href == {json.dumps(address)} && document.readyState == 'complete'")

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, expression: str, seconds: float = 90.0) -> Any:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < until, f"never true: {expression}; {self.log}"
            time.sleep(0.05)
        return found

    def key(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        typed = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        common = {
            "key": key,
            "windowsVirtualKeyCode": _CODES.get(key) or ord(key.upper()),
            "modifiers": 8 if shift else 0,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        """Type a text where the cursor is."""
        self.call("Input.insertText", text=text)

    def dark(self, on: bool = True) -> None:
        """Prefer dark colours, or light ones."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screen(self, wide: int, high: int, *, phone: bool = False, dark: bool = False) -> None:
        """Set the size of the window, and what the system says of light and dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.dark(dark)

    def picture(self, path: Path) -> None:
        """Write what is seen as a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
