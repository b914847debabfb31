"""Deliver mode: commands that go to an exchange of somebody else when they are due, and take over from the
delayed-message exchange."""
import os
import struct
import time
import unittest

from lib.amqp import Typed
from lib.api import in_ms, instant
from lib.cluster import TestCase
from lib.process import eventually

DAY_MS = 86_400_000
WAITING = int(os.environ.get("DULY_TEST_WAITING", "5000"))
QUICK = {"max_attempts": 2, "initial_delay_ms": 300, "multiplier": 1, "jitter": 0}
PATIENT = {"max_attempts": 50, "initial_delay_ms": 300, "multiplier": 1, "jitter": 0}


def publish_delayed(amqp, exchange, routing_key, body, delay_ms, headers=None, **settings):
    """What a user of the delayed-message exchange has: his move is another exchange name and one header more."""
    amqp.publish(exchange, routing_key, body, {"x-delay": delay_ms, **(headers or {})}, **settings)


class Target(TestCase):
    def target(self, name, key="k"):
        """A direct exchange `name` with a queue of the same name."""
        with self.cluster.connect() as amqp:
            amqp.declare_exchange(name)
            amqp.declare_queue(name)
            amqp.bind(name, name, key)

    def deliver(self, exchange, key="k", headers=None, **fields):
        target = {"exchange": exchange, "routing_key": key, **({"headers": headers} if headers else {})}
        return self.api.submit("order.made", {"n": 1}, deliver=target, **fields)

    def message(self, queue):
        with self.cluster.connect() as amqp:
            return self.wait("a message in " + queue, lambda: amqp.get(queue), 20)

    @staticmethod
    def until_consumed(cluster):
        with cluster.connect() as amqp:
            eventually("the queue is consumed", lambda: amqp.depth("duly.submit") == (0, 1), 20)


class Deliveries(Target):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")
        cls.until_consumed(cls.cluster)

    def test_over_http(self):
        self.target("http")
        made = self.deliver("http", headers={"text": "\u00fc", "whole": -5, "real": 0.5, "yes": True}, delay_ms=300)
        self.assertEqual(made["deliver"]["headers"]["whole"], -5)
        ended = self.api.ended(made["id"])
        self.assertEqual((ended["state"], ended["attempt"]), ("delivered", 1))
        self.assertEqual([(a["outcome"], a["agent"], a["executor"]) for a in ended["attempts"]],
                         [("delivered", "a-1", None)])
        self.assertEqual(ended["deliver"], made["deliver"])
        got = self.message("http")
        self.assertEqual(got["body"], b'{"n": 1}')
        self.assertEqual(got["headers"], {"text": "\u00fc", "whole": -5, "real": 0.5, "yes": True})
        self.assertEqual((got["message_id"], got["type"], got["content_type"], got["delivery_mode"]),
                         (made["id"], "order.made", "application/json", 2))
        self.api.want(409, "POST", f"/v1/commands/{made['id']}/cancel")
        self.assertGreaterEqual(instant(ended["finished_at"]), instant(made["due_at"]))

    def test_by_message_everything_arrives_as_it_was(self):
        self.target("bytes", "orders.eu")
        headers = {"text": "x", "short": Typed("s", -7), "byte": Typed("b", -1), "float": Typed("f", 0.5),
                   "time": Typed("T", 1_767_225_600), "yes": True, "nested": {"deep": {"er": Typed("u", 3)}},
                   "raw": Typed("x", struct.pack(">I", 3) + b"\0\xff\x01"), "decimal": Typed("D", b"\2\0\0\0\7"),
                   "nothing": Typed("V", b""), "list": Typed("A", struct.pack(">I", 7) + b"t\1I\0\0\0\5")}
        body = bytes(range(256)) * 700
        properties = {"content_type": "image/png", "content_encoding": "gzip", "correlation_id": "c-1",
                      "reply_to": "answers", "message_id": "m-1", "type": "order/made", "app_id": "shop",
                      "user_id": "guest", "priority": 6, "timestamp": 1_767_225_601}
        with self.cluster.connect() as amqp:
            amqp.declare_exchange("plain")
            amqp.bind("bytes", "plain", "orders.eu")
            amqp.publish("plain", "orders.eu", body, headers, **properties)
            plain = amqp.get("bytes")
            publish_delayed(amqp, "duly.submit", "orders.eu", body, 200,
                            {**headers, "duly-deliver-exchange": "bytes"}, **properties)
        got = self.message("bytes")
        self.assertEqual(got["body"], body)
        self.assertEqual(got["encoded"], plain["encoded"])
        self.assertEqual((got.pop("exchange"), plain.pop("exchange")), ("bytes", "plain"))
        self.assertEqual(plain.pop("user_id"), "guest")  # RabbitMQ lets nobody publish in another's name
        self.assertEqual(got, plain)

    def test_what_is_not_understood_is_parked(self):
        with self.cluster.connect() as amqp:
            amqp.publish("duly.submit", "k", b"{}", {"duly-deliver-exchange": "duly.execute"}, message_id="loop")
            letter = self.wait("the dead letter", lambda: amqp.get("duly.dead"), 20)
        self.assertIn("one of Duly's own", letter["headers"]["duly-reason"])

    def test_unroutable_until_it_is_bound(self):
        self.target("late", "elsewhere")
        made = self.deliver("late", retry=PATIENT)
        failed = self.wait("a failed attempt", lambda: (self.api.command(made["id"])["attempts"] or [None])[0], 20)
        self.assertEqual(failed["outcome"], "failed")
        self.assertIn("unroutable: exchange 'late', routing key 'k'", failed["error"])
        with self.cluster.connect() as amqp:
            self.assertEqual(amqp.depth("late")[0], 0)
            amqp.bind("late", "late", "k")
        ended = self.api.ended(made["id"])
        self.assertEqual(ended["state"], "delivered")
        self.assertGreater(len(ended["attempts"]), 1)
        self.assertEqual(self.message("late")["message_id"], made["id"])

    def test_no_exchange_is_dead_in_the_end_and_hurts_nobody(self):
        self.target("good")
        bad = [self.deliver("missing", retry=QUICK) for _ in range(20)]
        good = [self.deliver("good") for _ in range(200)]
        run = self.api.submit("builtin.echo")
        for made in good:
            self.assertEqual(self.api.ended(made["id"])["state"], "delivered")
        self.assertEqual(self.api.ended(run["id"])["state"], "succeeded")
        for made in bad:
            ended = self.api.ended(made["id"])
            self.assertEqual((ended["state"], ended["reason"], len(ended["attempts"])),
                             ("dead", "attempts_exhausted", 2))
            self.assertIn("NOT_FOUND", ended["error"])
        with self.cluster.connect() as amqp:
            self.wait("all are there", lambda: amqp.depth("good")[0] >= 200, 20)
            ids = [message["message_id"] for message in amqp.drain("good")]
            self.assertEqual(set(ids), {made["id"] for made in good})
            self.assertLess(len(ids), 400)
            letters = set()
            while len(letters) < 20:
                letter = self.wait("a dead letter", lambda: amqp.get("duly.dead"), 20)
                letters.add(letter["correlation_id"])
        self.assertLessEqual({made["id"] for made in bad}, letters)

    def test_cancelled_and_rescheduled_before_it_is_due(self):
        self.target("changed")
        gone = self.deliver("changed", delay_ms=3_600_000)
        self.api.post(f"/v1/commands/{gone['id']}/cancel")
        sooner = self.deliver("changed", delay_ms=3_600_000)
        self.api.post(f"/v1/commands/{sooner['id']}/reschedule", {"due_at": in_ms(200)})
        self.assertEqual(self.api.ended(sooner["id"])["state"], "delivered")
        self.assertEqual(self.message("changed")["message_id"], sooner["id"])
        with self.cluster.connect() as amqp:
            self.assertEqual(amqp.depth("changed")[0], 0)
        self.assertEqual(self.api.command(gone["id"])["state"], "cancelled")

    def test_in_the_order_of_their_times(self):
        self.target("order")
        delays = [1200, 300, 900, 600, 1500]
        made = {self.deliver("order", delay_ms=delay)["id"]: delay for delay in delays}
        for command in made:
            self.assertEqual(self.api.ended(command)["state"], "delivered")
        with self.cluster.connect() as amqp:
            self.assertEqual([made[message["message_id"]] for message in amqp.drain("order")], sorted(delays))

    def test_schedules_and_workflows(self):
        self.target("made")
        command = {"type": "tick", "deliver": {"exchange": "made", "routing_key": "k"}}
        self.api.post("/v1/schedules", {"name": "deliver-tick", "every_ms": 3_600_000, "command": command}, 201)
        self.api.post("/v1/schedules/deliver-tick/trigger", status=201)
        self.assertEqual(self.message("made")["type"], "tick")
        nodes = [{"name": "tell", **command}, {"name": "then", "type": "builtin.noop", "depends_on": ["tell"]}]
        flow = self.api.post("/v1/workflows", {"name": "deliver", "commands": nodes}, 201)
        self.wait("the workflow", lambda: self.api.get(f"/v1/workflows/{flow['id']}")["state"] == "succeeded", 20)


class Faults(Target):
    def test_an_agent_that_is_killed_midway_loses_nothing(self):
        self.cluster = self.new_cluster().start_server()
        self.api = self.cluster.api
        self.cluster.start_agents("a-1", "a-2")
        self.target("faults")
        made = set()
        for _ in range(10):
            commands = [{"type": "t", "payload": n, "deliver": {"exchange": "faults", "routing_key": "k"},
                         "delay_ms": n * 5} for n in range(200)]
            made.update(self.api.batch(commands))
        self.api.crash_agent("a-1", "kill", "dispatch.after-publish", 150)
        for command in sorted(made):
            self.assertEqual(self.api.ended(command)["state"], "delivered")
        with self.cluster.connect() as amqp:
            got = [message["message_id"] for message in amqp.drain("faults")]
        self.assertEqual(set(got), made)


class Migration(Target):
    def test_what_used_the_delayed_message_exchange_changes_one_name_and_one_header(self):
        self.cluster = self.new_cluster().start_server()
        self.api = self.cluster.api
        self.cluster.start_agents("a-1")
        self.until_consumed(self.cluster)
        self.target("moved", "job")
        to_target = {"duly-deliver-exchange": "moved"}
        lead_ms = max(10_000, WAITING // 2)
        begun = time.time()
        with self.cluster.connect() as amqp:
            for n in range(WAITING):
                # Spread over ten seconds, and published in another order than they are due.
                due_ms = lead_ms + n * 7919 % WAITING * 10_000 // WAITING
                delay_ms = int(begun * 1000 + due_ms - time.time() * 1000)
                publish_delayed(amqp, "duly.submit", "job", b"%d" % due_ms, delay_ms, to_target, confirm=False,
                                message_id=f"m-{n}")
                if n % 500 == 499:
                    amqp.confirmed()
            for n in range(5):
                publish_delayed(amqp, "duly.submit", "job", b"far", 50 * DAY_MS, {**to_target, "duly-queue": "far"},
                                message_id=f"far-{n}")
            far = self.wait("the far ones", lambda: (lambda f: f if len(f) == 5 else None)(self.api.walk(queue="far")), 120)
            for command in far[:2]:
                self.api.post(f"/v1/commands/{command['id']}/cancel")
            self.assertEqual(len(self.api.walk(queue="far", state="scheduled")), 3)
            self.assertTrue(all(instant(c["due_at"]) > (time.time() + 49 * 86_400) * 1000 for c in far))
            self.wait("all are delivered", lambda: amqp.depth("moved")[0] >= WAITING, lead_ms / 1000 + 120)
            messages = amqp.drain("moved")
        ids = [message["message_id"] for message in messages]
        self.assertEqual(set(ids), {f"m-{n}" for n in range(WAITING)})
        self.assertEqual(messages[0]["headers"], {})
        # In order of their times, as far as one agent's publishes are: a neighbour within the same moment may be first.
        due = [int(message["body"]) for message in messages]
        self.assertLess(max(high - low for high, low in zip(running_max(due), due)), 1_000)


def running_max(values):
    most = 0
    for value in values:
        most = max(most, value)
        yield most


if __name__ == "__main__":
    unittest.main()
