"""What the command line changes is changed at the server: deliveries, limits of queues, versions of schedules, due times."""
import json
import os
import re
import subprocess
import unittest

from lib.api import in_ms
from lib.cluster import TestCase
from lib.process import die_with_parent, program, run_once

TICK = {"name": "tick", "every_ms": 3600_000, "command": {"type": "builtin.noop"}}


class Changes(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.url = f"http://127.0.0.1:{cls.cluster.http_port}"

    def duly(self, *arguments, code=0, text=None):
        done = subprocess.run([program("duly"), "--server", self.url, *arguments], input=text, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, code, done)
        return done.stderr if code else done.stdout

    def json(self, *arguments, **settings):
        return json.loads(self.duly(*arguments, "--output", "json", **settings))

    def test_a_delivery(self):
        words = ["submit", "order.made", "--delay-ms", "3600000", "--quiet"]
        id = self.duly(*words, "--deliver-exchange", "orders", "--deliver-routing-key", "eu", "--deliver-header", "region=eu",
                       "--deliver-header", "note=a=b").strip()
        self.assertRegex(id, r"^cmd_\w{13}$")
        self.assertEqual(self.api.command(id)["deliver"],
                         {"exchange": "orders", "routing_key": "eu", "headers": {"region": "eu", "note": "a=b"}})
        to_queue = self.duly(*words, "--deliver-routing-key", "mine").strip()
        self.assertEqual(self.api.command(to_queue)["deliver"], {"exchange": "", "routing_key": "mine", "headers": {}})
        self.assertIsNone(self.api.command(self.duly(*words).strip())["deliver"])
        self.assertIn("--deliver-header needs", self.duly(*words, "--deliver-header", "region=eu", code=2))
        self.assertIn('--deliver-header "eu" is not NAME=VALUE', self.duly(*words, "--deliver-exchange", "e", "--deliver-header", "eu", code=2))
        self.assertIn("/deliver/exchange", self.duly(*words, "--deliver-exchange", "duly.dead", code=1))

    def test_an_end_and_what_a_lost_executor_means(self):
        end = in_ms(7200_000)
        made = self.json("submit", "builtin.noop", "--delay-ms", "3600000", "--expires-at", end, "--on-lost", "dead")
        self.assertEqual((made["expires_at"], made["on_lost"]), (end, "dead"))
        self.assertIn("--on-lost", self.duly("submit", "builtin.noop", "--on-lost", "perhaps", code=2))

    def test_limits_of_a_queue(self):
        limited = self.json("queues", "limit", "mail", "--max-running", "5", "--rate", "100", "--per-ms", "60000", "--bundle", "20")
        self.assertEqual((limited["max_running"], limited["rate"], limited["bundle"]), (5, {"count": 100, "per_ms": 60000}, 20))
        changed = self.json("queues", "limit", "mail", "--no-rate")
        self.assertEqual((changed["max_running"], changed["rate"], changed["bundle"]), (5, None, 20))
        self.assertEqual(self.json("queues", "limit", "mail", "--no-max-running")["max_running"], None)
        self.assertRegex(self.duly("queues"), r"(?m)^mail +false +0 +0 +0 +0 +0 +- +- +- +20 +-")
        self.assertIn("which limit?", self.duly("queues", "limit", "mail", code=2))
        self.assertIn("--rate", self.duly("queues", "limit", "mail", "--per-ms", "5", code=2))

    def test_versions_of_a_schedule(self):
        self.duly("schedules", "create", "-", text=json.dumps(TICK))
        self.json("schedules", "update", "tick", "-", "--if-match", "1", text=json.dumps({**TICK, "every_ms": 7200_000}))
        refused = self.duly("schedules", "update", "tick", "-", "--if-match", "1", code=1, text=json.dumps(TICK))
        self.assertIn("  hint: somebody changed it meanwhile", refused)
        self.assertEqual(self.json("schedules", "get", "tick")["every_ms"], 7200_000)
        self.assertEqual(self.json("schedules", "rollback", "tick", "1")["every_ms"], 3600_000)
        told = self.duly("schedules", "versions", "tick").splitlines()
        self.assertEqual([line.split()[0] for line in told], ["VERSION", "3", "2", "1"])

    def test_what_is_wrong_is_said_once(self):
        self.assertEqual(self.duly("queues", "limit", "mail", "--rate", "0", code=1).count("must be a whole number"), 1)
        several = self.duly("submit", "no spaces", "--queue", "no spaces either", code=1)
        self.assertIn("/type: ", several)
        self.assertIn("/queue: ", several)

    def test_one_command_is_shown_with_what_befell_it(self):
        id = self.api.submit(delay_ms=3600_000)["id"]
        self.duly("reschedule", id, "--due-at", in_ms(7200_000))
        shown = self.duly("get", id)
        self.assertRegex(shown, r"(?m)^AT +EVENT +WHO +DETAIL *$")
        self.assertNotIn("[{", shown)

    def test_a_due_time_and_why(self):
        id = self.api.submit(delay_ms=3600_000)["id"]
        due_at = in_ms(7200_000)
        self.duly("reschedule", id, "--due-at", due_at)
        self.assertEqual(self.api.command(id)["due_at"], due_at)
        self.assertIn("not_due", self.duly("explain", id))
        self.duly("cancel", id)
        self.assertIn("cancelled", self.duly("reschedule", id, "--due-at", due_at, code=1))

    def test_what_was_done_by_hand_is_listed(self):
        self.duly("queues", "pause", "audited")
        self.assertRegex(self.duly("audit", "--limit", "5"), r"(?m)anonymous +queue\.\w+ +audited")
        self.wait("the first sample is there", lambda: len(self.duly("history").splitlines()) > 1)

    def test_events_go_on_over_the_death_of_the_server(self):
        heard, complained = (os.path.join(self.cluster.folder, name) for name in ("heard", "complained"))
        words = ["--server", self.url, "events", "--queue", "told", "--output", "json"]
        with open(heard, "w", encoding="utf-8") as out, open(complained, "w", encoding="utf-8") as errors:
            child = subprocess.Popen([program("duly"), *words], stdout=out, stderr=errors, preexec_fn=die_with_parent)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)

        # From when on it listens only the child knows: commands are made until one is told.
        def told(count):
            self.api.submit(queue="told", delay_ms=3600_000)
            return len(self.lines(heard)) >= count
        self.wait("an event is told", lambda: told(1), 30)
        before = len(self.lines(heard))
        self.cluster.server.kill()
        self.wait("the end of the stream is told", lambda: any("trying again" in line for line in self.lines(complained)), 30)
        self.cluster.start_server()
        self.wait("an event of the new server is told", lambda: told(before + 1), 30)
        self.assertIsNone(child.poll())
        self.assertEqual({json.loads(line)["queue"] for line in self.lines(heard)}, {"told"})

    def test_events_end_after_as_many_as_were_wanted(self):
        heard = os.path.join(self.cluster.folder, "counted")
        with open(heard, "w", encoding="utf-8") as out:
            child = subprocess.Popen([program("duly"), "--server", self.url, "events", "--queue", "counted", "--count", "2", "--output",
                                      "json"], stdout=out, preexec_fn=die_with_parent)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)

        def ended():
            self.api.submit(queue="counted", delay_ms=3600_000)
            return child.poll() is not None
        self.wait("it ends", ended, 30)
        self.assertEqual((child.returncode, len(self.lines(heard))), (0, 2))

    @staticmethod
    def lines(path):
        with open(path, encoding="utf-8") as text:
            return text.read().splitlines()

    def test_a_server_that_is_not_there_ends_it(self):
        done = run_once("duly", "--server", "http://127.0.0.1:9", "events")
        self.assertEqual((done.returncode, re.findall("hint", done.stderr)), (1, ["hint"]))


if __name__ == "__main__":
    unittest.main()
