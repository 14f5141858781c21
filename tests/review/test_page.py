"""The page of a review: what it is asked over HTTP, and what a reviewer does in a browser."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import Chromium, chromium_path

from ecgfast import InputError
from ecgfast.records import open_record, read_annotations
from ecgfast.review import ReviewSession
from ecgfast.review.pictures import overlay
from ecgfast.review.server import ReviewApp, listen

for module in ("scipy", "jinja2", "starlette", "uvicorn"):
    pytest.importorskip(module)

RECORD = Path(__file__).parents[1] / "excerpts" / "mitdb" / "208"
HOST = "127.0.0.1:8765"


class Page:
    """Asks as the page does."""

    def __init__(self, session: ReviewSession) -> None:
        pytest.importorskip("httpx")
        from starlette.testclient import TestClient

        self.session = session
        self.app = ReviewApp(session, open_record(RECORD), hosts=[HOST])
        self.client = TestClient(self.app.asgi, base_url=f"http://{HOST}")
        self.headers = {"Authorization": f"Bearer {self.app.token}"}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers={**self.headers, **headers})

    def post(self, path: str, told: Any = None, **headers: str) -> Any:
        return self.client.post(path, json=told or {}, headers={**self.headers, **headers})


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(ReviewSession.open(RECORD, folder=tmp_path, by="Ada", groups=8))


def test_the_state_tells_groups_in_the_order_of_worth(page: Page) -> None:
    state = page.get("/api/state").json()
    worths = [one["worth"] for one in state["groups"]]
    assert worths == sorted(worths, reverse=True)
    assert state["order"] == [one["number"] for one in state["groups"]]
    assert sum(state["counts"].values()) == state["beats"] == len(page.session.beats)


def test_an_answer_is_on_the_disk_before_it_is_confirmed(page: Page, tmp_path: Path) -> None:
    first = page.get("/api/state").json()["order"][0]
    told = page.post("/api/answer", {"group": first, "label": "V"}).json()
    assert first not in told["order"]
    assert told["actions"][0]["by"] == "Ada"
    marks = read_annotations(tmp_path / "208.reviewed")
    assert set(marks.symbol[page.session.members(first)].tolist()) == {"V"}
    page.post("/api/answer", {"beats": [3], "label": "|"})
    assert read_annotations(tmp_path / "208.reviewed").symbol[3] == "|"
    assert page.get("/api/strip?at=2").json()["beats"][3]["own"]
    assert page.post("/api/undo").json()["undone"] == "no beat for 1 beat"
    assert page.post("/api/undo").json()["undone"] == f"V for group {first}"
    assert page.post("/api/undo").json()["undone"] == ""


def test_an_answer_to_labels_that_changed_since_is_not_taken(page: Page) -> None:
    seen = page.get("/api/state").json()
    first, second = seen["order"][:2]
    told = page.post("/api/answer", {"group": first, "label": "V", "seen": seen["seen"]}).json()
    for path, what in (
        ("/api/answer", {"group": second, "label": "N"}),
        ("/api/split", {"group": second}),
        ("/api/undo", {}),
        ("/api/second-pass", {}),
    ):
        late = page.post(path, {**what, "seen": seen["seen"]})
        assert late.status_code == 409
        assert "changed in another window" in late.json()["error"]
    assert page.get("/api/state").json()["answers"] == 1
    assert page.post("/api/undo", {"seen": told["seen"]}).json()["seen"] == seen["seen"]


def test_groups_and_strips_are_drawn(page: Page) -> None:
    group = page.get("/api/group?number=0").json()
    assert group["svg"].count("<svg ") == 2  # leads
    assert len(group["examples"]) == min(24, group["size"])
    strip = page.get("/api/strip?at=30").json()
    assert strip["svg"].startswith("<svg ")
    assert strip["begin"] == pytest.approx(26.4, abs=0.01)
    times = page.session.beats.time
    expected = np.flatnonzero((times >= 26.4) & (times < 33.6))
    assert [one["beat"] for one in strip["beats"]] == expected.tolist()
    for at in (-5, 1e9):
        assert page.get(f"/api/strip?at={at}").status_code == 200


def test_search_goes_round(page: Page) -> None:
    found = np.flatnonzero(page.session.labels() == "V").tolist()
    times = page.session.beats.time
    assert page.get("/api/next?label=V&after=-1").json()["beat"] == found[0]
    assert page.get(f"/api/next?label=V&after={times[found[0]]}").json()["beat"] == found[1]
    assert page.get(f"/api/next?label=V&after={times[found[-1]]}").json()["beat"] == found[0]
    assert page.get("/api/next?label=Q&after=0").json()["beat"] is None


def test_times_are_of_the_day_where_its_start_is_known(page: Page) -> None:
    source = open_record(RECORD)
    evening = type(source)(**{**vars(source), "start": datetime(2026, 3, 1, 23, 59, 30)})
    app = ReviewApp(page.session, evening, hosts=[HOST])
    assert app._state({})["start"] == 86370
    assert app._strip({"at": "43.6"})["clock"] == "00:00:10"
    assert page.get("/api/state").json()["start"] is None
    assert page.get("/api/strip?at=43.6").json()["clock"] == "0:00:40"


def test_events_and_report_are_of_the_labels_as_they_are(page: Page) -> None:
    def runs() -> int:
        return sum("ventricular" in e["kind"] for e in page.get("/api/events").json()["events"])

    before = runs()
    assert before > 0
    page.post("/api/answer", {"beats": list(range(len(page.session.beats))), "label": "N"})
    assert runs() == 0
    report = page.get(f"/report?token={page.app.token}")
    assert report.status_code == 200
    assert "208.reviewed" in report.text
    assert "script" not in report.headers["Content-Security-Policy"].replace("default-src", "")


def test_dividing_and_the_second_pass(page: Page) -> None:
    part = page.post("/api/split", {"group": 0}).json()["part"]
    assert part == 8
    assert page.post("/api/second-pass").status_code == 200
    assert [action.kind for action in page.session.actions] == ["split", "second pass"]


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("/api/answer", {"group": 99, "label": "V"}, 400),
        ("/api/answer", {"group": 0, "label": "<script>"}, 400),
        ("/api/answer", {"group": "a", "label": "V"}, 400),
        ("/api/answer", {"beats": "all", "label": "V"}, 400),
        ("/api/answer", {"beats": [True], "label": "V"}, 400),
        ("/api/answer", {"beats": [10**30], "label": "V"}, 400),
        ("/api/answer", {"label": "V"}, 400),
        ("/api/answer", b'{"group": 1e999, "label": "V"}', 400),
        ("/api/answer", [1], 400),
        ("/api/split", {}, 400),
        ("/api/answer", {"label": "x" * 2_000_000}, 413),
        ("/api/group?number=-1", None, 400),
        ("/api/strip?at=nan", None, 400),
        ("/api/strip", None, 400),
        ("/elsewhere", None, 404),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(
    page: Page, path: str, told: Any, status: int
) -> None:
    if isinstance(told, bytes):
        answer = page.client.post(path, content=told, headers=page.headers)
    else:
        answer = page.get(path) if told is None else page.post(path, told)
    assert answer.status_code == status
    assert page.session.actions == ()


@pytest.mark.parametrize("path", ["/api/state", "/api/answer", "/", "/report"])
def test_nobody_else_is_answered(page: Page, path: str) -> None:
    def asked(query: str = "", **headers: str) -> int:
        method = "POST" if path == "/api/answer" else "GET"
        answer = page.client.request(
            method, path + query, json={"beats": [0], "label": "V"}, headers=headers
        )
        if answer.status_code != 200:
            assert page.app.token not in answer.text
        return int(answer.status_code)

    secret = page.app.token
    own = {"Authorization": f"Bearer {secret}"}
    query = f"?token={secret}"
    assert asked() == 403
    assert asked("?token=guess", **{"Authorization": "Bearer guess"}) == 403
    assert asked("?token=", **{"Authorization": "Bearer "}) == 403
    assert asked(query, **own, Host="rebound.example:8765") == 421
    assert asked(query, **own, Origin="https://elsewhere.example") == 403
    assert asked(query, **own, Origin="null") == 403
    assert page.session.actions == ()
    assert asked(query, **own, Origin=f"http://{HOST}") == 200


def test_a_body_is_read_only_of_who_may_ask(page: Page) -> None:
    for body in (b"x" * 2_000_000, b"no JSON"):
        assert page.client.post("/api/answer", content=body).status_code == 403
    assert page.client.post("/api/answer", content=b"{", headers=page.headers).status_code == 400
    refused = page.client.get("/elsewhere")
    assert (refused.status_code, refused.headers["Referrer-Policy"]) == (403, "no-referrer")


def test_the_page_takes_nothing_from_elsewhere(page: Page) -> None:
    answer = page.client.get(f"/?token={page.app.token}")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert answer.text.count(f'nonce="{nonce[1]}"') == 2
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", answer.text)
    assert not re.search(r"\bon\w+\s*=\s*[\"']", answer.text)
    assert nonce[1] not in page.client.get(f"/?token={page.app.token}").text
    assert answer.headers["Cache-Control"] == "no-store"


def test_names_of_leads_are_text(page: Page) -> None:
    source = open_record(RECORD)
    hostile = type(source)(**{**vars(source), "leads": ('<img src=x onerror="1">', "b")})
    drawn = overlay(hostile, [1000], ["N"])
    assert "<img" not in drawn
    assert "&lt;img" in drawn


def test_a_port_in_use_is_said() -> None:
    with listen() as listener:
        listener.listen()
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(InputError, match="cannot be used"):
            listen(listener.getsockname()[1])
    with pytest.raises(InputError, match="port 99999"):
        listen(99999)


# ------------------------------------------------------------------ in a browser


Started = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    """Starts ``ecgfast review``; what it is, and the address that it prints."""
    chromium_path()
    begun = []

    def run(record: Path = RECORD) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "ecgfast", "review", str(record)]
        command += ["--output", str(tmp_path), "--by", "Ada"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        begun.append(process)
        assert process.stderr is not None
        return process, process.stderr.readline().strip()

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def test_a_review_in_the_browser(start: Started, tmp_path: Path) -> None:
    labels = tmp_path / "208.reviewed"
    process, address = start()
    with Chromium(tmp_path / "profile") as browser:
        browser.open(address)
        browser.wait("document.querySelectorAll('#strip svg').length == 1")
        assert browser.value("document.querySelectorAll('#beats svg').length") == 2

        def group() -> int:
            return int(
                browser.value("document.querySelector('.row[aria-current=true]').dataset.group")
            )

        def said(text: str) -> None:
            wanted = json.dumps(text)
            browser.wait(f"document.getElementById('said').textContent.includes({wanted}) && !busy")

        def members(number: int) -> set[str]:
            session = ReviewSession.open(RECORD, folder=tmp_path)
            return set(read_annotations(labels).symbol[session.members(number)].tolist())

        first = group()
        browser.key("v")
        said(f"Group {first}: V.")
        assert members(first) == {"V"}
        second = group()
        assert second != first
        browser.key("s")
        said(f"Group {second}: S.")
        browser.key("u")
        said(f"Taken back: S for group {second}.")
        assert members(second) != {"S"}

        # An answer in another window: this one's is not taken, and it shows the labels.
        told = {"group": second, "label": "F"}
        browser.value(
            "fetch('/api/answer', {method: 'POST', headers: {Authorization: 'Bearer ' + token,"
            f" 'Content-Type': 'application/json'}}, body: {json.dumps(json.dumps(told))}"
            "}).then((reply) => reply.status)"
        )
        browser.key("n")
        said("changed in another window")
        assert members(second) == {"F"}
        assert browser.value("document.querySelector('.question .badge').textContent") == "F"
        browser.key("u")
        said(f"Taken back: F for group {second}.")

        # On a phone the strip is as large as on paper, and shows the chosen beat.
        browser.screen(390, 844, phone=True)
        browser.value("act(() => showStrip(strip.begin + 3.6, strip.beats.at(-1).beat))")
        assert browser.value("document.documentElement.scrollWidth") <= 390
        wide, left = browser.value(
            "[document.getElementById('strip').clientWidth,"
            " document.querySelector('#strip .at').getBoundingClientRect().left]"
        )
        assert wide > 600
        assert 0 < left < 390
        browser.value("act(() => showStrip(strip.begin + 3.6))")
        assert (
            65
            < browser.value("document.querySelector('#strip .at').getBoundingClientRect().left")
            < 325
        ), "it is not at the edge"
        # And a finger finds every button.
        browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
        sides = (
            "[...document.querySelectorAll('button')].filter(one => one.offsetParent)"
            ".map(one => Math.min(one.offsetWidth, one.offsetHeight))"
        )
        assert min(browser.value(sides)) >= 36
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
        browser.screen(1280, 900)

        # The chosen beat alone, then the next one on the strip.
        chosen = browser.value("beat.beat")
        browser.key("F", shift=True)
        said(": F.")
        assert read_annotations(labels).symbol[chosen] == "F"
        browser.key("ArrowRight")
        browser.wait(f"beat.beat == {chosen + 1} && !busy")
        browser.key("X", shift=True)
        said(": \u00d7.")
        assert read_annotations(labels).symbol[chosen + 1] == "|"

        # By touch, without a key.
        browser.key("ArrowRight")
        browser.wait(f"beat.beat == {chosen + 2} && !busy")
        browser.value("document.getElementById('alone').click()")
        browser.value("document.querySelector('[data-label=Q]').click()")
        said(": Q.")
        assert read_annotations(labels).symbol[chosen + 2] == "Q"
        browser.value("document.getElementById('alone').click()")
        browser.key("u")
        said("Taken back: Q for 1 beat.")

        # Search by time, by label, by event.
        for text, found in (("0:40", "strip.begin > 36"), ("f", "beat.label == 'F'")):
            browser.key("/")
            browser.write(text)
            browser.key("Enter")
            browser.wait(f"{found} && !busy")
        browser.key("e")
        said(" of ")
        browser.key("Enter")
        browser.wait(f"group.number != {second} && !busy")

        # A process that is killed loses nothing: another one continues from there.
        process.kill()
        process.wait()
        browser.key("n")
        said("the server does not answer")
        _, address = start()
        browser.open(address)
        browser.wait("state && state.answers == 3 && !!document.querySelector('#strip svg')")
        browser.dark()
        browser.picture(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000
        sources = [url for url in browser.requests if not url.startswith("data:")]
        assert {urlsplit(url).hostname for url in sources} == {"127.0.0.1"}
        expected = ("ERR_CONNECTION", "409 (Conflict)")
        assert [line for line in browser.log if not any(one in line for one in expected)] == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupting_ends_the_review_with_its_summary(start: Started, tmp_path: Path) -> None:
    process, address = start()
    assert address.startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "208.reviewed" in out


def test_search_takes_what_summaries_and_reports_call_things(
    start: Started, tmp_path: Path
) -> None:
    """A time with its day, as of the summary; AF; and ventricular runs, not the S ones."""
    header = RECORD.with_suffix(".hea").read_text().splitlines()
    header[0] += " 23:59:30 01/03/2026"
    (tmp_path / "208.hea").write_text("\n".join(header))
    (tmp_path / "208.dat").write_bytes(RECORD.with_suffix(".dat").read_bytes())
    _, address = start(tmp_path / "208")
    with Chromium(tmp_path / "profile") as browser:
        browser.open(address)
        browser.wait("document.querySelectorAll('#strip svg').length == 1")
        made = [("supraventricular run", 10), ("ventricular run", 20), ("atrial fibrillation", 30)]
        rows = [
            {"kind": kind, "time": at, "clock": f"at {at}", "length": "2 min"} for kind, at in made
        ]
        browser.value(f"events = {json.dumps(rows)}, 0")
        for text, said in (
            ("2026-03-02 00:00:10", ""),
            ("2026-03-01 12:00", "begins later than 2026-03-01 12:00"),
            ("2026-03-03 00:00", "ends after 60 s"),
            ("ventricular run", "ventricular run at at 20, 2 min"),
            ("ventricular run", "ventricular run at at 20, 2 min"),
            ("AF", "atrial fibrillation at at 30"),
            ("svt", "supraventricular run at at 10"),
        ):
            browser.key("/")
            browser.write(text)
            browser.key("Enter")
            shown = f"document.getElementById('said').textContent.includes({json.dumps(said)})"
            browser.wait(f"{shown} && !busy && document.activeElement.tagName != 'INPUT'")
            if not said:
                assert browser.value("strip.begin") == pytest.approx(40 - 3.6, abs=0.5)
        assert browser.log == []
