"""The exchange duly.events: what happens is published after it is true to whoever has bound a queue, and nobody else pays."""
import json
import re
import unittest

from lib.amqp import Closed
from lib.cluster import TestCase
from lib.process import eventually


def metric(api, name):
    text = api.ask("GET", "/metrics").body.decode()
    return int(float(re.search(rf"^duly_events_{name}_total (\S+)$", text, re.MULTILINE).group(1)))


class EventsByMessage(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.cluster.start_agents("a-1", queues="default,orders,orders.eu")

    def listener(self, queue, *keys):
        """A queue bound to duly.events, and what has come to it so far."""
        amqp = self.cluster.connect()
        self.addCleanup(amqp.close)
        amqp.declare_queue(queue)
        for key in keys:
            amqp.bind(queue, "duly.events", key)
        messages = []

        def seen():
            messages.extend(amqp.drain(queue))
            return messages
        return seen

    def heard(self, seen, **fields):
        """Submits until one of them is told: a key that nobody had bound is spared for a second."""
        def told():
            ids.append(self.api.submit(**fields)["id"])
            self.api.ended(ids[-1])
            return [m for m in seen() if m["correlation_id"] in ids]
        ids = []
        return self.wait("an event", told, 20)

    def test_a_life_is_published_in_order(self):
        seen = self.listener("all", "#")
        self.heard(seen, type="builtin.noop")
        good = self.api.ended(self.api.submit("builtin.echo", {"secret": 1})["id"])
        bad = self.api.ended(self.api.submit("builtin.fail", {"times": 9}, retry={"max_attempts": 1})["id"])

        def states(id):
            return [json.loads(m["body"])["state"] for m in seen() if m["correlation_id"] == id]
        self.wait("the ends are told", lambda: "succeeded" in states(good["id"]) and "dead" in states(bad["id"]), 20)
        # A permit may outrun the mark of its message: then the command never was queued.
        steps = lambda id: [state for state in states(id) if state != "queued"]
        self.assertEqual(steps(good["id"]), ["scheduled", "running", "succeeded"])
        self.assertEqual(steps(bad["id"]), ["scheduled", "running", "dead"])
        (end,) = [m for m in seen() if m["routing_key"] == "default.builtin.fail.dead"]
        self.assertEqual((end["type"], end["app_id"], end["content_type"], end["delivery_mode"]),
                         ("builtin.fail", "duly", "application/json", 1))
        event = json.loads(end["body"])
        self.assertEqual(event, {"id": bad["id"], "queue": "default", "type": "builtin.fail", "state": "dead", "attempt": 1,
                                 "at": bad["finished_at"], "reason": "attempts_exhausted"})
        self.assertNotIn(b"secret", b"".join(m["body"] for m in seen()))

    def test_what_is_told_is_true(self):
        seen = self.listener("true", "default.#.succeeded")
        self.heard(seen, type="builtin.noop")
        ids = set(self.api.batch([{"type": "builtin.noop"}] * 100))
        looked = 0

        def all_looked_at():
            nonlocal looked
            for message in seen()[looked:]:
                looked += 1
                if message["correlation_id"] in ids:
                    self.assertEqual(self.api.command(message["correlation_id"])["state"], "succeeded")
                    ids.remove(message["correlation_id"])
            return not ids
        self.wait("every end is told", all_looked_at, 20)

    def test_a_binding_chooses(self):
        seen = self.listener("chosen", "orders.#.succeeded")
        first = self.heard(seen, type="builtin.noop", queue="orders")
        self.api.ended(self.api.submit("builtin.noop")["id"])
        self.api.ended(self.api.submit("builtin.fail", {"times": 1}, queue="orders", retry={"max_attempts": 1})["id"])
        self.heard(seen, type="builtin.noop", queue="orders.eu")  # a queue's dots are the key's
        last = self.heard(seen, type="builtin.echo", queue="orders")
        self.assertEqual((first[0]["routing_key"], last[-1]["routing_key"]),
                         ("orders.builtin.noop.succeeded", "orders.builtin.echo.succeeded"))
        self.assertEqual({m["routing_key"] for m in seen()}, {"orders.builtin.noop.succeeded", "orders.builtin.echo.succeeded",
                                                              "orders.eu.builtin.noop.succeeded"})

    def test_who_is_not_listened_to_does_not_speak(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1")
        api = cluster.api

        def spared():
            api.batch([{"type": "builtin.noop"}] * 200)
            cluster.idle()
            return metric(api, "unheard") > 1000
        eventually("nobody is told", spared, 40)
        self.assertEqual(metric(api, "dropped"), 0)
        self.assertGreater(metric(api, "published"), 0)

    def test_it_comes_again_after_the_connection_was_lost(self):
        seen = self.listener("again", "#")
        self.heard(seen, type="builtin.noop")
        self.api.crash_server("disconnect", duration_ms=300)
        self.heard(seen, type="builtin.echo")

    def test_an_exchange_that_was_deleted_is_declared_again(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1")
        with cluster.connect() as amqp:
            amqp.declare_queue("q")

            def told():
                cluster.api.ended(cluster.api.submit("builtin.noop")["id"])
                try:
                    amqp.bind("q", "duly.events", "#")
                except Closed:  # it is not there yet
                    return None
                return amqp.get("q")
            eventually("an event", told, 20)
            amqp.delete_exchange("duly.events")
            eventually("an event through the new one", told, 20)

    def test_off_is_off(self):
        cluster = self.new_cluster().start_server("--events", "off")
        cluster.start_agents("a-1")
        with cluster.connect() as amqp:
            amqp.declare_queue("q")
            amqp.bind("q", "duly.events", "#")  # it is there all the same
            cluster.api.ended(cluster.api.submit("builtin.noop")["id"])
            cluster.idle()
            self.assertEqual(metric(cluster.api, "published"), 0)
            self.assertIsNone(amqp.get("q"))


if __name__ == "__main__":
    unittest.main()
