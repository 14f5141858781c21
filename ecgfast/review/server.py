"""The review as a page: a small server for the reviewer on this machine alone."""

from __future__ import annotations

import json
import math
import secrets
import socket
import threading
import zlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np

from ..errors import EcgfastError, InputError
from ..extras import need
from ..records import Annotations, RecordSource
from ..reports.analysis import analyse
from ..reports.words import CLASS_NAMES, NOT_A_DEVICE, length
from ..rhythm import Event
from ..web import Gate, make_token, page_url
from .grouping import Group
from .marks import NOT_A_BEAT, marks_of
from .pictures import overlay, strip_around
from .session import ReviewSession
from .terminal import action_text

__all__ = ["ReviewApp", "listen", "serve"]

#: The server listens here and nowhere else.
LOOPBACK = "127.0.0.1"

_SHOWN = 24
_MOST_BODY = 1 << 20

# As the policy of `Gate`, but for the page's own inline script and style.
_POLICY = (
    "default-src 'none'; {code}; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


# The reply to an answer that was given to labels which another window has changed since.
_CHANGED = "the labels were changed in another window: here they are; look again, and answer then"


class ReviewApp:
    """What the page asks for, of one review.

    Parameters
    ----------
    session : ReviewSession
    source : RecordSource
        The recording.
    hosts : sequence of str, optional
        Values of the header ``Host`` that are answered, such as ``"127.0.0.1:8765"``: a page of
        elsewhere that has its name point here sends another one.
    token : str, optional
        The secret of the printed address; a new one by default.

    Attributes
    ----------
    asgi : Gate
        The application, behind the checks of `ecgfast.web`.
    token : str
    """

    def __init__(
        self,
        session: ReviewSession,
        source: RecordSource,
        *,
        hosts: list[str],
        token: str | None = None,
    ) -> None:
        starlette = need("starlette.applications", "The page of a review", "review")
        routing = need("starlette.routing", "The page of a review", "review")
        self._responses = need("starlette.responses", "The page of a review", "review")
        self.session, self.source = session, source
        self.token = token or make_token()
        begun = source.start_time if source.start is None else source.start.time()
        # Second of the day in which the recording begins, where that is known.
        self._start = (
            None if begun is None else begun.hour * 3600 + begun.minute * 60 + begun.second
        )
        self._date = None if source.start is None else source.start.date().isoformat()
        self._lock = threading.Lock()
        self._found: tuple[tuple[Any, ...], Any] | None = None
        gets = {
            "/api/state": self._state,
            "/api/group": self._group,
            "/api/strip": self._strip,
            "/api/events": self._events,
            "/api/next": self._next,
        }
        posts = {
            "/api/answer": self._answer,
            "/api/split": self._split,
            "/api/undo": self._undo,
            "/api/second-pass": self._second_pass,
        }
        app = starlette.Starlette(
            routes=[
                routing.Route("/", self._page),
                routing.Route("/report", self._report),
                *(routing.Route(path, self._reader(what)) for path, what in gets.items()),
                *(
                    routing.Route(path, self._writer(what), methods=["POST"])
                    for path, what in posts.items()
                ),
            ]
        )
        self.asgi = Gate(app, token=self.token, loopback=True, hosts=hosts)

    # ------------------------------------------------------------------ requests and answers

    def _plain(self, text: str, status: int) -> Any:
        return self._responses.PlainTextResponse(text, status, headers=_HEADERS)

    def _json(self, value: Any, status: int = 200) -> Any:
        content = json.dumps(_finite(value), allow_nan=False, ensure_ascii=False)
        return self._responses.Response(
            content, status, media_type="application/json", headers=_HEADERS
        )

    def _reader(self, what: Callable[[dict[str, str]], Any]) -> Any:
        """An endpoint that only reads; in a thread of its own, as reading takes time."""

        def endpoint(request: Any) -> Any:
            return self._answered(what, dict(request.query_params))

        return endpoint

    def _writer(self, what: Callable[[dict[str, Any]], Any]) -> Any:
        """An endpoint that changes something."""
        threads = need("starlette.concurrency", "The page of a review", "review")

        async def endpoint(request: Any) -> Any:
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MOST_BODY:
                    return self._plain("the request is too large", 413)
            try:
                message = json.loads(body or b"{}")
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                return self._plain("the request is no JSON object", 400)
            return await threads.run_in_threadpool(self._answered, what, message)

        return endpoint

    def _answered(self, what: Callable[[Any], Any], message: Any) -> Any:
        try:
            with self._lock:
                if message.get("seen", self._version()) != self._version():
                    return self._json({"error": _CHANGED}, 409)
                return self._json(what(message))
        except InputError as error:
            return self._json({"error": str(error)}, 400)
        except EcgfastError as error:
            return self._json({"error": str(error)}, 500)

    # ------------------------------------------------------------------ pages

    def _page(self, _: Any) -> Any:
        nonce = secrets.token_urlsafe(16)
        text = (files("ecgfast.review") / "templates" / "review.html").read_text("utf-8")
        policy = _POLICY.format(code=f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'")
        return self._responses.HTMLResponse(
            text.replace("NONCE", nonce),
            headers={**_HEADERS, "Content-Security-Policy": policy},
        )

    def _report(self, _: Any) -> Any:
        from ..reports.figures import page_figures
        from ..reports.model_facts import annotation_facts
        from ..reports.recording_report import recording_report

        try:
            with self._lock:
                found = self._analysis()
            html = recording_report(
                found, page_figures(found), annotation_facts(self._reviewed()), title=""
            )
        except EcgfastError as error:
            return self._plain(str(error), 500)
        policy = _POLICY.format(code="style-src 'unsafe-inline'")
        return self._responses.HTMLResponse(
            html, headers={**_HEADERS, "Content-Security-Policy": policy}
        )

    def _reviewed(self) -> str:
        kept = self.session.files
        return "the review" if kept is None else kept.annotations.name

    # ------------------------------------------------------------------ what is read

    def _state(self, _: dict[str, str]) -> dict[str, Any]:
        session = self.session
        questions = session.questions(examples=1)
        order = [one.group.number for one in questions]
        worth = {one.group.number: one.worth for one in questions}
        done = [group for group in session.groups() if group.answer]
        counts = session.counts()
        return {
            "record": session.beats.name,
            "by": session.by,
            "model": session.beats.model,
            "leads": list(self.source.leads),
            "duration": self.source.duration,
            "start": self._start,
            "date": self._date,
            "beats": sum(counts.values()),
            "classes": {c: CLASS_NAMES.get(c, c) for c in session.beats.classes},
            "counts": counts,
            "file": self._reviewed(),
            "order": order,
            "groups": [
                {**_plain_group(group), "worth": worth.get(group.number, 0.0)}
                for group in [*(one.group for one in questions), *done]
            ],
            "actions": [
                {"text": action_text(action), "by": action.by, "at": action.at}
                for action in session.actions[::-1][:20]
            ],
            "answers": sum(action.kind in ("group", "beats") for action in session.actions),
            "seen": self._version(),
            "not_a_device": NOT_A_DEVICE,
        }

    def _version(self) -> int:
        """Which answers there are, as a number."""
        return zlib.crc32(repr(self.session.actions).encode())

    def _group(self, asked: dict[str, str]) -> dict[str, Any]:
        session = self.session
        number = _whole(asked, "number")
        group = session.group_of(number)
        chosen = session.examples(number, _SHOWN)
        labels = session.labels()
        return {
            **_plain_group(group),
            "svg": overlay(
                self.source, session.beats.sample[chosen].tolist(), labels[chosen].tolist()
            ),
            "examples": [self._beat(int(i), labels) for i in chosen],
        }

    def _beat(self, i: int, labels: Any) -> dict[str, Any]:
        time = float(self.session.beats.time[i])
        return {
            "beat": i,
            "time": time,
            "clock": self._clock(time),
            "label": str(labels[i]),
            "group": int(self.session.group[i]),
            "own": i in self.session.single_answers,
        }

    def _clock(self, seconds: float) -> str:
        minutes, second = divmod(seconds, 60)
        text = f"{int(minutes) // 60}:{int(minutes) % 60:02}:{int(second):02}"
        if self._start is None:
            return text
        of_day = self._start + seconds
        return f"{int(of_day // 3600) % 24:02}:{int(of_day // 60) % 60:02}:{int(of_day) % 60:02}"

    def _strip(self, asked: dict[str, str]) -> dict[str, Any]:
        at = _seconds(asked, "at")
        picture, begin, beats = strip_around(self.session, self.source, at)
        labels = self.session.labels()
        return {
            "svg": picture,
            "begin": begin,
            "clock": self._clock(begin),
            "beats": [self._beat(int(i), labels) for i in beats],
        }

    def _next(self, asked: dict[str, str]) -> dict[str, Any]:
        """The next beat with a label; after the last one the first again."""
        after, labels = _seconds(asked, "after"), self.session.labels()
        found = np.flatnonzero(labels == asked.get("label", ""))
        if not len(found):
            return {"beat": None}
        later = found[self.session.beats.time[found] > after + 1e-6]
        return self._beat(int((later if len(later) else found)[0]), labels)

    def _events(self, _: dict[str, str]) -> dict[str, Any]:
        found = self._analysis()
        return {
            "events": [
                {
                    "kind": str(event.kind).replace("_", " "),
                    "time": event.start_time,
                    "clock": self._clock(event.start_time),
                    "length": length(event.duration),
                    "severity": str(event.severity),
                }
                for event in _important(found.events)
            ]
        }

    def _analysis(self) -> Any:
        """Rhythm and figures of the labels as they are; made anew when they have changed."""
        made_of = self.session.actions
        if self._found is None or self._found[0] != made_of:
            session = self.session
            sample, symbol, _ = marks_of(
                session.beats, session.labels(), session.reviewers(), waves=session.waves
            )
            marks = Annotations(
                np.array(sample, np.int64), np.array(symbol, np.str_), np.array([], np.str_)
            )
            self._found = made_of, analyse(self.source, marks)
        return self._found[1]

    # ------------------------------------------------------------------ what is changed

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        before = self.session.labels()
        label = str(message.get("label", ""))
        if "beats" in message:
            beats = message["beats"]
            if not isinstance(beats, list) or not all(type(one) is int for one in beats):
                raise InputError("beats: give a list of indices")
            self.session.answer_beats(beats, label)
        else:
            self.session.answer(_whole(message, "group"), label)
        return {"changed": int((self.session.labels() != before).sum()), **self._state({})}

    def _split(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"part": self.session.split(_whole(message, "group")), **self._state({})}

    def _undo(self, _: dict[str, Any]) -> dict[str, Any]:
        undone = self.session.undo()
        return {
            "undone": "" if undone is None else action_text(undone),
            "group": None if undone is None else undone.group,
            **self._state({}),
        }

    def _second_pass(self, _: dict[str, Any]) -> dict[str, Any]:
        before = self.session.labels()
        self.session.second_pass()
        return {"changed": int((self.session.labels() != before).sum()), **self._state({})}


def _plain_group(group: Group) -> dict[str, Any]:
    return {**vars(group), "answer": "x" if group.answer == NOT_A_BEAT else group.answer}


def _seconds(asked: dict[str, str], name: str) -> float:
    try:
        value = float(asked.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name}={asked.get(name, '')[:20]}: give seconds from the start")
    return value


def _whole(message: dict[str, Any], name: str) -> int:
    try:
        return int(message[name])
    except (KeyError, TypeError, ValueError, OverflowError):  # JSON has numbers as 1e999
        raise InputError(f"{name}: give the number of a group") from None


def _important(events: list[Event]) -> list[Event]:
    """Events that one would jump to: all but single ectopic beats, of which there are many."""
    return [event for event in events if not str(event.kind).endswith("_ectopic")]


def _finite(value: Any) -> Any:
    """Replace what JSON cannot say by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def listen(port: int = 0) -> socket.socket:
    """Open the socket of the server, on the loopback address.

    Parameters
    ----------
    port : int
        0 for any that is free.

    Returns
    -------
    socket

    Raises
    ------
    InputError
        If the port cannot be used.
    """
    try:
        # Leaves SO_REUSEADDR out where it lets another process take the port (Windows).
        return socket.create_server((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"port {port}: cannot be used ({reason}); give another") from None


def serve(
    session: ReviewSession,
    source: RecordSource,
    listener: socket.socket,
    *,
    ready: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted.

    Parameters
    ----------
    session : ReviewSession
    source : RecordSource
    listener : socket
        As of `listen`.
    ready : callable
        Given the address, which holds the token, once the server answers.

    Raises
    ------
    MissingExtraError
        If Starlette or Uvicorn is not installed.
    """
    need("uvicorn", "The page of a review", "review")
    import uvicorn

    port = listener.getsockname()[1]
    app = ReviewApp(session, source, hosts=[f"{name}:{port}" for name in (LOOPBACK, "localhost")])

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # Told only now: an interruption that follows is the server's, wherever it hits.
            ready(page_url(LOOPBACK, port, app.token))

    config = uvicorn.Config(
        app.asgi, log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    Server(config).run(sockets=[listener])
