"""The download script against a real HTTP server on this machine."""

import hashlib
import http.server
import os
import subprocess
import threading

import pytest

from utils.runs import PROJECT

SCRIPT = PROJECT / "data_scripts" / "get_cifar10.sh"


@pytest.fixture
def server(tmp_path):
    """Serves `content`; breaks off after `broken_after` bytes once; remembers the ranges it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        content, broken_after, ranges = b"", None, []

        def do_GET(self):
            asked = self.headers.get("Range")
            Handler.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            rest = self.content[start:]
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if Handler.broken_after is not None:
                rest, Handler.broken_after = rest[: Handler.broken_after], None
            self.wfile.write(rest)

        def log_message(self, *_):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{listening.server_port}/cifar-10-binary.tar.gz"
    yield Handler
    listening.shutdown()


def script_for(content: bytes, folder):
    """The script, but for another archive: its checksum is that of `content`."""
    text = SCRIPT.read_text().replace("c32a1d4ab5d03f1284b67883e8d87530", hashlib.md5(content).hexdigest())
    path = folder / "scripts" / "get_cifar10.sh"
    path.parent.mkdir()
    path.write_text(text.replace("--retry-delay 2", "--retry-delay 0").replace("--retry 5", "--retry 0"))
    return path


def fetch(script, data_dir, *options, url=""):
    environment = dict(os.environ, CIFAR10_URL=url)
    return subprocess.run(
        ["bash", script, "--data-dir", data_dir, *options], env=environment, capture_output=True, text=True
    )


def test_a_broken_download_goes_on_where_it_stopped_and_a_second_run_asks_for_nothing(server, tmp_path):
    server.content = os.urandom(300_000)
    script = script_for(server.content, tmp_path)
    server.broken_after = 100_000
    first = fetch(script, tmp_path / "data", url=server.url)
    assert first.returncode == 3 and "run this again" in first.stderr
    archive = tmp_path / "data" / "cifar10" / "cifar-10-binary.tar.gz"
    assert not archive.exists()
    assert fetch(script, tmp_path / "data", url=server.url).returncode == 0
    assert archive.read_bytes() == server.content and server.ranges == [None, "bytes=100000-"]
    assert "there already" in fetch(script, tmp_path / "data", url=server.url).stdout and len(server.ranges) == 2


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", b""])
def test_what_is_not_the_published_archive_is_refused_and_removed(server, tmp_path, content):
    server.content = content
    answer = fetch(script_for(b"the real one", tmp_path), tmp_path / "data", url=server.url)
    assert answer.returncode in (3, 4) and answer.stderr.splitlines()[-1].startswith("get_cifar10: ")
    assert not any(path.stat().st_size for path in (tmp_path / "data" / "cifar10").iterdir())


def test_an_archive_fetched_by_hand_is_checked_and_taken(tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(b"the real one")
    script = script_for(b"the real one", tmp_path)
    assert fetch(script, tmp_path / "data", "--from", tmp_path / "mine.tar.gz").returncode == 0
    assert (tmp_path / "data" / "cifar10" / "cifar-10-binary.tar.gz").read_bytes() == b"the real one"
    (tmp_path / "mine.tar.gz").write_bytes(b"another")
    assert fetch(script, tmp_path / "other", "--from", tmp_path / "mine.tar.gz").returncode == 4
    assert (tmp_path / "mine.tar.gz").exists()


def test_wrong_options_are_refused_with_code_2(tmp_path):
    for options in (["--frm", "x"], ["--from"], ["--from", tmp_path / "missing"]):
        answer = fetch(SCRIPT, tmp_path / "data", *options)
        assert answer.returncode == 2 and answer.stderr.count("\n") == 1
