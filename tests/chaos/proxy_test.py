"""The proxy between an echo server and a client: each fault does what it says, and nothing else."""
import os
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

import frames  # noqa: E402
import world  # noqa: E402

CONFIRM = b"\x01\x00\x01" + struct.pack(">I", 13) + frames.CONFIRM + struct.pack(">QB", 1, 0) + b"\xce"
OTHER = b"\x01\x00\x01" + struct.pack(">I", 4) + struct.pack(">HH", 60, 60) + b"\xce"


def link_frame(header, data=b""):
    return struct.pack(">II", 4 + len(header) + len(data), len(header)) + header + data


class Echo(threading.Thread):
    """Answers every byte with itself."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            peer, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    @staticmethod
    def serve(peer):
        try:
            while data := peer.recv(65536):
                peer.sendall(data)
        except OSError:
            pass
        peer.close()


class Proxied(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="duly-proxy-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.proxy, cls.echo = world.Proxy(cls.folder.name), Echo()
        cls.addClassCleanup(cls.proxy.process.end)
        cls.ports = {kind: cls.proxy.route(kind, kind, cls.echo.port) for kind in frames.KINDS}

    def setUp(self):
        for kind in frames.KINDS:
            self.proxy.clear(kind)

    def connect(self, kind):
        peer = socket.create_connection(("127.0.0.1", self.ports[kind]), 5)
        self.addCleanup(peer.close)
        return peer

    def read(self, peer, count):
        data = b""
        while len(data) < count and (piece := peer.recv(count - len(data))):
            data += piece
        return data

    def ask(self, peer, data):
        peer.sendall(data)
        return self.read(peer, len(data))

    def silent(self, peer, seconds=0.2):
        peer.settimeout(seconds)
        with self.assertRaises(TimeoutError):
            peer.recv(1)
        peer.settimeout(5)

    def test_everything_passes_when_nothing_is_wrong(self):
        for kind, data in (("link", link_frame(b"{}", bytes(200_000))), ("amqp", b"AMQP\0\0\x09\x01" + OTHER + CONFIRM),
                           ("http", b"GET / HTTP/1.1\r\n\r\n")):
            peer = self.connect(kind)
            for _ in range(3):
                self.assertEqual(self.ask(peer, data), data)

    def test_a_black_hole_holds_back_and_lets_go_in_order(self):
        for way in ("up", "down"):
            peer = self.connect("link")
            first, second = link_frame(b'{"n":1}'), link_frame(b'{"n":2}')
            self.assertEqual(self.ask(peer, first), first)
            self.proxy.set("link", way=way, blackhole=True)
            peer.sendall(first + second)
            self.silent(peer)
            self.proxy.clear("link")
            self.assertEqual(self.read(peer, len(first + second)), first + second)

    def test_delay_is_kept_when_it_ends_and_nothing_overtakes(self):
        peer, pieces = self.connect("link"), [link_frame(b'{"n":%d}' % n) for n in range(50)]
        self.proxy.set("link", way="up", delay_ms=300)
        begun = time.monotonic()
        for piece in pieces[:25]:
            peer.sendall(piece)
        time.sleep(0.05)
        self.proxy.clear("link")
        for piece in pieces[25:]:
            peer.sendall(piece)
        self.assertEqual(self.read(peer, len(b"".join(pieces))), b"".join(pieces))
        self.assertGreater(time.monotonic() - begun, 0.29)

    def test_cut_lets_so_many_bytes_pass_then_resets(self):
        peer, frame = self.connect("link"), link_frame(b'{"kind":"heartbeat"}')
        self.proxy.set("link", way="up", cut_after=10)
        peer.sendall(frame)
        with self.assertRaises(ConnectionResetError):
            self.assertEqual(self.read(peer, 11), b"")
        self.assertEqual(self.ask(self.connect("link"), frame), frame)

    def test_corruption_breaks_the_framing_of_one_frame(self):
        peer, frame = self.connect("link"), link_frame(b'{"a":1}')
        self.proxy.set("link", way="down", corrupt=1)
        self.assertEqual(self.ask(peer, frame), frame[:8] + b"\x00" + frame[9:])
        self.assertEqual(self.ask(peer, frame), frame)
        peer = self.connect("amqp")
        self.proxy.set("amqp", way="down", corrupt=2)
        self.assertEqual(self.ask(peer, OTHER), OTHER[:-1] + b"\x00")
        self.assertEqual(self.ask(peer, OTHER), b"\x63" + OTHER[1:])
        self.proxy.set("http", way="up", corrupt=1)
        self.assertEqual(self.ask(self.connect("http"), b"GET /"), b"\x01ET /")

    def test_only_confirms_are_swallowed(self):
        peer = self.connect("amqp")
        self.proxy.set("amqp", way="down", swallow=True)
        peer.sendall(CONFIRM + OTHER + CONFIRM + OTHER)
        self.assertEqual(self.read(peer, 2 * len(OTHER)), OTHER + OTHER)
        self.silent(peer)
        self.assertGreaterEqual(self.proxy.ask("counts")["amqp swallow"], 2)

    def test_reset_and_refusal(self):
        peer, frame = self.connect("link"), link_frame(b"{}")
        self.ask(peer, frame)
        self.proxy.set("link", refuse=True)
        self.proxy.reset("link")
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)
        with self.assertRaises(ConnectionResetError):
            self.ask(self.connect("link"), frame)
        self.proxy.clear("link")
        self.assertEqual(self.ask(self.connect("link"), frame), frame)


if __name__ == "__main__":
    unittest.main()
