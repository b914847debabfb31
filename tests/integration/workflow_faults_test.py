"""Workflows over kill -9 of the server and of agents: every node once, and never before those it depends on."""
import unittest

from lib.workflows import WorkflowCase, node, states, workflow

LAYERS, WIDTH, PARENTS = 20, 10, 3
KEY = {"Idempotency-Key": "layers"}
KILLS = 6  # at most: it may end before


class Killed(WorkflowCase):
    def layered(self, cluster):
        """Two hundred: each waits for some of the layer above; every other layer takes a while."""
        commands = []
        for layer in range(LAYERS):
            for at in range(WIDTH):
                parents = [f"n{layer - 1}-{(at + k) % WIDTH}" for k in range(PARENTS)] if layer else []
                name = f"n{layer}-{at}"
                fields = (cluster.append(name) if layer % 2 == 0 else
                          {"type": "builtin.sleep", "payload": {"ms": 150}})
                commands.append(node(name, *parents, **fields))
        return commands[::-1]  # children first: the order of the request is no help

    def start(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        self.api = cluster.api
        body = workflow(*self.layered(cluster), name="layers")
        id = self.api.want(201, "POST", "/v1/workflows", body, KEY).json["id"]
        return cluster, body, id

    def goes_on(self, id):
        """Some more have ended, or all."""
        before = self.view(id)["counts"]["open"]
        self.wait("it goes on", lambda: self.view(id)["counts"]["open"] <= max(0, before - 15), 30)

    def judge(self, cluster, id):
        view = self.ended(id, 90)
        self.assertEqual((view["state"], set(states(view).values())), ("succeeded", {"succeeded"}))
        self.assertEqual(view["counts"], {"total": LAYERS * WIDTH, "open": 0, "succeeded": LAYERS * WIDTH, "failed": 0})
        self.check_parents_first(view)
        commands = self.commands(view)
        for name, command in commands.items():
            outcomes = [attempt["outcome"] for attempt in command["attempts"]]
            self.assertEqual((outcomes[-1], outcomes.count("succeeded")), ("succeeded", 1), name)
        self.check_order(view, commands)
        self.check_ledger(cluster, commands)
        cluster.idle()
        self.assertEqual(len(self.api.walk()), LAYERS * WIDTH)

    def check_ledger(self, cluster, commands):
        """What ran, by what it wrote itself: no attempt twice, every one that succeeded, in the order of the layers."""
        entries = self.check_nothing_twice(cluster)
        wrote = {(id, int(attempt)) for id, attempt, _ in entries}
        for name, command in commands.items():
            if command["type"] == "builtin.append":
                self.assertIn((command["id"], command["attempt"]), wrote, name)
        first = {}
        for at, (_, _, name) in enumerate(entries):
            first.setdefault(name, at)
        depends_on = {name: [commands_name for commands_name, parent in commands.items()
                             if parent["id"] in command["depends_on"]] for name, command in commands.items()}
        for name, at in first.items():
            for parent in depends_on[name]:
                for grandparent in depends_on[parent]:
                    self.assertLess(first[grandparent], at, (grandparent, name))

    def test_every_node_once_and_in_order_over_kills_of_the_server(self):
        """I11."""
        cluster, body, id = self.start()
        kills = 0
        while kills < KILLS and self.view(id)["state"] == "running":
            cluster.server.kill()
            cluster.start_server()
            kills += 1
            again = self.api.want(200, "POST", "/v1/workflows", body, KEY)
            self.assertEqual((again.json["id"], again.headers["Idempotency-Replayed"]), (id, "true"))
            self.goes_on(id)
        self.assertGreaterEqual(kills, 3)
        self.judge(cluster, id)

    def test_every_node_once_and_in_order_over_kills_of_agents(self):
        cluster, _, id = self.start()
        for name in ("a-1", "a-2", "a-1"):
            self.goes_on(id)
            cluster.agents[name].kill()
            cluster.start_agent(name)
        self.judge(cluster, id)

    def test_a_cancel_that_was_answered_stays(self):
        cluster, _, id = self.start()
        self.goes_on(id)
        cancelled = self.change(id, "cancel")
        cluster.server.kill()
        cluster.start_server()
        self.assertEqual(self.view(id), cancelled)
        again = self.change(id, "retry")
        self.assertEqual((again["state"], again["counts"]["failed"]), ("running", 0))
        cluster.server.kill()
        cluster.start_server()
        done = self.ended(id, 90)
        self.assertEqual(done["counts"], {"total": LAYERS * WIDTH, "open": 0, "succeeded": LAYERS * WIDTH, "failed": 0})
        self.check_order(done, self.commands(done))


if __name__ == "__main__":
    unittest.main()
