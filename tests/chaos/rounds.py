"""One round: draw a fault, strike under load, keep it up, heal, and see that everything due ends in time."""
import collections
import time

from strike import Missed, Strike

SETTLE_SECONDS = 1.0  # the longest delay the load asks for, and a little
BACKLOG_PER_SECOND = 150  # worked off at least so fast: what piled up during the fault gets that time
PATIENCE = 30  # seconds beyond the bound in which `late` is told from `stuck`
WARM_UP = 0.25
PULSE = 96  # commands at the strike: of 16 shards each gets some


class Rounds:
    def __init__(self, world, client, history, rng, say=print):
        self.world, self.client, self.history, self.rng, self.say = world, client, history, rng, say
        self.kills, self.number = collections.Counter(), 0
        self.recovery, self.restarts = collections.defaultdict(list), []
        self.missed = []

    def bound(self):
        return 3 * self.world.ttl_ms / 1000 + 5

    def run(self, chosen, label=None):
        """`chosen`: [(name, generator function)].  All strike in order and heal in reverse."""
        self.number += 1
        begun = time.monotonic()
        self.world.all_held()
        self.client.paused.clear()
        self.wait(WARM_UP)
        strikes = [(Strike(name, self.world, self.client, self.rng), fault) for name, fault in chosen]
        self.strike_and_heal(strikes)
        healed = time.monotonic()
        late = self.settle(healed, [strike.name for strike, _ in strikes])
        self.world.look_for_crashes()
        self.world.revive()
        self.history.found += self.world.crashes
        self.world.crashes.clear()
        self.note(strikes, healed, late)
        names = " + ".join(label or strike.name for strike, _ in strikes)
        targets = ",".join(dict.fromkeys(target for strike, _ in strikes for target in strike.targets))
        self.say(f"round {self.number:3} {names} [{targets}] {time.monotonic() - begun:.1f} s, "
                 f"ended {time.monotonic() - healed:.2f} s after the heal, {len(self.client.requests)} asked, "
                 f"{sum(self.kills.values())} kills and pauses")

    def strike_and_heal(self, strikes):
        under_way = []
        for strike, fault in strikes:
            strike.struck = time.monotonic()
            generator = fault(strike)
            try:
                seconds = next(generator)
            except Missed as why:
                self.missed.append(f"{strike.name}: {why}")
                strike.struck = None
                continue
            under_way.append((strike, generator, time.monotonic() + seconds))
            if strike.pulse:
                self.client.burst(PULSE)
        for strike, generator, until in reversed(under_way):
            self.wait(max(0.0, until - time.monotonic()))
            self.heal(strike, generator)
        self.world.revive()

    def heal(self, strike, generator):
        try:
            for _ in generator:
                raise AssertionError(f"{strike.name} yields twice")
        except Missed as why:
            self.missed.append(f"{strike.name}: {why}")
            strike.struck = None
        strike.healed, strike.healed_wall = time.monotonic(), time.time()

    def wait(self, seconds):
        """Meanwhile the counters are read, and whoever died of poison comes back."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            time.sleep(min(0.1, rest))
            if self.world.server.running() and not self.world.server.stopped:
                self.world.sample()
            self.kills["poison"] += self.world.revive_victim()
            if self.client.failure:
                raise self.client.failure

    def settle(self, healed, names):
        """Seconds beyond the bound, or None.  No new work comes meanwhile, so that there is an end to wait for."""
        self.client.paused.set()
        # What the client could not submit meanwhile is asked for again one batch after another: that is backlog too.
        backlog = (self.world.unfinished() or 0) + sum(len(requests) for requests in list(self.client.open))
        deadline = healed + self.bound() + SETTLE_SECONDS + backlog / BACKLOG_PER_SECOND
        known = self.client.settle(deadline)
        while not (known and self.world.unfinished() == 0):
            if time.monotonic() > deadline:
                return self.too_late(deadline, names)
            self.wait(0.05)
            known = known or self.client.settle(deadline)
        return None

    def too_late(self, deadline, names):
        """What is left over says whether it is only late."""
        left, unknown = self.world.left_over(), len(self.client.open)
        while time.monotonic() < deadline + PATIENCE:
            if self.client.settle(time.monotonic() + 1) and self.world.unfinished() == 0:
                break
            self.wait(0.1)
        after = time.monotonic() - deadline
        stuck = after >= PATIENCE
        first = left[0][0]["id"] if left else None
        detail = f"{names}: {after:.1f} s beyond the bound, {unknown} answers missing, left: {left[:3]}"
        self.history.found.append({"kind": "stuck" if stuck else "late", "id": first, "detail": detail})
        if stuck:
            raise AssertionError(f"stuck after {names}: {left[:3]}; {self.world.sample()}")
        return after

    def note(self, strikes, healed, late):
        for strike, _ in strikes:
            self.kills.update(strike.kills)
            if strike.struck is None:
                continue
            self.history.found += strike.violations
            self.history.points.update(strike.points)
            self.history.hits[strike.name] += 1
            self.restarts += strike.restarts
            self.recovery[strike.name].append(time.monotonic() - healed)
            self.history.strikes.append({"name": strike.name, "targets": strike.targets, "struck": strike.struck,
                                         "healed": strike.healed or healed, "healed_wall": strike.healed_wall,
                                         "moves": strike.moves, "late": late, "alone": len(strikes) == 1})
