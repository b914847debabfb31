"""The control server is killed, stopped, frozen, or has no disk left."""
import http.client
import os
import signal
import sqlite3
import tempfile
import threading
import time
import unittest

from lib.api import Api
from lib.cluster import TestCase
from lib.process import eventually

QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}


class Submitter(threading.Thread):
    """Submits one command after the other; asks again with the same key when an answer is missing."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number = cluster, number
        self.stop, self.acknowledged, self.broken = threading.Event(), {}, []

    def run(self):
        count = 0
        while not self.stop.is_set():
            key = f"s{self.number}-{count}"
            status = self.submit(key)
            if status in (200, 201):
                count += 1
            else:
                time.sleep(0.02)

    def submit(self, key):
        try:
            answer = Api(self.cluster.http_port).ask("POST", "/v1/commands", self.cluster.append(key, retry=QUICK),
                                                     {"Idempotency-Key": key}, timeout=5)
        except (OSError, http.client.HTTPException) as error:
            self.broken.append(repr(error))
            return 0
        if answer.status in (200, 201):
            self.acknowledged[key] = answer.json["id"]
        return answer.status


class ServerFaults(TestCase):
    def start_submitters(self, cluster, count=4):
        submitters = [Submitter(cluster, number) for number in range(count)]
        for submitter in submitters:
            submitter.start()

        def stop():
            for submitter in submitters:
                submitter.stop.set()
            for submitter in submitters:
                submitter.join(10)
            return {key: id for submitter in submitters for key, id in submitter.acknowledged.items()}
        self.addCleanup(stop)
        return stop

    def check_store(self, cluster):
        """Whole, by SQLite's own word."""
        cluster.server.kill()
        store = sqlite3.connect(os.path.join(cluster.data, "duly.db"))
        try:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(store.execute("PRAGMA foreign_key_check").fetchall(), [])
        finally:
            store.close()

    def check_one_per_key(self, cluster, acknowledged):
        by_line = {}
        for id, _, line in cluster.ledger():
            by_line.setdefault(line, set()).add(id)
        self.assertEqual({line: ids for line, ids in by_line.items() if len(ids) > 1}, {}, "one key made two commands")
        self.assertEqual({key: id for key, id in acknowledged.items() if by_line.get(key) != {id}}, {})

    def test_kill_under_load(self):
        cluster = self.new_cluster(ttl_ms=5000).start_server()
        cluster.start_agents("a-1", "a-2", "a-3")
        held, epochs = cluster.shards_even(), cluster.api.epochs()
        stop = self.start_submitters(cluster)
        for round_number in range(4):
            aim = len(cluster.ledger()) + 250
            self.wait("some work was done", lambda aim=aim: len(cluster.ledger()) > aim, 20)
            cluster.server.kill()
            cluster.start_server()
            # Agents come back by themselves, to the shards they held, under the same epochs.
            self.assertEqual(cluster.shards_even(), held, round_number)
            self.assertEqual(cluster.api.epochs(), epochs, round_number)
        acknowledged = stop()
        self.assertGreater(len(acknowledged), 1000)
        self.check_all_ran(cluster, list(acknowledged.values()))
        self.check_one_per_key(cluster, acknowledged)
        totals = cluster.api.totals()
        self.assertEqual((totals["republished"], totals["lost"]), (0, 0))
        self.check_store(cluster)

    def test_idempotency_survives_restarts(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1")
        body = {"type": "builtin.echo", "payload": {"n": 1}}
        first = cluster.api.want(201, "POST", "/v1/commands", body, {"Idempotency-Key": "k"}).json["id"]
        for end in (cluster.server.kill, cluster.server.terminate):
            end()
            cluster.start_server()
            again = cluster.api.want(200, "POST", "/v1/commands", body, {"Idempotency-Key": "k"})
            self.assertEqual((again.json["id"], again.headers["Idempotency-Replayed"]), (first, "true"))
            cluster.api.want(422, "POST", "/v1/commands", {**body, "payload": 2}, {"Idempotency-Key": "k"})
        self.assertEqual(len(cluster.api.walk()), 1)

    def test_everything_is_as_it_was_after_a_kill(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        api = cluster.api
        ended = api.ended(api.submit("builtin.fail", {"times": 1}, retry=QUICK, labels={"x": "1"}, key="k")["id"])
        dead = api.ended(api.submit("builtin.fail", {"times": 1, "retryable": False})["id"])
        cancelled = api.submit(delay_ms=3600_000)["id"]
        api.post(f"/v1/commands/{cancelled}/cancel")
        later = api.submit("builtin.echo", {"a": [1]}, delay_ms=3600_000, priority=8, on_lost="dead", expires_at="2035-01-01T00:00:00Z")
        api.want(200, "PUT", "/v1/queues/held", {"paused": True})
        api.want(200, "PUT", "/v1/shards/3/agent", {"agent": "a-2"})
        self.wait("pinned", lambda: api.shard_map().get(3) == "a-2")
        ids = [ended["id"], dead["id"], cancelled, later["id"]]
        before = [api.command(id) for id in ids], api.stats()["commands"], api.get("/v1/commands")["items"]
        cluster.server.kill()
        cluster.start_server()
        self.assertEqual(([api.command(id) for id in ids], api.stats()["commands"], api.get("/v1/commands")["items"]), before)
        self.assertIs(api.get("/v1/queues/held")["paused"], True)
        pinned = api.get("/v1/shards")["items"][3]
        self.assertTrue(pinned["pinned"])
        self.assertEqual(self.wait("held again", lambda: api.shard_map().get(3)), "a-2")

    def test_frozen_server_takes_no_leases_away(self):
        """F22: when it wakes, nobody has lost anything for the time it slept."""
        cluster = self.new_cluster(ttl_ms=2000).start_server()
        cluster.start_agents("a-1", "a-2")
        held = cluster.shards_even()
        ids = cluster.api.batch([cluster.append(n, delay_ms=n * 10, retry=QUICK) for n in range(300)])
        moves = cluster.api.totals()["shard_moves"]
        cluster.server.signal(signal.SIGSTOP)
        self.wait("a while", lambda until=time.monotonic() + 1.2: time.monotonic() > until)
        cluster.server.signal(signal.SIGCONT)
        self.check_all_ran(cluster, ids)
        totals = cluster.api.totals()
        self.assertEqual((totals["lost"], totals["shard_moves"] - moves), (0, 0))
        self.assertEqual(cluster.shards_even(), held)
        cluster.server.signal(signal.SIGSTOP)
        self.wait("longer than the TTL", lambda until=time.monotonic() + 4: time.monotonic() > until)
        cluster.server.signal(signal.SIGCONT)
        more = cluster.api.batch([cluster.append(n, retry=QUICK) for n in range(100)])
        cluster.shards_even()
        self.check_all_ran(cluster, ids + more)


class DiskFull(TestCase):
    """On a file system of 24 MiB: mounted in a mount namespace of the server's own, seen through its root."""

    def fill(self, folder, leave):
        """Takes all but `leave` bytes; answers the file."""
        name = os.path.join(folder, "filler")
        with open(name, "wb") as file:
            while True:
                info = os.statvfs(folder)
                room = info.f_bavail * info.f_frsize - leave
                if room <= 0:
                    return name
                try:
                    file.write(b"x" * min(room, 1 << 20))
                    file.flush()
                except OSError:
                    return name

    def start(self):
        mount = tempfile.mkdtemp(prefix="duly-small-")
        self.addCleanup(os.rmdir, mount)
        script = f'mount -t tmpfs -o size=24m tmpfs "{mount}" && exec "$0" "$@"'
        cluster = self.new_cluster(data=os.path.join(mount, "data"), wrap=["unshare", "-Urm", "sh", "-c", script])
        cluster.start_server()
        cluster.start_agents("a-1", "a-2")
        return cluster, f"/proc/{cluster.server.pid}/root{mount}"

    def test_new_work_is_refused_and_the_rest_goes_on(self):
        cluster, folder = self.start()
        api = cluster.api
        done = api.ended(api.submit("builtin.echo", {"x": 1})["id"])
        later = api.batch([cluster.append(n, delay_ms=1500, retry=QUICK) for n in range(200)])
        running = api.submit("builtin.sleep", {"ms": 2500})["id"]
        self.wait("it runs", lambda: api.command(running)["state"] == "running")
        for leave in (512 << 10, 0):
            with self.subTest(leave=leave):
                filler = self.fill(folder, leave)
                refused = self.wait("507", lambda: (lambda a: a if a.status == 507 else None)(
                    api.ask("POST", "/v1/commands", cluster.append("last"))), 5)
                self.assertEqual(refused.json["status"], 507)
                count = len(api.walk())
                self.assertEqual(api.ask("POST", "/v1/commands", cluster.append("refused")).status, 507)
                answer = api.ask("POST", "/v1/commands/batch", {"commands": [cluster.append("refused")] * 500})
                self.assertEqual(answer.status, 507)
                self.assertEqual(len(api.walk()), count, "a refused batch left something")
                self.assertEqual(api.command(done["id"]), done)
                self.assertEqual(api.ask("GET", "/readyz").status, 503)
                self.assertIn("store", api.ask("GET", "/readyz").json["checks"])
                self.assertIs(api.stats()["disk_low"], True)
                if leave:
                    self.assertEqual(api.ended(running)["state"], "succeeded")
                    self.check_all_ran(cluster, later)
                os.unlink(filler)
                accepted = eventually("room again", lambda: (lambda a: a.json if a.status == 201 else None)(
                    api.ask("POST", "/v1/commands", cluster.append("after", file="after", retry=QUICK))), 10)
                self.assertEqual(api.ended(accepted["id"])["state"], "succeeded")
        cluster.shards_even()
        self.assertEqual(api.ask("GET", "/readyz").status, 200)
        self.assertNotIn("refused", {line for _, _, line in self.check_nothing_twice(cluster)})
        self.assertTrue(cluster.server.running())

    def test_messages_wait_in_the_broker_while_the_disk_is_full(self):
        cluster, folder = self.start()
        api, count = cluster.api, 1000
        for leave in (512 << 10, 0):
            filler = self.fill(folder, leave)
            self.wait("507", lambda: api.ask("POST", "/v1/commands", {"type": "t"}).status == 507, 5)
            name = f"left-{leave}"
            with cluster.connect() as amqp:
                self.wait("the queue is consumed", lambda: amqp.depth("duly.submit") == (0, 1), 20)
                for n in range(count):
                    amqp.publish("duly.submit", "", b"[%d]" % n, {"duly-queue": name, "x-delay": 9999999}, confirm=False,
                                 type="later", message_id=f"{name}-{n}")
                amqp.confirmed()
                time.sleep(1)
                self.assertEqual(api.walk(queue=name), [])
                self.assertLess(amqp.depth("duly.submit")[0], count, "some are in hand …")
                self.assertGreater(amqp.depth("duly.submit")[0], count // 2, "… and the others wait in the queue")
                os.unlink(filler)
                self.wait("they are stored", lambda: len(api.walk(queue=name)) == count, 20)
                self.assertIsNone(amqp.get("duly.dead"))
        self.assertTrue(cluster.server.running())

    def test_disk_fills_up_by_the_work_itself(self):
        """Every 201 is there and ends; what was refused never ran."""
        cluster, folder = self.start()
        api = cluster.api
        self.fill(folder, 6 << 20)
        accepted, refused = [], 0
        deadline = time.monotonic() + 30
        while refused < 5 and time.monotonic() < deadline:
            answer = api.ask("POST", "/v1/commands", {**cluster.append(len(accepted), retry=QUICK), "labels": {"pad": "x" * 200}})
            padding = api.ask("POST", "/v1/commands", {"type": "t", "delay_ms": 9999999, "payload": "p" * 60000})
            for got in (answer, padding):
                self.assertIn(got.status, (201, 507), got)
            if answer.status == 201:
                accepted.append(answer.json["id"])
            refused += padding.status == 507
        self.assertEqual(refused, 5)
        self.assertTrue(accepted)
        for id in accepted:
            self.assertEqual(api.ended(id)["state"], "succeeded")
        lines = [int(line) for _, _, line in self.check_nothing_twice(cluster)]
        self.assertEqual(sorted(lines), list(range(len(accepted))))
        self.assertTrue(cluster.server.running())


if __name__ == "__main__":
    unittest.main()
