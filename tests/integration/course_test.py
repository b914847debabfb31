"""A command's course: retried, dead, redriven, cancelled, rescheduled, expired, held up by its key or its queue."""
import time
import unittest

from lib.api import in_ms, instant
from lib.cluster import TestCase

NOBODY = "nobody"  # a queue that no agent consumes


class Course(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", "a-2")

    def outcomes(self, command):
        return [(attempt["attempt"], attempt["outcome"]) for attempt in command["attempts"]]

    def conflict(self, path, body=None):
        """The detail of a 409."""
        return self.api.want(409, "POST", path, body).json["detail"]

    # ---- attempts

    def test_retries_back_off_and_succeed(self):
        retry = {"max_attempts": 5, "initial_delay_ms": 200, "multiplier": 3.0, "jitter": 0.2}
        command = self.api.ended(self.api.submit("builtin.fail", {"times": 2}, retry=retry)["id"])
        self.assertEqual(command["state"], "succeeded")
        self.assertEqual(self.outcomes(command), [(1, "failed"), (2, "failed"), (3, "succeeded")])
        self.assertIn("attempt 1", command["attempts"][0]["error"])
        for number, base in ((1, 200), (2, 600)):
            before, after = command["attempts"][number - 1:number + 1]
            gap = instant(after["started_at"]) - instant(before["finished_at"])
            self.assertTrue(base * 0.8 - 1 <= gap <= base * 1.2 + 400, (number, gap))

    def failed_once(self, id):
        command = self.api.command(id)
        return command if command["attempts"] and command["attempts"][0]["finished_at"] else None

    def test_jitter_spreads_and_the_longest_delay_holds(self):
        retry = {"max_attempts": 2, "initial_delay_ms": 5000, "max_delay_ms": 1000, "jitter": 0.5}
        ids = self.api.batch([{"type": "builtin.fail", "payload": {"times": 1}, "retry": retry}] * 20)
        gaps = set()
        for id in ids:
            command = self.wait("it failed once", lambda id=id: self.failed_once(id))
            gap = instant(command["due_at"]) - instant(command["attempts"][0]["finished_at"])
            self.assertTrue(499 <= gap <= 1501, gap)
            gaps.add(gap // 50)
        self.assertGreater(len(gaps), 5)
        self.assertEqual({self.api.ended(id)["state"] for id in ids}, {"succeeded"})

    def test_the_same_request_after_the_expiry_has_the_same_answer(self):
        body = {"type": "builtin.echo", "queue": NOBODY, "expires_at": in_ms(700)}
        key = {"Idempotency-Key": "before and after"}
        first = self.api.ask("POST", "/v1/commands", body, key)
        self.assertEqual(first.status, 201)
        self.wait("it has expired", lambda: self.api.command(first.json["id"])["state"] == "expired")
        again = self.api.ask("POST", "/v1/commands", body, key)
        self.assertEqual((again.status, again.json["id"]), (200, first.json["id"]))
        self.assertEqual(self.api.ask("POST", "/v1/commands", body).status, 400)

    def test_attempts_used_up(self):
        retry = {"max_attempts": 2, "initial_delay_ms": 10}
        command = self.api.ended(self.api.submit("builtin.fail", {"times": 100}, retry=retry)["id"])
        self.assertEqual((command["state"], command["reason"]), ("dead", "attempts_exhausted"))
        self.assertEqual(self.outcomes(command), [(1, "failed"), (2, "failed")])
        self.assertIn("failed on purpose", command["error"])

    def test_not_retryable_is_dead_at_once(self):
        command = self.api.ended(self.api.submit("builtin.fail", {"times": 1, "retryable": False})["id"])
        self.assertEqual((command["state"], command["reason"]), ("dead", "not_retryable"))
        self.assertEqual(self.outcomes(command), [(1, "failed")])

    def test_redrive_gives_fresh_attempts_with_numbers_going_on(self):
        retry = {"max_attempts": 2, "initial_delay_ms": 10}
        id = self.api.submit("builtin.fail", {"times": 3}, retry=retry)["id"]
        self.assertEqual(self.api.ended(id)["state"], "dead")
        again = self.api.post(f"/v1/commands/{id}/retry")
        self.assertEqual((again["state"], again["max_attempts"], again["finished_at"]), ("scheduled", 4, None))
        command = self.api.ended(id)
        self.assertEqual(self.outcomes(command), [(1, "failed"), (2, "failed"), (3, "failed"), (4, "succeeded")])
        self.assertIn("redriven", {event["kind"] for event in command["events"]})
        self.assertIn("succeeded", self.conflict(f"/v1/commands/{id}/retry"))

    def test_time_out_ends_an_attempt(self):
        retry = {"max_attempts": 2, "initial_delay_ms": 10}
        begun = time.monotonic()
        command = self.api.ended(self.api.submit("builtin.sleep", {"ms": 20000}, timeout_ms=300, retry=retry)["id"])
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual((command["state"], self.outcomes(command)), ("dead", [(1, "timed_out"), (2, "timed_out")]))
        for attempt in command["attempts"]:
            length = instant(attempt["finished_at"]) - instant(attempt["started_at"])
            self.assertTrue(299 <= length <= 1500, length)

    def test_expires_unless_started(self):
        self.api.want(200, "PUT", f"/v1/queues/{NOBODY}", {"paused": False})
        queued = self.api.submit(queue=NOBODY, expires_at=in_ms(2500))["id"]
        self.wait("queued", lambda: self.api.command(queued)["state"] == "queued")
        command = self.api.ended(queued)
        self.assertEqual((command["state"], command["attempts"]), ("expired", []))
        late = instant(command["finished_at"]) - instant(command["expires_at"])
        self.assertTrue(0 <= late < 1000, late)
        self.conflict(f"/v1/commands/{queued}/cancel")
        started = self.api.submit("builtin.sleep", {"ms": 900}, expires_at=in_ms(600))["id"]
        self.assertEqual(self.api.ended(started)["state"], "succeeded")

    # ---- by hand

    def test_cancel_before_it_runs(self):
        id = self.api.submit(delay_ms=400)["id"]
        command = self.api.post(f"/v1/commands/{id}/cancel")
        self.assertEqual((command["state"], command["attempts"]), ("cancelled", []))
        self.assertIsNotNone(command["finished_at"])
        time.sleep(0.6)  # nothing may happen: there is no condition to wait for
        self.assertEqual(self.api.command(id)["state"], "cancelled")
        self.assertEqual(self.api.post(f"/v1/commands/{id}/cancel")["state"], "cancelled")
        self.conflict(f"/v1/commands/{id}/reschedule", {"due_at": in_ms(1000)})
        self.conflict(f"/v1/commands/{id}/retry")

    def test_cancel_of_a_queued_one_keeps_its_message_from_running(self):
        id = self.api.batch([self.cluster.append("never", file="cancelled", queue="late")])[0]
        self.wait("queued", lambda: self.api.command(id)["state"] == "queued")
        self.assertEqual(self.api.post(f"/v1/commands/{id}/cancel")["state"], "cancelled")
        last = self.api.batch([self.cluster.append("last", file="cancelled", queue="late")])[0]
        self.cluster.start_agent("a-late", queues="late", roles="execute")
        self.assertEqual(self.api.ended(last)["state"], "succeeded")
        self.assertEqual([id for id, _, _ in self.cluster.ledger("cancelled")], [last])
        self.cluster.agents["a-late"].terminate()

    def test_cancel_of_a_running_one_reaches_its_executor(self):
        id = self.api.submit("builtin.sleep", {"ms": 30000})["id"]
        self.wait("it runs", lambda: self.api.command(id)["state"] == "running")
        executor = self.api.command(id)["attempts"][0]["executor"]
        self.wait("the agent says so", lambda: self.api.agent(executor)["running"] >= 1)
        self.assertEqual(self.api.post(f"/v1/commands/{id}/cancel")["state"], "cancelled")
        self.wait("the handler was stopped", lambda: self.api.agent(executor)["running"] == 0, 5)
        command = self.api.command(id)
        self.assertEqual(self.outcomes(command), [(1, "cancelled")])
        (event,) = [event for event in command["events"] if event["kind"] == "cancelled"]
        self.assertEqual(event["who"], "anonymous")

    def test_ended_ones_refuse(self):
        id = self.api.ended(self.api.submit()["id"])["id"]
        for action, body in (("cancel", None), ("retry", None), ("reschedule", {"due_at": in_ms(1000)})):
            self.assertIn("succeeded", self.conflict(f"/v1/commands/{id}/{action}", body))

    def test_reschedule_earlier_and_later(self):
        earlier = self.api.submit(delay_ms=3600_000)["id"]
        later = self.api.submit(delay_ms=500)["id"]
        moved = self.api.post(f"/v1/commands/{earlier}/reschedule", {"due_at": in_ms(300)})
        due = in_ms(1500)
        self.assertEqual(self.api.post(f"/v1/commands/{later}/reschedule", {"due_at": due})["due_at"], due)
        command = self.api.ended(earlier, 5)
        self.assertEqual(command["due_at"], moved["due_at"])
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]), instant(moved["due_at"]))
        command = self.api.ended(later, 5)
        self.assertGreaterEqual(instant(command["attempts"][0]["started_at"]), instant(due))
        self.assertEqual(len(command["attempts"]), 1)

    # ---- order

    def test_one_key_runs_one_at_a_time_in_order(self):
        retry = {"max_attempts": 3, "initial_delay_ms": 300}
        slow = {"type": "builtin.sleep", "payload": {"ms": 60}, "key": "k-1"}
        soon = [{**slow, "due_at": in_ms(600)} for _ in range(3)]
        first = {"type": "builtin.fail", "payload": {"times": 1}, "key": "k-1", "retry": retry, "due_at": in_ms(300)}
        ids = self.api.batch([*soon, first])
        other = self.api.submit("builtin.noop", key="k-2")["id"]
        commands = [self.api.ended(id) for id in [ids[3], *ids[:3]]]  # by (due, id)
        spans = []
        for command in commands:
            self.assertEqual(command["state"], "succeeded")
            spans += [(instant(a["started_at"]), instant(a["finished_at"])) for a in command["attempts"]]
        self.assertEqual(len(spans), 5)
        for (_, end), (start, _) in zip(spans, spans[1:]):
            self.assertLessEqual(end, start, spans)
        self.assertEqual(len({command["shard"] for command in commands}), 1)
        self.assertLess(instant(self.api.ended(other)["finished_at"]), spans[-1][0])

    def test_waits_for_its_key(self):
        first = self.api.submit(key="k-3", queue=NOBODY)["id"]
        second = self.api.submit(key="k-3", queue=NOBODY)["id"]
        self.wait("first is queued", lambda: self.api.command(first)["state"] == "queued")
        self.assertIn("waits_for_key", self.api.explain(second))
        self.api.post(f"/v1/commands/{first}/cancel")
        self.wait("second follows", lambda: self.api.command(second)["state"] == "queued")
        self.api.post(f"/v1/commands/{second}/cancel")

    def test_priority_orders_what_is_due(self):
        self.api.want(200, "PUT", "/v1/queues/ordered", {"paused": True})
        # One key, so one lane: without it order across shards is nobody's promise.
        commands = [self.cluster.append(p, file="ordered", queue="ordered", priority=p) for p in (0, 5, 9, 3, 9, 1)]
        self.cluster.start_agent("a-ordered", queues="ordered", roles="execute", concurrency=1)
        shard, wanted, ids = None, [9, 9, 5, 3, 1, 0], []
        for command in commands:  # of one shard, by trying
            while True:
                made = self.api.want(201, "POST", "/v1/commands", command).json
                shard = made["shard"] if shard is None else shard
                if made["shard"] == shard:
                    ids.append(made["id"])
                    break
                self.api.post(f"/v1/commands/{made['id']}/cancel")
        self.api.want(200, "PUT", "/v1/queues/ordered", {"paused": False})
        for id in ids:
            self.api.ended(id)
        self.assertEqual([int(line) for _, _, line in self.cluster.ledger("ordered")], wanted)
        self.cluster.agents["a-ordered"].terminate()

    # ---- queues and reasons

    def test_pause_and_resume(self):
        paused = self.api.want(200, "PUT", "/v1/queues/default", {"paused": True}).json
        try:
            self.assertIs(paused["paused"], True)
            id = self.api.submit()["id"]
            self.assertEqual(self.api.command(id, 700)["state"], "scheduled")
            self.assertIn("queue_paused", self.api.explain(id))
        finally:
            self.assertIs(self.api.want(200, "PUT", "/v1/queues/default", {"paused": False}).json["paused"], False)
        self.assertEqual(self.api.ended(id, 5)["state"], "succeeded")

    def test_reasons(self):
        later = self.api.submit(delay_ms=60000)["id"]
        self.assertEqual(self.api.explain(later), {"not_due"})
        unread = self.api.submit(queue=NOBODY)["id"]
        self.wait("no_executor", lambda: self.api.explain(unread) == {"no_executor"})
        failing = self.api.submit("builtin.fail", {"times": 5}, retry={"initial_delay_ms": 30000})["id"]
        self.wait("backing_off", lambda: self.api.explain(failing) == {"backing_off"})
        done = self.api.ended(self.api.submit()["id"])["id"]
        self.assertEqual(self.api.explain(done), {"ended"})
        answer = self.api.get(f"/v1/commands/{later}/explain")
        self.assertEqual((answer["id"], answer["state"]), (later, "scheduled"))
        self.assertEqual(set(answer["reasons"][0]), {"code", "detail"})
        for id in (later, unread, failing):
            self.api.post(f"/v1/commands/{id}/cancel")

    def test_queue_view(self):
        ids = self.api.batch([{"type": "builtin.noop", "queue": "viewed"}] * 7)
        self.wait("all queued", lambda: self.api.get("/v1/queues/viewed")["unstarted"] == 7)
        self.wait("seen in the broker", lambda: self.api.get("/v1/queues/viewed")["broker"]["depth"] == 7)
        queue = self.api.get("/v1/queues/viewed")
        self.assertEqual((queue["executors"], queue["broker"]["consumers"], queue["paused"]), (0, 0, False))
        self.assertIn("viewed", [item["name"] for item in self.api.get("/v1/queues")["items"]])
        self.assertEqual(self.api.ask("GET", "/v1/queues/never-seen").status, 404)
        for id in ids:
            self.api.post(f"/v1/commands/{id}/cancel")


class Standstill(TestCase):
    def test_reasons_without_agents_or_broker(self):
        cluster = self.new_cluster().start_server()
        id = cluster.api.submit()["id"]
        self.assertEqual(cluster.api.explain(id), {"no_agent"})
        cluster.start_agent("a-1", "--amqp", "amqp://guest:guest@127.0.0.1:1/%2f")
        self.wait("broker_down", lambda: cluster.api.explain(id) == {"broker_down"})


if __name__ == "__main__":
    unittest.main()
