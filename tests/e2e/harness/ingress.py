"""An Ingress in small, as a pod's program: passes GETs on to a Service under a Host header of its own choice.

python3 ingress.py TARGET HOST      TARGET: host name of the Service
"""

import http.client
import http.server
import sys
from typing import Any

PORT = 8080


def handler(target: str, host: str) -> type[http.server.BaseHTTPRequestHandler]:
    """Handles the requests of one proxy."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            behind = http.client.HTTPConnection(target, timeout=60)
            behind.request("GET", self.path, headers={"Host": host, "X-Forwarded-Host": self.headers["Host"]})
            answer = behind.getresponse()
            body = answer.read()
            behind.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def main(target: str, host: str) -> None:
    """Serve until the pod is deleted."""
    http.server.ThreadingHTTPServer(("", PORT), handler(target, host)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
