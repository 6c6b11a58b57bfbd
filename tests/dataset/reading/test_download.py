from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from roundoff.dataset.reading import download
from roundoff.dataset.reading.download import fetch
from roundoff.errors import DataError

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()
Behaviour = Callable[[BaseHTTPRequestHandler, int], None]


class Server(ThreadingHTTPServer):
    """Answers each GET by the next of `behaviours` (the last one repeats) and notes the range asked for."""

    behaviours: list[Behaviour]
    ranges: list[str | None]

    def handle_error(self, *_):
        """A client that hangs up is what some of these tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/archive.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        behave = self.server.behaviours[min(len(self.server.ranges), len(self.server.behaviours)) - 1]
        behave(self, int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0)

    def log_message(self, *_):
        pass


def _head(handler, status, length, **headers):
    handler.send_response(status)
    for name, value in {"Content-Length": length, "Content-Encoding": "gzip", **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()


def whole(handler, _):
    _head(handler, 200, len(BODY))
    handler.wfile.write(BODY)


def rest(handler, offset):
    if not offset:
        return whole(handler, offset)
    if offset >= len(BODY):
        return _head(handler, 416, 0)
    _head(handler, 206, len(BODY) - offset, Content_Range=f"bytes {offset}-{len(BODY) - 1}/{len(BODY)}")
    return handler.wfile.write(BODY[offset:])


def cut(handler, offset):
    _head(handler, 206 if offset else 200, len(BODY) - offset, Content_Range=f"bytes {offset}-{len(BODY) - 1}/*")
    handler.wfile.write(BODY[offset : offset + 100_000])


def wrong_range(handler, _):
    _head(handler, 206, len(BODY), Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
    handler.wfile.write(BODY)


def missing(handler, _):
    _head(handler, 404, 0)


def busy(handler, _):
    _head(handler, 503, 0)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE_S", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.behaviours, server.ranges = [rest], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(server, tmp_path):
    path = fetch(server.url, SHA256, tmp_path / "downloads")
    assert path == tmp_path / "downloads" / "archive.bin"
    assert path.read_bytes() == BODY
    assert fetch(server.url, SHA256, tmp_path / "downloads") == path
    assert server.ranges == [None]


def test_a_connection_that_breaks_is_resumed_where_it_broke(server, tmp_path):
    server.behaviours = [cut, cut, rest]
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_the_next_call_continues_an_interrupted_one(server, tmp_path):
    server.behaviours = [cut]
    with pytest.raises(DataError, match=r"cannot download http.*\n.*5 attempts.*\n.*\n.*run again to continue"):
        fetch(server.url, SHA256, tmp_path)
    server.behaviours, server.ranges = [rest], []
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == BODY
    assert server.ranges == ["bytes=500000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["archive.bin"]


def test_a_partial_file_that_is_complete_is_only_checked(server, tmp_path):
    (tmp_path / "archive.bin.partial").write_bytes(BODY)
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == BODY


def test_a_server_without_ranges_sends_the_whole_file_anew(server, tmp_path):
    (tmp_path / "archive.bin.partial").write_bytes(b"x" * 1000)
    server.behaviours = [whole]
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == BODY


def test_a_wrong_hash_deletes_the_file_and_keeps_the_former_one(server, tmp_path):
    (tmp_path / "archive.bin").write_bytes(b"former")
    with pytest.raises(DataError, match=rf"SHA-256 differs\n  received: {SHA256}\n  expected: {'0' * 64}"):
        fetch(server.url, "0" * 64, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive.bin"]
    assert (tmp_path / "archive.bin").read_bytes() == b"former"


def test_a_range_that_was_not_asked_for_is_never_appended(server, tmp_path):
    (tmp_path / "archive.bin.partial").write_bytes(BODY[:1000])
    server.behaviours = [wrong_range]
    with pytest.raises(DataError, match="asked from byte 1000, got bytes 0-"):
        fetch(server.url, SHA256, tmp_path)
    assert (tmp_path / "archive.bin.partial").read_bytes() == BODY[:1000]


def test_a_missing_file_is_refused_at_once(server, tmp_path):
    server.behaviours = [missing]
    with pytest.raises(DataError, match=r"received: HTTP 404 Not Found\n.*\n.*check dataset.url"):
        fetch(server.url, SHA256, tmp_path)
    assert len(server.ranges) == 1


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.behaviours = [busy, busy, rest]
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == BODY


def test_an_unreachable_server_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE_S", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match=r"cannot download http://127.0.0.1:9/archive.bin\n(.|\n)*dataset.archive=PATH"):
        fetch("http://127.0.0.1:9/archive.bin", SHA256, tmp_path)
