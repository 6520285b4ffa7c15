"""A real HTTP server on this machine that behaves as badly as a test asks for."""

import http.server
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """One request: its path with the query, the ranges and the authorization it came with, or None."""

    path: str
    range: str | None
    authorization: str | None


class MisbehavingServer:
    """Serves what `put` was given. Use it in a `with` statement.

    Attributes:
        url: scheme, host and port.
        asked: every request, in their order.
        command_lines: what the processes of this machine were called with while it answered.
    """

    def __init__(self):
        self.asked: list[Asked] = []
        self.command_lines = b""
        self.closing = threading.Event()
        self._files: dict[str, tuple[bytes, list[Callable]]] = {}
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def put(self, path: str, content: bytes, *manners: Callable) -> None:
        """Serve `content` at `path`: the first request meets the first of the manners, and so on; then it is `well`."""
        self._files[path] = (content, list(manners))

    def ranges(self, path: str) -> list[str | None]:
        """The ranges that requests for `path` asked for; None for all of it."""
        return [asked.range for asked in self.asked if asked.path == path]

    def answer(self, handler: "_Handler") -> None:
        """Note a request and answer it."""
        self.asked.append(Asked(handler.path, handler.headers.get("Range"), handler.headers.get("Authorization")))
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.command_lines += process.read_bytes()
            except OSError:  # it has ended
                pass
        if handler.path not in self._files:
            return handler.send(404, b"<html><title>Not Found</title></html>")
        content, manners = self._files[handler.path]
        (manners.pop(0) if manners else well)(handler, content)

    def __enter__(self) -> "MisbehavingServer":
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Hands every request to its server; knows how to send."""

    served: MisbehavingServer

    def do_GET(self):
        try:
            self.served.answer(self)
        except (BrokenPipeError, ConnectionResetError):  # the client has hung up
            pass

    def send(self, status: int, body: bytes, upto: int | None = None, **headers: str) -> None:
        """Promise all of `body`, and send it up to a byte."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:upto])
        self.wfile.flush()

    def send_asked(self, content: bytes, upto: int | None = None) -> None:
        """Send the part of `content` that was asked for, as a good server does."""
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked and start >= len(content):
            return self.send(416, b"", Content_Range=f"bytes */{len(content)}")
        place = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        self.send(206 if asked else 200, content[start:], upto, **place)

    def log_message(self, *_):
        pass


def well(handler: _Handler, content: bytes) -> None:
    """As it should be."""
    handler.send_asked(content)


def without_ranges(handler: _Handler, content: bytes) -> None:
    """Sends everything, whatever part was asked for."""
    handler.send(200, content)


def breaking_off(after: int) -> Callable:
    """Hangs up after so many bytes."""
    return lambda handler, content: handler.send_asked(content, upto=after)


def falling_silent(after: int) -> Callable:
    """Sends so many bytes, and then nothing, without hanging up."""

    def answer(handler: _Handler, content: bytes) -> None:
        handler.send_asked(content, upto=after)
        handler.served.closing.wait(20)

    return answer


def saying(status: int, body: str = "") -> Callable:
    """Answers with a status and a page."""
    return lambda handler, _: handler.send(status, body.encode(), Content_Type="text/html; charset=utf-8")


def sending_on(to: str) -> Callable:
    """Sends the client to another address."""
    return lambda handler, _: handler.send(302, b"", Location=to)
