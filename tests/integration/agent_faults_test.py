"""Agents and executors that are killed, frozen or cut off, with work in hand."""
import collections
import os
import signal
import time
import unittest

from lib.api import instant
from lib.cluster import TestCase

QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}


class AgentFaults(TestCase):
    def make_load(self, cluster, count, **fields):
        """`count` commands over two seconds, each leaving its line in the ledger."""
        return cluster.api.batch([cluster.append(n, delay_ms=n * 2000 // count, retry=QUICK, **fields) for n in range(count)])

    def test_kill_under_load(self):
        """Twice in one load of 2,000 commands; the killed one comes back in between."""
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2", "a-3")
        before = cluster.shards_even()
        epochs = cluster.api.epochs()
        ids = self.make_load(cluster, 2000)
        self.wait("half-way", lambda: len(cluster.ledger()) > 500)
        cluster.agents["a-2"].kill()
        killed = time.monotonic()
        after = self.wait("its shards moved", lambda: (lambda held: held if len(held) == 16 and
                                                       "a-2" not in held.values() else None)(cluster.api.shard_map()), 5)
        self.assertLess(time.monotonic() - killed, cluster.ttl_ms / 1000, "a closed connection must not wait for the TTL")
        moved = {shard for shard, agent in before.items() if agent == "a-2"}
        self.assertEqual({shard for shard in before if after[shard] != before[shard]}, moved)
        now = cluster.api.epochs()
        self.assertTrue(all((now[shard] > epochs[shard]) == (shard in moved) for shard in before))
        cluster.start_agent("a-2")
        self.wait("further", lambda: len(cluster.ledger()) > 1200)
        cluster.agents["a-1"].kill()
        self.check_all_ran(cluster, ids)
        self.assertEqual(cluster.api.agent("a-1")["state"], "lost")

    def test_every_agent_killed_at_once(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        ids = self.make_load(cluster, 1000)
        self.wait("half-way", lambda: len(cluster.ledger()) > 300)
        for name in ("a-1", "a-2"):
            cluster.agents[name].signal(signal.SIGKILL)
        self.wait("no agent", lambda: cluster.api.stats()["shards"]["free"] == 16)
        cluster.start_agents("a-1", "b-2")
        self.check_all_ran(cluster, ids)

    @staticmethod
    def runs_on(cluster, id, agent):
        command = cluster.api.command(id)
        return command["state"] == "running" and command["attempts"][-1]["executor"] == agent

    def test_frozen_agent(self):
        """Silent for longer than the TTL: its shards move in time; when it wakes, nothing stale is recorded."""
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        ids = self.make_load(cluster, 1000)
        slow = cluster.api.batch([{"type": "builtin.sleep", "payload": {"ms": 2500}, "retry": QUICK}] * 12)
        self.wait("its long work runs", lambda: any(self.runs_on(cluster, id, "a-1") for id in slow), 20)
        frozen = cluster.agents["a-1"]
        frozen.signal(signal.SIGSTOP)
        begun = time.monotonic()
        self.wait("shards moved", lambda: set(cluster.api.shard_map().values()) == {"a-2"} and
                  len(cluster.api.shard_map()) == 16, 10)
        self.assertLess(time.monotonic() - begun, cluster.ttl_ms / 1000 + 1)
        self.assertEqual(cluster.api.agent("a-1")["state"], "lost")
        new = self.make_load(cluster, 200)
        self.wait("work goes on", lambda: cluster.api.command(new[-1])["state"] == "succeeded", 20)
        self.wait("its long work is over by its own clock", lambda: time.monotonic() - begun > 3)
        frozen.signal(signal.SIGCONT)
        cluster.shards_even()
        stored = self.check_all_ran(cluster, ids + new)
        for id in slow:
            command = cluster.api.command(id)
            self.assertEqual(command["state"], "succeeded")
            self.assertLessEqual([a["outcome"] for a in command["attempts"]].count("succeeded"), 1)
        lost = [id for id in slow if "lost" in {a["outcome"] for a in cluster.api.command(id)["attempts"]}]
        self.assertTrue(lost, "nothing was lost with the frozen executor: the test tested nothing")
        self.assertTrue(stored)

    def test_cut_off_for_a_moment(self):
        """A dropped connection alone loses no running work."""
        cluster = self.new_cluster().start_server()
        for name in ("a-1", "a-2"):
            cluster.start_agent(name, "--allow-exec", cluster.patient)
        cluster.shards_even()
        ids = cluster.api.batch([cluster.patient_work()] * 8)
        self.wait("all run", lambda: cluster.api.stats()["running"] == 8)
        for name in ("a-1", "a-2"):
            cluster.api.crash_agent(name, "disconnect", duration_ms=20)
        self.wait("both are back", lambda: all(agent.log().count("connected to the server") >= 2
                                               for agent in cluster.agents.values()))
        cluster.release()
        for id in ids:
            command = cluster.api.ended(id)
            self.assertEqual((command["state"], [a["outcome"] for a in command["attempts"]]), ("succeeded", ["succeeded"]))

    def test_killed_executor_is_retried_elsewhere(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agent("d-1", roles="dispatch")
        cluster.start_agent("x-1", "--allow-exec", cluster.patient, roles="execute")
        cluster.shards_even()
        (id,) = cluster.api.batch([cluster.patient_work(retry=QUICK)])
        self.wait("it runs", lambda: cluster.api.command(id)["state"] == "running")
        cluster.agents["x-1"].kill()
        killed = time.time() * 1000
        self.wait("noticed", lambda: cluster.api.command(id)["attempts"][0]["outcome"] == "lost", 5)
        lost = cluster.api.command(id)["attempts"][0]
        self.assertLess(instant(lost["finished_at"]) - killed, cluster.ttl_ms)
        self.assertEqual(lost["executor"], "x-1")
        cluster.release()
        cluster.start_agent("x-2", "--allow-exec", cluster.patient, roles="execute")
        command = cluster.api.ended(id)
        self.assertEqual([(a["attempt"], a["executor"], a["outcome"]) for a in command["attempts"]],
                         [(1, "x-1", "lost"), (2, "x-2", "succeeded")])
        self.assertIn("lost", {event["kind"] for event in command["events"]})

    def test_on_lost_dead(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        id = cluster.api.submit("builtin.sleep", {"ms": 60000}, on_lost="dead")["id"]
        self.wait("it runs", lambda: cluster.api.command(id)["state"] == "running")
        cluster.agents[cluster.api.command(id)["attempts"][0]["executor"]].kill()
        command = cluster.api.ended(id)
        self.assertEqual((command["state"], command["reason"]), ("dead", "lost"))
        self.assertEqual([a["outcome"] for a in command["attempts"]], ["lost"])

    def test_poison(self):
        """A command that kills whoever runs it is dead after three, and leaves the rest alone."""
        cluster = self.new_cluster().start_server()
        cluster.start_agent("d-1", roles="dispatch")
        program = os.path.join(cluster.folder, "assassin")
        with open(program, "w", encoding="utf-8") as text:
            text.write('#!/bin/sh\n[ "$1" = spare ] || kill -9 $PPID\n')
        os.chmod(program, 0o755)

        def start():
            cluster.start_agent("victim", "--allow-exec", program, roles="execute")
        start()
        cluster.shards_even()
        id = cluster.api.submit("builtin.exec", {"program": program}, retry={**QUICK, "max_attempts": 10})["id"]
        deaths = 0
        deadline = time.monotonic() + 30
        while cluster.api.command(id)["state"] != "dead" and time.monotonic() < deadline:
            if not cluster.agents["victim"].running():
                deaths += 1
                start()
            time.sleep(0.02)
        command = cluster.api.command(id)
        self.assertEqual((command["state"], command["reason"]), ("dead", "poison"))
        self.assertEqual([(a["attempt"], a["outcome"]) for a in command["attempts"]], [(n, "lost") for n in (1, 2, 3)])
        self.assertIn(deaths, (2, 3))
        if not cluster.agents["victim"].running():
            start()
        spared = cluster.api.submit("builtin.exec", {"program": program, "args": ["spare"]})["id"]
        self.assertEqual(cluster.api.ended(spared)["state"], "succeeded")

    def test_kept_results_reach_a_server_that_was_away(self):
        """The work ends after the server's death and before its return."""
        cluster = self.new_cluster().start_server()
        for name in ("a-1", "a-2"):
            cluster.start_agent(name, "--allow-exec", cluster.patient)
        cluster.shards_even()
        ids = cluster.api.batch([cluster.patient_work()] * 20)
        self.wait("all run", lambda: cluster.api.stats()["running"] == 20)
        cluster.server.kill()
        cluster.release()
        self.wait("they end meanwhile", lambda: cluster.released() == 20)
        cluster.start_server()
        for id in ids:
            command = cluster.api.ended(id)
            self.assertEqual([a["outcome"] for a in command["attempts"]], ["succeeded"], command)

    def test_concurrency_is_a_limit(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agent("a-1", concurrency=3)
        cluster.shards_even()
        ids = cluster.api.batch([{"type": "builtin.sleep", "payload": {"ms": 150}}] * 12)
        spans = []
        for id in ids:
            (attempt,) = cluster.api.ended(id)["attempts"]
            spans.append((instant(attempt["started_at"]), instant(attempt["finished_at"])))
        # The next may be permitted in the same breath as the end of the one before is recorded.
        edges = sorted([(start, 1) for start, _ in spans] + [(end - 30, -1) for _, end in spans])
        running = collections.deque([0])
        for _, change in edges:
            running.append(running[-1] + change)
        self.assertEqual(max(running), 3)


if __name__ == "__main__":
    unittest.main()
