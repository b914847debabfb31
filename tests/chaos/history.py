"""What is known of a run, from four independent sources: client, ledger, store and faults."""
import collections
import dataclasses
import os
import sqlite3

STATES = ("waiting", "scheduled", "queued", "running", "succeeded", "dead", "cancelled", "expired", "delivered")
OUTCOMES = ("succeeded", "failed", "timed_out", "lost", "handed_back", "cancelled")
REASONS = (None, "attempts_exhausted", "not_retryable", "lost", "poison")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Row = collections.namedtuple("Row", "mono wall kind id attempt pid how")
Command = collections.namedtuple("Command", "state reason attempt shard due_ms")
Attempt = collections.namedtuple("Attempt", "number outcome epoch publisher executor queued_ms started_ms finished_ms")
Event = collections.namedtuple("Event", "at_ms kind who detail")


def name_of(number):
    """The id as the API writes it: 13 digits of 5 bits."""
    digits = [ALPHABET[number >> shift & 31] for shift in range(60, -1, -5)]
    return "cmd_" + "".join(digits)


@dataclasses.dataclass
class History:
    requests: list = dataclasses.field(default_factory=list)    # see client.Request
    acts: list = dataclasses.field(default_factory=list)        # cancels, reschedules, redrives, with answers
    rows: list = dataclasses.field(default_factory=list)        # the ledger
    commands: dict = dataclasses.field(default_factory=dict)    # id -> Command
    attempts: dict = dataclasses.field(default_factory=dict)    # id -> [Attempt]
    events: dict = dataclasses.field(default_factory=dict)      # id -> [Event]
    keys: dict = dataclasses.field(default_factory=dict)        # idempotency key -> id
    strikes: list = dataclasses.field(default_factory=list)     # each a dict: name, targets, struck, healed, …
    found: list = dataclasses.field(default_factory=list)       # violations that the rounds saw themselves
    counters: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    hits: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    points: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    agents: tuple = ()


class Store:
    """The data of a server that does not run any more, or a copy of it."""

    def __init__(self, folder):
        self.connection = sqlite3.connect(os.path.join(folder, "duly.db"))

    def problems(self):
        """What SQLite says against the file, and where its kept counts differ from its rows."""
        found = [f"integrity_check: {row[0]}" for row in self.connection.execute("PRAGMA integrity_check")
                 if row[0] != "ok"]
        found += [f"foreign_key_check: {row}" for row in self.connection.execute("PRAGMA foreign_key_check")]
        counted = dict(self.connection.execute("SELECT state, count(*) FROM state GROUP BY state"))
        kept = dict(self.connection.execute("SELECT state, sum(count) FROM counter GROUP BY state "
                                            "HAVING sum(count) > 0"))
        return found + ([f"counter: kept {kept}, counted {counted}"] if counted != kept else [])

    def read_into(self, history):
        query = self.connection.execute
        for id, state, reason, *rest in query("SELECT id, state, reason, attempt, shard, due_ms FROM state"):
            history.commands[name_of(id)] = Command(STATES[state], REASONS[reason], *rest)
        for id, number, outcome, *rest in query("SELECT id, attempt, outcome, epoch, publisher, executor, queued_ms, "
                                                "started_ms, finished_ms FROM attempt ORDER BY id, attempt"):
            history.attempts.setdefault(name_of(id), []).append(Attempt(number, OUTCOMES[outcome], *rest))
        for id, *event in query("SELECT id, at_ms, kind, who, detail FROM event ORDER BY sequence"):
            history.events.setdefault(name_of(id), []).append(Event(*event))
        history.keys.update((key, name_of(id)) for key, id in query("SELECT key, id FROM idempotency"))

    def close(self):
        self.connection.close()
