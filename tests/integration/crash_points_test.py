"""Crash simulation: each named point struck under load; nothing lost, nothing twice."""
import http.client
import time
import unittest

from lib.api import Api
from lib.cluster import TestCase

QUICK = {"max_attempts": 8, "initial_delay_ms": 50, "max_delay_ms": 200}
AGENT_POINTS = ["dispatch.after-poll", "dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm",
                "execute.after-delivery", "execute.after-begin", "execute.after-handler", "execute.after-finish"]
SERVER_POINTS = ["store.before-commit", "store.after-commit", "link.before-reply", "api.before-reply"]


class CrashPoints(TestCase):
    """One cluster for all points, so each also meets what the ones before left behind."""

    @classmethod
    def setUpClass(cls):
        cls.share_cluster(ttl_ms=1000).start_server().start_agents("a-1", "a-2")
        cls.rounds = 0

    def load(self, count=120):
        """In a file of its own: (name, commands)."""
        type(self).rounds += 1
        name = f"round-{self.rounds}"
        return name, [self.cluster.append(n, file=name, delay_ms=n * 3, retry=QUICK) for n in range(count)]

    def submit_through_crash(self, commands, name):
        """Asks until answered, as a client with idempotency keys does."""
        for n, command in enumerate(commands):
            command["idempotency_key"] = f"{name}-{n}"
        ids, deadline = [], time.monotonic() + 20
        for at in range(0, len(commands), 20):
            while True:
                try:
                    ids += [item["id"] for item in
                            self.api.post("/v1/commands/batch", {"commands": commands[at:at + 20]}, 201)["items"]]
                    break
                except (OSError, http.client.HTTPException, AssertionError):
                    if time.monotonic() > deadline:
                        raise
                    self.revive()
                    time.sleep(0.02)
        return ids

    def revive(self):
        """What has been killed comes back."""
        cluster = self.cluster
        if not cluster.server.running():
            cluster.start_server()
        for name in ("a-1", "a-2"):
            if not cluster.agents[name].running():
                cluster.start_agent(name)

    def check_all_ran(self, cluster, ids, file="ledger", state="succeeded"):
        self.revive()
        stored = super().check_all_ran(cluster, ids, file, state)
        lines = [line for _, _, line in cluster.ledger(file)]
        self.assertEqual(set(lines), {str(n) for n in range(len(ids))})
        return stored

    def test_agent_killed_at_each_point(self):
        for number, point in enumerate(AGENT_POINTS):
            with self.subTest(point):
                self.cluster.shards_even()
                name, commands = self.load()
                victim = self.cluster.agents["a-1"]
                self.api.crash_agent("a-1", "kill", point, after=1 + 5 * (number % 2))
                ids = self.api.batch(commands)
                self.wait("it was struck", lambda victim=victim: not victim.running(), 10)
                self.assertEqual(victim.child.returncode, -9)
                self.check_all_ran(self.cluster, ids, name)

    def test_server_killed_at_each_point(self):
        for point in SERVER_POINTS:
            with self.subTest(point):
                self.cluster.shards_even()
                name, commands = self.load()
                victim = self.cluster.server
                self.api.crash_server("kill", point)
                ids = self.submit_through_crash(commands, name)
                self.wait("it was struck", lambda victim=victim: not victim.running(), 10)
                self.assertEqual(victim.child.returncode, -9)
                self.revive()
                self.check_all_ran(self.cluster, ids, name)
                self.assertEqual(len(set(ids)), len(commands))

    def test_now(self):
        for victim, strike in ((self.cluster.agents["a-2"], lambda: self.api.crash_agent("a-2", "kill")),
                               (self.cluster.server, lambda: self.api.crash_server("kill"))):
            self.cluster.shards_even()
            name, commands = self.load()
            ids = self.api.batch(commands)
            strike()
            self.assertEqual(victim.wait(5), -9)
            self.revive()
            self.check_all_ran(self.cluster, ids, name)

    def test_after_counts_how_often_the_point_is_passed(self):
        self.cluster.shards_even()
        self.api.crash_agent("a-1", "kill", "execute.after-handler", after=3)
        self.cluster.agents["a-2"].terminate()
        for expected in (True, True):
            self.assertEqual(self.api.ended(self.api.submit()["id"])["state"], "succeeded")
            self.assertIs(self.cluster.agents["a-1"].running(), expected)
        third = self.api.submit(retry=QUICK)["id"]
        self.assertEqual(self.cluster.agents["a-1"].wait(5), -9)
        self.revive()
        command = self.api.ended(third)
        self.assertEqual([a["outcome"] for a in command["attempts"]], ["lost", "succeeded"])

    def test_agent_hangs(self):
        """Longer than its lease, at the worst places; it wakes as if nothing had happened."""
        for point in ("now", "dispatch.after-publish", "execute.after-begin"):
            with self.subTest(point):
                self.cluster.shards_even()
                name, commands = self.load()
                self.api.crash_agent("a-1", "hang", point, duration_ms=2500)
                begun = time.monotonic()
                ids = self.api.batch(commands)
                self.wait("it is given up", lambda: self.api.agent("a-1")["state"] == "lost", 5)
                self.wait("it is back", lambda: self.api.agent("a-1")["state"] == "live", 10)
                self.assertGreater(time.monotonic() - begun, 2)
                self.assertTrue(self.cluster.agents["a-1"].running())
                self.check_all_ran(self.cluster, ids, name)

    def test_server_hangs(self):
        self.cluster.shards_even()
        name, commands = self.load()
        ids = self.api.batch(commands)
        self.api.crash_server("hang", duration_ms=1500)
        begun = time.monotonic()
        Api(self.cluster.http_port).get("/livez")
        self.assertTrue(0.8 < time.monotonic() - begun < 4, time.monotonic() - begun)
        self.check_all_ran(self.cluster, ids, name)

    def test_disconnects(self):
        for strike in (lambda: self.api.crash_agent("a-1", "disconnect", duration_ms=1500),
                       lambda: self.api.crash_agent("a-2", "disconnect", "dispatch.after-publish", duration_ms=300),
                       lambda: self.api.crash_server("disconnect", duration_ms=1500)):
            self.cluster.shards_even()
            lost = self.api.totals()["agents_lost"]
            name, commands = self.load()
            ids = self.api.batch(commands)
            strike()
            self.wait("it was cut off", lambda lost=lost: self.api.totals()["agents_lost"] > lost, 5)
            self.check_all_ran(self.cluster, ids, name)
            self.assertTrue(self.cluster.server.running())


class NotArmed(TestCase):
    def test_403_without_the_flag(self):
        cluster = self.new_cluster(faults=False).start_server()
        cluster.start_agents("a-1")
        for path in ("/v1/server/simulate-crash", "/v1/agents/a-1/simulate-crash", "/v1/agents/nobody/simulate-crash"):
            answer = cluster.api.ask("POST", path, {"mode": "kill"})
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (403, "application/problem+json"))
        self.assertTrue(cluster.server.running() and cluster.agents["a-1"].running())

    def test_403_for_an_agent_without_the_flag(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agent("a-1", faults=False)
        cluster.shards_even()
        self.assertEqual(cluster.api.ask("POST", "/v1/agents/a-1/simulate-crash", {"mode": "kill"}).status, 403)
        for body in ({"mode": "explode"}, {"mode": "kill", "point": "here"}, {"mode": "hang"}, {},
                     {"mode": "kill", "why": 1}):
            self.assertEqual(cluster.api.ask("POST", "/v1/server/simulate-crash", body).status, 400, body)
        self.assertTrue(cluster.agents["a-1"].running() and cluster.server.running())


if __name__ == "__main__":
    unittest.main()
