#!/usr/bin/env python3
"""The main job on real input: sha256sum of many real files, through Duly, while an agent is killed half-way.

Every figure of the summary comes from outside Duly where that is possible: the digests from sha256sum itself, the
runs from a ledger that the job's own program writes.  Exit 1 when anything is lost, ran twice or is wrong.
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request

ENDED = ("succeeded", "dead", "cancelled", "expired", "delivered")
ROOTS = ("/usr/share", "/usr/lib", "/usr/bin", "/etc")
MOST_BYTES = 8 << 20
DEADLINE_S = 180


class Api:
    def __init__(self, base):
        self.base = base

    def call(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None

    def get(self, path):
        return self.call("GET", path)

    def items(self, path):
        """All items of a cursor-paged list."""
        cursor, items = None, []
        while True:
            page = self.get(path + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def agents(self):
        return {agent["name"]: agent for agent in self.get("/v1/agents")["items"]}


def pick_files(count, seed):
    """Regular, readable files of this machine; names that sha256sum would escape are left out."""
    found = []
    for root in ROOTS:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.islink(path) or not os.path.isfile(path) or not os.access(path, os.R_OK):
                        continue
                    if not 0 < os.path.getsize(path) <= MOST_BYTES:
                        continue
                    path.encode("ascii")
                except (OSError, UnicodeError):
                    continue
                if "\\" not in path and "\n" not in path:
                    found.append(path)
            if len(found) >= 40 * count:
                break
    if len(found) < count:
        raise SystemExit(f"only {len(found)} files found; ask for fewer with --files")
    return random.Random(seed).sample(sorted(found), count)


def commands_for(files, options):
    """One builtin.exec each: every third delayed by 1-6 s, every tenth fails its first attempt."""
    chance = random.Random(options.seed)
    for number, path in enumerate(files):
        fails_first = number % 10 == 7
        command = {
            "type": "builtin.exec",
            "payload": {"program": options.program,
                        "args": [options.ledger, path, *(["fail-first"] if fails_first else [])]},
            "retry": {"max_attempts": 5, "initial_delay_ms": 200},
            "labels": {"job": options.job},
        }
        if number % 3 == 0:
            command["delay_ms"] = chance.randint(1000, 6000)
        yield command


def submit(api, files, options):
    """Accepted ids, in the order of the files."""
    commands = list(commands_for(files, options))
    ids = []
    for start in range(0, len(commands), 1000):
        part = commands[start:start + 1000]
        for number, command in enumerate(part, start):
            command["idempotency_key"] = f"{options.job}-{number}"
        ids += [item["id"] for item in api.call("POST", "/v1/commands/batch", {"commands": part})["items"]]
    return ids


class Progress:
    """One line a second: rewritten in place on a terminal, else a line each."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()

    def show(self, line):
        print(f"\r\x1b[K{line}" if self.terminal else line, end="" if self.terminal else "\n", flush=True)

    def say(self, line):
        print(f"\r\x1b[K{line}" if self.terminal else line, flush=True)


def shards_of(agents):
    return "  ".join(f"{name} {len(agent['shards'])}{'' if agent['state'] == 'live' else ' ' + agent['state']}"
                     for name, agent in sorted(agents.items())) or "none"


def counts_of(api, options):
    """State of every command of this job, and how many needed more than one attempt."""
    states, retried = collections.Counter(), 0
    for command in api.items(f"/v1/commands?label.job={options.job}&limit=1000"):
        states[command["state"]] += 1
        retried += command["attempt"] > 1
    return states, retried


def wait_for_agents(api, options):
    """Until so many agents are live and share all shards evenly."""
    deadline = time.monotonic() + 30
    while True:
        agents = api.agents()
        held = [len(agent["shards"]) for agent in agents.values() if agent["state"] == "live"]
        if len(held) >= options.agents and sum(held) == options.shards and max(held) - min(held) <= 1:
            print(f"agents and their shards: {shards_of(agents)}")
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"after 30 s {options.agents} agents do not share the shards: {shards_of(agents)}")
        time.sleep(0.1)


def kill_agent(api, options, progress):
    """Kills one agent as SIGKILL would and waits until the others hold its shards; seconds it took."""
    before = api.agents()
    progress.say(f"killing {options.victim}   shards before: {shards_of(before)}")
    start = time.monotonic()
    api.call("POST", f"/v1/agents/{options.victim}/simulate-crash", {"mode": "kill"})
    while time.monotonic() - start < 30:
        agents = api.agents()
        live = {name: agent for name, agent in agents.items() if agent["state"] == "live"}
        held = sum(len(agent["shards"]) for agent in live.values())
        if options.victim not in live and held == options.shards:
            took = time.monotonic() - start
            progress.say(f"{options.victim} is gone    shards after:  {shards_of(live)}   ({took:.2f} s)")
            return took
        time.sleep(0.02)
    progress.say(f"the shards of {options.victim} did not move within 30 s")
    return None


def watch(api, total, options, progress):
    """Waits for the end of every command; seconds the shards took to move, or None."""
    moved = None
    started = time.monotonic()
    struck = not options.victim
    while True:
        states, retried = counts_of(api, options)
        ended = sum(states[state] for state in ENDED)
        progress.show(f"succeeded {states['succeeded']}/{total}  queued {states['queued']}  running "
                      f"{states['running']}  retried {retried}  agents "
                      f"{sum(a['state'] == 'live' for a in api.agents().values())}  shards {shards_of(api.agents())}")
        if not struck and ended * 2 >= total:
            struck = True
            moved = kill_agent(api, options, progress)
        if ended >= total or time.monotonic() - started > DEADLINE_S:
            progress.say("")
            return moved
        time.sleep(0.25 if not struck else 1)


def direct_digests(files):
    """What sha256sum itself prints, line by line."""
    lines = []
    for start in range(0, len(files), 200):
        lines += subprocess.run(["sha256sum", "--", *files[start:start + 200]], capture_output=True, text=True,
                                check=True).stdout.splitlines()
    return lines


def judge(api, ids, files, options):
    """What went wrong, as (lost, wrong, run twice, succeeded, retried, lost attempts), from outside facts."""
    lost = wrong = succeeded = retried = lost_attempts = 0
    with open(options.ledger, encoding="ascii") as ledger:
        runs = collections.Counter(ledger.read().splitlines())
    for command_id, line in zip(ids, direct_digests(files), strict=True):
        command = api.get(f"/v1/commands/{command_id}")
        retried += len(command["attempts"]) > 1
        lost_attempts += sum(attempt["outcome"] == "lost" for attempt in command["attempts"])
        if command["state"] != "succeeded":
            lost += 1
            print(f"not succeeded: {command_id} is {command['state']}: {command.get('error')}")
            continue
        succeeded += 1
        if command["result"]["stdout"].rstrip("\n") != line:
            wrong += 1
            print(f"wrong: {command_id}: {command['result']['stdout']!r} is not {line!r}")
        if runs[f"{command_id} {command['attempt']}"] != 1:
            wrong += 1
            print(f"wrong: the ledger does not have the run {command_id} {command['attempt']}")
    twice = [run for run, count in runs.items() if count > 1]
    for run in twice:
        print(f"run twice: {run}")
    return lost, wrong, len(twice), succeeded, retried, lost_attempts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="http://HOST:PORT")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--program", required=True, help="path of sha256sum-once, as the agents allow it")
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--agents", type=int, default=1, help="begin when so many are live")
    parser.add_argument("--victim", default="", help="agent to kill half-way")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.job = f"sha256sum-{os.getpid()}-{int(time.time())}"

    api, progress = Api(options.server), Progress()
    options.shards = api.get("/v1/shards")["count"]
    wait_for_agents(api, options)
    print(f"main job: sha256sum of {options.files} files of this machine, a third of them delayed by 1-6 s, "
          "a tenth told to fail their first attempt")
    files = pick_files(options.files, options.seed)
    with open(options.ledger, "a", encoding="ascii"):
        pass
    started = time.monotonic()
    ids = submit(api, files, options)
    print(f"accepted {len(ids)} in {time.monotonic() - started:.2f} s")
    moved = watch(api, len(ids), options, progress)
    seconds = time.monotonic() - started

    lost, wrong, twice, succeeded, retried, lost_attempts = judge(api, ids, files, options)
    print(f"accepted {len(ids)}   succeeded {succeeded}   retried {retried}   lost {lost}   run twice {twice}   "
          f"wrong {wrong}   {seconds:.1f} seconds")
    if options.victim:
        print(f"lost attempts retried {lost_attempts}   shards of {options.victim} moved in "
              f"{'?' if moved is None else f'{moved:.2f}'} s")
    sound = lost == wrong == twice == 0 and succeeded == len(ids) == options.files
    return 0 if sound and (moved is not None or not options.victim) else 1


if __name__ == "__main__":
    sys.exit(main())
