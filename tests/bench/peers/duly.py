"""The same figures of Duly, by the same definitions: a server and one agent as they are shipped, and the RabbitMQ of this run."""
import os
import time

from lib.process import eventually
from measures.moments import read_log
from measures.throughput import BUNDLE
from measures.world import DAY_MS, PAYLOAD, QUEUE, Watch, iso
from peers.measures import BATCH, CALLERS, LAST_S, LEAD_S, SUBMITTED_PER_S, counted, lateness_of, soon
from peers.servers import broker_pids, memory_mb, tree

KIND = "bench.start"  # the handler that writes down when it was called


class Duly:
    def __init__(self, world, name, title, bundle, concurrency):
        self.world, self.name, self.title, self.bundle, self.concurrency = world, name, title, bundle, concurrency
        self.setup = f"1 agent, concurrency {concurrency:,}" + (f", queue with `bundle` {bundle}" if bundle > 1 else ", otherwise as shipped")

    def ready(self, cluster):
        cluster.agents_ready("agent", concurrency=self.concurrency, clock=True)
        cluster.api.want(200, "PUT", QUEUE, {"bundle": self.bundle})

    def enqueue(self, sizes):
        """As `bench --speed` does it; nobody executes."""
        figures = {}
        with self.world.cluster() as cluster, Watch(cluster) as watch:
            accepted = cluster.post(connections=CALLERS, count=5 * CALLERS)["commands"]  # as the peers' clients are warmed
            for key, flags in (("1", {"connections": 1, "seconds": sizes.enqueue_seconds}),
                               ("64", {"connections": CALLERS, "seconds": sizes.enqueue_seconds}),
                               ("bulk", {"connections": 1, "batch": BATCH, "count": sizes.batches})):
                done = cluster.post(**flags)
                figures[f"enqueue_{key}_per_s"] = done["per_s"]
                accepted += done["commands"]
            figures["enqueue_lost"] = accepted - sum(watch.counts().values())
        return figures

    def drain(self, sizes):
        """Ready behind a paused queue; from its release until all have succeeded."""
        with self.world.cluster() as cluster:
            self.ready(cluster)
            cluster.pause(True)
            ids = self.batches(cluster, sizes.lives)
            with Watch(cluster) as watch:
                begun = time.monotonic()
                cluster.pause(False)
                watch.until("all have succeeded", lambda counts: counts["succeeded"] >= sizes.lives)
                took = time.monotonic() - begun
            return {"drain_per_s": sizes.lives / took, **counted("drain", ids, starts_of(cluster))}

    def latency(self, sizes):
        with self.world.cluster() as cluster:
            self.ready(cluster)
            log = os.path.join(cluster.folder, "log")
            cluster.post(connections=CALLERS, rate=sizes.rate, seconds=0.5, type=KIND)
            done = cluster.post(connections=CALLERS, rate=sizes.rate, seconds=sizes.rate_seconds, type=KIND, log=log)
            with Watch(cluster) as watch:
                watch.until("all have succeeded", lambda counts: counts["succeeded"] >= sum(counts.values()), LAST_S * 2)
            rows, starts = read_log(log), starts_of(cluster)
        return {**soon(rows, {id: when[0] for id, when in starts.items()}, sizes), "sent_per_s": done["commands"] / sizes.rate_seconds,
                **counted("latency", [id for id, *_ in rows], starts)}

    def lateness(self, sizes):
        """What is due is submitted with the same lead as a peer's."""
        count = sizes.due_rate * sizes.due_seconds
        with self.world.cluster() as cluster:
            self.ready(cluster)
            begun = time.monotonic()
            cluster.store(sizes.waiting, delay_ms=DAY_MS)
            filled = time.monotonic() - begun
            start = int((time.time() + LEAD_S + count / SUBMITTED_PER_S) * 1000)
            due = {}
            for at in range(0, count, BATCH):
                instants = [start + number * 1000 // sizes.due_rate for number in range(at, min(at + BATCH, count))]
                ids = cluster.api.batch([{"type": KIND, "payload": PAYLOAD, "due_at": iso(instant / 1000)} for instant in instants])
                due.update(zip(ids, instants))
            margin = start / 1000 - time.time()
            time.sleep(max(start / 1000 + sizes.due_seconds - time.time(), 0))
            eventually("all have started", lambda: due.keys() <= starts_of(cluster).keys(), LAST_S, 0.5)
            memory = {"memory_server_mb": memory_mb([cluster.server.pid]), "memory_broker_mb": memory_mb(broker_pids(cluster.node)),
                      "memory_worker_mb": memory_mb(tree(cluster.agents["agent"].pid))}
            starts = starts_of(cluster)
        late = [starts[id][0] / 1000 - instant for id, instant in due.items()]
        return {"waiting": sizes.waiting, "delayed_per_s": sizes.waiting / filled, **memory, **lateness_of(late, margin),
                **counted("late", due, starts)}

    def killed(self, sizes):
        """As `bench --speed` loses an executor; the dispatcher is another process."""
        with self.world.cluster() as cluster:
            cluster.agents_ready("dispatcher", roles="dispatch")
            cluster.api.want(200, "PUT", QUEUE, {"bundle": self.bundle})
            first = cluster.agent("first", roles="execute", concurrency=sizes.at_once)
            cluster.consumed(1)
            cluster.api.batch([{"type": "builtin.sleep", "payload": {"ms": sizes.sleep_ms}}] * sizes.sleepers)
            with Watch(cluster) as watch:
                watch.until("the second wave runs", lambda counts: counts["succeeded"] >= sizes.at_once and
                            counts["running"] >= sizes.at_once, 60)
                killed = time.time()
                first.kill()
                cluster.agent("second", roles="execute", concurrency=sizes.at_once)
                watch.until("all have succeeded", lambda counts: counts["succeeded"] >= sizes.sleepers, 60)
                ended = time.time()
            attempts = [item["attempt"] for item in cluster.api.walk()]
        return {"killed_ended": sizes.sleepers, "killed_of": sizes.sleepers, "killed_waited_s": sizes.again_s,
                "killed_twice": sum(one > 1 for one in attempts), "killed_done_s": ended - killed}

    def batches(self, cluster, count):
        """So many commands that are ready; their ids."""
        ids = []
        for at in range(0, count, BATCH):
            ids += cluster.api.batch([{"type": KIND, "payload": PAYLOAD}] * min(BATCH, count - at))
        return ids


def starts_of(cluster):
    """As peers.measures.read_starts, of bench_agent's file, which has two words more in each line."""
    starts = {}
    if os.path.exists(cluster.starts):
        with open(cluster.starts, encoding="ascii") as lines:
            for line in lines:
                if line.endswith("\n"):
                    id, _, start, _ = line.split()
                    starts.setdefault(id, []).append(int(start))
    return starts


def both(world):
    """A message a command, and a hundred commands in one."""
    return [Duly(world, "duly", "**Duly**", 1, world.sizes.life_concurrency),
            Duly(world, "duly-bundle", f"**Duly**, `bundle` {BUNDLE}", BUNDLE, world.sizes.bundle_concurrency)]
