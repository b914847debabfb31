"""Submit by message: a publisher that knows only AMQP, the exchange duly.submit, and what becomes of its messages."""
import base64
import json
import time
import unittest

from lib.amqp import Typed
from lib.api import instant
from lib.cluster import TestCase
from lib.process import eventually

DAY_MS = 86_400_000
EXCHANGE, QUEUE, DEAD = "duly.submit", "duly.submit", "duly.dead"
SETTLE_S = 20


class ByMessage(TestCase):
    def publish(self, body=b"{}", headers=None, type="builtin.echo", **properties):
        with self.cluster.connect() as amqp:
            amqp.publish(EXCHANGE, "orders.new", body, headers or {}, type=type, **properties)

    def commands(self, queue, count):
        """Those of a queue, when there are so many."""
        def check():
            found = self.api.walk(queue=queue)
            return found if len(found) >= count else None
        return self.wait(f"{count} commands in {queue}", check, SETTLE_S)

    @staticmethod
    def until_consumed(cluster):
        """Before the queue is bound for the first time, a message to the exchange is dropped."""
        with cluster.connect() as amqp:
            eventually("the queue is consumed", lambda: amqp.depth(QUEUE) == (0, 1), SETTLE_S)

    def settled(self):
        """Everything that was published is acknowledged."""
        with self.cluster.connect() as amqp:
            self.wait("the queue is empty", lambda: amqp.depth(QUEUE) == (0, 1), SETTLE_S)
            time.sleep(0.3)  # what is delivered and not acknowledged is not counted

    def dead_letter(self):
        with self.cluster.connect() as amqp:
            return self.wait("a dead letter", lambda: amqp.get(DEAD), SETTLE_S)


class Messages(ByMessage):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")
        cls.until_consumed(cls.cluster)

    def test_a_message_becomes_a_command_and_runs(self):
        body = b' {"n": 1.50, "s": "\xc3\xa9"} '
        self.publish(body, {"duly-queue": "default", "duly-priority": 7, "duly-key": "customer-1"},
                     content_type="application/json", message_id="first")
        command = self.wait("the command", lambda: self.api.walk(key="customer-1"))[0]
        ended = self.api.ended(command["id"])
        self.assertEqual(ended["state"], "succeeded")
        self.assertEqual((ended["type"], ended["priority"], ended["key"], ended["content_type"]),
                         ("builtin.echo", 7, "customer-1", "application/json"))
        self.assertEqual(ended["payload"], json.loads(body))
        self.assertIn(body.strip(), self.api.ask("GET", f"/v1/commands/{command['id']}").body)

    def test_x_delay_of_every_kind_of_integer(self):
        kinds = [("b", 127), ("B", 255), ("s", 32_767), ("u", 65_535), ("I", 2 ** 31 - 1), ("i", 2 ** 32 - 1),
                 ("l", 50 * DAY_MS), ("l", 3650 * DAY_MS)]
        before = time.time() * 1000
        for n, (kind, delay) in enumerate(kinds):
            self.publish(b"%d" % n, {"duly-queue": "delays", "x-delay": Typed(kind, delay)})
        found = {item["payload"]: item for item in self.commands("delays", len(kinds))}
        after = time.time() * 1000
        for n, (_, delay) in enumerate(kinds):
            due = instant(found[n]["due_at"])
            self.assertTrue(before + delay - 2 <= due <= after + delay + 2, (kinds[n], due - before))

    def test_no_delay_when_it_is_not_positive_and_text_for_clients_that_have_nothing_else(self):
        for n, delay in enumerate([0, -5000, Typed("I", -1), "60000"]):
            self.publish(b"%d" % n, {"duly-queue": "now", "x-delay": delay})
        now = time.time() * 1000
        found = {item["payload"]: instant(item["due_at"]) - now for item in self.commands("now", 4)}
        self.assertTrue(all(found[n] < 100 for n in range(3)), found)
        self.assertGreater(found[3], 50_000)

    def test_due_at_in_milliseconds(self):
        due = int(time.time() * 1000) + 60 * DAY_MS
        self.publish(b"1", {"duly-queue": "at", "duly-due-at": due})
        self.assertEqual(instant(self.commands("at", 1)[0]["due_at"]), due)

    def test_a_delayed_one_can_be_cancelled(self):
        self.publish(b"1", {"duly-queue": "cancelled", "x-delay": DAY_MS})
        id = self.commands("cancelled", 1)[0]["id"]
        self.assertEqual(self.api.post(f"/v1/commands/{id}/cancel")["state"], "cancelled")

    def test_bytes_that_are_not_json_reach_the_executor_as_they_are(self):
        body = bytes(range(256)) * 100
        self.publish(body, {"duly-queue": "bytes"}, type="pack", content_type="application/x-msgpack")
        id = self.commands("bytes", 1)[0]["id"]
        with self.cluster.connect() as amqp:
            self.wait("the execution message", lambda: (amqp.depth("duly.execute.bytes") or (0,))[0])
            message = amqp.get("duly.execute.bytes")
        self.assertEqual(message["body"], body)
        self.assertEqual(message["content_type"], "application/x-msgpack")
        shown = self.api.command(id)
        self.assertIsNone(shown["payload"])
        self.assertEqual(base64.b64decode(shown["payload_base64"]), body)
        self.assertEqual(shown["content_type"], "application/x-msgpack")

    def test_a_builtin_refuses_what_is_not_json_and_a_redrive_with_json_helps(self):
        self.publish(b"\xff\x00", {"duly-queue": "default", "duly-key": "not-json"})
        id = self.wait("the command", lambda: self.api.walk(key="not-json"))[0]["id"]
        self.assertEqual(self.api.ended(id, 30)["state"], "dead")
        self.api.post(f"/v1/commands/{id}/retry", {"payload": [1]})
        ended = self.api.ended(id)
        self.assertEqual((ended["state"], ended["result"], ended["content_type"]), ("succeeded", [1], "application/json"))
        self.assertNotIn("payload_base64", ended)
        revision = self.api.get(f"/v1/commands/{id}/revisions")["items"][0]
        self.assertEqual((revision["payload"], base64.b64decode(revision["payload_base64"])), (None, b"\xff\x00"))

    def test_one_message_id_is_one_command(self):
        for _ in range(3):
            self.publish(b"[1]", {"duly-queue": "once", "x-delay": DAY_MS}, message_id="order-1")
        self.settled()
        self.assertEqual(len(self.api.walk(queue="once")), 1)
        # The same request by HTTP has the same meaning, so its key is known.
        again = self.api.ask("POST", "/v1/commands", {"type": "builtin.echo", "queue": "once", "delay_ms": DAY_MS,
                                                      "payload": [1]}, {"Idempotency-Key": "order-1"})
        self.assertEqual((again.status, again.headers["Idempotency-Replayed"]), (200, "true"))


class Refused(ByMessage):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.until_consumed(cls.cluster)

    def refused(self, reason, body=b"{}", headers=None, **properties):
        self.publish(body, headers, **properties)
        letter = self.dead_letter()
        self.assertIn(reason, letter["headers"]["duly-reason"])
        self.assertEqual(letter["headers"]["duly-routing-key"], "orders.new")
        self.assertEqual(letter["body"], body)
        return letter

    def test_what_cannot_be_understood_is_parked_with_the_reason(self):
        self.refused("property type: is required", type="")
        self.refused("property type: ", type="two words")
        self.refused("header x-delay: must be a whole number", headers={"x-delay": "soon"})
        self.refused("header x-delay: must be a whole number", headers={"x-delay": Typed("d", 1.5)})
        self.refused("header x-delay: ", headers={"x-delay": 3700 * DAY_MS})
        self.refused("cannot be given together", headers={"x-delay": 1, "duly-due-at": 1})
        self.refused("header duly-queue: ", headers={"duly-queue": "a/b"})
        self.refused("header duly-priority: ", headers={"duly-priority": 10})
        self.refused("header duly-prioritty: is not known", headers={"duly-prioritty": 1})
        self.refused("is larger than 1048576 bytes", body=b"x" * (1 << 20) + b"y")
        letter = self.refused("property type: is required", type="", message_id="kept", correlation_id="c-1")
        self.assertEqual((letter["message_id"], letter["correlation_id"]), ("kept", "c-1"))
        self.assertEqual(self.api.walk(queue="default"), [])
        self.settled()

    def test_one_message_id_with_two_meanings(self):
        self.publish(b"1", {"x-delay": DAY_MS, "duly-queue": "meant"}, message_id="m-1")
        self.commands("meant", 1)
        self.refused("was used with another body", b"2", {"x-delay": DAY_MS, "duly-queue": "meant"}, message_id="m-1")
        self.api.post(f"/v1/commands/{self.api.walk(queue='meant')[0]['id']}/cancel")
        self.cluster_has_no_more("meant", 1)

    def cluster_has_no_more(self, queue, count):
        self.settled()
        self.assertEqual(len(self.api.walk(queue=queue)), count)

    def test_far_too_large_is_refused_unread_by_the_broker_s_own_dead_letter(self):
        body = b"x" * (3 << 20)
        self.publish(body)
        letter = self.dead_letter()
        self.assertEqual(letter["body"], body)
        self.assertEqual(letter["headers"]["x-death"][0]["reason"], "rejected")


class Survives(ByMessage):
    def test_kills_between_delivery_and_acknowledgement(self):
        """kill -9 before and after the commit, and while many are in hand: each message is one command."""
        self.cluster = cluster = self.new_cluster().start_server()
        self.api = cluster.api
        self.until_consumed(cluster)
        count, published = 600, 0
        for point in ("store.before-commit", "store.after-commit", "now"):
            if point != "now":
                self.api.crash_server("kill", point, after=3)
            with cluster.connect() as amqp:
                for _ in range(count // 3):
                    published += 1
                    amqp.publish(EXCHANGE, "k", b"[%d]" % published, {"x-delay": DAY_MS, "duly-queue": "kept"},
                                 confirm=False, type="later", message_id=f"m-{published}")
                if point == "now":
                    cluster.server.kill()
                amqp.confirmed()
            self.wait("the server is killed", lambda: not cluster.server.running(), SETTLE_S)
            cluster.start_server()
        self.settled()
        found = self.commands("kept", count)
        self.assertEqual(sorted(item["payload"][0] for item in found), list(range(1, count + 1)))
        with cluster.connect() as amqp:
            self.assertIsNone(amqp.get(DEAD))

    def test_messages_of_before_the_server_began_and_a_stop_in_the_middle(self):
        self.cluster = cluster = self.new_cluster().start_server()
        self.api = cluster.api
        self.until_consumed(cluster)
        cluster.server.terminate()
        with cluster.connect() as amqp:
            for n in range(2000):
                amqp.publish(EXCHANGE, "k", b"[%d]" % n, {"x-delay": DAY_MS, "duly-queue": "kept"}, confirm=False,
                             type="later", message_id=f"m-{n}")
            amqp.confirmed()
        cluster.start_server()
        cluster.server.terminate()
        cluster.start_server()
        self.settled()
        self.assertEqual(len(self.commands("kept", 2000)), 2000)


if __name__ == "__main__":
    unittest.main()
