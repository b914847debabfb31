"""Limits of a queue, over two agents and over kill -9 of the server: how many run at once, how many start within a span."""
import collections
import unittest

from lib.api import instant
from lib.cluster import TestCase


def spans(commands):
    """(start, end) of every attempt."""
    return sorted((instant(a["started_at"]), instant(a["finished_at"])) for c in commands for a in c["attempts"])


def most_at_once(found):
    events = sorted([(end, -1) for _, end in found] + [(start, 1) for start, _ in found])
    running = most = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def most_within(starts, per_ms):
    """Most starts in any span of `per_ms`, its beginning not included."""
    recent, most = collections.deque(), 0
    for start in sorted(starts):
        recent.append(start)
        while recent[0] <= start - per_ms:
            recent.popleft()
        most = max(most, len(recent))
    return most


class Limits(TestCase):
    def cluster_with(self, name, **limits):
        cluster = self.new_cluster().start_server()
        answer = cluster.api.want(200, "PUT", f"/v1/queues/{name}", limits).json
        self.assertEqual({field: answer[field] for field in limits}, limits)
        cluster.start_agents("a-1", "a-2", queues=name, concurrency=8)
        return cluster

    def kill_and_restart(self, cluster):
        cluster.server.kill()
        cluster.start_server()

    def both_worked(self, commands):
        executors = {a["executor"] for c in commands for a in c["attempts"]}
        self.assertEqual(executors, {"a-1", "a-2"})

    def test_no_more_run_than_may(self):
        cluster = self.cluster_with("narrow", max_running=3)
        body = {"type": "builtin.sleep", "payload": {"ms": 120}, "queue": "narrow"}
        ids = cluster.api.batch([body] * 60)
        waiting = lambda: [id for id in ids if cluster.api.explain(id) == {"queue_limit"}]
        self.wait("some wait for the limit", waiting)
        self.kill_and_restart(cluster)
        commands = [cluster.api.ended(id, 60) for id in ids]
        self.assertEqual({c["state"] for c in commands}, {"succeeded"})
        most = most_at_once(spans(commands))
        self.assertEqual(most, 3)
        self.both_worked(commands)
        self.assertEqual(cluster.api.get("/v1/queues/narrow")["running"], 0)

    def test_a_limit_that_is_lowered_under_load(self):
        cluster = self.cluster_with("lowered", max_running=None)
        body = {"type": "builtin.sleep", "payload": {"ms": 400}, "queue": "lowered"}
        ids = cluster.api.batch([body] * 40)
        self.wait("many run", lambda: cluster.api.get("/v1/queues/lowered")["running"] >= 8)
        cluster.api.want(200, "PUT", "/v1/queues/lowered", {"max_running": 2})
        self.wait("few run", lambda: cluster.api.get("/v1/queues/lowered")["running"] <= 2)
        from_here = max(instant(a["started_at"]) for id in ids for a in cluster.api.command(id)["attempts"]
                        if a["started_at"])
        commands = [cluster.api.ended(id, 60) for id in ids]
        self.assertEqual({(c["state"], c["attempt"]) for c in commands}, {("succeeded", 1)})
        later = [span for span in spans(commands) if span[0] > from_here]
        self.assertGreater(len(later), 4)
        self.assertLessEqual(most_at_once(later), 2)

    def test_a_rate_holds_in_any_span(self):
        count, per_ms = 10, 1000
        cluster = self.cluster_with("rated", rate={"count": count, "per_ms": per_ms})
        ids = cluster.api.batch([cluster.append(i, queue="rated") for i in range(60)])
        self.wait("some wait for the rate", lambda: [id for id in ids if "rate_limit" in cluster.api.explain(id)])
        self.wait("a dozen have run", lambda: len(cluster.ledger()) >= 12)
        self.kill_and_restart(cluster)
        stored = self.check_all_ran(cluster, ids)
        commands = [cluster.api.command(id) for id in stored]
        starts = [start for start, _ in spans(commands)]
        self.assertLessEqual(most_within(starts, per_ms), count)
        self.assertEqual(most_within(starts, per_ms), count)  # and it is used
        self.both_worked(commands)

    def test_null_removes_and_the_rest_stays(self):
        cluster = self.new_cluster().start_server()
        put = lambda body: cluster.api.want(200, "PUT", "/v1/queues/q", body).json
        put({"max_running": 1, "rate": {"count": 1, "per_ms": 86_400_000}, "paused": True})
        self.kill_and_restart(cluster)
        after = put({"paused": False, "max_running": None})
        self.assertEqual((after["paused"], after["max_running"], after["rate"]),
                         (False, None, {"count": 1, "per_ms": 86_400_000}))
        audit = [row["what"] for row in cluster.api.get("/v1/audit")["items"]]
        self.assertEqual(audit, ["queue.limits", "queue.resume", "queue.limits", "queue.pause"])
        refused = cluster.api.want(400, "PUT", "/v1/queues/q", {"rate": {"count": 0, "per_ms": 5}}).json
        self.assertEqual(refused["errors"][0]["pointer"], "/rate/count")


if __name__ == "__main__":
    unittest.main()
