"""What a growing backlog costs: lateness, whole lives, memory, disk and start with more and more commands waiting."""
import contextlib
import json
import os
import sqlite3
import sys
import time

from figures import quantile, rss_mb
from lib.process import eventually
from measures.throughput import release
from measures.world import DAY_MS, PAYLOAD, SHARDS, Watch, curve, iso, read_starts, wait_until

STARTS = 3
RELEASES = 3


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


def database_bytes(cluster):
    """Of all pages as a reader sees them now, whether a checkpoint has moved them into the file yet or not."""
    with contextlib.closing(sqlite3.connect(f"file:{cluster.data}/duly.db?mode=ro", uri=True, timeout=30)) as database:
        return database.execute("PRAGMA page_count").fetchone()[0] * database.execute("PRAGMA page_size").fetchone()[0]


def lateness(cluster, rate, seconds):
    """`rate` commands due in each second, spread over its milliseconds; how late each one's handler was called."""
    start = int((time.time() + 1.5 + rate * seconds / 4000) * 1000)
    ids = cluster.api.batch([{"type": "bench.start", "payload": PAYLOAD, "due_at": iso((start + i * 1000 // rate) / 1000)}
                             for i in range(rate * seconds)])
    margin = start / 1000 - time.time()
    wait_until(start / 1000 + seconds)
    eventually("all have started", lambda: set(ids) <= read_starts(cluster).keys(), 120, 0.5)
    starts = read_starts(cluster)
    late = [(starts[id][0] - starts[id][1]) / 1000 for id in ids if id in starts]
    return {"lateness_p50_ms": quantile(late, .5), "lateness_p99_ms": quantile(late, .99), "lateness_min_ms": min(late),
            "lateness_early": sum(one < 0 for one in late), "lateness_margin_s": margin, "curve_lateness": curve(late)}


def restart(cluster):
    """Seconds from exec to ready, and to the first start of a command that was accepted then."""
    cluster.server.kill()
    begun, wall = time.monotonic(), time.time()
    cluster.start_server(ready=False)
    eventually("ready", cluster.ready, 60, 0.005)
    ready = time.monotonic() - begun
    id = cluster.api.submit("bench.start")["id"]
    starts = eventually("a command has started", lambda: id in read_starts(cluster) and read_starts(cluster), 60, 0.1)
    return ready, starts[id][0] / 1e6 - wall


def lives(cluster, count):
    """The middle one of several by its rate: each takes a second or two, and one checkpoint more or less shows in that."""
    several = [release(cluster, count, "succeeded", "life") for _ in range(RELEASES)]
    return {**sorted(several, key=lambda one: one["life_per_s"])[RELEASES // 2], "life_all_per_s": [one["life_per_s"] for one in several]}


def one_size(cluster, sizes, waiting, more):
    """With `waiting` commands there of which `more` are new; the figures."""
    before = database_bytes(cluster)
    cluster.store(more, delay_ms=DAY_MS)
    os.sync()  # the kernel writing back the gigabytes that were just stored is no cost of their waiting
    figures = {"stored": waiting, "memory_server_mb": rss_mb(cluster.server.pid),
               "bytes_a_command": (database_bytes(cluster) - before) / more, "due_rate": sizes.due_rate}
    figures.update(lateness(cluster, sizes.due_rate, sizes.due_seconds))
    figures.update(lives(cluster, min(sizes.lives, 20_000)))
    figures["memory_agent_mb"] = rss_mb(cluster.agents["agent"].pid)
    figures["memory_server_busy_mb"] = rss_mb(cluster.server.pid)
    return figures


def growth(world):
    """One store that grows step by step; started again when it has its size."""
    sizes, steps = world.sizes, []
    with world.cluster() as cluster:
        cluster.agents_ready("agent", concurrency=sizes.concurrency, clock=True)
        waiting = 0
        for size in sizes.stored:
            steps.append(one_size(cluster, sizes, size, size - waiting))
            waiting = size
            say(json.dumps({name: value for name, value in steps[-1].items() if not name.startswith("curve")}))
        with Watch(cluster) as watch:
            watch.until("all that was due has ended", lambda counts: counts["scheduled"] == waiting)
        starts = [restart(cluster) for _ in range(STARTS)]
        cluster.shards_even(30)
    last = steps[-1]
    return {**{f"growth_{name}": value for name, value in last.items() if name != "curve_lateness"},
            "curve_lateness": last["curve_lateness"], "growth_shards": SHARDS,
            "growth_life_ratio": last["life_per_s"] / steps[0]["life_per_s"],
            "start_ready_s": quantile([one[0] for one in starts], .5), "start_first_s": quantile([one[1] for one in starts], .5),
            "steps": steps}
