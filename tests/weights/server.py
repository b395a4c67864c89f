"""A small file server on this machine, with the manners of servers in the world: some cut, some cannot continue."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hosted:
    """A file and how it is served; ``cut_after`` bytes of an answer the connection ends, ``cuts`` times."""

    content: bytes
    knows_range: bool = True
    etag: str = '"one"'
    cut_after: int = 0
    cuts: int = 0
    content_type: str = "application/octet-stream"
    has_length: bool = True


@dataclass
class Server:
    """What is hosted by path, and the requests that came: (path, range)."""

    address: str
    hosted: dict[str, Hosted] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, name):
        return f"{self.address}/{name}"


@contextlib.contextmanager
def serving():
    """Serve on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *ignored):
            pass

        def do_GET(self):
            asked = self.headers.get("Range")
            server.requests.append((self.path, asked))
            hosted = server.hosted.get(self.path.lstrip("/"))
            if hosted is None:
                self.send_error(404)
                return
            self.answer(hosted, asked)

        def answer(self, hosted, asked):
            total = len(hosted.content)
            unchanged = self.headers.get("If-Range") in (None, hosted.etag)
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hosted.knows_range and unchanged else 0
            if begin and begin >= total:
                self.send_error(416)
                return
            body = hosted.content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
            if hosted.has_length:
                self.send_header("Content-Length", str(len(body)))
            if hosted.etag:
                self.send_header("ETag", hosted.etag)
            self.send_header("Content-Type", hosted.content_type)
            self.end_headers()
            if hosted.cuts > 0:
                hosted.cuts -= 1
                body = body[: hosted.cut_after]
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{http.server_address[1]}")
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
