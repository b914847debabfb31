"""A client of GET /v1/events: one connection, read by a thread of its own."""
import json
import socket
import threading
import urllib.parse

from lib.process import eventually


class Stream:
    """`frames`: (event, id, data) in the order in which they came; comments and bare ids are not among them."""

    def __init__(self, port, last_id=None, read=True, headers=None, **query):
        self.frames, self.last_id, self.comments, self.buffer, self.ended = [], last_id, 0, b"", False
        self.socket = socket.socket()
        if not read:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before connecting
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        path = "/v1/events" + ("?" + urllib.parse.urlencode(query) if query else "")
        fields = {"Host": "localhost", **({"Last-Event-ID": last_id} if last_id else {}), **(headers or {})}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.head = self.until(b"\r\n\r\n")
        self.status = int(self.head.split(b" ", 2)[1])
        self.thread = None
        if read and self.status == 200:
            self.read_on()

    def read_on(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def until(self, mark):
        while mark not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed after {self.buffer[-200:]!r}")
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(mark)
        return text

    def run(self):
        try:
            while True:
                self.take(self.until(b"\n\n").decode())
        except (OSError, ValueError):
            self.ended = True

    def take(self, block):
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            self.frames.append((fields["event"], fields["id"], json.loads(fields["data"])))
        else:
            self.comments += 1

    def close(self):
        """The connection is gone from one moment to the next."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        if self.thread is not None:
            self.thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what tests ask

    def listening(self):
        """The server has said where this stream stands: whatever happens from now on is told."""
        eventually("the stream has begun", lambda: self.last_id is not None or self.frames)
        return self

    def states(self, id):
        return [data["state"] for event, _, data in self.frames if event == "command" and data["id"] == id]

    def numbers(self):
        return [int(id.rpartition("-")[2]) for _, id, _ in self.frames]

    def resets(self):
        return [data["reason"] for event, _, data in self.frames if event == "reset"]
