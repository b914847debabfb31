"""The load: commands of every kind, each under an idempotency key, and a log of what was asked and answered.

An answer is `ok` (2xx), `refused` (an error: not applied) or `unknown` (none, or 504).  What is unknown, or refused
for want of disk, is asked again, under the same key, until it is known.  The log is judged later, and not here.
"""
import collections
import http.client
import json
import random
import threading
import time

from lib.api import Api, in_ms, instant
from world import POISON_QUEUE

QUICK = {"max_attempts": 30, "initial_delay_ms": 20, "max_delay_ms": 100}
TRANSIENT = (429, 503, 507)
ASK_SECONDS = 4
KEYS = 12


class Request:
    """One command that was asked for, with everything that was answered under its key."""
    __slots__ = ("key", "body", "expect", "not_before", "first", "answered", "outcome", "ids", "tries", "statuses")

    def __init__(self, key, body, expect):
        self.key, self.body, self.expect = key, body, expect
        self.not_before, self.first, self.answered = None, None, None
        self.outcome, self.ids, self.tries, self.statuses = "unasked", set(), 0, []

    @property
    def order(self):
        return self.body.get("key")

    @property
    def once(self):
        """Must never run twice, whatever becomes of who runs it."""
        return self.body.get("on_lost") == "dead"

    def facts(self):
        return {"key": self.key, "expect": self.expect, "not_before": self.not_before, "first": self.first,
                "answered": self.answered, "outcome": self.outcome, "ids": sorted(self.ids), "tries": self.tries,
                "order": self.order}


class Acts:
    """Cancels, reschedules and redrives, with their answers."""

    def __init__(self):
        self.log = []

    def add(self, what, id, outcome, asked, **more):
        self.log.append({"what": what, "id": id, "outcome": outcome, "asked": asked, "answered": time.monotonic(),
                         "answered_wall": time.time(), **more})


class Client:
    """Any number of threads submit; each request is in one thread's hands at a time."""

    def __init__(self, world, seed, rate, name="c"):
        self.world, self.rate, self.name = world, rate, name
        self.api = Api(world.client_port)
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.requests, self.open, self.acts = [], collections.deque(), Acts()
        self.paused, self.stopping = threading.Event(), threading.Event()
        self.busy, self.statuses = 0, collections.Counter()
        self.threads = [threading.Thread(target=self.guard, args=(loop,), daemon=True)
                        for loop in (self.submit_loop, self.submit_loop, self.operate_loop)]
        self.failure = None

    # ---- what is asked for

    def make(self, kind=None, **changes):
        with self.lock:
            kind = kind or self.random.choices(*zip(*KINDS.items()))[0]
            body, expect = MAKERS[kind](self.random)
            request = Request(f"{self.name}-{len(self.requests)}", {**body, **changes}, expect)
            self.requests.append(request)
        return request

    def submit(self, requests):
        """One request for all of them; true when it is known what became of it."""
        now_mono, now_wall = time.monotonic(), time.time()
        for request in requests:
            request.tries += 1
            if request.first is None:
                request.first = now_mono
                request.not_before = now_wall * 1000 + request.body.get("delay_ms", 0)
        status, items = self.ask(requests)
        self.statuses[status] += 1
        for at, request in enumerate(requests):
            self.note(request, status, items[at]["id"] if items else None)
        return status not in (0, 504, *TRANSIENT)

    def note(self, request, status, id):
        request.statuses.append(status)
        request.answered = time.monotonic()
        if id is not None:
            request.ids.add(id)
            request.outcome = "ok"
        elif status in (0, 504):
            request.outcome = "unknown"
        elif request.outcome != "unknown":  # an earlier try may have been applied
            request.outcome = "refused"

    def ask(self, requests):
        commands = [{**request.body, "idempotency_key": request.key} for request in requests]
        try:
            answer = self.api.ask("POST", "/v1/commands/batch", {"commands": commands}, timeout=ASK_SECONDS)
            return answer.status, answer.json["items"] if answer.status == 201 else None
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return 0, None

    # ---- threads

    def guard(self, loop):
        """A bug of the harness must not look like a quiet run."""
        try:
            loop()
        except Exception as error:  # noqa: BLE001
            self.failure = self.failure or error
            raise

    def submit_loop(self):
        """Half the rate each; what is unknown comes first, as soon as somebody answers again."""
        while not self.stopping.is_set():
            begun, count = time.monotonic(), self.random.choice((1, 5, 10, 20))
            if self.paused.is_set():
                self.stopping.wait(0.02)
                continue
            self.send_apart([self.make() for _ in range(count)])
            self.ask_again()
            rest = count / (self.rate / 2) - (time.monotonic() - begun)
            self.stopping.wait(max(0, rest))

    def send_apart(self, requests):
        """What expires may be out of date when it is asked for again: it must not spoil a batch."""
        self.send([request for request in requests if "expires_at" not in request.body])
        for request in requests:
            if "expires_at" in request.body:
                self.send([request])

    def send(self, requests):
        if not requests:
            return
        with self.lock:
            self.busy += 1
        try:
            if not self.submit(requests):
                self.open.append(requests)
        finally:
            with self.lock:
                self.busy -= 1

    def ask_again(self):
        """One of those whose fate is not known."""
        try:
            requests = self.open.popleft()
        except IndexError:
            return
        self.send(requests)

    def operate_loop(self):
        while not self.stopping.wait(0.15):
            if not self.paused.is_set():
                self.operate()

    def operate(self):
        known = [request for request in self.requests[-300:] if request.outcome == "ok"]
        if not known:
            return
        request = self.random.choice(known)
        what = self.random.choice(("cancel", "cancel", "reschedule", "retry"))
        if what == "retry" and (dead := [r for r in known if r.expect == ["dead"] and "queue" not in r.body]):
            request = self.random.choice(dead)
        self.act(what, next(iter(request.ids)))

    def act(self, what, id):
        due = in_ms(self.random.randrange(100, 400))
        asked, body = time.monotonic(), {"due_at": due} if what == "reschedule" else None
        more = {"due": instant(due)} if what == "reschedule" else {}
        try:
            answer = self.api.ask("POST", f"/v1/commands/{id}/{what}", body, timeout=ASK_SECONDS)
        except (OSError, http.client.HTTPException, ValueError):
            self.acts.add(what, id, "unknown", asked, **more)
            return
        outcome = "ok" if answer.status == 200 else "unknown" if answer.status == 504 else "refused"
        self.acts.add(what, id, outcome, asked, status=answer.status, **more)

    # ---- for the rounds

    def start(self):
        for thread in self.threads:
            thread.start()

    def burst(self, count, **changes):
        """Work for every shard at this moment."""
        self.send([self.make("immediate", **changes) for _ in range(count)])

    def settle(self, deadline):
        """No request is on its way or unknown any more; true when that came in time."""
        while time.monotonic() < deadline:
            if self.open:
                self.ask_again()
            elif self.busy == 0:
                return True
            time.sleep(0.01)
        return False

    def accepted(self):
        return sum(request.outcome == "ok" for request in self.requests)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * ASK_SECONDS + 2)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for request in self.requests:
                file.write(json.dumps(request.facts()) + "\n")
            for act in self.acts.log:
                file.write(json.dumps(act) + "\n")


# ---- kinds of commands: (body, how it may end)

def work(payload=None, **fields):
    return {"type": "chaos.work", "retry": QUICK, **({"payload": payload} if payload else {}), **fields}


def immediate(_):
    return work(), ["succeeded"]


def delayed(rng):
    return work(delay_ms=rng.randrange(1, 600)), ["succeeded"]


def slow(rng):
    return work({"ms": rng.randrange(20, 400)}), ["succeeded"]


def retried(rng):
    return work({"fail": list(range(1, rng.randrange(2, 4)))}), ["succeeded"]


def keyed(rng):
    return work({"ms": rng.randrange(5)}, key=f"key-{rng.randrange(KEYS)}"), ["succeeded"]


def hopeless(_):
    return work({"fail": list(range(1, 60)), "for_good": True}), ["dead"]


def precious(rng):
    return work({"ms": rng.randrange(10, 200)}, on_lost="dead"), ["succeeded", "dead"]


def expiring(rng):
    return work(delay_ms=rng.randrange(1, 200), expires_at=in_ms(300)), ["succeeded", "expired", "dead"]


def poison(_):
    return work({"poison": True}, queue=POISON_QUEUE), ["dead"]


MAKERS = {maker.__name__: maker for maker in (immediate, delayed, slow, retried, keyed, hopeless, precious, expiring,
                                              poison)}
# How many of a hundred; poison is submitted by its fault alone.
KINDS = {"immediate": 60, "delayed": 20, "slow": 4, "retried": 5, "keyed": 5, "hopeless": 1, "precious": 3,
         "expiring": 2}
