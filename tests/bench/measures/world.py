"""What every measurement uses: sizes, a cluster as it is shipped, the load driver, processor time, starts to the microsecond."""
import dataclasses
import http.client
import json
import os
import subprocess
import time

from lib import amqp
from lib.cluster import Cluster
from lib.process import die_with_parent, eventually, program

TTL_MS = 5000
SHARDS = 64
QUEUE = "/v1/queues/default"
PAYLOAD = {"filler": "x" * 242}  # 256 bytes, as json.dumps writes it
DAY_MS = 86_400_000
TICKS = os.sysconf("SC_CLK_TCK")
MOST = 1_000_000
LONGEST_S = 600  # that any one thing may take before the measurement is given up


@dataclasses.dataclass
class Sizes:
    """How much is measured: as much as the aims speak of, but for the backlog (--stored)."""
    rounds: int = 3
    limit_seconds: float = 2
    limit_count: int = 100_000
    limit_single: int = 2000
    enqueue_seconds: float = 5
    batches: int = 100
    lives: int = 100_000
    concurrency: int = 256
    life_concurrency: int = 1024
    bundle_concurrency: int = 4096
    rate: int = 2000
    rate_seconds: float = 20
    sleepers: int = 200
    sleep_ms: int = 2000
    at_once: int = 50
    herd: int = 60_000
    reads_seconds: float = 10
    reads_stored: int = 20_000
    stored: tuple = (10_000, 100_000, 1_000_000)
    due_rate: int = 1000
    due_seconds: int = 10
    fleet: int = 200
    fleet_shards: tuple = (64, 1024)
    fleet_quiet: float = 10
    ended: int = 1_000_000
    counted: tuple = (500, 2500)

    @classmethod
    def quick(cls):
        return cls(rounds=1, limit_seconds=0.2, limit_count=3000, limit_single=200, enqueue_seconds=0.5, batches=3,
                   lives=2000, rate=300, rate_seconds=1.5, sleepers=40, sleep_ms=500, at_once=10, herd=1000,
                   reads_seconds=1.5, reads_stored=1000, stored=(1000, 4000), due_rate=200, due_seconds=1,
                   fleet=20, fleet_shards=(64,), fleet_quiet=0.5, ended=3000, counted=(100, 300))


class World:
    def __init__(self, node, sizes, folder):
        self.node, self.sizes, self.folder = node, sizes, folder

    def cluster(self, **flags):
        return SpeedCluster(self.node, **flags)

    def limits(self):
        sizes = self.sizes
        return run([program("bench_limits"), "--folder", self.folder, "--amqp", self.node.url(self.node.vhost()),
                    "--seconds", str(sizes.limit_seconds), "--count", str(sizes.limit_count), "--single",
                    str(sizes.limit_single)])


class SpeedCluster(Cluster):
    """Server and agents with the flags they are shipped with, on a store and a vhost of their own."""

    def __init__(self, node, **flags):
        super().__init__(node, ttl_ms=TTL_MS, faults=False)
        self.vhost = node.vhost()
        self.flags = {name.replace("_", "-"): str(value) for name, value in flags.items()}
        self.starts = os.path.join(self.folder, "starts")

    def __enter__(self):
        try:
            return self.start_server()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, *_):
        if kind is not None:
            self.show_logs()
        self.close()

    def server_arguments(self, **changes):
        return super().server_arguments(**{"shards": str(SHARDS), **self.flags, **changes})

    def agent(self, name, **settings):
        """Started as in a field without faults; `clock`: the one that writes down when bench.start was called."""
        if settings.pop("clock", False):
            os.environ["DULY_BENCH_STARTS"] = self.starts
            settings["binary"] = "bench_agent"
        return self.start_agent(name, faults=False, **settings)

    def agents_ready(self, *names, **settings):
        for name in names:
            self.agent(name, **settings)
        self.shards_even(30)
        if settings.get("roles") != "dispatch":
            self.consumed(len(names))
        return self

    def consumed(self, executors):
        """The queue is there, and so many agents execute from it."""
        self.api.want(200, "PUT", QUEUE, {"paused": False})
        eventually("agents execute", lambda: self.api.get(QUEUE)["executors"] >= executors, 30)

    def close(self):
        super().close()
        try:
            with self.connect() as connection:
                connection.delete("duly.execute.default")  # what is left in it would cost the next one
        except (OSError, amqp.Closed):
            pass

    # ---- load

    def load(self, act, **flags):
        return Program("bench_load", act, "--port", str(self.http_port), **flags)

    def post(self, **flags):
        return self.load("post", **flags).result()

    def store(self, count, batch=1000, **flags):
        """So many commands in batches over one connection; the load gives up after a minute, so no more than MOST at a time."""
        while count > 0:
            size = min(batch, count)
            whole = min(count, MOST) // size
            self.post(batch=size, count=whole, **flags)
            count -= whole * size

    def pause(self, paused):
        self.api.want(200, "PUT", QUEUE, {"paused": paused})


class Program:
    """A measuring program of ours that runs beside; `result` waits for its end.  A flag's list is the flag several times."""

    def __init__(self, name, act, /, *words, **flags):
        self.name, words = name, [program(name), act, *words]
        for flag, value in flags.items():
            for one in value if isinstance(value, list) else [value]:
                words += ["--" + flag.replace("_", "-"), str(one)]
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      preexec_fn=die_with_parent)

    def ended(self):
        return self.child.poll() is not None

    def result(self, seconds=LONGEST_S):
        try:
            out, err = self.child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
            raise
        if self.child.returncode != 0:
            raise RuntimeError(f"{self.name}: {err.strip()} {out.strip()}")
        return json.loads(out)


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
    return json.loads(done.stdout)


class Watch:
    """Asks for the counts of the queue on one connection: kept by the server, not counted, so that asking costs little."""
    EVERY = 0.02

    def __init__(self, cluster):
        self.connection = http.client.HTTPConnection("127.0.0.1", cluster.http_port, timeout=60)

    def counts(self):
        self.connection.request("GET", QUEUE)
        answer = json.loads(self.connection.getresponse().read())
        return answer["commands"]

    def until(self, what, check, seconds=LONGEST_S):
        """Seconds until `check` of the counts is true."""
        begun = time.monotonic()
        eventually(what, lambda: check(self.counts()), seconds, self.EVERY)
        return time.monotonic() - begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class Cpu:
    """Processor time of server, agents and broker since it was made, in microseconds of each command."""

    def __init__(self, cluster):
        with open(os.path.join(cluster.node.folder, "pid"), encoding="ascii") as pid:
            broker = int(pid.read())
        self.pids = {"server": [cluster.server.pid], "agent": [one.pid for one in cluster.agents.values() if one.running()],
                     "broker": [broker]}
        self.before = self.now()

    def now(self):
        return {role: sum(map(cpu_seconds, pids)) for role, pids in self.pids.items()}

    def each(self, prefix, commands):
        now = self.now()
        return {f"{prefix}_{role}_us": (now[role] - self.before[role]) * 1e6 / max(commands, 1) for role in now}


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_starts(cluster):
    """{id: (first start, due)}, both in microseconds of the wall clock."""
    starts = {}
    with open(cluster.starts, encoding="ascii") as lines:
        for line in lines:
            id, _, start, due = line.split()
            starts.setdefault(id, (int(start), int(due)))
    return starts


def iso(seconds):
    """The instant of a wall clock, in whole milliseconds."""
    ms = int(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


CURVE = [0, .1, .25, .5, .75, .9, .95, .98, .99, .995, .999, .9999, 1]


def curve(values):
    """(quantile, value) at fixed quantiles, for a plot."""
    ordered = sorted(values)
    return [(q, ordered[min(int(q * len(ordered)), len(ordered) - 1)]) for q in CURVE] if ordered else []


def wait_until(seconds):
    time.sleep(max(seconds - time.time(), 0))
