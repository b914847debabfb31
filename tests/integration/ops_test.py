"""Operations: health, metrics, statistics, logs, flags, and an orderly end."""
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import unittest

from lib.api import instant
from lib.cluster import Cluster, TestCase
from lib.process import free_port, program, run_once

METRIC = re.compile(r'^([a-z_]+)(\{([^}]*)\})? ([0-9.eE+-]+|NaN|\+Inf)( \d+)?$')


class Operations(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server("--log-format", "json")
        cls.cluster.start_agent("a-1", "--log-format", "json")
        cls.cluster.shards_even()

    def test_health(self):
        for path in ("/livez", "/healthz"):
            self.assertEqual(self.api.get(path), {"status": "alive"})
        self.wait("the broker is up", lambda: self.api.get("/readyz")["checks"]["broker"] == "ok")
        ready = self.api.get("/readyz")
        self.assertEqual((ready["status"], ready["checks"]["store"], ready["checks"]["link"]), ("ready", "ok", "ok"))

    def test_metrics(self):
        id = self.api.ended(self.api.submit()["id"])["id"]
        answer = self.api.want(200, "GET", "/metrics")
        self.assertIn("text/plain", answer.headers["Content-Type"])
        text = answer.body.decode()
        self.assertNotIn(id, text)
        values = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            match = METRIC.match(line)
            self.assertTrue(match, line)
            self.assertTrue(match[1].startswith(("duly_", "process_")), line)
            self.assertNotIn("cmd_", line)
            values[match[1] + (match[2] or "")] = float(match[4])
        labels = set(re.findall(r'([a-z_]+)="', text))
        self.assertLessEqual(labels, {"state", "version", "le", "kind", "queue", "code", "file", "role"})
        self.assertEqual((values["duly_broker_up"], values["duly_disk_low"]), (1, 0))
        self.assertEqual(values['duly_shards{state="held"}'], 16)
        self.assertEqual(values['duly_agents{state="live"}'], 1)
        self.assertGreaterEqual(values['duly_commands{state="succeeded"}'], 1)
        self.assertGreaterEqual(values["duly_accepted_total"], 1)
        for name in ("duly_oldest_due_age_seconds", "duly_dead_letters_waiting", "duly_lost_total", "duly_republished_total",
                     'duly_stale_reports_refused_total{kind="mark"}', "duly_died_total", "duly_dispatch_lateness_seconds_count"):
            self.assertIn(name, values)

    def test_stats_count_what_is_there(self):
        before = self.api.stats()["commands"]
        for id in self.api.batch([{"type": "builtin.noop"}] * 20):
            self.api.ended(id)
        self.api.submit(delay_ms=3600_000)
        stats = self.api.stats()
        self.assertEqual(stats["commands"]["succeeded"] - before["succeeded"], 20)
        self.assertEqual(stats["commands"]["scheduled"] - before["scheduled"], 1)
        self.assertEqual((stats["agents"]["live"], stats["shards"]["held"], stats["broker"]["up"]), (1, 16, True))
        lateness = stats["dispatch_lateness_ms"]
        self.assertTrue(0 < lateness["p50"] <= lateness["p95"] <= lateness["p99"], lateness)
        self.assertGreater(self.wait("rates", lambda: self.api.stats()["rates"]["accepted_per_s"]), 0)

    def test_documents(self):
        answer = self.api.want(200, "GET", "/openapi.yaml")
        text = answer.body.decode()
        self.assertTrue(text.lstrip("# \n").startswith("openapi: 3") or "\nopenapi: 3" in text)
        for path in ("/v1/commands:", "/v1/commands/batch:", "/v1/shards/{n}/agent:", "/v1/server/simulate-crash:"):
            self.assertIn(path, text)
        self.assertIn("text/html", self.api.want(200, "GET", "/").headers["Content-Type"])

    def test_audit_names_what_was_done_by_hand(self):
        self.api.want(200, "PUT", "/v1/queues/audited", {"paused": True})
        rows = self.api.get("/v1/audit", limit=5)["items"]
        self.assertIn(("queue.pause", "audited", "anonymous"), [(row["what"], row["subject"], row["who"]) for row in rows])
        id = self.api.submit(delay_ms=3600_000)["id"]
        headers = {"X-Request-Id": "mine-7"}
        self.api.want(200, "POST", f"/v1/commands/{id}/reschedule", {"due_at": "2035-01-01T00:00:00Z"}, headers)
        self.api.want(200, "POST", f"/v1/commands/{id}/cancel", headers=headers)
        rows = [row for row in self.api.get("/v1/audit", limit=50)["items"] if row["subject"] == id]
        self.assertEqual([(row["what"], row["request_id"]) for row in rows],
                         [("command.cancel", "mine-7"), ("command.reschedule", "mine-7")])
        self.api.crash_server("kill", "link.before-reply", after=1_000_000)
        newest = self.api.get("/v1/audit", limit=1)["items"][0]
        self.assertEqual((newest["what"], newest["detail"]), ("server.simulate-crash", "kill at link.before-reply"))

    def test_agent_view(self):
        agent = self.api.agent("a-1")
        wanted = {"name", "roles", "state", "shards", "connected_at", "last_heartbeat_at", "in_flight", "running", "published",
                  "executed", "version", "address"}
        self.assertLessEqual(wanted, set(agent))
        self.assertEqual((agent["name"], agent["state"], agent["roles"]), ("a-1", "live", ["dispatch", "execute"]))
        self.assertEqual(agent["shards"], list(range(16)))
        first = instant(agent["last_heartbeat_at"])
        self.wait("heartbeats", lambda: instant(self.api.agent("a-1")["last_heartbeat_at"]) > first)
        self.api.ended(self.api.submit()["id"])
        self.wait("counts", lambda: self.api.agent("a-1")["executed"] >= 1 and self.api.agent("a-1")["published"] >= 1)

    def test_logs_are_json_with_their_subject(self):
        id = self.api.submit("builtin.sleep", {"ms": 60000}, on_lost="dead")["id"]
        self.wait("it runs", lambda: self.api.command(id)["state"] == "running")
        self.cluster.agents["a-1"].kill()
        self.assertEqual(self.api.ended(id)["reason"], "lost")
        self.cluster.start_agent("a-1", "--log-format", "json")
        self.cluster.shards_even()
        for process in (self.cluster.server, self.cluster.agents["a-1"]):
            lines = [json.loads(line) for line in process.log().splitlines()]
            self.assertTrue(lines)
            for line in lines:
                self.assertLessEqual({"ts", "level", "component", "msg"}, set(line))
        lines = [json.loads(line) for line in self.cluster.server.log().splitlines()]
        (lost,) = [line for line in lines if line.get("command") == id]
        command = self.api.command(id)
        self.assertEqual((lost["shard"], lost["attempt"], lost["epoch"]),
                         (command["shard"], 1, command["attempts"][0]["epoch"]))


class Ends(TestCase):
    def test_sigterm_ends_the_server_with_0(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1")
        ids = cluster.api.batch([{"type": "builtin.sleep", "payload": {"ms": 300}}] * 30)
        self.assertEqual(cluster.server.terminate(), 0)
        with self.assertRaises(OSError):
            cluster.api.ask("GET", "/livez")
        cluster.start_server()
        cluster.idle()
        commands = [cluster.api.command(id) for id in ids]
        self.assertEqual({command["state"] for command in commands}, {"succeeded"})
        self.assertEqual(cluster.agents["a-1"].terminate(), 0)

    def test_second_signal_ends_at_once(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1")
        id = cluster.api.submit("builtin.sleep", {"ms": 60000})["id"]
        self.wait("it runs", lambda: cluster.api.command(id)["state"] == "running")
        agent = cluster.agents["a-1"]
        agent.signal(signal.SIGTERM)
        self.wait("it drains", lambda: "draining" in agent.log())
        agent.signal(signal.SIGTERM)
        agent.wait(3)


class Starts(TestCase):
    """How a program says that it cannot start: one line, and the exit code of the contract."""

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def refused(self, code, *arguments, name="duly-server", words=()):
        done = run_once(name, *arguments)
        lines = [line for line in done.stderr.splitlines() if line.startswith(name)]
        self.assertEqual((done.returncode, len(lines)), (code, 1), done)
        for word in words:
            self.assertIn(word, lines[0])

    def other(self, **changes):
        return self.cluster.server_arguments(**{"http": f"127.0.0.1:{free_port()}", "link": f"127.0.0.1:{free_port()}",
                                                **changes})

    def test_wrong_flags(self):
        for name in ("duly-server", "duly-agent"):
            for arguments in (["--no-such-flag"], ["--link"], ["--link", "nonsense"], ["surplus"], ["--log-level", "loud"],
                              ["--config", "/nonexistent/file"]):
                with self.subTest(name=name, arguments=arguments):
                    self.refused(2, *arguments, name=name)
        self.refused(2, "--shards", "0")
        self.refused(2, "--lease-ttl-ms", "soon")
        self.refused(2, "--roles", "dance", name="duly-agent")
        for name in ("duly-server", "duly-agent"):
            for flag in ("--help", "--version"):
                done = run_once(name, flag)
                self.assertEqual(done.returncode, 0)
                self.assertTrue(done.stdout)

    def test_one_server_for_a_data_folder(self):
        self.cluster.start_server()
        self.refused(1, *self.other(), words=["in use"])
        self.assertTrue(self.cluster.ready())

    def test_ports_that_are_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refused(1, *self.other(http=address), words=["--http"])
            self.refused(1, *self.other(link=address), words=["--link"])

    def test_shards_are_fixed_when_the_store_is_made(self):
        self.cluster.start_server().server.terminate()
        self.refused(1, *self.other(shards="32"), words=["shards"])
        self.cluster.start_server()

    def test_addresses_beyond_loopback_need_a_word(self):
        self.refused(1, *self.other(http=f"0.0.0.0:{free_port()}"), words=["--insecure"])
        self.refused(1, *self.other(link=f"0.0.0.0:{free_port()}"), words=["--insecure"])

    def test_a_newer_store_is_refused(self):
        self.cluster.start_server().server.terminate()
        store = sqlite3.connect(os.path.join(self.cluster.data, "duly.db"))
        store.execute("PRAGMA user_version = 999")
        store.close()
        self.refused(1, *self.other(), words=["newer"])

    def test_flag_beats_environment_beats_file(self):
        file = os.path.join(self.cluster.folder, "duly.conf")
        with open(file, "w", encoding="utf-8") as text:
            text.write("# ours\nlink = bad-from-file\nlog-level = loud\n")

        def attempt(*arguments, **environment):
            done = subprocess.run([program("duly-agent"), "--config", file, *arguments], env={**os.environ, **environment},
                                  capture_output=True, text=True, timeout=10, check=False)
            self.assertEqual(done.returncode, 2)
            return done.stderr
        self.assertIn("loud", attempt())
        self.assertIn("shrill", attempt(DULY_LOG_LEVEL="shrill"))
        self.assertIn("mute", attempt("--log-level", "mute", DULY_LOG_LEVEL="shrill"))


if __name__ == "__main__":
    unittest.main()
