"""One fault at work: whom it kills, which named points it hits, whose shards have to move."""
import collections
import signal
import time

from world import AGENTS


class Missed(Exception):
    """The fault could not be made to strike: the round proves nothing, and its fault does not count as hit."""


class Strike:
    def __init__(self, name, world, client, rng):
        self.name, self.world, self.client, self.rng = name, world, client, rng
        self.kills, self.points = collections.Counter(), collections.Counter()
        self.targets, self.moves, self.violations = [], [], []
        self.struck = self.healed = self.healed_wall = None
        self.pulse = True  # whether work for every shard is submitted at the strike
        self.restarts = []

    # ---- whom it hits

    def agent(self):
        alive = [name for name in AGENTS if self.world.agents[name].running() and not self.world.agents[name].stopped]
        if not alive:
            raise Missed("no agent is left to strike")
        name = self.rng.choice(alive)
        self.targets.append(name)
        return name

    def will_lose_shards(self, name):
        """Call before the strike; `moment` fills in when."""
        try:
            move = {"agent": name, "held": self.world.held_by(name), "struck": None}
        except OSError:
            raise Missed("the server cannot be asked") from None
        self.moves.append(move)
        return move

    def kill(self, name, how="kill -9 agent"):
        move = self.will_lose_shards(name)
        self.world.agents[name].signal(signal.SIGKILL)
        move["struck"] = time.time()
        self.world.agents[name].wait(10)
        self.kills[how] += 1

    def kill_server(self, how="kill -9 server"):
        self.targets.append("server")
        self.world.sample()
        self.world.server.kill()
        self.kills[how] += 1

    def restart_server(self):
        """From the start of the process until it is ready."""
        begun = time.monotonic()
        self.world.start_server()
        self.restarts.append(time.monotonic() - begun)

    def died(self, process, what, seconds=6):
        """Polls closely: the moment matters.  The load brings the point about."""
        deadline = time.monotonic() + seconds
        while process.running():
            if time.monotonic() > deadline:
                process.kill()  # or what is armed would strike some other round
                raise Missed(f"{what} was not reached within {seconds} s")
            time.sleep(0.001)
        if process.child.returncode != -signal.SIGKILL:
            self.violations.append({"kind": "crashed", "detail": f"{what}: exit {process.child.returncode}",
                                    "log": process.tail()})
        return time.time()


def hold(strike, least, most):
    return strike.rng.uniform(least, most)
