"""All of the API has a command: each line below is run against a server that only writes down what it is asked, and
what was asked is held against openapi.yaml.  A new route fails here until it has a command, or a reason for none."""
import http.server
import json
import os
import re
import subprocess
import threading
import unittest

from lib.process import program

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMAND, WORKFLOW, OPERATION = "cmd_0000000000001", "wf_0000000000001", "op_0000000000001"
INSTANT = "2027-01-01T00:00:00Z"

# Words of duly -> what it asks for.
LINES = {
    "submit builtin.noop": "POST /v1/commands",
    "list": "GET /v1/commands",
    "load -": "POST /v1/commands/batch",
    "export": "GET /v1/commands/export",
    f"get {COMMAND}": "GET /v1/commands/{id}",
    f"watch {COMMAND}": "GET /v1/commands/{id}",
    f"cancel {COMMAND}": "POST /v1/commands/{id}/cancel",
    f"retry {COMMAND}": "POST /v1/commands/{id}/retry",
    f"reschedule {COMMAND} --due-at {INSTANT}": "POST /v1/commands/{id}/reschedule",
    f"explain {COMMAND}": "GET /v1/commands/{id}/explain",
    f"revisions {COMMAND}": "GET /v1/commands/{id}/revisions",
    "cancel --state dead --detach": "POST /v1/commands/cancel",
    "retry --state dead --detach": "POST /v1/commands/retry",
    "operations": "GET /v1/operations",
    f"operations get {OPERATION}": "GET /v1/operations/{id}",
    f"operations stop {OPERATION}": "POST /v1/operations/{id}/stop",
    "queues": "GET /v1/queues",
    "queues get mail": "GET /v1/queues/{name}",
    "queues pause mail": "PUT /v1/queues/{name}",
    "queues resume mail": "PUT /v1/queues/{name}",
    "queues limit mail --rate 5 --per-ms 60000": "PUT /v1/queues/{name}",
    "agents": "GET /v1/agents",
    "agents a-1": "GET /v1/agents/{name}",
    "drain a-1": "POST /v1/agents/{name}/drain",
    "resume a-1": "POST /v1/agents/{name}/resume",
    "crash agent a-1": "POST /v1/agents/{name}/simulate-crash",
    "crash server": "POST /v1/server/simulate-crash",
    "shards": "GET /v1/shards",
    "shards pin 3 a-1": "PUT /v1/shards/{n}/agent",
    "shards unpin 3": "DELETE /v1/shards/{n}/agent",
    "schedules": "GET /v1/schedules",
    "schedules create -": "POST /v1/schedules",
    "schedules get nightly": "GET /v1/schedules/{name}",
    "schedules update nightly -": "PUT /v1/schedules/{name}",
    "schedules delete nightly": "DELETE /v1/schedules/{name}",
    "schedules pause nightly": "POST /v1/schedules/{name}/pause",
    "schedules resume nightly": "POST /v1/schedules/{name}/resume",
    "schedules trigger nightly": "POST /v1/schedules/{name}/trigger",
    f"schedules backfill nightly --from {INSTANT} --to {INSTANT}": "POST /v1/schedules/{name}/backfill",
    "schedules rollback nightly 2": "POST /v1/schedules/{name}/rollback",
    "schedules next nightly": "GET /v1/schedules/{name}/next",
    "schedules versions nightly": "GET /v1/schedules/{name}/versions",
    "workflows": "GET /v1/workflows",
    "workflows submit -": "POST /v1/workflows",
    f"workflows get {WORKFLOW}": "GET /v1/workflows/{id}",
    f"workflows cancel {WORKFLOW}": "POST /v1/workflows/{id}/cancel",
    f"workflows retry {WORKFLOW}": "POST /v1/workflows/{id}/retry",
    "events --count 1": "GET /v1/events",
    "stats": "GET /v1/stats",
    "history": "GET /v1/stats/history",
    "audit": "GET /v1/audit",
    "clock advance 1000": "POST /v1/clock/advance",
}

# Routes that are for somebody else than a person at a terminal.
FOR_OTHERS = {
    "POST /v1/commands/{id}/attempts/{n}/begin": "an executor asks leave with it",
    "POST /v1/commands/{id}/attempts/{n}/heartbeat": "an executor says that it lives",
    "POST /v1/commands/{id}/attempts/{n}/finish": "an executor reports with it",
    "GET /livez": "for what restarts the server",
    "GET /healthz": "for what restarts the server",
    "GET /readyz": "for what sends requests its way",
    "GET /metrics": "for Prometheus",
    "GET /openapi.yaml": "for programs; docs/api.md is the same for people",
    "GET /": "for browsers",
    "GET /dashboard/{file}": "for browsers",
}


def routes():
    """'METHOD /path/{parameter}' of each route in openapi.yaml, whose layout is regular."""
    found, path = set(), None
    with open(os.path.join(ROOT, "proto-schemas/openapi.yaml"), encoding="utf-8") as text:
        for line in text:
            if line.startswith("components:"):
                break
            if match := re.match(r"  (/\S*):$", line):
                path = match[1]
            elif match := re.match(r"    (get|post|put|delete|patch):", line):
                found.add(f"{match[1].upper()} {path}")
    return found


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked with something harmless, and writes it down."""
    protocol_version = "HTTP/1.1"
    asked = []

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path.split("?")[0]))
        if self.path.startswith("/v1/events"):
            body, kind = b'id: 1-1\nevent: command\ndata: {"state": "queued"}\n\n', "text/event-stream"
        else:
            body = json.dumps({"id": COMMAND, "state": "succeeded", "items": [], "next_cursor": None, "samples": []}).encode()
            kind = "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class EveryRoute(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        cls.listener.daemon_threads = True
        threading.Thread(target=cls.listener.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.listener.server_close)
        cls.addClassCleanup(cls.listener.shutdown)

    def asked_by(self, line):
        """(exit code, what it printed on standard error, [route]) of one line of words."""
        Listener.asked.clear()
        done = subprocess.run([program("duly"), "--server", f"http://127.0.0.1:{self.listener.server_port}", *line.split()],
                              input='{"type": "builtin.noop"}\n', capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr, list(Listener.asked)

    def test_each_command_asks_for_its_route(self):
        for line, route in LINES.items():
            with self.subTest(line):
                code, complaint, asked = self.asked_by(line)
                self.assertEqual(code, 0, complaint)
                method, path = route.split(" ")
                pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
                self.assertEqual([asked[0][0], bool(re.fullmatch(pattern, asked[0][1]))], [method, True], asked)

    def test_each_route_has_a_command_or_a_reason_for_none(self):
        told = set(LINES.values())
        self.assertEqual(told & set(FOR_OTHERS), set())
        self.assertEqual(sorted(routes() - told - set(FOR_OTHERS)), [], "no command asks for these: add one, or a reason for none")
        self.assertEqual(sorted((told | set(FOR_OTHERS)) - routes()), [], "openapi.yaml does not have these")
        self.assertGreater(len(told), 40)


if __name__ == "__main__":
    unittest.main()
