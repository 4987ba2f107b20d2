"""A download server in the cluster: HTTPS for model pods, plain HTTP to put files onto it. Also the pod's program.

Files live in memory; a digest of the content is the ETag. Uses the standard library alone.
"""

import hashlib
import http.server
import ssl
import sys
import threading
from typing import Any

PUT_PORT = 8080
GET_PORT = 8443
ONCE = "/once/"
"""A file below it can be fetched once; then the server fails."""
FILES: dict[str, bytes] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    """GET, HEAD and DELETE a file, PUT one."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_PUT(self) -> None:
        FILES[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(204, b"")

    def do_DELETE(self) -> None:
        FILES.pop(self.path, None)
        self._answer(204, b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        content = FILES.get(self.path)
        if self.path.startswith(ONCE) and self.command == "GET":
            FILES[self.path] = b""
        if self.path == "/healthz":
            self._answer(200, b"ok")
        elif content is None:
            self._answer(404, b"no such file")
        elif self.path.startswith(ONCE) and not content:
            self._answer(500, b"it was fetched before")
        else:
            self._answer(200, content)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def serve(folder: str) -> None:
    """Run both ports; `folder` holds tls.crt and tls.key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    secure = http.server.ThreadingHTTPServer(("", GET_PORT), Handler)
    # The handshake belongs to the thread of the connection: in accept() one silent client would hold up all others.
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer(("", PUT_PORT), Handler).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
