"""What has ended: exported, and removed when its time is over; what has another time stays."""
import json
import os
import subprocess
import tempfile
import unittest

from lib.api import instant
from lib.cluster import TestCase
from lib.process import program

KEEP_MS = 60_000  # the least that is allowed


def run(name, *arguments):
    return subprocess.run([program(name), *arguments], capture_output=True, text=True, timeout=30, check=False)


class Flags(TestCase):
    def test_wrong_rules_are_refused_with_one_line(self):
        twice = ["--keep", "dead=60000", "--keep", "dead=70000"]
        for flags, word in ((["--keep-ms", "0"], "60000"), (["--keep-ms", "soon"], "never"), (twice, "another rule"),
                            (["--keep", "dead"], "STATE"), (["--keep", "running=60000"], "running")):
            done = run("duly-server", *flags)
            self.assertEqual(done.returncode, 2, flags)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(word, done.stderr)


class Removal(TestCase):
    @classmethod
    def setUpClass(cls):
        flags = ["--keep-ms", str(KEEP_MS), "--keep", "dead=never", "--keep", "succeeded:builtin.echo=600000"]
        cls.share_cluster(server_flags=flags).start_server().start_agents("a-1")

    def export(self, **query):
        """Every line, following the cursor."""
        items, path = [], "&".join(f"{name}={value}" for name, value in query.items())
        cursor = None
        for _ in range(1000):
            answer = self.api.want(200, "GET", f"/v1/commands/export?{path}" + (f"&cursor={cursor}" if cursor else ""))
            self.assertEqual(answer.headers["Content-Type"], "application/x-ndjson")
            items += [json.loads(line) for line in answer.body.splitlines()]
            cursor = answer.headers.get("Duly-Next-Cursor")
            if cursor is None:
                return items
        self.fail("the export does not end")

    def check_export(self, ids):
        everything = self.export(limit=7)
        self.assertEqual(sorted(item["id"] for item in everything), sorted(ids))
        ends = [instant(item["finished_at"]) for item in everything]
        self.assertEqual(ends, sorted(ends))
        self.assertEqual(everything[0], self.api.command(everything[0]["id"]))
        dead = self.export(state="dead")
        self.assertEqual({item["reason"] for item in dead}, {"attempts_exhausted"})
        self.assertEqual(self.export(type="no.such.type"), [])
        self.assertEqual(self.export(finished_before=everything[0]["finished_at"]), [])

    def check_command_line(self, count):
        url = f"http://127.0.0.1:{self.api.port}"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ended.ndjson")
            done = run("duly", "--server", url, "export", "-o", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path, encoding="utf-8") as lines:
                self.assertEqual(len([json.loads(line) for line in lines]), count)
            self.assertEqual(os.listdir(folder), ["ended.ndjson"])
        done = run("duly", "--server", url, "export", "--state", "running")
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_commands_vanish_after_their_time(self):
        gone = self.api.batch([{"type": "builtin.noop", "labels": {"batch": "gone"}}] * 300)
        first = self.api.submit("builtin.noop", idempotency="the-first")["id"]
        kept = {"batch": "kept"}
        echo = self.api.batch([{"type": "builtin.echo", "payload": {"n": n}, "labels": kept} for n in range(5)])
        dead = self.api.batch([{"type": "builtin.fail", "payload": {"times": 9}, "retry": {"max_attempts": 1}}] * 3)
        self.cluster.idle()
        later = self.api.submit("builtin.noop", delay_ms=3600_000)["id"]
        cancelled = self.api.submit("builtin.noop", delay_ms=3600_000)["id"]
        self.api.post(f"/v1/commands/{cancelled}/cancel")
        ended = [*gone, first, *echo, *dead, cancelled]
        self.check_export(ended)
        self.check_command_line(len(ended))
        last = max(instant(item["finished_at"]) for item in self.export())

        counts = lambda: self.api.stats()["commands"]  # noqa: E731
        self.assertEqual(counts()["succeeded"], 306)
        patience = KEEP_MS / 1000 + 20
        self.wait("they are gone", lambda: (counts()["succeeded"], counts()["cancelled"]) == (5, 0), patience)
        now = self.api.submit("builtin.noop")
        self.assertGreaterEqual(instant(now["created_at"]), last + KEEP_MS)
        self.api.ended(now["id"])  # on its way it would change the counts that are compared below
        self.check_what_is_left(gone, first, echo, dead, later)
        self.check_restart(echo)

    def check_what_is_left(self, gone, first, echo, dead, later):
        self.assertEqual(self.api.ask("GET", f"/v1/commands/{gone[0]}").status, 404)
        self.assertEqual(self.api.ask("POST", f"/v1/commands/{gone[0]}/cancel").status, 404)
        self.assertEqual(self.api.walk(**{"label.batch": "gone"}), [])
        self.assertEqual(len(self.api.walk(**{"label.batch": "kept"})), 5)
        self.assertEqual({item["id"] for item in self.api.walk(state="dead")}, set(dead))
        self.assertEqual(self.api.command(later)["state"], "scheduled")
        left = {item["id"] for item in self.api.walk(state="succeeded", type="builtin.echo")}
        self.assertEqual(left, set(echo))
        self.assertGreaterEqual(self.api.totals()["removed"], 302)
        # The key is still known: the same request makes nothing.
        again = self.api.ask("POST", "/v1/commands", {"type": "builtin.noop"}, {"Idempotency-Key": "the-first"})
        self.assertEqual((again.status, again.json), (200, {"id": first}))
        self.assertEqual(again.headers["Idempotency-Replayed"], "true")

    def check_restart(self, echo):
        before = self.api.stats()["commands"]
        self.cluster.server.kill()
        self.cluster.start_server()
        after = self.api.stats()["commands"]
        self.assertEqual((after["dead"], after["scheduled"]), (before["dead"], before["scheduled"]))
        self.assertEqual(self.api.command(echo[0])["result"], {"n": 0})


if __name__ == "__main__":
    unittest.main()
