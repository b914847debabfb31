"""A server on a virtual clock: what a user's own test of a month-end schedule looks like.

This is an example to copy: it needs `duly-server --clock virtual`, an agent and a broker, and takes seconds.
"""
import time
import unittest

from lib.cluster import TestCase

DAY_MS = 24 * 3600 * 1000


class VirtualClock(TestCase):
    def start(self, at):
        cluster = self.new_cluster()
        cluster.start_server("--clock", "virtual", "--clock-start", at)
        cluster.start_agents("a-1")
        return cluster.api

    def advance(self, api, ms):
        answer = api.post("/v1/clock/advance", {"ms": ms})
        self.assertEqual(answer["behind_ms"], 0)
        return answer["now"]

    def test_month_end(self):
        api = self.start("2027-01-30T12:00:00Z")
        api.want(201, "POST", "/v1/schedules", {
            "name": "month-end", "cron": "0 9 L * *", "time_zone": "Europe/Berlin",
            "command": {"type": "builtin.echo", "payload": {"close": "the books"}}})
        began = time.monotonic()
        self.assertEqual(self.advance(api, 65 * DAY_MS), "2027-04-05T12:00:00.000Z")
        self.assertLess(time.monotonic() - began, 10)
        fired = sorted(api.walk(schedule="month-end"), key=lambda one: one["fire_at"])
        # In the last of them summer time has begun.
        self.assertEqual([one["fire_at"] for one in fired],
                         ["2027-01-31T08:00:00.000Z", "2027-02-28T08:00:00.000Z", "2027-03-31T07:00:00.000Z"])
        for one in fired:
            self.assertEqual((one["state"], one["result"]), ("succeeded", {"close": "the books"}))
            self.assertEqual(one["finished_at"], one["fire_at"])

    def test_what_is_due_on_the_way_happens_in_its_order(self):
        api = self.start("2027-01-01T00:00:00Z")
        flaky = api.submit("builtin.fail", {"times": 2, "retryable": True}, delay_ms=DAY_MS,
                           retry={"max_attempts": 3, "initial_delay_ms": 3_600_000, "multiplier": 2, "jitter": 0,
                                  "max_delay_ms": DAY_MS})
        expires = api.submit("builtin.noop", queue="nobody", expires_at="2027-01-02T12:00:00Z")
        after = api.submit("builtin.noop", depends_on=[flaky["id"]])
        self.advance(api, DAY_MS - 1)
        self.assertEqual(api.command(flaky["id"])["state"], "scheduled")
        self.advance(api, 1)
        self.assertEqual(api.command(flaky["id"])["attempt"], 1)
        self.advance(api, DAY_MS)
        ended = api.command(flaky["id"])
        self.assertEqual((ended["state"], ended["finished_at"]), ("succeeded", "2027-01-02T03:00:00.000Z"))
        self.assertEqual(api.command(after["id"])["finished_at"], "2027-01-02T03:00:00.000Z")
        self.assertEqual(api.command(expires["id"])["finished_at"], "2027-01-02T12:00:00.000Z")

    def test_what_is_refused(self):
        api = self.start("2027-01-01T00:00:00Z")
        for body in ({}, {"ms": -1}, {"ms": "1"}, {"ms": 1, "to": 2}):
            self.assertEqual(api.ask("POST", "/v1/clock/advance", body).status, 400, body)
        real = self.new_cluster().start_server().api
        self.assertEqual(real.ask("POST", "/v1/clock/advance", {"ms": 1}).status, 409)


if __name__ == "__main__":
    unittest.main()
