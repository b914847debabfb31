"""Three RabbitMQ nodes as one cluster: one is paused, one is killed, two are killed, under load.

DULY_CLUSTER_LOAD multiplies what is submitted (1 by default).  DULY_RABBIT_CONF names a file of further lines for
rabbitmq.conf, such as another cluster_partition_handling.
"""
import concurrent.futures
import os
import re
import tempfile
import time
import unittest

from lib.cluster import TestCase
from lib.rabbit import Trio

LOAD = int(os.environ.get("DULY_CLUSTER_LOAD", "1"))
QUICK = {"max_attempts": 6, "initial_delay_ms": 50, "max_delay_ms": 200}
# While a node is paused nothing must depend on how long: the others would throw it out after net_ticktime (60 s).
PATIENT = "net_ticktime = 600\n"
SERVER_MIB, AGENT_MIB = 160, 64


def resident_mib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as text:
        return int(re.search(r"VmRSS:\s+(\d+) kB", text.read())[1]) // 1024


class Three(TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="ascii") as conf:
            if "DULY_RABBIT_CONF" not in os.environ:
                conf.write(PATIENT)
                conf.flush()
            begun = time.monotonic()
            cls.trio = Trio(DULY_RABBIT_CONF=os.environ.get("DULY_RABBIT_CONF", conf.name))
            print(f"three nodes after {time.monotonic() - begun:.1f} s")
        cls.addClassCleanup(cls.trio.close)

    def setUp(self):
        self.cluster = self.new_cluster(node=self.trio).start_server()
        self.api = self.cluster.api
        self.cluster.start_agents("a-1", "a-2", queues="default,mail")
        self.wait("the broker is up", lambda: self.api.stats()["broker"]["up"], 30)
        # A queue has a member on each of the nodes that are there when it is declared.
        self.api.want(200, "PUT", "/v1/queues/late", {"paused": False})
        warm = self.api.batch([self.cluster.append("warm", queue=queue) for queue in ("default", "mail")])
        self.check_all_ran(self.cluster, warm)

    def submit(self, count, over_ms=0):
        """Commands of both queues, with and without a key, due over that time."""
        return self.api.batch([
            self.cluster.append(n, delay_ms=n * over_ms // count, retry=QUICK, priority=n % 10,
                                queue="mail" if n % 3 == 0 else "default", **({"key": f"k-{n % 7}"} if n % 10 == 0 else {}))
            for n in range(count)])

    def under_load(self, count, over_ms):
        """Ids, of which about half have run."""
        before = len(self.cluster.ledger())
        ids = self.submit(count, over_ms)
        self.wait("half-way", lambda: len(self.cluster.ledger()) - before > count // 2, over_ms / 1000 + 30)
        return ids

    def publishes_on(self, agent="a-1"):
        """The node."""
        ports = re.findall(r'connected connection="publish" broker="127\.0\.0\.1:(\d+)"', self.cluster.agents[agent].log())
        return self.trio.node_at(int(ports[-1]))

    def all_end(self, ids, began, what):
        try:
            self.cluster.idle(60 * LOAD)
        except AssertionError:
            print([self.api.get(f"/v1/queues/{queue}") for queue in ("default", "mail")])
            raise
        self.check_all_ran(self.cluster, ids)
        print(f"{what}: all of {len(ids)} had ended {time.monotonic() - began:.1f} s after it")

    def test_one_is_paused_and_nothing_is_lost(self):
        """Work goes on meanwhile, unless RabbitMQ holds on to a leader that is paused (docs/rabbitmq.md); told either way."""
        ids = self.under_load(600 * LOAD, 3000 * LOAD)
        paused = self.publishes_on()
        paused.script("pause", paused.folder)
        began = time.monotonic()
        try:
            ids += self.submit(200 * LOAD)
            self.wait("its connection is left", lambda: self.publishes_on() is not paused, 60)
            went_on = self.ended_within(45 * LOAD)
        finally:
            paused.script("resume", paused.folder)
        print("one paused: work " + ("went on" if went_on else "waited for it"))
        self.all_end(ids, began, "one paused")
        self.assertEqual(self.api.totals()["lost"], 0)
        self.check_all_ran(self.cluster, self.submit(100 * LOAD))

    def ended_within(self, seconds):
        try:
            self.cluster.idle(seconds)
            return True
        except AssertionError:
            return False

    def without_majority(self):
        """Submits, and shows that nothing counts as queued, and that nobody is to blame for it; ids."""
        holders, epochs = self.api.shard_map(), self.api.epochs()
        processes = [self.cluster.server, *self.cluster.agents.values()]
        resident = [resident_mib(process) for process in processes]
        before = self.api.totals()
        ids = self.api.batch([self.cluster.append("x" * 2000, retry=QUICK) for _ in range(5000 * LOAD)])
        self.wait("what went out is in doubt",
                  lambda: self.api.totals()["given_back"] - before["given_back"] > 1000, 60)
        self.assertEqual(self.api.totals()["marked"], before["marked"])
        self.assertEqual((self.api.shard_map(), self.api.epochs()), (holders, epochs), "shards have changed hands")
        self.assertEqual(self.api.totals()["lost"], 0)
        grown = [resident_mib(process) - was for process, was in zip(processes, resident)]
        print(f"two killed: memory of server and agents has grown by {grown} MiB")
        self.assertLess(grown[0], SERVER_MIB)
        self.assertLess(max(grown[1:]), AGENT_MIB)
        return ids

    def test_one_and_then_another_is_killed(self):
        ids = self.under_load(600 * LOAD, 3000 * LOAD)
        first = self.publishes_on()
        first.kill()
        began = time.monotonic()
        ids += self.submit(200 * LOAD)
        self.all_end(ids, began, "one killed")

        # Confirmed by two of three, and consumed by nobody until all are back.
        kept = self.api.batch([self.cluster.append(n, queue="late", retry=QUICK) for n in range(200)])
        self.wait("they are queued", lambda: self.api.stats()["commands"]["queued"] == 200, 30)

        second = self.publishes_on()
        second.kill()
        ids += self.without_majority()
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            list(both.map(lambda node: node.start(), (first, second)))
        began = time.monotonic()
        self.cluster.start_agent("a-late", queues="late", roles="execute")
        self.all_end(ids + kept, began, "both back")
        self.assertEqual({self.api.command(id)["attempt"] for id in kept}, {1}, "an attempt was lost in the broker")


if __name__ == "__main__":
    unittest.main()
