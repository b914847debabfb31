"""What it costs running work that ended commands are removed meanwhile."""
import time

from measures.throughput import BUNDLE, release
from measures.world import QUEUE, Cpu, Watch, wait_until

KEEP_LONG, KEEP_SHORT = 7 * 86_400_000, 60_000  # the shortest there is: so long ago must the last of them have ended
ALONE_S = 5
UNFINISHED = ("scheduled", "queued", "running")


def run_all(cluster, lives):
    """Lives a second of what is ready behind the paused queue, whatever becomes of it when it has ended."""
    with Watch(cluster) as watch:
        cpu = Cpu(cluster)
        there = watch.counts()["succeeded"]
        cluster.pause(False)
        took = watch.until("all has ended", lambda counts: not any(counts[state] for state in UNFINISHED))
        left = watch.counts()["succeeded"]
    return {"per_s": lives / took, "server_us": cpu.each("cpu", lives)["cpu_server_us"], "removed": there + lives - left,
            "left": left}


def ready(cluster, lives):
    cluster.pause(True)
    cluster.store(lives)


def again(cluster, keep_ms):
    """The server again, which keeps what has ended for so long; like this both runs begin with the same cold caches."""
    cluster.server.terminate(60)
    cluster.flags["keep-ms"] = str(keep_ms)
    cluster.start_server()
    cluster.shards_even(30)


def alone(cluster):
    """What is removed a second when there is nothing else to do, and what one costs the server."""
    with Watch(cluster) as watch:
        cpu, before, begun = Cpu(cluster), watch.counts()["succeeded"], time.monotonic()
        time.sleep(ALONE_S)
        removed, took = before - watch.counts()["succeeded"], time.monotonic() - begun
    return {"per_s": removed / took, "server_us": cpu.each("cpu", max(removed, 1))["cpu_server_us"]}


def retained(world):
    """Over so many ended commands that are kept, and over the same while they go."""
    lives = max(world.sizes.ended // 10, 1000)
    with world.cluster(keep_ms=KEEP_LONG) as cluster:
        cluster.agents_ready("agent", concurrency=world.sizes.life_concurrency)
        cluster.api.want(200, "PUT", QUEUE, {"bundle": BUNDLE})
        release(cluster, world.sizes.ended, "succeeded", "fill")
        filled = time.time()
        cluster.api.want(200, "PUT", QUEUE, {"bundle": 1})
        ready(cluster, lives)
        again(cluster, KEEP_LONG)
        kept = run_all(cluster, lives)
        ready(cluster, lives)
        wait_until(filled + KEEP_SHORT / 1000)
        again(cluster, KEEP_SHORT)
        gone = run_all(cluster, lives)
        if gone["left"] <= 2 * lives:  # those that have ended since are kept
            raise RuntimeError("all was removed before the work was done: more has to have ended")
        idle = alone(cluster)
    return {"retained": world.sizes.ended, "retained_ratio": gone["per_s"] / kept["per_s"],
            **{f"retained_kept_{name}": value for name, value in kept.items()},
            **{f"retained_gone_{name}": value for name, value in gone.items()},
            **{f"retained_idle_{name}": value for name, value in idle.items()}}
