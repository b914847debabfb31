"""What is measured of a peer.  duly.py has the same of Duly, and the same judges: `counted`, `soon`, `lateness_of`."""
import collections
import contextlib
import dataclasses
import os
import shutil
import tempfile
import time

from figures import quantile
from lib.process import eventually
from measures.moments import read_log
from measures.world import DAY_MS, Sizes
from peers.adapter import Adapter
from peers.killed import judged
from peers.servers import memory_mb

CALLERS = 64
BATCH = 1000
LEAD_S = 2           # how long before the first is due the delayed ones are submitted, and what their number adds to it
SUBMITTED_PER_S = 4000
LAST_S = 30          # that stragglers are waited for
AGAIN_S = 90         # that those are waited for whose worker was killed
GRACE_S = 1          # after the last was to be sent: what has not started by then has fallen behind


@dataclasses.dataclass
class PeerSizes(Sizes):
    enqueue_seconds: float = 3
    batches: int = 50
    lives: int = 20_000
    rate_seconds: float = 10
    waiting: int = 200_000
    again_s: float = AGAIN_S

    @classmethod
    def quick(cls):
        return dataclasses.replace(super().quick(), enqueue_seconds=0.3, batches=3, lives=2000, rate=500, rate_seconds=1,
                                   waiting=5000, due_rate=200, due_seconds=2, again_s=3)


def names(prefix, count):
    return [f"{prefix}{number:07}" for number in range(count)]


def read_starts(path):
    """{id: [when its handler was called, in microseconds, each time]}"""
    starts = collections.defaultdict(list)
    if os.path.exists(path):
        with open(path, encoding="ascii") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) >= 2 and line.endswith("\n"):
                    starts[fields[0]].append(int(fields[-1]))
    return starts


def counted(prefix, wanted, starts):
    """How many of those that were accepted did not run, and how many ran more than once."""
    return {f"{prefix}_lost": sum(id not in starts for id in wanted), f"{prefix}_twice": sum(len(starts.get(id, ())) > 1 for id in wanted)}


def soon(rows, starts, sizes):
    """Of `rows` of a log: how many started in time, and how soon; {id: first start}."""
    last = min(due for _, due, _, _ in rows) / 1e6 + sizes.rate_seconds + GRACE_S
    reached = sum(id in starts and starts[id] <= last * 1e6 for id, *_ in rows) / sizes.rate_seconds
    accepted = [(starts[id] - done) / 1000 for id, _, _, done in rows if id in starts]
    sent = [(starts[id] - due) / 1000 for id, due, _, _ in rows if id in starts]
    return {"offered_per_s": sizes.rate, "reached_per_s": reached, "accepted_p50_ms": quantile(accepted, .5),
            "accepted_p99_ms": quantile(accepted, .99), "sent_p50_ms": quantile(sent, .5), "sent_p99_ms": quantile(sent, .99)}


def lateness_of(late, margin_s):
    """Of milliseconds after each one's due time.  `margin_s`: how long before the first was due the last was submitted."""
    return {"late_started": len(late), "late_p50_ms": quantile(late, .5), "late_p99_ms": quantile(late, .99),
            "late_early": sum(one < 0 for one in late), "late_margin_s": margin_s}


class Peer:
    def __init__(self, system, node, modules):
        self.system, self.node, self.modules = system, node, modules
        self.name, self.title, self.setup = system.name, system.title, system.setup

    @contextlib.contextmanager
    def place(self):
        """An empty server, and the means to start clients and workers on it."""
        folder = tempfile.mkdtemp(prefix="duly-peer-")
        try:
            with self.system.server(self.node) as server, contextlib.ExitStack() as processes:
                yield Place(self.system, server, folder, self.modules, processes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def enqueue(self, sizes):
        """Nobody works, so that only this is measured; what was accepted must be there in the end."""
        figures, accepted = {}, 0
        with self.place() as place:
            for key, callers in (("1", 1), ("64", CALLERS)):
                done = place.client.ask("enqueue", prefix=f"{key}-", callers=callers, seconds=sizes.enqueue_seconds)
                figures[f"enqueue_{key}_per_s"] = done["jobs"] / done["seconds"]
                accepted += done["jobs"] + done["warm"]
            if self.system.has_bulk:
                done = place.bulk("b-", sizes.batches * BATCH)
                figures["enqueue_bulk_per_s"] = done["jobs"] / done["seconds"]
                accepted += done["jobs"]
            figures["enqueue_lost"] = accepted - place.unfinished()
        return figures

    def drain(self, sizes):
        count = sizes.lives
        with self.place() as place:
            place.bulk("d-", count, held=True)
            if place.unfinished() != count:
                raise RuntimeError(f"{place.unfinished()} of {count} are there")
            place.workers(go=False)
            begun = time.monotonic()
            place.go()
            place.started(count, len(f"{names('d-', 1)[0]} {int(time.time() * 1e6)}\n"))
            last = time.monotonic()
            # Asked only now, for to count is work for a database.
            eventually("all are done", lambda: place.unfinished() == 0, LAST_S, 0.005)
            # RabbitMQ is asked through a program that takes its time: there it is the last start that counts.
            took = (last if self.system.server.__name__ == "Broker" else time.monotonic()) - begun
            return {"drain_per_s": count / took, **counted("drain", names("d-", count), read_starts(place.starts))}

    def latency(self, sizes):
        with self.place() as place:
            place.workers()
            log = os.path.join(place.folder, "log")
            for prefix, seconds in (("w-", 0.5), ("p-", sizes.rate_seconds)):  # connections and caches are warm
                done = place.client.ask("paced", prefix=prefix, rate=sizes.rate, seconds=seconds, callers=CALLERS, log=log)
            rows = read_log(log)
            place.finished({id for id, *_ in rows}, LAST_S * 2)
            starts = read_starts(place.starts)
        return {**soon(rows, {id: when[0] for id, when in starts.items()}, sizes), "sent_per_s": done["jobs"] / sizes.rate_seconds,
                **counted("latency", [id for id, *_ in rows], starts)}

    def lateness(self, sizes):
        """Some are due each second, while many others wait for another day."""
        count, waiting = sizes.due_rate * sizes.due_seconds, int(sizes.waiting * self.system.waits_share)
        with self.place() as place:
            filled = place.bulk("f-", waiting, due=int(time.time() * 1000) + DAY_MS)
            place.workers()
            start = int((time.time() + LEAD_S + count / SUBMITTED_PER_S) * 1000)
            place.bulk("l-", count, start=start, rate=sizes.due_rate)
            margin = start / 1000 - time.time()
            ids = names("l-", count)
            time.sleep(max(start / 1000 + sizes.due_seconds - time.time(), 0))
            place.finished(set(ids), LAST_S)
            memory = {"memory_server_mb": memory_mb(place.server.pids()), "memory_worker_mb": place.worker_mb()}
            starts = read_starts(place.starts)
        due = {id: start + number * 1000 // sizes.due_rate for number, id in enumerate(ids)}
        late = [(starts[id][0] / 1000 - due[id]) for id in ids if id in starts]
        return {"waiting": waiting, "delayed_per_s": waiting / filled["seconds"], **memory, **lateness_of(late, margin),
                **counted("late", ids, starts)}

    def killed(self, sizes):
        """Jobs that take a while, so many at once; their worker is killed in the second wave, and another one starts at once."""
        count, ids = sizes.sleepers, names("k-", sizes.sleepers)
        with self.place() as place:
            place.sleep(sizes.at_once, sizes.sleep_ms)
            place.bulk("k-", count)
            first = place.worker()
            eventually("the second wave runs", lambda: len(read_starts(place.ends)) >= sizes.at_once and
                       len(read_starts(place.starts)) >= 2 * sizes.at_once, 60, 0.02)
            killed = time.time()
            first.kill()
            place.worker()
            with contextlib.suppress(AssertionError):
                eventually("all have ended", lambda: set(ids) <= read_starts(place.ends).keys(), sizes.again_s, 0.05)
            return judged(ids, read_starts(place.starts), read_starts(place.ends), killed, sizes)


class Place:
    """A server with a client, and with workers when they are wanted."""

    def __init__(self, system, server, folder, modules, processes):
        self.system, self.server, self.folder, self.modules, self.processes = system, server, folder, modules, processes
        self.starts = os.path.join(folder, "starts")
        self.ends = os.path.join(folder, "ends")
        self.settings = {"server": {**server.where(), **system.settings}, "starts": self.starts, "ends": self.ends, "sleep_ms": 0, "held": False}
        self.client, self.working = self.process("client"), []

    def process(self, role):
        return self.processes.enter_context(Adapter(self.system.command, role, self.settings, self.folder, self.modules))

    def workers(self, go=True):
        self.settings["held"] = not go
        self.working = [self.process("worker") for _ in range(self.system.processes)]
        if go:
            self.go()

    def worker(self):
        """One more process that works, at once."""
        self.working.append(self.process("worker"))
        self.working[-1].ask("go")
        return self.working[-1]

    def sleep(self, at_once, sleep_ms):
        """Workers that begin from now on do so many jobs at a time, and each takes so long."""
        self.settings["server"].update(self.system.at_once(at_once))
        self.settings["sleep_ms"] = sleep_ms

    def go(self):
        for worker in self.working:
            worker.ask("go")

    def bulk(self, prefix, count, held=False, **fields):
        """`held`: for those whose worker cannot be held, what it is to do is."""
        callers = {} if self.system.has_bulk else {"callers": CALLERS}
        return self.client.ask("bulk", prefix=prefix, count=count, batch=BATCH, held=held, **callers, **fields)

    def unfinished(self):
        return self.server.depth() if hasattr(self.server, "depth") else self.client.ask("unfinished")["jobs"]

    def started(self, count, line):
        """So many lines are in the file of starts, which costs nobody anything to ask."""
        eventually(f"{count} have started", lambda: os.path.exists(self.starts) and os.path.getsize(self.starts) >= count * line, 120, 0.005)

    def finished(self, ids, seconds):
        """All of them have started, or the time is over: how many did is a figure too."""
        with contextlib.suppress(AssertionError):
            eventually("all have started", lambda: ids <= read_starts(self.starts).keys(), seconds, 0.5)

    def worker_mb(self):
        return sum(memory_mb(worker.pids()) for worker in self.working)
