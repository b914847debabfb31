"""Shards: spread evenly with the fewest moves, drained, resumed, pinned, unassigned; and names that are taken."""
import collections
import signal
import unittest

from lib.api import instant
from lib.cluster import TestCase

QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}


class Shards(TestCase):
    def start(self, *agents, **settings):
        cluster = self.new_cluster(**settings).start_server()
        cluster.start_agents(*agents)
        return cluster

    def moves(self, before, after):
        return {shard: (before[shard], after[shard]) for shard in before if before[shard] != after[shard]}

    def loads(self, held):
        return sorted(collections.Counter(held.values()).values())

    def no_shards(self, cluster, name, seconds=10):
        """The map, when all shards are held and none by `name`."""
        def check():
            held = cluster.api.shard_map()
            return held if len(held) == 16 and name not in held.values() else None
        return self.wait(f"{name} holds nothing", check, seconds)

    def test_join_and_leave_with_the_fewest_moves(self):
        cluster = self.start("a-1")
        held = cluster.shards_even()
        self.assertEqual(self.loads(held), [16])
        cluster.start_agent("a-2")
        after = cluster.shards_even()
        self.assertEqual(self.loads(after), [8, 8])
        self.assertEqual(set(self.moves(held, after).values()), {("a-1", "a-2")})
        held = after
        cluster.start_agent("a-3")
        after = cluster.shards_even()
        self.assertEqual(self.loads(after), [5, 5, 6])
        moved = self.moves(held, after)
        self.assertIn(len(moved), (5, 6))
        self.assertEqual({new for _, new in moved.values()}, {"a-3"})
        held = after
        self.assertEqual(cluster.agents["a-2"].terminate(), 0)
        after = self.no_shards(cluster, "a-2")
        self.assertEqual(self.loads(after), [8, 8])
        self.assertEqual({old for old, _ in self.moves(held, after).values()}, {"a-2"})
        held = after
        epochs = cluster.api.epochs()
        cluster.agents["a-3"].kill()
        after = self.no_shards(cluster, "a-3")
        moved = self.moves(held, after)
        self.assertEqual(set(moved.values()), {("a-3", "a-1")})
        raised = {shard for shard, epoch in cluster.api.epochs().items() if epoch > epochs[shard]}
        self.assertEqual(raised, set(moved))

    def test_many_agents_join_at_once_under_load(self):
        cluster = self.start("a-1")
        ids = cluster.api.batch([cluster.append(n, delay_ms=n * 2, retry=QUICK) for n in range(800)])
        for number in range(2, 7):
            cluster.start_agent(f"a-{number}", concurrency=4)
        held = cluster.shards_even()
        self.assertEqual(self.loads(held), [2, 2, 3, 3, 3, 3])
        for number in (1, 3, 5):
            cluster.agents[f"a-{number}"].signal(signal.SIGTERM)
        self.assertEqual([cluster.agents[f"a-{number}"].wait() for number in (1, 3, 5)], [0, 0, 0])
        self.assertEqual(self.loads(cluster.shards_even()), [5, 5, 6])
        stored = self.check_all_ran(cluster, ids)
        totals = cluster.api.totals()
        self.assertEqual((totals["lost"], totals["republished"]), (0, 0), "an orderly end costs nothing")
        self.assertEqual({stored[id]["attempt"] for id in ids} - {1}, set())

    def test_drain_and_resume_by_hand(self):
        cluster = self.start("a-1", "a-2")
        ids = cluster.api.batch([cluster.append(n, delay_ms=n * 3, retry=QUICK) for n in range(400)])
        before = cluster.shards_even()
        self.assertEqual(cluster.api.post("/v1/agents/a-1/drain")["name"], "a-1")
        after = self.no_shards(cluster, "a-1")
        self.assertEqual({pair for pair in self.moves(before, after).values()}, {("a-1", "a-2")})
        self.assertEqual((cluster.api.agent("a-1")["state"], cluster.api.agent("a-1")["shards"]), ("draining", []))
        cluster.api.post("/v1/agents/a-1/resume")
        again = cluster.shards_even()
        self.assertEqual(self.loads(again), [8, 8])
        self.assertEqual(cluster.api.agent("a-1")["state"], "live")
        stored = self.check_all_ran(cluster, ids)
        self.assertEqual({stored[id]["attempt"] for id in ids}, {1})
        for action in ("drain", "resume"):
            self.assertEqual(cluster.api.ask("POST", f"/v1/agents/nobody/{action}").status, 404)

    def test_sigterm_finishes_what_it_can(self):
        cluster = self.start("a-1")
        id = cluster.api.submit("builtin.sleep", {"ms": 1000})["id"]
        self.wait("it runs", lambda: cluster.api.command(id)["state"] == "running")
        self.assertEqual(cluster.agents["a-1"].terminate(), 0)
        command = cluster.api.command(id)
        self.assertEqual([a["outcome"] for a in command["attempts"]], ["succeeded"])

    def test_sigterm_hands_back_what_it_cannot_finish(self):
        """Uncounted: a command with one attempt survives it."""
        cluster = self.new_cluster().start_server()
        cluster.start_agent("a-1", "--drain-ms", "400")
        cluster.shards_even()
        id = cluster.api.submit("builtin.sleep", {"ms": 2500}, retry={"max_attempts": 1}, on_lost="dead")["id"]
        self.wait("it runs", lambda: cluster.api.command(id)["state"] == "running")
        self.assertEqual(cluster.agents["a-1"].terminate(5), 0)
        command = cluster.api.command(id)
        self.assertEqual([a["outcome"] for a in command["attempts"]], ["handed_back"], command)
        self.assertEqual(command["state"], "scheduled")
        length = instant(command["attempts"][0]["finished_at"]) - instant(command["attempts"][0]["started_at"])
        self.assertLess(length, 2000)
        cluster.start_agents("a-2")
        command = cluster.api.ended(id)
        self.assertEqual([(a["attempt"], a["executor"], a["outcome"]) for a in command["attempts"]],
                         [(1, "a-1", "handed_back"), (2, "a-2", "succeeded")])

    def test_a_left_agent_is_gone_and_a_lost_one_is_told(self):
        cluster = self.start("a-1", "a-2", "a-3")
        cluster.agents["a-1"].terminate()
        cluster.agents["a-2"].kill()
        self.wait("seen", lambda: {agent["name"]: agent["state"] for agent in cluster.api.get("/v1/agents")["items"]} ==
                  {"a-2": "lost", "a-3": "live"})

    def test_pin(self):
        cluster = self.start("a-1", "a-2")
        held = cluster.shards_even()
        shard = next(shard for shard, agent in held.items() if agent == "a-1")
        epoch = cluster.api.epochs()[shard]
        cluster.api.want(200, "PUT", f"/v1/shards/{shard}/agent", {"agent": "a-2"})
        self.wait("it moved", lambda: cluster.api.shard_map().get(shard) == "a-2")
        item = cluster.api.get("/v1/shards")["items"][shard]
        self.assertEqual((item["pinned"], item["state"]), (True, "held"))
        self.assertGreater(item["epoch"], epoch)
        cluster.start_agent("a-3")
        cluster.shards_even()
        self.assertEqual(cluster.api.shard_map()[shard], "a-2", "the balancer moved a pinned shard")
        cluster.agents["a-2"].kill()
        self.no_shards(cluster, "a-2")  # better elsewhere than nowhere
        self.assertEqual(cluster.api.ask("PUT", "/v1/shards/0/agent", {"agent": "a-2"}).status, 409)
        self.assertEqual(cluster.api.ask("PUT", "/v1/shards/0/agent", {"agent": "never"}).status, 409)
        cluster.start_agent("a-2")
        self.wait("home again", lambda: cluster.api.shard_map().get(shard) == "a-2")

    def test_pinned_work_runs(self):
        cluster = self.start("a-1", "a-2")
        for shard in range(16):
            cluster.api.want(200, "PUT", f"/v1/shards/{shard}/agent", {"agent": "a-1"})
        self.no_shards(cluster, "a-2")
        ids = cluster.api.batch([cluster.append(n) for n in range(50)])
        self.check_all_ran(cluster, ids)
        self.assertEqual({cluster.api.command(id)["attempts"][0]["agent"] for id in ids[:10]}, {"a-1"})

    def test_unassign_does_not_go_back(self):
        cluster = self.start("a-1", "a-2")
        for _ in range(6):
            held = cluster.shards_even()
            shard, holder = next((shard, agent) for shard, agent in held.items() if agent == "a-1")
            cluster.api.want(200, "DELETE", f"/v1/shards/{shard}/agent")
            self.wait("elsewhere", lambda: cluster.api.shard_map().get(shard, holder) != holder)
            after = cluster.shards_even()
            self.assertNotEqual(after[shard], holder)
        pinned = next(shard for shard, agent in cluster.shards_even().items() if agent == "a-1")
        cluster.api.want(200, "PUT", f"/v1/shards/{pinned}/agent", {"agent": "a-1"})
        cluster.api.want(200, "DELETE", f"/v1/shards/{pinned}/agent")
        self.wait("unpinned and away", lambda: cluster.api.shard_map().get(pinned) == "a-2")
        self.assertFalse(cluster.api.get("/v1/shards")["items"][pinned]["pinned"])

    def test_unassign_with_one_agent_comes_back(self):
        cluster = self.start("a-1")
        cluster.api.want(200, "DELETE", "/v1/shards/5/agent")
        self.wait("nobody else is there", lambda: cluster.api.shard_map().get(5) == "a-1")
        self.assertEqual(cluster.api.ask("DELETE", "/v1/shards/16/agent").status, 404)

    def test_a_name_in_use_is_refused(self):
        cluster = self.start("a-1")
        connected = cluster.api.agent("a-1")["connected_at"]
        first = cluster.agents.pop("a-1")
        second = cluster.start_agent("a-1")
        cluster.ended.append(first)
        self.addCleanup(first.end)
        self.wait("it is told", lambda: "is live" in second.log())
        self.assertTrue(first.running())
        self.assertEqual(cluster.api.agent("a-1")["connected_at"], connected)
        self.assertEqual(len(cluster.api.shard_map()), 16)
        self.assertEqual(cluster.api.ended(cluster.api.submit()["id"])["state"], "succeeded")

    def test_roles(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agent("x-1", roles="execute")
        self.wait("it is there", lambda: cluster.api.agent("x-1"))
        id = cluster.api.submit()["id"]
        self.assertEqual(cluster.api.command(id, 500)["state"], "scheduled")
        self.assertEqual(cluster.api.shard_map(), {})
        cluster.start_agent("d-1", roles="dispatch")
        command = cluster.api.ended(id)
        self.assertEqual([(a["agent"], a["executor"]) for a in command["attempts"]], [("d-1", "x-1")])


if __name__ == "__main__":
    unittest.main()
