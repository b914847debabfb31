"""Many agents: what their heartbeats cost the server, and how soon the shards of a hundred that die at once are held again.

A hundred real agents would measure the machine, not the server: one process speaks the link for all of them.  They take
part as dispatchers with nothing to publish; what the server does for them is what it does for any.
"""
import json
import os
import random
import selectors
import socket
import struct
import threading
import time

from lib.process import ROOT, eventually
from measures.world import TTL_MS, cpu_seconds

BEATS_A_TTL = 4  # as duly-agent does


def example(kind, **fields):
    """The frame as the tests hold the programs to it, with these fields."""
    with open(os.path.join(ROOT, "proto-schemas", "examples", kind + ".json"), encoding="utf-8") as text:
        return {**json.load(text), **fields}


HELLO = example("hello", dispatch=True, execute=False, queues=[], holdings=[], in_hand=[], attempts=[], fault_injection=False)
HEARTBEAT = example("heartbeat", in_flight=0, running=0, published=0, executed=0, circuits=[])


class Talker:
    """One agent as the link sees it."""

    def __init__(self, fleet, name):
        self.fleet, self.name, self.buffer, self.sequence, self.welcome = fleet, name, b"", 0, False
        self.socket = socket.create_connection(("127.0.0.1", fleet.port), timeout=30)
        self.say({**HELLO, "name": name, "incarnation": random.getrandbits(53)})
        self.socket.setblocking(False)

    def say(self, header):
        text = json.dumps(header, separators=(",", ":")).encode()
        self.socket.sendall(struct.pack(">II", 4 + len(text), len(text)) + text)

    def beat(self):
        self.sequence += 1
        self.say({**HEARTBEAT, "sequence": self.sequence})

    def heard(self):
        """Takes what has come; False when the server has closed."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return True
        self.buffer += data
        while len(self.buffer) >= 8:
            whole, head = struct.unpack(">II", self.buffer[:8])
            if len(self.buffer) < 4 + whole:
                break
            self.took(json.loads(self.buffer[8:8 + head]))
            self.buffer = self.buffer[4 + whole:]
        return bool(data)

    def took(self, header):
        if header["kind"] == "refused":
            raise RuntimeError(f"{self.name}: {header}")
        if header["kind"] == "welcome":
            self.welcome = True
            self.say({"kind": "credit", "room": 16})
        elif header["kind"] == "lease":
            now = time.monotonic()
            for item in header["items"]:
                self.fleet.holders[item["shard"]] = (self.name, now)
        elif header["kind"] == "revoke":
            self.say({"kind": "released", "items": header["items"]})


class Fleet:
    """So many agents on one thread; `holders` is who was given each shard last, and when."""

    def __init__(self, cluster, count):
        self.port, self.holders, self.stopping = cluster.link_port, {}, False
        self.selector, self.talkers, self.failure = selectors.DefaultSelector(), {}, None
        for number in range(count):
            talker = Talker(self, f"fleet-{number:03d}")
            self.talkers[talker.name] = talker
            self.selector.register(talker.socket, selectors.EVENT_READ, talker)
        self.doomed = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            every = TTL_MS / 1000 / BEATS_A_TTL / max(len(self.talkers), 1)
            order, next_beat = list(self.talkers.values()), time.monotonic()
            while not self.stopping:
                for key, _ in self.selector.select(max(next_beat - time.monotonic(), 0)):
                    if not key.data.heard():
                        raise RuntimeError(f"{key.data.name}: the server closed its link")
                while time.monotonic() >= next_beat:  # spread over the interval, as agents that started apart are
                    order.append(order.pop(0))
                    if order[-1].name in self.talkers and order[-1].welcome:
                        order[-1].beat()
                    next_beat += every
                self.bury()
        except Exception as problem:  # whoever waits is told
            self.failure = problem

    def bury(self):
        """As a kernel does for processes that were killed: their sockets are closed."""
        while self.doomed:
            talker = self.talkers.pop(self.doomed.pop())
            self.selector.unregister(talker.socket)
            talker.socket.close()

    def kill(self, names):
        """Seconds until the last shard of these was given to one that lives."""
        orphans = [shard for shard, (name, _) in self.holders.items() if name in names]
        begun = time.monotonic()
        self.doomed = list(names)
        self.until("the orphans are held", lambda: all(self.holders[shard][0] not in names for shard in orphans))
        return max(self.holders[shard][1] for shard in orphans) - begun, len(orphans)

    def until(self, what, check, seconds=60):
        def look():
            if self.failure:
                raise RuntimeError(f"fleet: {self.failure}")
            return check()
        eventually(what, look, seconds, 0.005)

    def close(self):
        self.stopping = True
        self.thread.join(5)
        for talker in self.talkers.values():
            talker.socket.close()


def quiet_share(cluster, seconds):
    """Of one core, while nothing happens but heartbeats."""
    before, begun = cpu_seconds(cluster.server.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(cluster.server.pid) - before) / (time.monotonic() - begun)


def one_fleet(world, shards):
    agents = world.sizes.fleet
    with world.cluster(shards=shards) as cluster:
        alone = quiet_share(cluster, world.sizes.fleet_quiet)
        fleet = Fleet(cluster, agents)
        try:
            fleet.until("every shard is held", lambda: len(fleet.holders) == shards)
            cluster.shards_even(60)
            share = quiet_share(cluster, world.sizes.fleet_quiet)
            took, orphans = fleet.kill(sorted({name for name, _ in fleet.holders.values()})[:agents // 2])
        finally:
            fleet.close()
    return {"share": share - alone, "alone": alone, "reassigned_s": took, "orphans": orphans}


def fleet(world):
    """With few and with many shards."""
    figures = {"fleet": world.sizes.fleet}
    for shards in world.sizes.fleet_shards:
        figures.update({f"fleet_{shards}_{name}": value for name, value in one_fleet(world, shards).items()})
    return figures
