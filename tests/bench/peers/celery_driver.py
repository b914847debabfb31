#!/usr/bin/env python3
"""The acts of driver.js, for Celery: a client, or a worker that consumes when it is told to.  A line of JSON each.

  celery_driver.py client|worker SETTINGS

Threads of one Python share one processor, and 64 of them hinder each other: the client is several processes, as a web
application's are.
"""
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
BYTES = 256
WARM = 5
QUEUE = "celery"
HELD = "held"  # a worker's queue while it waits for its `go`
READY_IN_S = 30
PARTS = 4  # processes of the client


def name(prefix, number):
    return f"{prefix}{number:07}"


def payload(id):
    """256 bytes as JSON, whatever the id."""
    return {"id": id, "filler": "x" * (BYTES - len(json.dumps({"id": id, "filler": ""}, separators=(",", ":"))))}


def now_us():
    return time.time_ns() // 1000


class Client:
    """What each process of the client does; those before it and after it have the other numbers."""

    def __init__(self, part):
        self.part = part
        from celery_tasks import noop  # it reads the settings that main has put into the environment
        self.task = noop

    def do(self, asked):
        return getattr(self, asked.pop("act"))(**asked)

    def end(self):
        pass

    def add(self, id, due=None):
        eta = datetime.datetime.fromtimestamp(due / 1000, datetime.timezone.utc) if due else None
        self.task.apply_async(kwargs=payload(id), eta=eta)

    def enqueue(self, prefix, callers, seconds):
        """The first of each caller are not timed: connections are made with them."""
        numbers, until = Numbers(self.part), 0

        def calls():
            for _ in range(WARM):
                self.add(name(prefix, numbers.next()))
            while now_us() < until:
                self.add(name(prefix, numbers.next()))
        together(callers, calls)
        warm, begun = numbers.given, now_us()
        until = begun + seconds * 1e6
        together(callers, calls)
        return {"jobs": numbers.given - warm, "warm": warm, "seconds": (now_us() - begun) / 1e6}

    def bulk(self, prefix, count, callers, due=None, start=None, rate=None, **_):
        """There is no bulk call: as many callers as are worth while."""
        numbers, begun = Numbers(self.part), now_us()

        def calls():
            while (number := numbers.next()) < count:
                self.add(name(prefix, number), start + number * 1000 // rate if rate else due)
        together(callers, calls)
        return {"jobs": len(range(self.part, count, PARTS)), "seconds": (now_us() - begun) / 1e6}

    def paced(self, prefix, rate, seconds, callers, log):
        numbers, begun, lines = Numbers(self.part), now_us(), []
        until = begun + seconds * 1e6

        def calls():
            while now_us() < until and (number := numbers.next()) < rate * seconds:
                due = begun + int(number * 1e6 / rate)
                time.sleep(max(due - now_us(), 0) / 1e6)
                sent = now_us()
                self.add(name(prefix, number))
                lines.append(f"{name(prefix, number)} {due} {sent} {now_us()}\n")
        together(callers, calls)
        with open(f"{log}.{self.part}", "w", encoding="ascii") as out:
            out.writelines(lines)
        return {"jobs": len(lines), "seconds": (now_us() - begun) / 1e6}


class Numbers:
    """Every fourth number from `first` on, to several threads."""

    def __init__(self, first):
        self.first, self.given, self.lock = first, 0, threading.Lock()

    def next(self):
        with self.lock:
            self.given += 1
            return self.first + (self.given - 1) * PARTS


def together(count, calls):
    threads = [threading.Thread(target=calls) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Clients:
    """The processes of the client, each with its share of the callers.  One caller is in one of them."""

    def __init__(self, text):
        self.parts = [subprocess.Popen(["setpriv", "--pdeathsig=KILL", sys.executable, "-B", __file__, f"part-{part}", text], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True) for part in range(PARTS)]
        self.answers(self.parts)

    def answers(self, parts):
        return [json.loads(part.stdout.readline()) for part in parts]

    def do(self, asked):
        parts = self.parts if asked["callers"] >= PARTS else self.parts[:1]
        for part in parts:
            part.stdin.write(json.dumps({**asked, "callers": asked["callers"] // len(parts)}) + "\n")
            part.stdin.flush()
        said = self.answers(parts)
        if "log" in asked:
            with open(asked["log"], "w", encoding="ascii") as whole:
                for number in range(len(parts)):
                    with open(f"{asked['log']}.{number}", encoding="ascii") as part:
                        whole.write(part.read())
        return {"jobs": sum(one["jobs"] for one in said), "warm": sum(one.get("warm", 0) for one in said),
                "seconds": max(one["seconds"] for one in said)}

    def end(self):
        for part in self.parts:
            part.stdin.close()
            part.wait()


class Worker:
    """`celery worker`.  One that is held consumes a queue that is empty, until `go` has it consume the other one too: so it
    counts its prefetch otherwise, which is as fast, but makes what is delayed late.  So only what must be held is."""

    def __init__(self, settings):
        from celery_tasks import app
        self.app, self.held = app, settings["held"]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", sys.executable, "-B", "-m", "celery", "-A", "celery_tasks", "worker", "-Q", HELD if settings["held"] else QUEUE, "-c",
             str(settings["server"]["concurrency"]), "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=HERE, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        deadline = time.monotonic() + READY_IN_S
        while not app.control.inspect(timeout=0.5).ping():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the worker did not begin")

    def do(self, asked):  # there is but one: `go`
        if self.held:
            self.app.control.add_consumer(QUEUE, reply=False)
        return {}

    def end(self):
        self.process.send_signal(signal.SIGQUIT)  # at once, and with its children
        self.process.wait()


def role_of(role, text):
    """What does as it is told, and the process that is looked at."""
    if role == "worker":
        worker = Worker(json.loads(text))
        return worker, worker.process.pid
    return Clients(text) if role == "client" else Client(int(role.removeprefix("part-"))), os.getpid()


def main():
    role, text = sys.argv[1:]
    os.environ["DULY_PEER_SETTINGS"] = text
    os.environ["C_FORCE_ROOT"] = "1"  # nothing is pickled here
    sys.path.insert(0, HERE)
    one, pid = role_of(role, text)
    print(json.dumps({"ready": True, "pid": pid}), flush=True)
    for line in sys.stdin:
        print(json.dumps(one.do(json.loads(line))), flush=True)
    one.end()


if __name__ == "__main__":
    main()
