"""How soon: accepted to started at a steady rate, many due at once, a lost executor, reads under load."""
import os
import time

from figures import quantile
from lib.process import eventually
from measures.world import DAY_MS, Watch, curve, iso, read_starts, wait_until


def read_log(path):
    """(id, when it was to be asked, asked, answered), in microseconds of the wall clock."""
    with open(path, encoding="ascii") as lines:
        return [(id, int(due), int(sent), int(done)) for id, due, sent, done in (line.split() for line in lines)]


def latency(world):
    """Commands at a steady rate, each started at once: from the answer, and from the moment it was to be sent."""
    sizes = world.sizes
    with world.cluster() as cluster, Watch(cluster) as watch:
        cluster.agents_ready("agent", concurrency=sizes.concurrency, clock=True)
        cluster.post(connections=8, rate=sizes.rate, seconds=0.5, type="bench.start")  # connections and caches are warm
        path = os.path.join(cluster.folder, "log")
        done = cluster.post(connections=64, rate=sizes.rate, seconds=sizes.rate_seconds, type="bench.start", log=path)
        watch.until("all have ended", lambda counts: counts["succeeded"] >= sum(counts.values()))
        starts = read_starts(cluster)
        rows = [(starts[id][0] - due, starts[id][0] - answered) for id, due, _, answered in read_log(path) if id in starts]
        sent, accepted = [one[0] / 1000 for one in rows], [one[1] / 1000 for one in rows]
    return {"latency_offered_per_s": sizes.rate, "latency_commands": len(rows),
            "latency_accept_p50_ms": done["post_p50_ms"], "latency_accept_p99_ms": done["post_p99_ms"],
            "latency_sent_p50_ms": quantile(sent, .5), "latency_sent_p99_ms": quantile(sent, .99),
            "latency_accepted_p50_ms": quantile(accepted, .5), "latency_accepted_p99_ms": quantile(accepted, .99),
            "curve_sent": curve(sent), "curve_accepted": curve(accepted)}


def herd(world):
    """Many due at one instant, and how the server accepts meanwhile."""
    count = world.sizes.herd
    with world.cluster() as cluster, Watch(cluster) as watch:
        cluster.agents_ready("agent", concurrency=world.sizes.concurrency, clock=True)
        due = int(time.time() + 3 + count / 8000)
        cluster.store(count, type="bench.start", due_at=iso(due))
        margin = due - time.time()
        path = os.path.join(cluster.folder, "log")
        wait_until(due - 0.2)
        meanwhile = cluster.load("post", connections=16, rate=200, seconds=6 if count > 10_000 else 1.5, log=path,
                                 delay_ms=DAY_MS)
        watch.until("all of the herd have run", lambda counts: counts["succeeded"] >= count)
        meanwhile.result()
        late = [(start - due * 1_000_000) / 1000 for start, _ in read_starts(cluster).values()]
        last = due * 1_000_000 + max(late) * 1000
        accepts = [(done - asked) / 1000 for _, asked, _, done in read_log(path) if due * 1_000_000 <= asked <= last]
    return {"herd": count, "herd_margin_s": margin, "herd_all_s": max(late) / 1000, "herd_min_ms": min(late),
            "herd_early": sum(one < 0 for one in late), "herd_accept_p50_ms": quantile(accepts, .5),
            "herd_accept_p99_ms": quantile(accepts, .99), "herd_accepts": len(accepts)}


def lost(world):
    """The executor of all that runs is killed in the second wave; another one starts at once."""
    sizes = world.sizes
    with world.cluster() as cluster, Watch(cluster) as watch:
        cluster.agents_ready("dispatcher", roles="dispatch")
        first = cluster.agent("first", roles="execute", concurrency=sizes.at_once)
        cluster.consumed(1)
        cluster.api.batch([{"type": "builtin.sleep", "payload": {"ms": sizes.sleep_ms}}] * sizes.sleepers)
        watch.until("the second wave runs", lambda counts: counts["succeeded"] >= sizes.at_once and
                    counts["running"] >= sizes.at_once, 60)
        running = watch.counts()["running"]
        first.kill()
        killed = time.monotonic()
        cluster.agent("second", roles="execute", concurrency=sizes.at_once)
        watch.until("all have succeeded", lambda counts: counts["succeeded"] >= sizes.sleepers, 120)
        took = time.monotonic() - killed
        attempts = [item["attempt"] for item in cluster.api.walk()]
    waves = (sizes.sleepers - sizes.at_once) / sizes.at_once
    return {"lost_s": took, "lost_floor_s": waves * sizes.sleep_ms / 1000, "lost_running": running,
            "lost_repeated": sum(one == 2 for one in attempts), "lost_oftener": sum(one > 2 for one in attempts)}


def reads(world):
    """Reads of three kinds while commands are accepted and run as fast as they can be."""
    sizes = world.sizes
    with world.cluster() as cluster, Watch(cluster) as watch:
        cluster.agents_ready("agent", concurrency=sizes.concurrency)
        cluster.store(sizes.reads_stored, batch=min(1000, sizes.reads_stored))
        watch.until("the stored ones have run", lambda counts: counts["succeeded"] >= sizes.reads_stored)
        ids = [item["id"] for item in cluster.api.get("/v1/commands", limit=20)["items"]]
        load = cluster.load("post", connections=64, seconds=sizes.reads_seconds + 1)
        eventually("the load has begun", lambda: sum(watch.counts().values()) > sizes.reads_stored, 30)
        paths = []
        for id in ids:
            paths += [f"get=/v1/commands/{id}", "list=/v1/commands?state=succeeded&type=builtin.noop&limit=100",
                      "stats=/v1/stats"]
        seen = cluster.load("get", connections=6, rate=150, seconds=sizes.reads_seconds, path=paths).result()
        accepted = load.result()["per_s"]
    return {"reads_accepted_per_s": accepted,
            **{f"reads_{name}_{q}_ms": seen[f"{name}_{q}_ms"] for name in ("get", "list", "stats") for q in ("p50", "p99")}}
