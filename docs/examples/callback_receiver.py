#!/usr/bin/env python3
"""A receiver of Duly's callbacks that verifies them.  Python 3.11, standard library only.

  callback_receiver.py SECRET_FILE [PORT]      prints one line of JSON for each end of a command that it was told of

What a receiver of your own needs is verify(): nothing that it does not pass may be believed.
"""
import hashlib
import hmac
import http.server
import json
import sys
import time

TOLERANCE_S = 300  # clocks differ, and what is older than that may be a repetition by somebody else
LARGEST_BODY = 1 << 20


def verify(secret: bytes, header: str, body: bytes, now: float | None = None) -> bool:
    """Whether the Duly-Signature header says that who knows the secret sent this body just now."""
    signed_at, signatures = "", []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            signed_at = value
        elif name == "v1":
            signatures.append(value)  # more than one while the secret is being changed
    if not (signed_at.isascii() and signed_at.isdigit()) or abs((time.time() if now is None else now) - int(signed_at)) > TOLERANCE_S:
        return False
    wanted = hmac.new(secret, signed_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    # Every one is compared, in a time that does not tell how much of it was right.
    return any([hmac.compare_digest(wanted.encode(), one.encode()) for one in signatures])


class Receiver(http.server.BaseHTTPRequestHandler):
    secret = b""
    seen: set[str] = set()  # a receiver of yours remembers them where its own work is: in its database

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not verify(self.secret, self.headers.get("Duly-Signature", ""), body):
            return self.answer(401)
        event = self.headers.get("Duly-Event-Id", "")
        if event not in self.seen:  # the same end may be told more than once
            self.seen.add(event)
            command = json.loads(body)
            print(json.dumps({"event": event, "id": command["id"], "state": command["state"], "result": command["result"]}), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0], encoding="ascii") as lines:
        Receiver.secret = next(line.strip() for line in lines if line.strip() and not line.startswith("#")).encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments[1]) if len(arguments) > 1 else 8099), Receiver)
    print(json.dumps({"listening": server.server_address[1]}), flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
