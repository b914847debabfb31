"""Instructions a command, counted by valgrind: a figure that does not depend on the machine's mood.

Each act is done with few and with more commands by processes of their own; the difference is what a command costs, without
start and end.  Everything runs some fifty times slower than it is, so batches are what one at a time makes them: compare these
figures with each other and with those of another commit, not with rates.
"""
import re
import shutil

from lib.process import eventually
from measures.world import SHARDS, SpeedCluster

SLOW_TTL_MS = 120_000  # a lease must outlive a process that is slowed down


def counted(folder, name):
    """What is put before a program so that its instructions are counted into a file of this name."""
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/{name}.out", f"--log-file={folder}/{name}.valgrind"]


def instructions_of(folder, name):
    with open(f"{folder}/{name}.valgrind", encoding="utf-8") as text:
        return int(re.search(r"Collected : (\d+)", text.read()).group(1))


class CountedCluster(SpeedCluster):
    def __init__(self, node):
        super().__init__(node)
        self.ttl_ms, self.wrap = SLOW_TTL_MS, counted(self.folder, "server")

    def counts(self, *agents):
        """After an orderly end of everything."""
        for process in [*self.agents.values(), self.server]:
            process.terminate(120)
        return {name: instructions_of(self.folder, name) for name in ("server", *agents)}


def posted(node, count, batch):
    with CountedCluster(node) as cluster:
        flags = {"batch": batch} if batch > 1 else {}
        cluster.post(connections=1, count=count // batch, **flags)
        return cluster.counts()


def lived(node, count):
    with CountedCluster(node) as cluster:
        agent = cluster.agent("agent", concurrency=64, wrap=counted(cluster.folder, "agent"))
        # Asked seldom: what is asked while they start is counted, too, and depends on how long they take.
        eventually("the agent holds every shard",
                   lambda: [one["shards"] for one in cluster.api.get("/v1/agents")["items"]] == [list(range(SHARDS))], 120, 2)
        cluster.consumed(1)
        cluster.store(count, batch=100)
        eventually("all have ended", lambda: not cluster.api.unfinished(), 600, 2)
        assert agent.running()
        return cluster.counts("agent")


def each(act, few, more):
    """Thousands of instructions of each process for one command more."""
    less, whole = act(few), act(more)
    return {name: (whole[name] - less[name]) / (more - few) / 1000 for name in whole}


def instructions(world):
    if shutil.which("valgrind") is None:
        raise RuntimeError("valgrind is not installed (Debian's package valgrind)")
    few, more = world.sizes.counted
    figures = {"instructions_post_k": each(lambda count: posted(world.node, count, 1), few, more)["server"],
               "instructions_batch_k": each(lambda count: posted(world.node, count, 100), few, more)["server"]}
    life = each(lambda count: lived(world.node, count), few, more)
    return {**figures, "instructions_life_server_k": life["server"], "instructions_life_agent_k": life["agent"]}
