"""Acts on many commands: a filter, a trial, progress, a stop, a kill -9 of the server in between."""
import unittest

from lib.cluster import TestCase

NOBODY = "nobody"  # a queue that no agent consumes


class Operations(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")

    def start(self, kind, body):
        return self.api.want(202, "POST", f"/v1/commands/{kind}", body).json

    def done(self, operation, seconds=30):
        def ended():
            now = self.api.get(f"/v1/operations/{operation['id']}")
            return now if now["state"] != "running" else None
        return self.wait("the operation has ended", ended, seconds)

    def counts(self, operation):
        return operation["state"], operation["matched"], operation["changed"], operation["skipped"]

    def later(self, count, **fields):
        return self.api.batch([{"type": "builtin.noop", "delay_ms": 3600_000, **fields}] * count)

    def test_cancel_by_label_spares_the_rest(self):
        ids = self.later(700, labels={"batch": "one"})
        rest = self.later(20, labels={"batch": "two"})
        trial = self.done(self.start("cancel", {"labels": {"batch": "one"}, "dry_run": True}))
        self.assertEqual(self.counts(trial), ("done", 700, 0, 0))
        operation = self.start("cancel", {"labels": {"batch": "one"}})
        self.assertTrue(operation["id"].startswith("op_"))
        self.assertEqual((operation["kind"], operation["filter"], operation["by"]),
                         ("cancel", {"labels": {"batch": "one"}}, "anonymous"))
        self.assertEqual(self.counts(self.done(operation)), ("done", 700, 700, 0))
        self.assertEqual(len(self.api.walk(**{"label.batch": "one", "state": "cancelled"})), 700)
        self.assertEqual(len(self.api.walk(**{"label.batch": "two", "state": "scheduled"})), 20)
        (event,) = [e for e in self.api.command(ids[0])["events"] if e["kind"] == "cancelled"]
        self.assertIn(operation["id"], event["detail"])
        self.assertIn(operation["id"], [item["id"] for item in self.api.get("/v1/operations")["items"]])
        audit = [row["what"] for row in self.api.get("/v1/audit")["items"] if row["subject"] == operation["id"]]
        self.assertEqual(audit, ["operation.done", "commands.cancel"])
        self.assertEqual(self.counts(self.done(self.start("cancel", {"ids": rest[:3]}))), ("done", 3, 3, 0))

    def test_retry_redrives_the_dead(self):
        retry = {"max_attempts": 1}
        ids = self.api.batch([{"type": "builtin.fail", "payload": {"times": 1}, "retry": retry, "key": f"r-{i}",
                               "labels": {"batch": "dead"}} for i in range(5)])
        for id in ids:
            self.assertEqual(self.api.ended(id)["state"], "dead")
        operation = self.done(self.start("retry", {"labels": {"batch": "dead"}, "state": "dead"}))
        self.assertEqual(self.counts(operation), ("done", 5, 5, 0))
        for id in ids:
            self.assertEqual(self.api.ended(id)["state"], "succeeded")

    def test_bad_filters_are_named(self):
        for body, pointer in (({}, ""), ({"all": True, "type": "t"}, "/all"), ({"ids": ["x"]}, "/ids/0"),
                              ({"workflow": "w"}, "/workflow")):
            refused = self.api.want(400, "POST", "/v1/commands/cancel", body).json
            self.assertEqual(refused["errors"][0]["pointer"], pointer, body)
        self.assertEqual(self.api.ask("GET", "/v1/operations/op_0000000000000").status, 404)
        self.assertEqual(self.api.ask("POST", "/v1/operations/op_0000000000000/stop").status, 404)


class OverRestarts(TestCase):
    def test_a_killed_server_goes_on_where_it_was(self):
        cluster = self.new_cluster().start_server()
        api = cluster.api
        api.batch([{"type": "builtin.noop", "queue": NOBODY, "delay_ms": 3600_000}] * 20_000)
        operation = api.want(202, "POST", "/v1/commands/cancel", {"queue": NOBODY}).json
        path = f"/v1/operations/{operation['id']}"
        self.wait("it is under way", lambda: api.get(path)["changed"] > 400)
        cluster.server.kill()
        cluster.start_server()
        made_later = api.batch([{"type": "builtin.noop", "queue": NOBODY, "delay_ms": 3600_000}])[0]
        self.wait("it is done", lambda: api.get(path)["state"] == "done", 60)
        done = api.get(path)
        self.assertEqual((done["matched"], done["changed"], done["skipped"]), (20_000, 20_000, 0))
        self.assertEqual(api.command(made_later)["state"], "scheduled")
        counts = api.stats()["commands"]
        self.assertEqual((counts["cancelled"], counts["scheduled"]), (20_000, 1))

    def test_stop(self):
        cluster = self.new_cluster().start_server()
        api = cluster.api
        api.batch([{"type": "builtin.noop", "delay_ms": 3600_000}] * 10_000)
        operation = api.want(202, "POST", "/v1/commands/cancel", {"all": True}).json
        stopped = api.post(f"/v1/operations/{operation['id']}/stop")
        self.assertEqual(stopped["state"], "stopped")
        self.assertEqual(api.stats()["commands"]["cancelled"], stopped["changed"])
        self.assertLess(stopped["changed"], 10_000)


if __name__ == "__main__":
    unittest.main()
