"""A receiver of webhooks: a real HTTP server on this machine, which keeps what it got."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cim.feeds.webhooks.signing import proves


class Receiver:
    """Answers as it is told, and takes note of each message that is proved to be ours."""

    def __init__(self, key: bytes) -> None:
        self.key, self.answers = key, [204]
        self.got: list[dict[str, Any]] = []
        self.unproved = 0
        self.said: dict[str, str] = {}
        """The headers of the last message."""
        self.answering = threading.Event()
        """While it is not set, messages are taken and not answered."""
        self.answering.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                said = {name.lower(): value for name, value in self.headers.items()}
                receiver.said = said
                if proves(receiver.key, said, body, time.time()):
                    seen = {"key": said["webhook-id"], "host": said["host"], **json.loads(body)}
                    receiver.got.append(seen)
                else:
                    receiver.unproved += 1
                if not receiver.answering.wait(10):
                    return
                # The last answer is given for ever.
                status = (
                    receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                )
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                if status in (429, 503):
                    self.send_header("Retry-After", "3000")
                self.send_header("Content-Length", "0")
                with contextlib.suppress(ConnectionError):  # who sent it may be gone
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}/alarms?from=city"

    @property
    def types(self) -> list[str]:
        return [one["type"] for one in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
