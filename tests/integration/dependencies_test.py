"""Single commands that wait for others: when they begin, when they never will, what is refused."""
import unittest

from lib.api import in_ms, instant
from lib.cluster import TestCase

ONCE = {"max_attempts": 1}
UNKNOWN = "cmd_0000000000001"


class Dependencies(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", "a-2")

    def later(self, **fields):
        """The id of one that does not begin by itself."""
        return self.api.submit(delay_ms=3600_000, **fields)["id"]

    def now(self, id):
        self.api.post(f"/v1/commands/{id}/reschedule", {"due_at": in_ms(0)})
        return self.api.ended(id)

    def cancel(self, id):
        return self.api.post(f"/v1/commands/{id}/cancel")

    def refuse(self, pointer, body, path="/v1/commands"):
        before = self.api.stats()["commands"]
        answer = self.api.want(400, "POST", path, body).json
        self.assertIn(pointer, [error["pointer"] for error in answer["errors"]], answer)
        self.assertEqual(self.api.stats()["commands"], before)

    def never_began(self, id):
        command = self.api.ended(id)
        self.assertEqual((command["state"], command["attempts"]), ("cancelled", []))
        return " ".join(event["detail"] for event in command["events"])

    # ---- it waits, and begins

    def test_waits_until_all_have_succeeded(self):
        parents = [self.later(), self.later()]
        child = self.api.submit(depends_on=parents)
        self.assertEqual((child["state"], child["depends_on"], child["workflow"], child["node"]),
                         ("waiting", parents, None, None))
        self.assertEqual(self.api.explain(child["id"]), {"waits_for_dependency"})
        ends = [self.now(parents[0])["finished_at"]]
        self.assertEqual(self.api.command(child["id"], 300)["state"], "waiting")
        self.assertEqual(self.api.explain(child["id"]), {"waits_for_dependency"})
        ends.append(self.now(parents[1])["finished_at"])
        command = self.api.ended(child["id"])
        self.assertEqual((command["state"], command["attempt"], command["depends_on"]), ("succeeded", 1, parents))
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]), max(map(instant, ends)))

    def test_one_that_has_succeeded_already_counts(self):
        done = self.api.ended(self.api.submit()["id"])["id"]
        child = self.api.submit(depends_on=[done])
        self.assertNotEqual(child["state"], "waiting")
        self.assertEqual(self.api.ended(child["id"])["state"], "succeeded")
        open_parent = self.later()
        both = self.api.submit(depends_on=[done, open_parent])["id"]
        self.assertEqual(self.api.command(both)["state"], "waiting")
        self.now(open_parent)
        self.assertEqual(self.api.ended(both)["state"], "succeeded")

    def test_a_retried_attempt_is_no_end(self):
        retry = {"max_attempts": 3, "initial_delay_ms": 100}
        parent = self.api.submit("builtin.fail", {"times": 2}, retry=retry)["id"]
        child = self.api.submit(depends_on=[parent])["id"]
        command = self.api.ended(child)
        self.assertEqual(command["state"], "succeeded")
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]),
                                instant(self.api.command(parent)["finished_at"]))

    def test_in_a_batch_and_in_a_chain(self):
        first = self.later()
        second, beside = self.api.batch([{"type": "builtin.noop", "depends_on": [first]}] * 2)
        (third,) = self.api.batch([{"type": "builtin.noop", "depends_on": [second, beside]}])
        self.assertEqual({self.api.command(id)["state"] for id in (second, beside, third)}, {"waiting"})
        self.now(first)
        commands = [self.api.ended(id) for id in (second, beside, third)]
        self.assertEqual({command["state"] for command in commands}, {"succeeded"})
        for parent in commands[:2]:
            self.assertGreaterEqual(instant(commands[2]["attempts"][0]["started_at"]), instant(parent["finished_at"]))

    def test_it_waits_for_its_own_time_too(self):
        parent = self.later()
        due = in_ms(1500)
        child = self.api.submit(depends_on=[parent], due_at=due)["id"]
        self.now(parent)
        self.assertEqual(self.api.explain(child), {"not_due"})
        started = self.api.ended(child)["attempts"][0]["started_at"]
        self.assertGreaterEqual(instant(started), instant(due))

    def test_the_same_key_answers_with_the_first(self):
        parent = self.later()
        body = {"type": "builtin.noop", "depends_on": [parent]}
        first = self.api.want(201, "POST", "/v1/commands", body, {"Idempotency-Key": "child"}).json
        self.cancel(parent)
        self.never_began(first["id"])
        again = self.api.want(200, "POST", "/v1/commands", body, {"Idempotency-Key": "child"}).json
        self.assertEqual((again["id"], again["state"]), (first["id"], "cancelled"))

    # ---- it never will

    def test_one_that_is_dead_already(self):
        dead = self.api.ended(self.api.submit("builtin.fail", {"times": 9}, retry=ONCE)["id"])
        self.assertEqual(dead["state"], "dead")
        child = self.api.submit(depends_on=[dead["id"]])["id"]
        self.assertIn(dead["id"], self.never_began(child))
        open_parent = self.later()
        both = self.api.submit(depends_on=[open_parent, dead["id"]])["id"]
        self.never_began(both)
        self.cancel(open_parent)

    def test_one_that_is_cancelled_later(self):
        parent, beside = self.later(), self.later()
        child = self.api.submit(depends_on=[parent, beside])["id"]
        grandchild = self.api.submit(depends_on=[child])["id"]
        self.cancel(parent)
        self.assertIn(parent, self.never_began(child))
        self.assertIn(child, self.never_began(grandchild))
        self.assertEqual(self.api.command(beside)["state"], "scheduled")
        self.cancel(beside)

    def test_one_that_dies_or_expires_later(self):
        dying = self.api.submit("builtin.fail", {"times": 9}, retry=ONCE, delay_ms=400)["id"]
        expiring = self.api.submit(queue="nobody", expires_at=in_ms(1200))["id"]
        children = [self.api.submit(depends_on=[parent])["id"] for parent in (dying, expiring)]
        for child in children:
            self.never_began(child)
        self.assertEqual([self.api.command(id)["state"] for id in (dying, expiring)], ["dead", "expired"])

    def test_expires_while_it_waits(self):
        parent = self.later()
        child = self.api.submit(depends_on=[parent], expires_at=in_ms(600))["id"]
        command = self.api.ended(child)
        self.assertEqual((command["state"], command["attempts"]), ("expired", []))
        self.assertEqual(self.now(parent)["state"], "succeeded")

    # ---- by hand

    def test_reschedule_of_one_that_waits(self):
        parent = self.later()
        child = self.api.submit(depends_on=[parent])["id"]
        due = in_ms(2000)
        moved = self.api.post(f"/v1/commands/{child}/reschedule", {"due_at": due})
        self.assertEqual((moved["state"], moved["due_at"]), ("waiting", due))
        self.now(parent)
        self.assertEqual(self.api.command(child)["state"], "scheduled")
        command = self.api.ended(child)
        self.assertEqual(command["state"], "succeeded")
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]), instant(due))

    def test_cancel_of_one_that_waits(self):
        parent = self.later()
        child = self.api.submit(depends_on=[parent])["id"]
        self.assertEqual(self.cancel(child)["state"], "cancelled")
        self.assertEqual(self.now(parent)["state"], "succeeded")
        self.never_began(child)

    # ---- refused

    def test_what_is_refused(self):
        known = self.later()
        self.refuse("/depends_on/0", {"type": "builtin.noop", "depends_on": [UNKNOWN]})
        self.refuse("/depends_on/1", {"type": "builtin.noop", "depends_on": [known, UNKNOWN]})
        for bad in ("x", "op_0000000000001", 7, None):
            self.refuse("/depends_on/0", {"type": "builtin.noop", "depends_on": [bad]})
        for bad in ("x", {}, None, 7, [UNKNOWN] * 1001):
            self.refuse("/depends_on", {"type": "builtin.noop", "depends_on": bad})
        batch = [{"type": "builtin.noop"}, {"type": "builtin.noop", "depends_on": [UNKNOWN]}]
        self.refuse("/commands/1/depends_on/0", {"commands": batch}, "/v1/commands/batch")
        self.refuse("/name", {"type": "builtin.noop", "name": "a"})  # of nodes only
        self.cancel(known)

    def test_a_thousand_at_once(self):
        parents = self.api.batch([{"type": "builtin.noop"}] * 1000)
        child = self.api.submit(depends_on=parents)
        self.assertEqual(len(child["depends_on"]), 1000)
        command = self.api.ended(child["id"], 40)
        self.assertEqual(command["state"], "succeeded")
        ends = [instant(self.api.command(id)["finished_at"]) for id in parents[::50]]
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]), max(ends))


if __name__ == "__main__":
    unittest.main()
