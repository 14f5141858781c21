"""Databases fetched from a server on the loopback address."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ecgfast.cli import main
from ecgfast.errors import InputError, RecordError
from ecgfast.training.datasets.physionet import download_database

FILES = {
    "RECORDS": b"1\n",
    "1.hea": b"1 1 360 4\n",
    "1.dat": bytes(range(256)) * 300,
    "doc/a.txt": b"a",
}


class Server:
    """A small mirror that remembers what it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                asked.append(self.path.rpartition("/1.0.0/")[2])
                super().do_GET()

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/files/"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    base = tmp_path / "www" / "files" / "tiny" / "1.0.0"
    lines = []
    for name, content in FILES.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()} {name}\n")
    (base / "SHA256SUMS.txt").write_text("".join(lines))
    made = Server(tmp_path / "www")
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def same(folder: Path) -> bool:
    return all((folder / name).read_bytes() == content for name, content in FILES.items())


def test_a_database_is_fetched_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    done = download_database("tiny/1.0.0", tmp_path / "data", url=server.url)
    assert (done.files, done.fetched, done.version) == (len(FILES), len(FILES), "1.0.0")
    assert same(tmp_path / "data" / "tiny")
    server.asked.clear()
    again = download_database("tiny/1.0.0", tmp_path / "data", url=server.url)
    assert again.fetched == 0
    assert set(server.asked) == {"SHA256SUMS.txt"}


def test_a_partial_download_is_completed(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    download_database("tiny/1.0.0", tmp_path, url=server.url)
    (folder / "1.dat").write_bytes(FILES["1.dat"][:1000])  # broken off
    (folder / "doc" / "a.txt").unlink()
    server.asked.clear()
    assert download_database("tiny/1.0.0", tmp_path, url=server.url).fetched == 2
    assert same(folder)
    assert "RECORDS" not in server.asked


@pytest.mark.parametrize("own", [b"2 1 360 4\n", b"1 1 500", b"1 1 360 4\n# my notes\n"])
def test_what_somebody_changed_is_not_replaced_unasked(
    server: Server, tmp_path: Path, own: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as the published file, shorter, or longer."""
    download_database("tiny/1.0.0", tmp_path, url=server.url)
    file = tmp_path / "tiny" / "1.hea"
    file.write_bytes(own)
    with pytest.raises(RecordError, match=r"1\.hea: is not as published, and no broken-off"):
        download_database("tiny/1.0.0", tmp_path, url=server.url)
    assert file.read_bytes() == own
    args = ["prepare", "--data", str(tmp_path), "--url", server.url, "--download", "tiny/1.0.0"]
    assert main(args) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*args, "--force"]) == 0
    assert same(tmp_path / "tiny")
    assert not list((tmp_path / "tiny").glob(".*"))


def test_files_that_are_not_as_published_are_told(server: Server, tmp_path: Path) -> None:
    (server.root / "files/tiny/1.0.0/1.hea").write_bytes(b"something else")
    with pytest.raises(RecordError, match=r"1\.hea: not what SHA256SUMS\.txt says"):
        download_database("tiny/1.0.0", tmp_path, url=server.url)
    assert not (tmp_path / "tiny" / "1.hea").exists()
    assert not list((tmp_path / "tiny").glob(".*"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0" * 64 + " ../outside", "row 1 is no checksum"),
        ("0" * 64 + " /outside", "row 1 is no checksum"),
        ("<html>", "row 1 is no checksum"),
        ("", "lists no files"),
    ],
)
def test_checksums_that_make_no_sense(
    server: Server, tmp_path: Path, line: str, problem: str
) -> None:
    (server.root / "files/tiny/1.0.0/SHA256SUMS.txt").write_text(line + "\n")
    with pytest.raises(RecordError, match=problem):
        download_database("tiny/1.0.0", tmp_path / "data", url=server.url)
    assert not (tmp_path / "outside").exists()


def test_what_is_not_there_and_nobody_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nodb/1\.0\.0/SHA256SUMS\.txt: not there"):
        download_database("nodb/1.0.0", tmp_path, url=server.url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    with pytest.raises(RecordError, match="cannot be reached"):
        download_database("tiny/1.0.0", tmp_path, url=f"http://127.0.0.1:{closed}/")


def test_the_newest_version_is_that_of_the_databases_page(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgfast.training.datasets import physionet

    page = server.root / "content" / "tiny" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<title>Tiny v1</title>\n<p>Published: Feb. 24, 2005.\nVersion: 1.0.0</p>")
    monkeypatch.setattr(physionet, "PHYSIONET", server.url)
    monkeypatch.setattr(physionet, "_CONTENT", server.url.replace("/files/", "/content/"))
    assert download_database("tiny", tmp_path).version == "1.0.0"
    assert same(tmp_path / "tiny")
    page.write_text("<p>Sign in first</p>")
    with pytest.raises(RecordError, match="names no version; give one, such as tiny/1"):
        download_database("tiny", tmp_path)


def test_what_a_server_refuses_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = server.http.RequestHandlerClass.func  # type: ignore[attr-defined]
    for status, says in ((403, "not open to all"), (503, "the server answers 503")):
        monkeypatch.setattr(handler, "do_GET", lambda self, s=status: self.send_error(s))
        with pytest.raises(RecordError, match=says):
            download_database("tiny/1.0.0", tmp_path, url=server.url)
    with pytest.raises(InputError, match="begins with https"):
        download_database("tiny/1.0.0", tmp_path, url="physionet.org/files")


@pytest.mark.parametrize("name", ["", "../mitdb", "mit db", "mitdb/", "a/b/c"])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no database"):
        download_database(name, tmp_path, url="http://127.0.0.1:9/")


def test_a_mirror_needs_a_version(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs a version, such as mitdb/1\.0\.0"):
        download_database("mitdb", tmp_path, url="http://127.0.0.1:9/")


def test_the_command_fetches_and_says_so(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECGFAST_PHYSIONET", server.url)
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "--data", str(tmp_path), "--download", "tiny/1.0.0"]) == 0
    assert f"{len(FILES)} files as published" in capsys.readouterr().out
    assert same(tmp_path / "tiny")
    assert not list(tmp_path.glob("*.npz"))  # nothing else was asked for
