# A service in Python as a team would write one, with the verifier that Gatehouse serves beside it.
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gatehouse import Gatehouse, Refused

env = os.environ
options = {"when_stale": env.get("WHEN_STALE"), "stale_after": "STALE_AFTER" in env and float(env["STALE_AFTER"]), "now": "NOW" in env and (lambda: int(env["NOW"]))}
gate = Gatehouse(env["ISSUER"], env["AUDIENCE"], url=env.get("URL"), **{name: value for name, value in options.items() if value})


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/stats":
            return self.answer(200, gate.stats())
        try:
            claims = gate.authenticate(self.headers)
            self.answer(200, {"id": claims["sub"], "email": claims.get("email")})
        except Refused as refused:
            self.answer(401, {"reason": refused.reason})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Orders)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("listening", server.server_port, flush=True)
server.serve_forever()
