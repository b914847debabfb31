"""Everything that is struck: server, agents and a broker of their own, each pair behind the proxy, and the ledger."""
import collections
import json
import os
import signal
import socket
import sys
import threading
import urllib.parse

from lib.api import Api
from lib.cluster import Cluster
from lib.process import Process, eventually, program

HERE = os.path.dirname(os.path.abspath(__file__))
AGENTS = ("a-1", "a-2", "a-3")
VICTIM = "victim"  # executes what kills its executor, and nothing else
POISON_QUEUE = "poison"
TTL_MS = 1000


class Proxy:
    """The proxy's side of the harness; any thread."""

    def __init__(self, folder):
        path = os.path.join(folder, "proxy.sock")
        self.process = Process("proxy", [sys.executable, "-B", os.path.join(HERE, "proxy.py"), path],
                               os.path.join(folder, "proxy.log"))
        eventually("the proxy listens", lambda: os.path.exists(path))
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.stream, self.lock = self.socket.makefile("rw", encoding="utf-8"), threading.Lock()

    def ask(self, op, **fields):
        with self.lock:
            self.stream.write(json.dumps({"op": op, **fields}) + "\n")
            self.stream.flush()
            return json.loads(self.stream.readline())

    def route(self, name, kind, port):
        return self.ask("route", name=name, kind=kind, port=port)["port"]

    def set(self, name, **fault):
        self.ask("set", name=name, **fault)

    def clear(self, name):
        self.ask("clear", name=name)

    def reset(self, name):
        self.ask("reset", name=name)


class Ledger:
    """The ledger process, and the rows it has written."""

    def __init__(self, folder):
        self.socket, self.path = os.path.join(folder, "ledger.sock"), os.path.join(folder, "ledger.rows")
        arguments = [sys.executable, "-B", os.path.join(HERE, "ledger.py"), self.socket, self.path]
        self.process = Process("ledger", arguments, os.path.join(folder, "ledger.log"))
        eventually("the ledger listens", lambda: os.path.exists(self.socket))

    def rows(self):
        """(monotonic, wall, start|end, id, attempt, pid, how); whole rows only."""
        with open(self.path, encoding="ascii") as text:
            for line in text:
                if line.endswith("\n"):
                    mono, wall, kind, id, attempt, pid, how = line.split()
                    yield float(mono), float(wall), kind, id, int(attempt), int(pid), how


class Counters:
    """Totals of all servers that ever ran: each counts from nought, so the last seen of each is kept."""

    def __init__(self):
        self.past, self.now, self.uptime = collections.Counter(), {}, 0

    def seen(self, stats):
        if stats["uptime_ms"] < self.uptime:
            self.past.update(self.now)
        self.now, self.uptime = stats["totals"], stats["uptime_ms"]

    def total(self):
        return self.past + collections.Counter(self.now)


class World(Cluster):
    def __init__(self, node, vhost="/", **settings):
        settings.setdefault("ttl_ms", TTL_MS)
        super().__init__(node=node, **settings)
        self.vhost = vhost
        self.proxy = Proxy(self.folder)
        self.ledger_process = Ledger(self.folder)
        self.counters, self.crashes = Counters(), []
        self.direct = Api(self.http_port)
        self.client_port = self.proxy.route("http", "http", self.http_port)
        broker = urllib.parse.urlsplit(self.node.url(self.vhost))
        self.broker_parts = broker
        self.routes = {"http": "http", "server.amqp": "amqp"}
        self.server_amqp = self.through("server.amqp")
        self.agent_ports = {}

    def through(self, name):
        """The broker's URL by way of a route of its own."""
        port = self.proxy.route(name, "amqp", self.broker_parts.port)
        self.routes[name] = "amqp"
        return self.broker_parts._replace(netloc=f"guest:guest@127.0.0.1:{port}").geturl()

    def server_arguments(self, **changes):
        return super().server_arguments(**{"amqp": self.server_amqp, **changes})

    def start_agent(self, name, *flags, queues="default", roles=None, concurrency=16, faults=True):
        if name not in self.agent_ports:
            self.agent_ports[name] = (self.proxy.route(name + ".link", "link", self.link_port),
                                      self.through(name + ".amqp"))
            self.routes[name + ".link"] = "link"
        link, amqp = self.agent_ports[name]
        arguments = [program("chaos_agent"), "--link", f"127.0.0.1:{link}", "--amqp", amqp, "--name", name,
                     "--queues", queues, "--concurrency", str(concurrency), "--fault-injection"]
        arguments += ["--roles", roles] if roles else []
        self.remember(self.agents.get(name))
        os.environ["DULY_CHAOS_LEDGER"] = self.ledger_process.socket
        self.agents[name] = Process(name, [*arguments, *flags], os.path.join(self.folder, name + ".log"))
        return self.agents[name]

    def remember(self, process):
        """Called for who is replaced: nothing but SIGKILL and an orderly end may have ended it."""
        if process is None:
            return
        if process.child.poll() not in (None, 0, -signal.SIGKILL):
            self.crashes.append({"kind": "crashed", "detail": f"{process.name}: exit {process.child.returncode}",
                                 "log": process.tail()})
        process.end()

    def look_for_crashes(self):
        """Everybody should be running now."""
        for process in (self.server, *self.agents.values()):
            code = process.child.poll()
            if code is not None and not (process.name == VICTIM and code == -signal.SIGKILL):
                self.crashes.append({"kind": "crashed", "detail": f"{process.name} has gone by itself: exit {code}",
                                     "log": process.tail()})

    def start_victim(self):
        self.start_agent(VICTIM, queues=POISON_QUEUE, roles="execute", concurrency=1)

    def start_all(self):
        self.start_server()
        for name in AGENTS:
            self.start_agent(name)
        self.start_victim()
        self.shards_even()
        return self

    def revive(self):
        """Whoever is dead comes back; whoever is frozen wakes."""
        if not self.server.running():
            self.start_server()
        for name in AGENTS:
            if not self.agents[name].running():
                self.start_agent(name)
        self.revive_victim()

    def revive_victim(self):
        """The deaths it died of poison: 0 or 1."""
        if VICTIM not in self.agents or self.agents[VICTIM].running():
            return 0
        self.start_victim()
        return 1

    def all_held(self, seconds=20):
        """Every agent is live and has shards, and every shard is held: each can be struck again."""
        def check():
            agents = {agent["name"]: agent for agent in self.direct.get("/v1/agents")["items"]}
            held = self.direct.shard_map()
            for name in AGENTS:
                if agents[name]["state"] == "draining":
                    self.direct.ask("POST", f"/v1/agents/{name}/resume")
            return len(held) == self.direct.get("/v1/shards")["count"] and set(held.values()) == set(AGENTS) and all(
                agents[name]["state"] == "live" for name in AGENTS)
        eventually("every shard is held and every agent is live", check, seconds)

    def sample(self):
        """Looks at the counters, when there is a server to ask; the stats or None."""
        try:
            answer = self.direct.ask("GET", "/v1/stats", timeout=2)
        except (OSError, ValueError):
            return None
        if answer.status != 200:
            return None
        self.counters.seen(answer.json)
        return answer.json

    def held_by(self, name):
        """{shard: epoch} of what an agent holds."""
        items = self.direct.get("/v1/shards")["items"]
        return {item["shard"]: item["epoch"] for item in items if item["agent"] == name and item["state"] == "held"}

    def unfinished(self):
        stats = self.sample()
        if stats is None:
            return None
        return sum(stats["commands"][state] for state in ("waiting", "scheduled", "queued", "running"))

    def close(self):
        super().close()
        self.proxy.process.end()
        self.ledger_process.process.end()
