"""A way to a service that writes down what goes along it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from urllib.parse import unquote_plus, urlsplit

HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Request:
    """A request as it came, and the status it was answered with."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int

    @property
    def read(self) -> str:
        """The path with what was escaped in it plain."""
        return unquote_plus(self.path)


@contextmanager
def recording(origin: str) -> Iterator[tuple[str, list[Request]]]:
    """The address of the way, and the requests that went along it, in their order."""
    there, seen = urlsplit(origin), list[Request]()

    class Along(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            onward = HTTPConnection(there.hostname or "", there.port, timeout=60)
            kept = {name: value for name, value in headers.items() if name != "connection"}
            onward.request(self.command, self.path, body, kept)
            answer = onward.getresponse()
            answered = answer.read()
            onward.close()
            text = body.decode("utf-8", "replace")
            seen.append(Request(time(), self.command, self.path, headers, text, answer.status))
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOPS:
                    self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answered)))
            self.end_headers()
            self.wfile.write(answered)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = pass_on

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Along)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
