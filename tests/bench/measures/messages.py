"""Delayed messages: how many are taken, how many delivered, how late, and what waiting costs; with Duly, and with a queue's
TTL and dead letters in the same broker."""
import dataclasses
import json
import os
import time

from figures import rss_mb
from lib.process import eventually
from measures.growth import database_bytes, say
from measures.world import DAY_MS, Cpu, Program, Sizes, Watch

TARGET = "bench.target"  # an exchange, and the queue that it leads to
WAIT = "bench.wait"      # a queue in which messages wait for their TTL
KEY = "k"
QUORUM = {"x-queue-type": "quorum"}
DEAD_LETTERS = {**QUORUM, "x-dead-letter-exchange": TARGET, "x-dead-letter-routing-key": KEY}
# RabbitMQ's default may lose a message between the two queues; this is how it promises not to.
AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


@dataclasses.dataclass
class MessageSizes(Sizes):
    messages: int = 100_000
    offered: tuple = (500, 2000, 5000)
    offered_seconds: float = 10
    late_rate: int = 1000
    late_seconds: float = 20
    uniform_ms: int = 10_000
    mixed_ms: tuple = (1000, 20_000)
    waiting: tuple = (200_000, 1_000_000)

    @classmethod
    def quick(cls):
        return dataclasses.replace(super().quick(), messages=1000, offered=(300,), offered_seconds=0.5, late_rate=200,
                                   late_seconds=0.2, uniform_ms=200, mixed_ms=(100, 300), waiting=(1000,))


class Duly:
    """A server and an agent that delivers, beside a target of the user's."""

    def __init__(self, world):
        self.node, self.cluster, self.runs = world.node, world.cluster(), 0

    def __enter__(self):
        self.cluster.__enter__()
        self.cluster.agents_ready("dispatcher", roles="dispatch").pause(False)  # the queue is there from then on
        self.amqp, self.connection = self.cluster.amqp, self.cluster.connect()
        declare_target(self.connection)
        return self

    def __exit__(self, *failure):
        self.connection.close()
        self.cluster.__exit__(*failure)

    def publish(self, count, message_ids=True, **flags):
        """Each run's messages have ids of their own, as a careful publisher gives them."""
        self.runs += 1
        ids = {"message_ids": f"order-{self.runs}-"} if message_ids else {}
        return Program("bench_messages", "publish", amqp=self.amqp, exchange="duly.submit", key=KEY, deliver_exchange=TARGET,
                       say="x-delay", count=count, **ids, **flags)


class DeadLetters:
    """A queue in which each message has its TTL, and which dead-letters to the same target.  No Duly."""

    def __init__(self, world, arguments):
        self.node, self.vhost, self.arguments = world.node, world.node.vhost(), {**DEAD_LETTERS, **arguments}

    def __enter__(self):
        self.amqp, self.connection = self.node.url(self.vhost), self.node.connect(self.vhost)
        declare_target(self.connection)
        self.connection.declare_queue(WAIT, self.arguments)
        return self

    def __exit__(self, *_):
        for queue in (WAIT, TARGET):
            self.connection.delete(queue)
        self.connection.close()

    def publish(self, count, **flags):
        return Program("bench_messages", "publish", amqp=self.amqp, exchange="", key=WAIT, say="expiration", count=count, **flags)


def declare_target(connection):
    connection.declare_exchange(TARGET)
    connection.declare_queue(TARGET, QUORUM)
    connection.bind(TARGET, TARGET, KEY)


def consume(way, count):
    """A consumer of the target that is there, or has been: few messages that wait already are no moment's work."""
    consumer = Program("bench_messages", "consume", amqp=way.amqp, queue=TARGET, count=count)
    eventually("the target is consumed", lambda: consumer.ended() or way.connection.depth(TARGET)[1] == 1, 30)
    return consumer


def all_there(seen):
    """What shall not be passes for no figure."""
    if seen["lost"] or seen["twice"]:
        raise RuntimeError(f"{seen['lost']:.0f} messages were lost, {seen['twice']:.0f} came twice")
    return seen


# ---- taken: published by message, until all are on disk


def take(duly, count, prefix, **flags):
    cluster = duly.cluster
    with Watch(cluster) as watch:
        wanted, totals, cpu = watch.counts()["scheduled"] + count, cluster.api.totals(), Cpu(cluster)
        publishing = duly.publish(count, **flags)
        watch.until(f"{count} are on disk", lambda counts: counts["scheduled"] >= wanted)
        ended, now = time.time(), cluster.api.totals()
    published = publishing.result()
    commits, inputs = (now[name] - totals[name] for name in ("commits", "committed_inputs"))
    return {f"{prefix}_per_s": count / (ended - published["first_us"] / 1e6), f"{prefix}_published_per_s": published["per_s"],
            f"{prefix}_batch": inputs / commits, **cpu.each(prefix, count)}


def taken(world):
    sizes, figures = world.sizes, {}
    with Duly(world) as duly:
        for rate in sizes.offered:
            figures |= take(duly, int(rate * sizes.offered_seconds), f"taken_{rate}", rate=rate, delay_ms=DAY_MS)
        figures |= take(duly, sizes.messages, "taken", delay_ms=DAY_MS)
        figures |= take(duly, sizes.messages, "taken_plain", delay_ms=DAY_MS, message_ids=False)
    return figures


# ---- delivered: due at once, until all are confirmed, or with a consumer


def ready(duly, count):
    duly.cluster.pause(True)
    publishing = duly.publish(count, delay_ms=0)
    with Watch(duly.cluster) as watch:
        watch.until(f"{count} are ready", lambda counts: counts["scheduled"] >= count)
    publishing.result()


def delivered(world):
    count, figures = world.sizes.messages, {"delivered": world.sizes.messages}
    with Duly(world) as duly:
        ready(duly, count)
        with Watch(duly.cluster) as watch:
            cpu = Cpu(duly.cluster)
            duly.cluster.pause(False)
            took = watch.until(f"{count} are delivered", lambda counts: counts["delivered"] >= count)
        figures |= {"delivered_per_s": count / took, **cpu.each("delivered", count)}
        all_there(consume(duly, count).result())
        ready(duly, count)
        consumer, released = consume(duly, count), time.time()
        duly.cluster.pause(False)
        figures["delivered_consumed_per_s"] = count / (all_there(consumer.result())["last_us"] / 1e6 - released)
        figures |= through(duly, count)
    return figures


def through(duly, count):
    """The whole way at once: taken, on disk, due a second later, in a consumer's hand."""
    consumer, cpu = consume(duly, count), Cpu(duly.cluster)
    published = duly.publish(count, delay_ms=1000).result()
    seen = all_there(consumer.result())
    took = (seen["last_us"] - published["first_us"]) / 1e6 - 1
    return {"through_per_s": count / took, **cpu.each("through", count)}


# ---- late


def late(way, sizes, prefix):
    """Delays that are all the same, and delays that are mixed, at a steady rate."""
    figures, count = {}, int(sizes.late_rate * sizes.late_seconds)
    for kind, (least, most) in (("uniform", (sizes.uniform_ms, sizes.uniform_ms)), ("mixed", sizes.mixed_ms)):
        consumer = consume(way, count)
        way.publish(count, rate=sizes.late_rate, delay_ms=least, delay_to_ms=most).result()
        seen = all_there(consumer.result())
        name = f"{prefix}_{kind}"
        figures |= {f"{name}_{q}_ms": seen[f"late_{q}_ms"] for q in ("min", "p50", "p99", "max")}
        figures[f"{name}_early"] = seen["early"]
        figures[f"curve_{name}"] = [(at, seen[f"late_{q}_ms"]) for q, at in QUANTILES]
    return figures


QUANTILES = (("min", 0), ("p10", .1), ("p25", .25), ("p50", .5), ("p75", .75), ("p90", .9), ("p99", .99), ("p999", .999), ("max", 1))


def lateness(world):
    with Duly(world) as duly:
        figures = late(duly, world.sizes, "late_duly")
    with DeadLetters(world, {}) as dead_letters:
        return figures | late(dead_letters, world.sizes, "late_ttl")


# ---- waiting


# Of all that goes through quorum queues RabbitMQ keeps up to 512 MB in memory until its log is full and a new one begun.  Which
# measurement that is in says nothing about what waits: it is begun here, and waited for what that writes to disk.
USED = """ra_log_wal:force_roll_over(ra_log_wal), timer:sleep(300),
Wait = fun Wait(0) -> ok; Wait(N) -> case ets:info(ra_log_closed_mem_tables, size) of
  Left when is_integer(Left), Left > 0 -> timer:sleep(200), Wait(N - 1); _ -> ok end end, Wait(300),
[garbage_collect(P) || P <- processes()], erlang:memory(total)."""


def broker_memory(node):
    """What it has given out, without garbage, and what the system has given it."""
    used = int(node.output("ctl", node.folder, "eval", USED))
    with open(os.path.join(node.folder, "pid"), encoding="ascii") as pid:
        return {"broker_mb": used / 2 ** 20, "broker_rss_mb": rss_mb(int(pid.read()))}


def broker_disk(node):
    data = os.path.join(node.folder, "data")
    return sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for folder, _, names in os.walk(data) for name in names)


def memory(duly):
    return {"server_mb": rss_mb(duly.cluster.server.pid), "agent_mb": rss_mb(duly.cluster.agents["dispatcher"].pid),
            **broker_memory(duly.node)}


def waiting_in_duly(world):
    """More and more wait; how late others are then that come and go."""
    with Duly(world) as duly:
        steps, there = [{"waiting": 0, **memory(duly)}], 0
        for waiting in world.sizes.waiting:
            before, more = database_bytes(duly.cluster), waiting - there
            figures = {"waiting": waiting, **take(duly, more, "fill", delay_ms=DAY_MS), **memory(duly)}
            figures["bytes_a_message"] = (database_bytes(duly.cluster) - before) / more
            figures |= late(duly, world.sizes, "late")
            figures["server_busy_mb"] = rss_mb(duly.cluster.server.pid)
            steps.append(figures)
            there = waiting
            say(json.dumps({name: value for name, value in figures.items() if not name.startswith("curve")}))
    return {"waiting_duly": steps}


def waiting_in_the_broker(world):
    """The same with dead letters that are not lost on their way: first how late, then more and more wait."""
    with DeadLetters(world, AT_LEAST_ONCE) as dead_letters:
        figures = late(dead_letters, world.sizes, "late_ttl_kept")
        steps, there = [{"waiting": 0, **broker_memory(world.node)}], 0
        for waiting in world.sizes.waiting:
            before = broker_disk(world.node)
            filled = dead_letters.publish(waiting - there, delay_ms=DAY_MS).result()
            steps.append({"waiting": waiting, "fill_per_s": filled["per_s"], **broker_memory(world.node),
                          "bytes_a_message": (broker_disk(world.node) - before) / (waiting - there)})
            there = waiting
            say(json.dumps(steps[-1]))
    return {**figures, "waiting_ttl": steps}
