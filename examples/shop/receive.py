"""The other end of the rule `report-failed-runs`: prints what is sent to it.

python receive.py [--port 9009]     (0 takes a free one)
"""

from __future__ import annotations

import argparse
from http.server import BaseHTTPRequestHandler, HTTPServer


class Alerts(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(f"{self.headers['Idempotency-Key']} {body.decode()}", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """What it was sent is printed already."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print what is posted here.")
    parser.add_argument("--port", type=int, default=9009)
    with HTTPServer(("127.0.0.1", parser.parse_args().port), Alerts) as server:
        print(f"listening at http://127.0.0.1:{server.server_port}/alerts", flush=True)
        server.serve_forever()
