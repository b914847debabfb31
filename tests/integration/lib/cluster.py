"""A control server, its agents, its data folder and its vhost: everything one test uses, and its end."""
import collections
import os
import shutil
import sys
import tempfile
import unittest

from lib.api import Api
from lib.process import Process, eventually, free_port, program
from lib.rabbit import Node

TTL_MS = 1500


def with_flags(arguments, flags):
    """A second --amqp would be a second broker: that of `flags` takes the place of ours."""
    if "--amqp" in flags:
        at = arguments.index("--amqp")
        arguments = arguments[:at] + arguments[at + 2:]
    return [*arguments, *flags]


class Cluster:
    def __init__(self, node=None, ttl_ms=TTL_MS, faults=True, wrap=(), data=None, server_flags=()):
        self.node = node or Node.shared()
        self.folder = tempfile.mkdtemp(prefix="duly-test-")
        self.data = data or os.path.join(self.folder, "data")
        self.ledger_folder = os.path.join(self.folder, "ledger")
        self.vhost = "/" if self.node.own else self.node.vhost()
        self.http_port, self.link_port = free_port(), free_port()
        self.api = Api(self.http_port)
        self.ttl_ms, self.faults, self.wrap, self.server_flags = ttl_ms, faults, wrap, list(server_flags)
        self.server, self.agents, self.ended = None, {}, []

    @property
    def amqp(self):
        return self.node.url(self.vhost)

    def connect(self):
        return self.node.connect(self.vhost)

    # ---- the server

    def server_arguments(self, **changes):
        flags = {"http": f"127.0.0.1:{self.http_port}", "link": f"127.0.0.1:{self.link_port}", "data": self.data,
                 "amqp": self.amqp, "lease-ttl-ms": str(self.ttl_ms), "shards": "16", **changes}
        arguments = [part for name, value in flags.items() for part in ("--" + name, value)]
        return arguments + (["--fault-injection"] if self.faults else []) + self.server_flags

    def start_server(self, *flags, ready=True):
        self.remember(self.server)
        self.server = Process("server", [program("duly-server"), *with_flags(self.server_arguments(), flags)],
                              os.path.join(self.folder, "server.log"), self.wrap)
        if ready:
            eventually("the server is ready", self.ready, 20)
        return self

    def ready(self):
        if not self.server.running():
            raise AssertionError("the server ended:\n" + self.server.tail())
        try:
            return self.api.ask("GET", "/readyz").status == 200
        except (OSError, ValueError):
            return False

    # ---- agents

    def start_agent(self, name, *flags, queues="default", roles=None, concurrency=16, faults=True, binary="duly-agent",
                    wrap=()):
        arguments = [program(binary), "--link", f"127.0.0.1:{self.link_port}", "--amqp", self.amqp, "--name",
                     name, "--queues", queues, "--concurrency", str(concurrency), "--append-dir", self.ledger_folder]
        if roles:
            arguments += ["--roles", roles]
        if faults:
            arguments.append("--fault-injection")
        self.remember(self.agents.get(name))
        self.agents[name] = Process(name, with_flags(arguments, flags), os.path.join(self.folder, name + ".log"),
                                    wrap)
        return self.agents[name]

    def remember(self, process):
        if process is not None:
            process.end()
            self.ended.append(process)

    def start_agents(self, *names, **settings):
        for name in names:
            self.start_agent(name, **settings)
        self.shards_even()

    def shards_even(self, seconds=15):
        """Every shard is held, by the live dispatching agents, evenly; the map."""
        def even():
            agents = {agent["name"]: agent for agent in self.api.get("/v1/agents")["items"] if agent["state"] != "lost"}
            held = self.api.shard_map()
            loads = collections.Counter({name: 0 for name, agent in agents.items()
                                         if agent["state"] == "live" and "dispatch" in agent["roles"]})
            loads.update(held.values())
            running = {name for name, process in self.agents.items() if process.running() and not process.stopped}
            whole = len(held) == self.api.get("/v1/shards")["count"]
            if whole and running <= set(agents) and max(loads.values()) - min(loads.values()) <= 1:
                return held
            return None
        return eventually("the shards are spread evenly", even, seconds)

    # ---- work that ends when the test says so, however slow the machine

    @property
    def patient(self):
        """A program for builtin.exec (start_agent(name, "--allow-exec", cluster.patient)): runs until release()."""
        path = os.path.join(self.folder, "patient")
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as text:
                text.write(f"#!/bin/sh\nwhile [ ! -e {self.folder}/gate ]; do sleep 0.1; done\necho >>{self.folder}/released\n")
            os.chmod(path, 0o755)
        return path

    def patient_work(self, **fields):
        return {"type": "builtin.exec", "payload": {"program": self.patient}, **fields}

    def release(self):
        with open(os.path.join(self.folder, "gate"), "w", encoding="utf-8"):
            pass

    def released(self):
        """How many have ended since."""
        path = os.path.join(self.folder, "released")
        return os.path.getsize(path) if os.path.exists(path) else 0

    # ---- the ledger of builtin.append

    def append(self, line="x", file="ledger", **fields):
        return {"type": "builtin.append", "payload": {"file": file, "line": str(line)}, **fields}

    def ledger(self, file="ledger"):
        """(id, attempt, line) in the order written."""
        path = os.path.join(self.ledger_folder, file)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as text:
            return [tuple(line.rstrip("\n").split(" ", 2)) for line in text]

    def idle(self, seconds=40):
        """Nothing is scheduled, queued or running any more."""
        def check():
            try:
                return self.api.unfinished() == 0
            except OSError:
                return False
        try:
            eventually("every command has ended", check, seconds, 0.05)
        except AssertionError as late:
            raise AssertionError(f"{late}; {self.api.stats()}; {self.left_over()}") from None

    def left_over(self):
        found = []
        for state in ("scheduled", "queued", "running"):
            for item in self.api.walk(state=state)[:3]:
                found.append((item, self.api.get(f"/v1/commands/{item['id']}/explain")["reasons"]))
        return found

    def close(self):
        for process in [*self.agents.values(), self.server]:
            if process is not None:
                process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_logs(self):
        for process in [self.server, *self.agents.values()]:
            if process is not None:
                print(process.tail(), file=sys.stderr)


class TestCase(unittest.TestCase):
    """Shows the logs of its cluster when it fails; ends everything in any case."""
    maxDiff = 2000

    @classmethod
    def share_cluster(cls, **settings):
        """One for all tests of the class."""
        cls.cluster = Cluster(**settings)
        cls.addClassCleanup(cls.cluster.close)
        cls.api = cls.cluster.api
        return cls.cluster

    def new_cluster(self, **settings):
        """One for this test."""
        self.own_cluster = Cluster(**settings)
        self.addCleanup(self.own_cluster.close)
        self.addCleanup(self.show_logs_of_failure)  # cleanups run last in, first out
        return self.own_cluster

    def tearDown(self):
        if not hasattr(self, "own_cluster"):
            self.show_logs_of_failure()

    def show_logs_of_failure(self):
        result = self._outcome.result
        if any(getattr(test, "test_case", test) is self for test, _ in [*result.failures, *result.errors]):
            cluster = getattr(self, "own_cluster", None) or self.cluster
            cluster.show_logs()

    # ---- what must be so after any fault

    def check_nothing_twice(self, cluster, file="ledger"):
        entries = cluster.ledger(file)
        counts = collections.Counter((id, attempt) for id, attempt, _ in entries)
        self.assertEqual([key for key, count in counts.items() if count > 1], [], "an attempt ran twice")
        return entries

    def check_all_ran(self, cluster, ids, file="ledger", state="succeeded"):
        """Each accepted command is there, has ended, and its ledger agrees with its attempts."""
        cluster.idle()
        entries = self.check_nothing_twice(cluster, file)
        stored = {item["id"]: item for item in cluster.api.walk()}
        self.assertEqual([id for id in ids if id not in stored], [], "accepted commands are missing")
        bad = {id: stored[id]["state"] for id in ids if stored[id]["state"] != state}
        self.assertEqual(bad, {})
        ran = collections.defaultdict(set)
        for id, attempt, _ in entries:
            ran[id].add(int(attempt))
        self.assertEqual([id for id in ids if not ran[id]], [], "succeeded without having run")
        # The attempt that succeeded is in the ledger; the others may have been cut short before or after their line.
        self.assertEqual([id for id in ids if stored[id]["attempt"] not in ran[id]], [])
        return stored

    def wait(self, what, check, seconds=15):
        return eventually(what, check, seconds)
