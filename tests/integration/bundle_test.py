"""Queues whose commands travel together: one message for many, and each command still its own."""
import unittest

from lib.cluster import TestCase

QUEUE = "together"
BROKER_QUEUE = "duly.execute." + QUEUE


class Bundles(TestCase):
    def cluster_with(self, bundle=50, **agents):
        cluster = self.new_cluster().start_server()
        answer = cluster.api.want(200, "PUT", f"/v1/queues/{QUEUE}", {"bundle": bundle}).json
        self.assertEqual(answer["bundle"], bundle)
        if agents:
            cluster.start_agents("a-1", queues=QUEUE, **agents)
        return cluster

    def in_broker(self, cluster, commands):
        """Messages in the queue when all of so many commands are `queued`."""
        self.wait("all are queued", lambda: cluster.api.get(f"/v1/queues/{QUEUE}")["commands"]["queued"] == commands)
        with cluster.connect() as amqp:
            return amqp.depth(BROKER_QUEUE)[0]

    def stored(self, cluster, commands):
        """They are handed out at once, when the queue is let go."""
        cluster.api.want(200, "PUT", f"/v1/queues/{QUEUE}", {"paused": True})
        ids = cluster.api.batch(commands)
        cluster.api.want(200, "PUT", f"/v1/queues/{QUEUE}", {"paused": False})
        return ids

    def test_many_travel_in_few_messages_and_each_has_its_own_life(self):
        cluster = self.cluster_with(roles="dispatch")
        body = [{"type": "builtin.echo", "queue": QUEUE, "payload": n} for n in range(100)]
        body.append({"type": "builtin.fail", "queue": QUEUE, "payload": {"times": 1}, "retry": {"initial_delay_ms": 10}})
        ids = self.stored(cluster, body)
        self.assertLess(self.in_broker(cluster, len(body)), len(body) / 4)
        cluster.start_agents("e-1", "e-2", queues=QUEUE, roles="execute", concurrency=8)
        ids += cluster.api.batch([{**one, "key": f"k{n % 7}"} for n, one in enumerate(body[:50])])
        ended = [cluster.api.ended(id, 60) for id in ids]
        self.assertEqual({c["state"] for c in ended}, {"succeeded"})
        self.assertEqual([c["result"] for c in ended if c["type"] == "builtin.echo"],
                         [c["payload"] for c in ended if c["type"] == "builtin.echo"])
        self.assertEqual([len(c["attempts"]) for c in ended if c["type"] == "builtin.fail"], [2])
        self.assertEqual(sum(len(c["attempts"]) for c in ended), len(ids) + 1)
        with cluster.connect() as amqp:
            self.wait("each message is acknowledged", lambda: amqp.depth(BROKER_QUEUE) == (0, 2))

    def test_a_killed_executor_repeats_only_what_it_ran(self):
        cluster = self.cluster_with()
        cluster.start_agent("dispatcher", roles="dispatch")
        quick = [cluster.append(n, queue=QUEUE) for n in range(40)]
        ids = self.stored(cluster, quick[:10] + [cluster.patient_work(queue=QUEUE) for _ in range(4)] + quick[10:])
        self.in_broker(cluster, 44)
        flags, settings = ("--allow-exec", cluster.patient), {"queues": QUEUE, "roles": "execute", "concurrency": 4}
        victim = cluster.start_agent("victim", *flags, **settings)
        patient = ids[10:14]
        self.wait("the long ones run", lambda: all(cluster.api.command(id)["state"] == "running" for id in patient))
        victim.kill()
        cluster.release()
        cluster.start_agent("heir", *flags, **settings)
        cluster.idle()
        self.check_all_ran(cluster, [id for id in ids if id not in patient])
        attempts = {id: len(cluster.api.command(id)["attempts"]) for id in ids}
        self.assertEqual({attempts[id] for id in patient}, {2})
        self.assertEqual({count for id, count in attempts.items() if id not in patient}, {1})

    def test_a_draining_executor_leaves_the_rest_to_another(self):
        cluster = self.cluster_with()
        cluster.start_agent("dispatcher", roles="dispatch")
        ids = self.stored(cluster, [{"type": "builtin.sleep", "queue": QUEUE, "payload": {"ms": 50}} for _ in range(60)])
        self.in_broker(cluster, 60)
        first = cluster.start_agent("first", queues=QUEUE, roles="execute", concurrency=2)
        self.wait("it has begun", lambda: cluster.api.get(f"/v1/queues/{QUEUE}")["commands"]["succeeded"] > 0)
        cluster.start_agent("second", queues=QUEUE, roles="execute", concurrency=8)
        first.terminate()
        self.assertEqual(first.wait(30), 0)
        ended = [cluster.api.ended(id, 60) for id in ids]
        self.assertEqual({c["state"] for c in ended}, {"succeeded"})
        self.assertEqual({len(c["attempts"]) for c in ended}, {1})

    def test_what_cannot_be_a_bundle_is_parked(self):
        cluster = self.cluster_with(concurrency=4)
        with cluster.connect() as amqp:
            self.wait("the queue is consumed", lambda: amqp.depth(BROKER_QUEUE) == (0, 1))
            amqp.publish("duly.execute", QUEUE, b"\xff\xff\xff\xff{}", {"duly-bundle": 2, "duly-queue": QUEUE})
            dead = self.wait("a dead letter", lambda: amqp.get("duly.dead"))
        self.assertIn("bundle", dead["headers"]["duly-reason"])


if __name__ == "__main__":
    unittest.main()
