"""Processes that are killed, at any moment or at a named point, stopped, drained, or poisoned."""
import signal
import time

from lib.process import eventually
from strike import Missed, hold
from world import AGENTS, VICTIM

AGENT_POINTS = ("dispatch.after-poll", "dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm",
                "execute.after-delivery", "execute.after-begin", "execute.after-handler", "execute.after-finish")
SERVER_POINTS = ("store.before-commit", "store.after-commit", "link.before-reply", "api.before-reply")
HANG_POINTS = ("dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm", "execute.after-begin",
               "execute.after-handler")


def agent_kill(strike):
    strike.kill(strike.agent())
    yield hold(strike, 0.05, 0.4)
    strike.world.revive()


def agent_kill_at(point):
    def fault(strike):
        name = strike.agent()
        move = strike.will_lose_shards(name)
        strike.world.direct.crash_agent(name, "kill", point, after=strike.rng.randrange(1, 12))
        strike.client.burst(40)
        move["struck"] = strike.died(strike.world.agents[name], point)
        strike.kills["kill at point, agent"] += 1
        strike.points[point] += 1
        yield hold(strike, 0.05, 0.3)
        strike.world.revive()
    return fault


def server_kill_at(point):
    def fault(strike):
        strike.targets.append("server")
        strike.world.sample()
        strike.world.direct.crash_server("kill", point, after=strike.rng.randrange(1, 8))
        strike.died(strike.world.server, point)
        strike.kills["kill at point, server"] += 1
        strike.points[point] += 1
        yield hold(strike, 0.0, 0.5)
        strike.restart_server()
    return fault


def all_agents_kill(strike):
    """And they come back in another order, one after the other."""
    names = list(AGENTS)
    strike.rng.shuffle(names)
    for name in names:
        strike.targets.append(name)
        strike.world.agents[name].signal(signal.SIGKILL)
        strike.kills["kill -9 agent"] += 1
    yield hold(strike, 0.1, 0.5)
    strike.rng.shuffle(names)
    for name in names:
        strike.world.start_agent(name)
        time.sleep(strike.rng.uniform(0, 0.2))


def server_kill(strike):
    strike.kill_server()
    yield hold(strike, 0.0, 1.5)
    strike.restart_server()


def server_kill_twice(strike):
    """Again while it is still recovering."""
    strike.kill_server()
    yield hold(strike, 0.0, 0.3)
    strike.world.start_server(ready=False)
    time.sleep(strike.rng.uniform(0.0, 0.25))
    strike.kill_server()
    strike.restart_server()


def everything_kill(strike):
    strike.kill_server()
    for name in AGENTS:
        strike.world.agents[name].signal(signal.SIGKILL)
        strike.kills["kill -9 agent"] += 1
    yield hold(strike, 0.0, 0.5)
    for name in AGENTS[:strike.rng.randrange(3)]:
        strike.world.start_agent(name)
    strike.restart_server()
    strike.world.revive()


def agent_stop(strike):
    """Longer than its lease; it wakes as if nothing had happened."""
    name = strike.agent()
    move = strike.will_lose_shards(name)
    strike.client.burst(60)
    strike.world.agents[name].signal(signal.SIGSTOP)
    move["struck"] = time.time()
    strike.kills["SIGSTOP agent"] += 1
    yield hold(strike, 1.4, 2.2) * strike.world.ttl_ms / 1000
    strike.world.agents[name].signal(signal.SIGCONT)


def agent_hang_at(point):
    def fault(strike):
        """Frozen at the worst places, with marks, messages and results in hand."""
        name = strike.agent()
        lost = strike.world.sample()["totals"]["agents_lost"]
        ms = round(hold(strike, 1.6, 2.2) * strike.world.ttl_ms)
        strike.world.direct.crash_agent(name, "hang", point, after=strike.rng.randrange(1, 20), duration_ms=ms)
        strike.client.burst(120)
        strike.kills["hang at point, agent"] += 1

        def given_up():
            stats = strike.world.sample()
            return stats and stats["totals"]["agents_lost"] > lost
        try:
            eventually("it hangs", given_up, 6)
        except AssertionError as late:
            strike.world.agents[name].kill()  # or what is armed would strike some other round
            raise Missed(str(late)) from None
        strike.points[point + " (hang)"] += 1
        yield ms / 1000 - 0.5
    return fault


def agent_stop_short(strike):
    """Strobed below its lease: nothing may move for that."""
    name = strike.agent()
    for _ in range(6):
        strike.world.agents[name].signal(signal.SIGSTOP)
        strike.kills["SIGSTOP agent"] += 1
        time.sleep(0.25 * strike.world.ttl_ms / 1000)
        strike.world.agents[name].signal(signal.SIGCONT)
        time.sleep(0.05)
    yield 0.0


def server_stop(strike):
    strike.targets.append("server")
    strike.world.server.signal(signal.SIGSTOP)
    strike.kills["SIGSTOP server"] += 1
    yield hold(strike, 0.3, 2.5) * strike.world.ttl_ms / 1000
    strike.world.server.signal(signal.SIGCONT)


def agent_drain(strike):
    """Orderly: SIGTERM under load."""
    name = strike.agent()
    strike.pulse = False
    strike.world.agents[name].signal(signal.SIGTERM)
    yield hold(strike, 0.1, 0.5)
    if (code := strike.world.agents[name].wait(20)) != 0:
        strike.violations.append({"kind": "crashed", "detail": f"{name} exits {code} after SIGTERM",
                                  "log": strike.world.agents[name].tail()})
    strike.world.revive()


def poison(strike):
    """A command that kills whoever runs it; the rounds bring its executor back each time."""
    strike.targets.append(VICTIM)
    strike.client.send([strike.client.make("poison")])
    yield 0.3


def everything_and_broker_kill(strike):
    """As when the power goes; only what is on disk is left."""
    strike.kill_server()
    for name in AGENTS:
        strike.world.agents[name].signal(signal.SIGKILL)
        strike.kills["kill -9 agent"] += 1
    strike.world.node.kill()
    strike.kills["kill -9 broker"] += 1
    strike.targets += ["server", *AGENTS, "broker"]
    strike.restart_server()
    strike.world.revive()
    yield 0.1
    strike.world.node.start()


def process_faults():
    faults = {"agent kill": agent_kill, "all agents kill": all_agents_kill, "server kill": server_kill,
              "server kill twice": server_kill_twice, "everything kill": everything_kill, "agent stop": agent_stop,
              "agent stop, short": agent_stop_short, "server stop": server_stop, "agent drain": agent_drain,
              "everything kill, broker too": everything_and_broker_kill, "poison": poison}
    faults |= {"agent kill at " + point: agent_kill_at(point) for point in AGENT_POINTS}
    faults |= {"agent hang at " + point: agent_hang_at(point) for point in HANG_POINTS}
    return faults | {"server kill at " + point: server_kill_at(point) for point in SERVER_POINTS}
