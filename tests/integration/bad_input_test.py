"""What must be refused: over HTTP, over the link, out of the queues.  Exact errors, bounded time, nothing stops."""
import json
import socket
import struct
import time
import unittest

from lib.api import in_ms
from lib.cluster import TestCase

JSON = b"Content-Type: application/json\r\n"
NOBODY = "bad-nobody"


def nested(depth):
    """A payload so deep that with the command around it the body has this depth."""
    return b'{"type":"t","queue":"%s","delay_ms":9999999,"payload":%s}' % (
        NOBODY.encode(), b"[" * (depth - 1) + b"]" * (depth - 1))


class Refusals(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")

    def raw(self, request, seconds=10):
        """(status, whole answer) to these bytes."""
        with socket.create_connection(("127.0.0.1", self.cluster.http_port), seconds) as connection:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                data = connection.recv(65536)
                if not data:
                    break
                answer += data
        return (int(answer.split(b" ", 2)[1]) if answer else 0), answer

    def refuse(self, status, body, *pointers, method="POST", path="/v1/commands"):
        answer = self.api.ask(method, path, body)
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json
        self.assertEqual(problem["status"], status)
        for name in ("type", "title", "detail"):
            self.assertIsInstance(problem[name], str)
            self.assertTrue(problem[name])
        if pointers:
            self.assertEqual(sorted(error["pointer"] for error in problem["errors"]), sorted(pointers), problem)
            self.assertTrue(all(error["detail"] for error in problem["errors"]))
        return problem

    def test_malformed_json(self):
        for body in (b"", b"{", b"nonsense", b'{"type":"t"} x', b'{"type":"t",}', b"{'type':'t'}", b'{"type":"\xff"}', b"[]",
                     b"null", b'"x"', b'{"type":"t","payload":01}', b'{"type":"t","payload":NaN}', b"\x00", b"\xef\xbb\xbf{}x",
                     b'{"type":"t" "queue":"q"}'):
            with self.subTest(body=body):
                self.refuse(400, body)

    def test_depth(self):
        self.assertEqual(self.api.ask("POST", "/v1/commands", nested(32)).status, 201)
        for depth in (33, 34, 1000, 100_000, 500_000):
            begun = time.monotonic()
            self.refuse(400, nested(depth))
            self.assertLess(time.monotonic() - begun, 2)
        deep = b'{"type":"t","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
        self.refuse(400, deep)
        self.assertEqual(len(self.api.walk(queue=NOBODY)), 1)

    def test_fields(self):
        ok = {"type": "t", "queue": "bad-fields"}
        rules = [
            ({}, "/type"), ({"type": ""}, "/type"), ({"type": 5}, "/type"), ({"type": "a b"}, "/type"),
            ({"type": "x" * 129}, "/type"), ({"queue": ""}, "/queue"), ({"queue": "q/1"}, "/queue"),
            ({"queue": "q" * 65}, "/queue"), ({"queue": None}, "/queue"), ({"colour": 1}, "/colour"),
            ({"a/b~c": 1}, "/a~1b~0c"), ({"due_at": "2026-13-01T00:00:00Z"}, "/due_at"), ({"due_at": 5}, "/due_at"),
            ({"due_at": "2026-11-21"}, "/due_at"), ({"due_at": in_ms(11 * 366 * 86400_000)}, "/due_at"),
            ({"delay_ms": -1}, "/delay_ms"), ({"delay_ms": 1.5}, "/delay_ms"), ({"delay_ms": "5"}, "/delay_ms"),
            ({"delay_ms": 11 * 366 * 86400_000}, "/delay_ms"), ({"delay_ms": 1 << 70}, "/delay_ms"),
            ({"priority": 10}, "/priority"), ({"priority": -1}, "/priority"), ({"priority": True}, "/priority"),
            ({"key": ""}, "/key"), ({"key": "k" * 257}, "/key"), ({"key": "a\nb"}, "/key"), ({"key": 1}, "/key"),
            ({"retry": 3}, "/retry"), ({"retry": {"max_attempts": 0}}, "/retry/max_attempts"),
            ({"retry": {"max_attempts": 101}}, "/retry/max_attempts"), ({"retry": {"jitter": 1.1}}, "/retry/jitter"),
            ({"retry": {"multiplier": 0.5}}, "/retry/multiplier"), ({"retry": {"tries": 1}}, "/retry/tries"),
            ({"retry": {"initial_delay_ms": -1}}, "/retry/initial_delay_ms"), ({"timeout_ms": 0}, "/timeout_ms"),
            ({"timeout_ms": "1s"}, "/timeout_ms"), ({"expires_at": "soon"}, "/expires_at"),
            ({"expires_at": in_ms(-1000)}, "/expires_at"), ({"expires_at": in_ms(1000), "delay_ms": 2000}, "/expires_at"),
            ({"labels": ["a"]}, "/labels"), ({"labels": {"a": 1}}, "/labels/a"),
            ({"labels": {str(n): "x" for n in range(17)}}, "/labels"), ({"on_lost": "hold"}, "/on_lost"),
            ({"idempotency_key": "k"}, "/idempotency_key"), ({"id": "cmd_0000000000000"}, "/id"),
            ({"depends_on": "x"}, "/depends_on"), ({"deliver": {"exchange": "e"}}, "/deliver/routing_key"),
            ({"deliver": {"exchange": "duly.dead", "routing_key": "k"}}, "/deliver/exchange"),
            ({"callback_url": "http://x"}, "/callback_url"),
        ]
        for change, pointer in rules:
            with self.subTest(change=str(change)[:80]):
                body = {**ok, **change} if change else {"queue": "bad-fields"}
                self.refuse(400, body, pointer)
        self.assertEqual(self.api.walk(queue="bad-fields"), [])

    def test_both_due_at_and_delay(self):
        self.refuse(400, {"type": "t", "due_at": in_ms(5000), "delay_ms": 5}, "/due_at", "/delay_ms")

    def test_every_bad_field_is_named_at_once(self):
        self.refuse(400, {"queue": "?", "priority": 99, "nope": 1, "retry": {"jitter": 7}},
                    "/type", "/queue", "/priority", "/nope", "/retry/jitter")

    def test_ids_and_paths(self):
        for id in ("x", "cmd_", "cmd_06XVQWX54000", "cmd_06XVQWX54000I0", "cmd_06XVQWX54000U", "CMD_06XVQWX540000",
                   "cmd_ZZZZZZZZZZZZZ", "%00", "cmd_06XVQWX54000%2f"):
            with self.subTest(id=id):
                self.refuse(400, None, method="GET", path=f"/v1/commands/{id}")
        for path in ("/v1/commands/cmd_0000000000001", "/v2/commands", "/v1/nothing", "/v1/commands/", "/v1/agents/nobody",
                     "/v1/../etc/passwd"):
            with self.subTest(path=path):
                self.refuse(404, None, method="GET", path=path)
        for action in ("cancel", "retry"):
            self.refuse(404, None, path=f"/v1/commands/cmd_0000000000001/{action}")

    def test_methods(self):
        for method, path, allowed in (("DELETE", "/v1/commands", {"GET", "HEAD", "POST"}), ("PUT", "/v1/stats", {"GET", "HEAD"}),
                                      ("POST", "/v1/shards/1/agent", {"PUT", "DELETE"}), ("GET", "/v1/commands/batch", None)):
            with self.subTest(path=path):
                answer = self.api.ask(method, path, b"" if method == "PUT" else None)
                if allowed is None:  # «batch» could be meant as an id
                    self.assertIn(answer.status, (400, 405))
                    continue
                self.assertEqual(answer.status, 405)
                self.assertEqual(set(answer.headers["Allow"].split(", ")), allowed)

    def test_other_bodies(self):
        id = self.api.submit("t", delay_ms=3600_000, queue=NOBODY + "2")["id"]
        for method, path, body, pointer in (
                ("POST", f"/v1/commands/{id}/reschedule", {}, "/due_at"),
                ("POST", f"/v1/commands/{id}/reschedule", {"due_at": "x"}, "/due_at"),
                ("POST", f"/v1/commands/{id}/reschedule", {"due_at": in_ms(11 * 366 * 86400_000)}, "/due_at"),
                ("POST", f"/v1/commands/{id}/reschedule", {"due_at": in_ms(5), "why": 1}, "/why"),
                ("POST", f"/v1/commands/{id}/cancel", {"why": 1}, "/why"),
                ("PUT", "/v1/queues/x", {"paused": "yes"}, "/paused"),
                ("PUT", "/v1/queues/x", {"pause": True}, "/pause"),
                ("PUT", "/v1/shards/1/agent", {}, "/agent"),
                ("PUT", "/v1/shards/1/agent", {"agent": 5}, "/agent"),
                ("POST", f"/v1/commands/{id}/attempts/1/begin", {}, "/executor"),
                ("POST", f"/v1/commands/{id}/attempts/1/finish", {"executor": "e", "outcome": "fine"}, "/outcome"),
                ("POST", "/v1/server/simulate-crash", {"mode": "explode"}, "/mode"),
                ("POST", "/v1/server/simulate-crash", {"mode": "kill", "point": "dispatch.after-poll"}, "/point"),
                ("POST", "/v1/agents/a-1/simulate-crash", {"mode": "kill", "point": "store.before-commit"}, "/point"),
                ("POST", "/v1/agents/a-1/simulate-crash", {"mode": "kill", "after": 0}, "/after"),
                ("POST", "/v1/agents/a-1/simulate-crash", {"mode": "hang", "duration_ms": -1}, "/duration_ms")):
            with self.subTest(path=path, body=str(body)):
                self.refuse(400, body, pointer, method=method, path=path)
        self.refuse(404, {"agent": "a-1"}, method="PUT", path="/v1/shards/16/agent")
        self.refuse(400, {"agent": "a-1"}, method="PUT", path="/v1/shards/x/agent")
        self.refuse(404, {"mode": "kill"}, path="/v1/agents/nobody/simulate-crash")
        self.assertEqual(self.api.command(id)["state"], "scheduled")
        self.assertEqual(self.api.ask("POST", f"/v1/commands/{id}/attempts/1/begin", {"executor": "e"}).status, 409)

    # ---- below HTTP's good manners

    def test_framing(self):
        host = b"Host: localhost\r\n"
        start = b"POST /v1/commands HTTP/1.1\r\n" + host + JSON
        cases = [
            (411, start + b"\r\n"), (411, start + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
            (411, start + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
            (400, start + b"Content-Length: two\r\n\r\n{}"), (400, start + b"Content-Length: -1\r\n\r\n{}"),
            (400, start + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            (413, start + b"Content-Length: 99999999999\r\n\r\n"), (431, start + b"X-A: " + b"a" * 9000 + b"\r\n\r\n"),
            (431, start + b"".join(b"X-%d: 1\r\n" % n for n in range(2000)) + b"\r\n"),
            (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), (400, b"GET\r\n\r\n"),
            (414, b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\n" + host + b"\r\n"),
            (415, start + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
        ]
        for status, request in cases:
            with self.subTest(request=request[:120]):
                got, answer = self.raw(request)
                self.assertEqual(got, status, answer)
                self.assertIn(b"x-request-id:", answer.lower())
                self.assertIn(b"application/problem+json", answer)

    def test_smuggling_and_pipelining(self):
        """A body on GET is not the next request; two requests in one packet get two answers."""
        got, _ = self.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\nGET /v1/agents HTTP/1.1\r\n\r\n....")
        self.assertEqual(got, 400)
        with socket.create_connection(("127.0.0.1", self.cluster.http_port), 5) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
            answer = b""
            while answer.count(b"HTTP/1.1 200") < 2:
                data = connection.recv(4096)
                self.assertTrue(data, answer)
                answer += data

    def test_dripping_clients_hold_nobody_up(self):
        slow = [socket.create_connection(("127.0.0.1", self.cluster.http_port), 5) for _ in range(50)]
        try:
            for connection in slow:
                connection.sendall(b"POST /v1/commands HTTP/1.1\r\nHost: loc")
            begun = time.monotonic()
            self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")
            self.assertLess(time.monotonic() - begun, 3)
        finally:
            for connection in slow:
                connection.close()

    # ---- the link

    def closed_by_peer(self, connection, seconds):
        connection.settimeout(seconds)
        try:
            while connection.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def test_hostile_frames(self):
        def frame(header, data=b"", length=None):
            text = header if isinstance(header, bytes) else json.dumps(header).encode()
            size = 4 + len(text) + len(data) if length is None else length
            return struct.pack(">II", size, len(text)) + text + data
        hello = {"kind": "hello", "protocol": 2, "name": "mallory", "incarnation": "1", "roles": ["dispatch"], "queues": []}
        before = self.api.agent("a-1")["connected_at"]
        cases = {
            "garbage": b"\xde\xad\xbe\xef" * 64, "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "huge length": struct.pack(">II", 0xFFFFFFFF, 10) + b"x" * 100,
            "header longer than frame": struct.pack(">II", 10, 1000) + b"x" * 10,
            "zero": b"\0" * 8, "not json": frame(b"{kind}"), "no kind": frame({}),
            "unknown kind": frame({"kind": "obey"}), "before hello": frame({"kind": "heartbeat", "sequence": 1}),
            "deep header": frame(b'{"kind":"hello","x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
            "wrong fields": frame({**hello, "protocol": "one", "queues": 7}), "other protocol": frame({**hello, "protocol": 99}),
            "bytes left over": frame({"kind": "heartbeat", "sequence": 1}, b"surplus"),
        }
        for name, data in cases.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.cluster.link_port), 5) as connection:
                connection.sendall(data)
                self.assertTrue(self.closed_by_peer(connection, 3), name)
        halves = []
        for data in (b"", struct.pack(">I", 100), frame({"kind": "credit", "room": 1})[:-3]):
            halves.append(socket.create_connection(("127.0.0.1", self.cluster.link_port), 5))
            halves[-1].sendall(data)
        for connection in halves:
            with connection:
                self.assertTrue(self.closed_by_peer(connection, 9), "silence is not for ever")
        self.assertTrue(self.cluster.server.running())
        self.assertEqual(self.api.agent("a-1")["connected_at"], before)
        self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")

    # ---- the queues

    def test_messages_that_cannot_be_understood_are_parked(self):
        good = {"duly-id": "cmd_0000000000001", "duly-attempt": 1, "duly-token": 0}
        bad = [
            (b"garbage", None, {}), (b"{}", {}, {"type": "builtin.noop"}), (b"1", good, {}),
            (b"2", {**good, "duly-id": "cmd_x"}, {"type": "t"}), (b"3", {**good, "duly-id": 7}, {"type": "t"}),
            (b"4", {**good, "duly-attempt": "one"}, {"type": "t"}), (b"5", {**good, "duly-attempt": 0}, {"type": "t"}),
            (b"6", {**good, "duly-attempt": 1 << 40}, {"type": "t"}), (b"7", {**good, "duly-token": -1}, {"type": "t"}),
            (b"8", {"duly-id": {"a": {"b": True}}}, {"type": "t"}), (b"\x00\xff" * 100, good, {"type": "t" * 200}),
            (b"x" * ((1 << 20) + 1), good, {"type": "t"}),
        ]
        with self.cluster.connect() as broker:
            for body, headers, properties in bad:
                broker.publish("duly.execute", "default", body, headers, **properties)
            # Understood, but of no command: dropped at the permit.
            broker.publish("duly.execute", "default", b"{}", good, type="builtin.noop")
            self.wait("all are parked", lambda: (broker.depth("duly.dead") or (0,))[0] >= len(bad))
            letters = broker.drain("duly.dead")
            self.wait("the queue is empty", lambda: broker.depth("duly.execute.default")[0] == 0)
            self.assertIsNone(broker.get("duly.dead"))
        self.assertEqual(sorted(letter["body"] for letter in letters), sorted(body for body, _, _ in bad))
        for letter in letters:
            self.assertTrue(letter["headers"]["duly-reason"], letter)
        reasons = {letter["body"]: letter["headers"]["duly-reason"] for letter in letters}
        self.assertIn("duly-id", reasons[b"2"])
        self.assertIn("duly-attempt", reasons[b"4"])
        self.assertIn("duly-token", reasons[b"7"])
        self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")
        self.assertTrue(self.cluster.agents["a-1"].running())


if __name__ == "__main__":
    unittest.main()
