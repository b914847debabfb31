"""How much gets through: enqueue, dispatch alone, whole lives; and what a command costs each process."""
from measures.world import QUEUE, Cpu, Watch

BUNDLE = 100
FAR_MORE = 1_000_000  # --max-queued for dispatch alone: nothing is consumed, so nothing makes room


def enqueue(world):
    """Accepted and on disk; nobody executes, so that only this is measured."""
    sizes, figures = world.sizes, {}
    with world.cluster() as cluster:
        for name, flags in (("1", {"connections": 1, "seconds": sizes.enqueue_seconds}),
                            ("64", {"connections": 64, "seconds": sizes.enqueue_seconds}),
                            ("batch", {"connections": 1, "batch": 1000, "count": sizes.batches}),
                            ("batch_4", {"connections": 4, "batch": 1000, "count": sizes.batches})):
            cpu = Cpu(cluster)
            done = cluster.post(**flags)
            figures[f"enqueue_{name}_per_s"] = done["per_s"]
            figures[f"enqueue_{name}_p50_ms"], figures[f"enqueue_{name}_p99_ms"] = done["post_p50_ms"], done["post_p99_ms"]
            figures[f"enqueue_{name}_server_us"] = cpu.each("cpu", done["commands"])["cpu_server_us"]
            figures[f"enqueue_{name}_load_us"] = done["cpu_s"] * 1e6 / max(done["commands"], 1)
    return figures


def release(cluster, count, state, prefix):
    """Makes `count` commands ready behind a paused queue, lets them go, and times until all are in `state`."""
    cluster.pause(True)
    cluster.store(count)
    with Watch(cluster) as watch:
        wanted = watch.counts()[state] + count
        cpu = Cpu(cluster)
        cluster.pause(False)
        took = watch.until(f"{count} are {state}", lambda counts: counts[state] >= wanted)
    return {f"{prefix}_per_s": count / took, f"{prefix}_s": took, **cpu.each(prefix, count)}


def dispatch(world):
    """Due, published, confirmed, marked `queued`; no executor."""
    with world.cluster(max_queued=FAR_MORE) as cluster:
        cluster.agents_ready("dispatcher", roles="dispatch")
        return release(cluster, world.sizes.lives, "queued", "dispatch")


def life(world):
    """Ready to succeeded, with permit and result, one agent in both roles; then with many commands in a message."""
    sizes, figures = world.sizes, {}
    for prefix, bundle, concurrency in (("life", 1, sizes.life_concurrency), ("bundle", BUNDLE, sizes.bundle_concurrency)):
        with world.cluster() as cluster:
            cluster.agents_ready("agent", concurrency=concurrency)
            cluster.api.want(200, "PUT", QUEUE, {"bundle": bundle})
            figures |= release(cluster, world.sizes.lives, "succeeded", prefix)
    return figures
