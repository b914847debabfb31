"""Judges a history: valid, invalid with the shortest witness, or inconclusive because it hit too little.

Every rule joins what at least two sources say; each is one method that reports what speaks against it.
"""
import collections

ENDED = ("succeeded", "dead", "cancelled", "expired")
KNOWN_END = ("succeeded", "failed")  # of attempts whose end was recorded as their executor told it
CLOCK_MS = 2  # the ledger writes its row a moment after, rounding is a millisecond


class Checker:
    RULES = ("accepted_and_ended", "one_command_per_key", "nothing_from_nowhere", "refused_means_not_applied",
             "once_per_attempt", "ran_with_permit", "ends_agree", "end_as_expected", "cancelled_stays_cancelled",
             "once_means_once", "never_early", "one_of_a_key_at_a_time", "one_holder_per_epoch")

    def __init__(self, history):
        self.history, self.violations = history, list(history.found)
        self.requests = {id: request for request in history.requests for id in request.ids}
        self.starts, self.ends = collections.defaultdict(list), collections.defaultdict(list)
        self.rows_of = collections.defaultdict(list)
        for row in history.rows:
            (self.starts if row.kind == "start" else self.ends)[row.id, row.attempt].append(row)
            self.rows_of[row.id].append(row)
        self.attempt = {(id, one.number): one for id, attempts in history.attempts.items() for one in attempts}
        self.acts_of = collections.defaultdict(list)
        for act in history.acts:
            if act["outcome"] != "refused":
                self.acts_of[act["id"]].append(act)

    def judge(self):
        for rule in self.RULES:
            getattr(self, rule)()
        return self.violations

    def against(self, kind, id, detail):
        self.violations.append({"kind": kind, "id": id, "detail": detail})

    # ---- rules

    def accepted_and_ended(self):
        for request in self.history.requests:
            if request.outcome != "ok":
                continue
            for id in request.ids:
                command = self.history.commands.get(id)
                if command is None:
                    self.against("lost", id, f"{request.key} was accepted and is not in the store")
                elif command.state not in ENDED:
                    self.against("not ended", id, f"still {command.state}")

    def one_command_per_key(self):
        for request in self.history.requests:
            stored = {self.history.keys[request.key]} if request.key in self.history.keys else set()
            if len(both := stored | request.ids) > 1:
                self.against("two ids for a key", min(both), f"{request.key}: {sorted(both)}")

    def nothing_from_nowhere(self):
        asked = {self.history.keys.get(request.key) for request in self.history.requests} | set(self.requests)
        for id in self.history.commands:
            if id not in asked:
                self.against("command from nowhere", id, "nobody asked for it")
        for id, rows in self.rows_of.items():
            if id not in self.history.commands or id not in asked:
                self.against("effect without acceptance", id, f"{len(rows)} ledger rows of a command nobody accepted")

    def refused_means_not_applied(self):
        for request in self.history.requests:
            if request.outcome == "refused" and request.key in self.history.keys:
                self.against("refused but applied", self.history.keys[request.key], request.key)

    def once_per_attempt(self):
        for what, rows in (("started", self.starts), ("ended", self.ends)):
            for (id, number), same in rows.items():
                if len(same) > 1:
                    self.against("ran twice", id, f"attempt {number} {what} {len(same)} times")

    def ran_with_permit(self):
        for id, number in self.starts:
            attempt = self.attempt.get((id, number))
            if id in self.history.commands and (attempt is None or not attempt.started_ms):
                self.against("ran without permit", id, f"attempt {number} is in the ledger, not in the store")

    def ends_agree(self):
        for id, command in self.history.commands.items():
            attempts = self.history.attempts.get(id, [])
            good = [attempt.number for attempt in attempts if attempt.outcome == "succeeded"]
            if good != ([command.attempt] if command.state == "succeeded" else []):
                self.against("end disagrees", id, f"{command.state} at attempt {command.attempt}, succeeded: {good}")
            for attempt in attempts:
                self.end_agrees(id, attempt)

    def end_agrees(self, id, attempt):
        told = {row.how for row in self.ends.get((id, attempt.number), [])}
        if attempt.outcome == "succeeded" and told != {"succeeded"}:
            self.against("succeeded without effect", id, f"attempt {attempt.number}; the ledger: {told or 'nothing'}")
        if attempt.outcome == "failed" and "succeeded" in told:
            self.against("end disagrees", id, f"attempt {attempt.number} failed; the ledger says it succeeded")

    def end_as_expected(self):
        for id, request in self.requests.items():
            command = self.history.commands.get(id)
            if command is None or command.state in request.expect or command.state not in ENDED:
                continue
            if command.state == "cancelled" and any(act["what"] == "cancel" for act in self.acts_of[id]):
                continue
            if command.reason == "poison" and self.lost_three_in_a_row(id):
                continue
            self.against("wrong end", id, f"{command.state} ({command.reason}); possible: {request.expect}")

    def lost_three_in_a_row(self, id):
        counted = [a.outcome for a in self.history.attempts.get(id, []) if a.outcome != "handed_back"]
        return counted[-3:] == ["lost"] * 3

    def cancelled_stays_cancelled(self):
        """Only the attempt that was running when it was cancelled may still show its effect."""
        for act in self.history.acts:
            if act["what"] != "cancel" or act["outcome"] != "ok":
                continue
            for row in self.rows_of[act["id"]]:
                attempt = self.attempt.get((row.id, row.attempt))
                was_running = attempt is not None and attempt.outcome == "cancelled"
                if row.kind == "start" and row.mono > act["answered"] and not was_running:
                    self.against("cancelled yet ran", row.id, f"attempt {row.attempt} after the answer")

    def once_means_once(self):
        """`on_lost: dead`: what may have run is not tried again.  Nobody redrives these."""
        for id, request in self.requests.items():
            outcomes = [attempt.outcome for attempt in self.history.attempts.get(id, [])]
            if request.once and "lost" in outcomes[:-1]:
                self.against("tried again after a loss", id, str(outcomes))

    def never_early(self):
        for id, request in self.requests.items():
            moved = [act["due"] for act in self.acts_of[id] if act["what"] == "reschedule"]
            if (first := self.starts.get((id, 1))) is None or request.not_before is None:
                continue
            if first[0].wall * 1000 < min([request.not_before, *moved]) - CLOCK_MS:
                self.against("early", id, f"attempt 1 at {first[0].wall * 1000:.0f}, due {request.not_before:.0f}")
        for id, command in self.history.commands.items():
            last = self.starts.get((id, command.attempt))
            if command.state == "succeeded" and last and last[0].wall * 1000 < command.due_ms - CLOCK_MS:
                at = f"{last[0].wall * 1000:.0f}, due {command.due_ms}"
                self.against("early", id, f"attempt {command.attempt} at {at}")

    def one_of_a_key_at_a_time(self):
        """Lost attempts are left out: a frozen executor may do its work late, which is not promised away."""
        spans = collections.defaultdict(list)
        for (id, number), starts in self.starts.items():
            key = self.requests[id].order if id in self.requests else None
            attempt, ends = self.attempt.get((id, number)), self.ends.get((id, number))
            if key and ends and attempt and attempt.outcome in KNOWN_END:
                spans[key].append((starts[0].mono, ends[0].mono, id))
        for key, of_key in spans.items():
            self.no_overlap(key, sorted(of_key))

    def no_overlap(self, key, spans):
        until, last = 0.0, None
        for start, end, id in spans:
            if start < until and id != last:
                early_ms = 1000 * (until - start)
                self.against("key overlap", id, f"began {early_ms:.1f} ms before {last} of {key} had ended")
            if end > until:
                until, last = end, id

    def one_holder_per_epoch(self):
        holders = collections.defaultdict(dict)
        for id, attempts in self.history.attempts.items():
            shard = self.history.commands[id].shard
            for attempt in attempts:
                if attempt.epoch and attempt.publisher:
                    holders[shard, attempt.epoch].setdefault(attempt.publisher, id)
        for (shard, epoch), publishers in holders.items():
            if len(publishers) > 1:
                self.against("two holders", max(publishers.values()), f"shard {shard} epoch {epoch}: {publishers}")

    # ---- the witness

    def weight(self, violation):
        id = violation.get("id")
        return len(self.rows_of.get(id, ())) + len(self.history.attempts.get(id, ())) if id else 1 << 20

    def shortest(self):
        return min(self.violations, key=self.weight)

    def witness(self, violation):
        """Everything any source knows of the command, by time, and what was struck around it."""
        id, history = violation.get("id"), self.history
        lines = [(0, f"{violation['kind']}: {id or ''} {violation['detail']}")]
        if request := self.requests.get(id):
            lines.append((request.first or 0, f"client  {request.key} asked {request.tries}x: {request.outcome}"))
        lines += [(act["answered"], f"client  {act['what']}: {act['outcome']}") for act in self.acts_of.get(id, [])]
        rows = self.rows_of.get(id, [])
        lines += [(row.mono, f"ledger  {row.kind} attempt {row.attempt} pid {row.pid} {row.how}") for row in rows]
        times = [at for at, _ in lines if at] or [0]
        lines += [(s["struck"], f"fault   {s['name']} {s['targets']} until {s['healed']:.3f}") for s in history.strikes
                  if s["struck"] and s["struck"] < max(times) + 3 and s["healed"] > min(times) - 3]
        text = [f"{at:12.3f} {line}" if at else line for at, line in sorted(lines, key=lambda pair: pair[0])]
        text += [f"store   {attempt}" for attempt in history.attempts.get(id, [])]
        text += [f"store   {event}" for event in history.events.get(id, [])] + [f"store   {history.commands.get(id)}"]
        return "\n".join(text + ([violation["log"]] if "log" in violation else []))


def missed(history, wanted):
    """What a run had to hit and did not.  `wanted`: faults, points, and counters with their least value."""
    found = [f"fault never struck: {name}" for name in wanted.get("faults", ()) if not history.hits[name]]
    found += [f"point never hit: {name}" for name in wanted.get("points", ()) if not history.points[name]]
    found += [f"{name}: {history.counters[name]}, wanted {least}" for name, least in wanted.get("counters", {}).items()
              if history.counters[name] < least]
    return found


def verdict(history, wanted):
    """(valid|invalid|inconclusive, violations, what was missed, the shortest witness or None)."""
    checker = Checker(history)
    violations, gaps = checker.judge(), missed(history, wanted)
    if violations:
        return "invalid", violations, gaps, checker.witness(checker.shortest())
    return ("inconclusive" if gaps else "valid"), [], gaps, None
