"""What an operator does at a bad moment: drains, pins, pauses, and starts a second server."""
import signal
import subprocess

from lib.process import Process, free_port, program
from strike import Missed, hold

QUEUE = "default"


def act_on_live(api, method, path, body=None):
    """Another fault of this round may have cut the agent off: then this one does not strike."""
    answer = api.ask(method, path, body)
    if answer.status != 200:
        raise Missed(f"{path}: {answer!r}")


def drain_and_resume(strike):
    """By the API: the agent lives on."""
    name, api = strike.agent(), strike.world.direct
    strike.pulse = False
    act_on_live(api, "POST", f"/v1/agents/{name}/drain")
    strike.client.burst(60)
    yield hold(strike, 0.1, 0.6)
    # Another fault of this round may still keep it away: then it takes part again before the next one (all_held).
    api.ask("POST", f"/v1/agents/{name}/resume")


def pin(strike):
    """Half of the shards are pinned to one agent, under load, and let go again (who is then not to have them)."""
    name, api = strike.agent(), strike.world.direct
    shards = strike.rng.sample(range(16), 8)
    for shard in shards:
        act_on_live(api, "PUT", f"/v1/shards/{shard}/agent", {"agent": name})
    yield hold(strike, 0.1, 0.6)
    for shard in shards:
        api.want(200, "DELETE", f"/v1/shards/{shard}/agent")


def pause_queue(strike):
    """What waits may expire; nothing else may happen to it."""
    api = strike.world.direct
    strike.targets.append(QUEUE)
    api.want(200, "PUT", f"/v1/queues/{QUEUE}", {"paused": True})
    yield hold(strike, 0.3, 1.0)
    api.want(200, "PUT", f"/v1/queues/{QUEUE}", {"paused": False})


def second_server(strike):
    """It must leave at once."""
    ports = {"http": f"127.0.0.1:{free_port()}", "link": f"127.0.0.1:{free_port()}"}
    second = Process("second", [program("duly-server"), *strike.world.server_arguments(**ports)],
                     strike.world.folder + "/second.log")
    try:
        code = second.wait(5)
    except subprocess.TimeoutExpired:
        code = None
    second.end()
    if code != 1:
        strike.violations.append({"kind": "two servers", "detail": f"the second one's exit: {code}",
                                  "log": second.tail()})


def two_servers(strike):
    strike.targets.append("server")
    second_server(strike)
    yield 0.1


def two_servers_one_frozen(strike):
    """The first does not answer, which is no reason to take its store."""
    strike.targets.append("server")
    strike.world.server.signal(signal.SIGSTOP)
    strike.kills["SIGSTOP server"] += 1
    strike.pulse = False  # nobody would answer
    try:
        second_server(strike)
    finally:
        strike.world.server.signal(signal.SIGCONT)
    yield 0.1


def cancelled_and_redriven(strike):
    """Many at once, each in whatever state it happens to be."""
    strike.targets.append("commands")
    strike.client.send([strike.client.make("hopeless") for _ in range(30)])
    strike.client.burst(100, payload={"ms": 30})
    requests = [request for request in strike.client.requests[-130:] if request.outcome == "ok"]
    if not requests:
        raise Missed("nothing was accepted")
    for request in strike.rng.sample(requests, min(60, len(requests))):
        what = "retry" if request.expect == ["dead"] else strike.rng.choice(("cancel", "cancel", "reschedule"))
        strike.client.act(what, next(iter(request.ids)))
    yield 0.1


def operator_faults():
    return {"drain and resume": drain_and_resume, "shards pinned": pin, "queue paused": pause_queue,
            "two servers": two_servers, "two servers, one frozen": two_servers_one_frozen,
            "many cancelled and redriven": cancelled_and_redriven}
