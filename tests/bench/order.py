#!/usr/bin/env python3
"""Measures what time and order cost: schedules, their accuracy, keys, and answers over millions of commands.

  order.py [--quick] [--only NAME,…] [--stored N] [--json FILE]

NAMES: schedules accuracy keys answers.  It starts its own RabbitMQ, server and agents on loopback and prints one
JSON object.  Nothing here is asserted: a slow machine makes a slow figure, not a red test.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from figures import quantile, rss_mb  # noqa: E402
from lib.api import instant  # noqa: E402
from lib.cluster import Cluster  # noqa: E402
from lib.process import eventually  # noqa: E402
from lib.rabbit import Node  # noqa: E402

CONNECTIONS = 8
PAYLOAD = {"filler": "x" * 240}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def post_all(port, path, bodies):
    """Each body posted, one after the other on one connection; the statuses that were not 201."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    odd = []
    for body in bodies:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            odd.append(answer.status)
    connection.close()
    return odd


def in_parallel(port, path, bodies):
    """Seconds that it takes to post them all over CONNECTIONS connections."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = [pool.submit(post_all, port, path, bodies[i::CONNECTIONS]) for i in range(CONNECTIONS)]
        odd = [status for part in parts for status in part.result()]
    if odd:
        raise RuntimeError(f"{len(odd)} of {len(bodies)} refused: {sorted(set(odd))}")
    return time.monotonic() - begun


def schedules(node, count):
    """Creating many; then all of them due in one second, while something else waits for its turn."""
    cluster = Cluster(node=node, faults=False).start_server()
    command = {"type": "builtin.noop", "queue": "nobody"}
    due = time.gmtime(time.time() + 3600)
    cron = f"{due.tm_min} {due.tm_hour} * * *"
    bodies = [{"name": f"s{n}", "cron": cron, "time_zone": "Europe/Berlin", "command": command} for n in range(count)]
    took = in_parallel(cluster.http_port, "/v1/schedules", bodies)
    created_mb = rss_mb(cluster.server.pid)
    herd = min(count, 60_000)
    start = int(time.time() * 1000) // 1000 * 1000 + 2_000 + herd
    for n in range(0, herd):
        bodies[n] = {"name": f"h{n}", "every_ms": 3_600_000, "start_at": iso(start), "command": command}
    in_parallel(cluster.http_port, "/v1/schedules", bodies[:herd])
    begun = wait_until(start)
    waits = []
    while made(cluster) < herd and time.time() - begun < 120:
        asked = time.monotonic()
        cluster.api.submit()
        waits.append((time.monotonic() - asked) * 1000)
        time.sleep(0.02)
    result = {"created": count, "created_per_s": round(count / took), "rss_mb": round(created_mb),
              "due_in_one_second": herd, "all_made_after_s": round(time.time() - begun, 2),
              "submit_meanwhile_ms": {"p50": round(quantile(waits, 0.5), 1), "max": round(max(waits, default=0), 1)},
              "rss_mb_after": round(rss_mb(cluster.server.pid))}
    cluster.close()
    return result


def made(cluster):
    commands = cluster.api.get("/v1/stats")["commands"]
    return commands["scheduled"] + commands["queued"]


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03d}Z"


def wait_until(ms):
    time.sleep(max(ms / 1000 - time.time(), 0))
    return ms / 1000


def accuracy(node, count, seconds):
    """So many schedules, each every second: from the fire time to the start of the permit."""
    cluster = Cluster(node=node, faults=False).start_server()
    cluster.start_agents("a-1", "a-2", concurrency=64)
    bodies = [{"name": f"s{n}", "every_ms": 1000, "command": {"type": "builtin.noop"}} for n in range(count)]
    in_parallel(cluster.http_port, "/v1/schedules", bodies)
    time.sleep(seconds)
    late = []
    for n in range(0, count, max(count // 100, 1)):
        for item in cluster.api.walk(schedule=f"s{n}")[1:]:
            attempts = cluster.api.command(item["id"])["attempts"]
            if attempts and attempts[0]["started_at"]:
                late.append(instant(attempts[0]["started_at"]) - instant(item["fire_at"]))
    cluster.close()
    return {"schedules": count, "seconds": seconds, "fires_looked_at": len(late), "early": sum(one < 0 for one in late),
            "late_ms": {"p50": quantile(late, 0.5), "p99": quantile(late, 0.99), "max": max(late)}}


def keys(node, count):
    """Commands a second from the first submit to the last end, with no, few and many keys."""
    result = {}
    for name, number in (("no key", 0), ("10 keys", 10), ("100,000 keys", 100_000)):
        cluster = Cluster(node=node, faults=False).start_server()
        cluster.start_agents("a-1", "a-2", "a-3", concurrency=64)
        wanted = count if number != 10 else count // 20
        commands = [{"type": "builtin.noop", "payload": PAYLOAD, **({"key": f"k{n % number}"} if number else {})}
                    for n in range(wanted)]
        begun = time.monotonic()
        cluster.api.batch(commands)
        eventually("all have ended", lambda c=cluster: c.api.unfinished() == 0, 600, 0.05)
        result[name] = {"commands": wanted, "per_s": round(wanted / (time.monotonic() - begun))}
        cluster.close()
    return result


def answers(node, stored):
    """How long lists, filters and counts take over a large store: the median and the longest of twenty."""
    cluster = Cluster(node=node, faults=False).start_server()
    begun = time.monotonic()
    for at in range(0, stored, 10_000):
        batch = [{"type": f"t{n % 7}", "queue": f"q{n % 5}", "delay_ms": 86_400_000 + n, "payload": n,
                  "key": f"k{n % 1000}", "labels": {"team": f"team-{n % 100}"}} for n in range(at, min(at + 10_000, stored))]
        for part in range(0, len(batch), 5000):
            cluster.api.post("/v1/commands/batch", {"commands": batch[part:part + 5000]}, 201)
        if at % 1_000_000 == 0:
            say(f"stored {at} of {stored}")
    result = {"stored": stored, "stored_per_s": round(stored / (time.monotonic() - begun)),
              "rss_mb": round(rss_mb(cluster.server.pid)),
              "bytes_a_command": round(os.path.getsize(os.path.join(cluster.data, "duly.db")) / stored), "ms": {}}
    asked = {"newest 100": {"limit": 100}, "by state and type": {"state": "scheduled", "type": "t3", "limit": 100},
             "by a rare filter": {"state": "dead", "limit": 100}, "by key": {"key": "k7", "limit": 100},
             "by label": {"label.team": "team-3", "limit": 100}}
    for name, query in asked.items():
        result["ms"][name] = timed(lambda q=query: cluster.api.get("/v1/commands", **q))
    for path in ("/v1/stats", "/v1/queues", "/v1/shards", "/metrics"):
        result["ms"][path] = timed(lambda p=path: cluster.api.ask("GET", p))
    cluster.close()
    return result


def timed(ask):
    took = []
    for _ in range(20):
        begun = time.monotonic()
        ask()
        took.append((time.monotonic() - begun) * 1000)
    return {"p50": round(quantile(took, 0.5), 1), "max": round(max(took), 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers: that it runs, not how fast")
    parser.add_argument("--only", default="schedules,accuracy,keys,answers")
    parser.add_argument("--stored", type=int)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    small = given.quick
    parts = {"schedules": lambda node: schedules(node, 500 if small else 100_000),
             "accuracy": lambda node: accuracy(node, 20 if small else 1000, 3 if small else 60),
             "keys": lambda node: keys(node, 400 if small else 100_000),
             "answers": lambda node: answers(node, given.stored or (2000 if small else 10_000_000))}
    result = {}
    node = Node.start_new()
    try:
        for name in given.only.split(","):
            say(f"---- {name}")
            result[name] = parts[name](node)
    finally:
        node.close()
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        with open(given.json, "w", encoding="utf-8") as out:
            out.write(text + "\n")


if __name__ == "__main__":
    main()
