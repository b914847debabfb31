"""Callbacks: every end of a command that asked for it is told, signed, at least once, whatever dies in between."""
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import unittest

from lib.api import in_ms
from lib.cluster import TestCase
from lib.process import eventually

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "examples", "callback_receiver.py")
SECRET = "a-secret-of-this-test"
TOLD_NOTHING = {"state": "waiting", "attempts": 0, "last_error": None, "next_at": None}


def example():
    spec = importlib.util.spec_from_file_location("callback_receiver", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verify = example().verify


class Receiver:
    """Keeps every request; `answers` are statuses (or (status, headers), or an Event to wait for), the last one repeated."""

    def __init__(self, *answers):
        self.answers, self.calls, self.lock = list(answers) or [204], [], threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.calls.append((dict(self.headers), body, self.path))
                    answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if isinstance(answer, threading.Event):
                    answer.wait(60)
                    answer = 204
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": "0", **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                except OSError:
                    pass  # who asked is gone

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/ends"

    def close(self):
        for answer in self.answers:
            if isinstance(answer, threading.Event):
                answer.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, id):
        with self.lock:
            return [(headers, json.loads(body)) for headers, body, _ in self.calls if json.loads(body)["id"] == id]


class CallbackCase(TestCase):
    def receiver(self, *answers):
        receiver = Receiver(*answers)
        self.addCleanup(receiver.close)
        return receiver

    @staticmethod
    def secret_file(cluster, text=SECRET):
        path = os.path.join(cluster.folder, "callback-secret")
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def state(self, api, id, state, seconds=30):
        """The command, once its callback is in this state."""
        def check():
            command = api.command(id)
            return command if command["callback"]["state"] == state else None
        return eventually(f"the callback is {state}", check, seconds)


class Callbacks(CallbackCase):
    @classmethod
    def setUpClass(cls):
        cls.one = Receiver()
        cls.addClassCleanup(cls.one.close)
        cls.share_cluster()
        cls.cluster.start_server(*cls.allowing(cls.one))
        cls.cluster.start_agents("a-1")

    @classmethod
    def allowing(cls, *receivers):
        """A prefix names its port, so that each receiver needs its own."""
        flags = ["--callback-secret-file", cls.secret_file(cls.cluster)]
        for receiver in receivers:
            flags += ["--allow-callback", receiver.url]
        return flags

    def test_every_kind_of_end_is_told(self):
        url = self.one.url
        with self.cluster.connect() as amqp:
            amqp.declare_queue("delivered-to")
        api = self.api
        later = api.submit("builtin.noop", callback_url=url, delay_ms=3_600_000)
        self.assertEqual(later, api.command(later["id"]))
        ids = {
            "succeeded": api.submit("builtin.echo", {"answer": 42}, callback_url=url)["id"],
            "dead": api.submit("builtin.fail", {"times": 9, "secret": 1}, callback_url=url, retry={"max_attempts": 1})["id"],
            "cancelled": later["id"],
            "delivered": api.submit("note", {"n": 1}, callback_url=url,
                                    deliver={"exchange": "", "routing_key": "delivered-to"})["id"],
            "expired": api.submit("builtin.noop", callback_url=url, queue="nobody", expires_at=in_ms(1500))["id"],
        }
        self.assertEqual(api.command(ids["cancelled"])["callback"], TOLD_NOTHING)
        self.assertEqual(self.one.of(ids["cancelled"]), [])
        api.post(f"/v1/commands/{ids['cancelled']}/cancel")
        for state, id in ids.items():
            command = self.state(api, id, "delivered")
            self.assertEqual((command["state"], command["callback"]), (state, {**TOLD_NOTHING, "state": "delivered", "attempts": 1}))
            self.assertEqual(command["callback_url"], url)
            ((headers, body),) = self.one.of(id)
            self.assertEqual({key: body[key] for key in ("id", "state", "type", "queue", "attempt", "result", "finished_at", "reason")},
                             {key: command[key] for key in ("id", "state", "type", "queue", "attempt", "result", "finished_at", "reason")})
            self.assertNotIn("payload", body)
            self.assertEqual((headers["Duly-Event-Id"], headers["Idempotency-Key"], headers["Duly-Attempt"]),
                             (id + ".end.1", id + ".end.1", "1"))
        self.assertEqual(self.one.of(ids["succeeded"])[0][1]["result"], {"answer": 42})

    def test_the_signature_is_what_the_example_verifies(self):
        id = self.api.submit("builtin.noop", callback_url=self.one.url)["id"]
        self.state(self.api, id, "delivered")
        with self.one.lock:
            headers, body, _ = next(call for call in self.one.calls if json.loads(call[1])["id"] == id)
        signature = headers["Duly-Signature"]
        self.assertTrue(verify(SECRET.encode(), signature, body))
        self.assertFalse(verify(b"another-secret-altogether", signature, body))
        self.assertFalse(verify(SECRET.encode(), signature, body + b" "))
        self.assertFalse(verify(SECRET.encode(), signature, body, now=time.time() + 3600))
        self.assertFalse(verify(SECRET.encode(), "", body))

    def test_a_redrive_leads_to_another_end(self):
        id = self.api.submit("builtin.fail", {"times": 1}, callback_url=self.one.url, retry={"max_attempts": 1})["id"]
        self.state(self.api, id, "delivered")
        self.api.post(f"/v1/commands/{id}/retry")
        self.wait("it has ended again", lambda: len(self.one.of(id)) == 2, 20)
        (first, _), (second, body) = self.one.of(id)
        self.assertEqual((first["Duly-Event-Id"], second["Duly-Event-Id"]), (id + ".end.1", id + ".end.2"))
        self.assertEqual(body["state"], "succeeded")

    def test_what_others_make_is_told_too(self):
        url = self.one.url
        self.api.post("/v1/schedules", {"name": "s", "every_ms": 3_600_000, "command": {"type": "builtin.noop", "callback_url": url}}, 201)
        made = self.api.post("/v1/schedules/s/trigger", status=201)["id"]
        workflow = self.api.post("/v1/workflows", {"name": "w", "commands": [{"name": "a", "type": "builtin.noop"},
                                 {"name": "b", "type": "builtin.noop", "depends_on": ["a"], "callback_url": url}]}, 201)
        node = next(n["id"] for n in self.api.get(f"/v1/workflows/{workflow['id']}")["commands"] if n["name"] == "b")
        batch = self.api.batch([{"type": "builtin.noop", "callback_url": url}] * 40)
        for id in [made, node, *batch]:
            self.state(self.api, id, "delivered")
            self.assertEqual(len(self.one.of(id)), 1)

    def test_what_may_not_be_called_is_refused_at_once(self):
        for url, why in (("http://127.0.0.1:1/ends", "--allow-callback"), (self.one.url + "/../other", "dot"), ("ftp://x/", ""),
                         ("http://user@127.0.0.1/", ""), (7, ""), ("", ""), ("http://x/" + "y" * 3000, "")):
            problem = self.api.want(400, "POST", "/v1/commands", {"type": "t", "callback_url": url}).json
            self.assertEqual(problem["errors"][0]["pointer"], "/callback_url", url)
            self.assertIn(why, problem["errors"][0]["detail"])
        batch = {"commands": [{"type": "t"}, {"type": "t", "callback_url": "http://127.0.0.1:1/"}]}
        problem = self.api.want(400, "POST", "/v1/commands/batch", batch).json
        self.assertEqual(problem["errors"][0]["pointer"], "/commands/1/callback_url")


class Unlucky(CallbackCase):
    def start(self, *receivers):
        cluster = self.new_cluster()
        flags = ["--callback-secret-file", self.secret_file(cluster)]
        for receiver in receivers:
            flags += ["--allow-callback", receiver.url]
        cluster.start_server(*flags).start_agents("a-1")
        return cluster, flags

    def test_what_fails_is_repeated_as_the_same_event(self):
        receiver = self.receiver((503, {"Retry-After": "1"}), 204)
        cluster, _ = self.start(receiver)
        id = cluster.api.submit("builtin.noop", callback_url=receiver.url)["id"]
        owed = self.state(cluster.api, id, "owed")
        command = self.state(cluster.api, id, "delivered", 40)
        self.assertEqual(command["callback"]["attempts"], 2)
        (first, one), (second, two) = receiver.of(id)
        self.assertEqual((first["Duly-Event-Id"], one), (second["Duly-Event-Id"], two))
        self.assertEqual((first["Duly-Attempt"], second["Duly-Attempt"]), ("1", "2"))
        self.assertIn(owed["callback"]["last_error"], (None, "answered 503"))
        # As soon as it has ended at first, then a second later as it was asked, and none any more.
        self.assertGreaterEqual(owed["callback"]["next_at"], owed["finished_at"])
        self.assertIsNone(command["callback"]["next_at"])

    def test_a_killed_server_tells_it_after_its_start(self):
        gate = threading.Event()
        receiver = self.receiver(gate, 204)
        cluster, flags = self.start(receiver)
        ids = [cluster.api.submit("builtin.noop", callback_url=receiver.url)["id"]]
        eventually("the call is on its way", lambda: receiver.calls, 20)
        ids += cluster.api.batch([{"type": "builtin.noop", "callback_url": receiver.url}] * 30)
        cluster.server.kill()
        gate.set()
        cluster.start_server(*flags)
        for id in ids:
            self.state(cluster.api, id, "delivered", 40)
        self.assertEqual({headers["Duly-Event-Id"] for headers, _ in receiver.of(ids[0])}, {ids[0] + ".end.1"})
        self.assertEqual(len(receiver.of(ids[0])), 2)

    def test_a_dead_receiver_holds_up_nobody_else(self):
        never, quick = self.receiver(threading.Event()), self.receiver()
        cluster, _ = self.start(never, quick)
        cluster.api.batch([{"type": "builtin.noop", "callback_url": never.url}] * 100)
        eventually("it is called", lambda: never.calls, 20)
        ids = cluster.api.batch([{"type": "builtin.noop", "callback_url": quick.url}] * 20)
        for id in ids:
            self.state(cluster.api, id, "delivered")
        self.assertLess(len(never.calls), 20)  # a few at a time, each for its whole time

    def test_without_a_secret_it_is_refused(self):
        cluster = self.new_cluster().start_server()
        problem = cluster.api.want(400, "POST", "/v1/commands", {"type": "t", "callback_url": "http://127.0.0.1/"}).json
        self.assertEqual(problem["errors"][0]["pointer"], "/callback_url")
        self.assertIn("--callback-secret-file", problem["errors"][0]["detail"])

    def test_a_name_does_not_lead_inside(self):
        receiver = self.receiver()
        inside = receiver.url.replace("127.0.0.1", "localhost")
        cluster = self.new_cluster()
        flags = ["--callback-secret-file", self.secret_file(cluster), "--allow-callback", inside]
        cluster.start_server(*flags).start_agents("a-1")
        id = cluster.api.submit("builtin.noop", callback_url=inside)["id"]

        def failed():
            callback = cluster.api.command(id)["callback"]
            return callback if callback["attempts"] > 0 else None
        callback = eventually("it was refused", failed, 20)
        self.assertEqual(callback["state"], "owed")
        self.assertIn("loopback", callback["last_error"])
        self.assertEqual(receiver.calls, [])
        cluster.start_server(*flags, "--allow-callback-internal")
        other = cluster.api.submit("builtin.noop", callback_url=inside)["id"]
        self.state(cluster.api, other, "delivered")

    def test_the_example_takes_it(self):
        cluster = self.new_cluster()
        secret = self.secret_file(cluster)
        with subprocess.Popen([sys.executable, "-B", EXAMPLE, secret, "0"], stdout=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['listening']}/"
            cluster.start_server("--callback-secret-file", secret, "--allow-callback", url).start_agents("a-1")
            id = cluster.api.submit("builtin.echo", [1], callback_url=url)["id"]
            self.assertEqual(json.loads(process.stdout.readline()),
                             {"event": id + ".end.1", "id": id, "state": "succeeded", "result": [1]})
            self.state(cluster.api, id, "delivered")
            process.kill()


if __name__ == "__main__":
    unittest.main()
