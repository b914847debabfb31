"""The checker on histories made by hand: each kind of violation turns it red, and only that one does."""
import os
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))

import checker  # noqa: E402
import report  # noqa: E402
from history import Attempt, Command, Event, History, Row, name_of  # noqa: E402

SECOND = 1000
T0 = 1_000_000  # the wall clock at monotonic 0, in seconds


def wall_ms(mono):
    return (T0 + mono) * SECOND


class World:
    """A history in which everything went well, one command at a time."""

    def __init__(self):
        self.history = History()

    def accept(self, id="cmd_a", key=None, order=None, at=1.0, outcome="ok", expect=("succeeded",), delay=0,
               once=False):
        key = key or "key-" + id
        request = types.SimpleNamespace(key=key, ids={id} if outcome == "ok" else set(), outcome=outcome, order=order,
                                        first=at, answered=at + 0.01, tries=1, expect=list(expect), once=once,
                                        not_before=wall_ms(at) + delay)
        self.history.requests.append(request)
        return request

    def store(self, id="cmd_a", state="succeeded", attempt=1, reason=None, key=None, shard=3, due=wall_ms(1.0)):
        self.history.commands[id] = Command(state, reason, attempt, shard, due)
        self.history.keys[key or "key-" + id] = id

    def attempt(self, id="cmd_a", number=1, outcome="succeeded", start=2.0, end=2.1, epoch=5, publisher=1):
        times = [round(wall_ms(at)) for at in (start - 0.01, start, end)]
        self.history.attempts.setdefault(id, []).append(Attempt(number, outcome, epoch, publisher, 9, *times))

    def ran(self, id="cmd_a", number=1, start=2.0, end=2.1, how="succeeded"):
        self.history.rows.append(Row(start, T0 + start, "start", id, number, 77, "-"))
        if end is not None:
            self.history.rows.append(Row(end, T0 + end, "end", id, number, 77, how))

    def act(self, what, id="cmd_a", at=3.0, outcome="ok", **more):
        self.history.acts.append({"what": what, "id": id, "outcome": outcome, "asked": at - 0.01, "answered": at,
                                  **more})

    def good(self, id="cmd_a", **request):
        self.accept(id, **request)
        self.store(id)
        self.attempt(id)
        self.ran(id)
        return self

    def lost_then_good(self):
        self.accept()
        self.store(attempt=2)
        self.attempt(outcome="lost")
        self.ran(end=None)
        self.attempt(number=2, start=3.0, end=3.1)
        self.ran(number=2, start=3.0, end=3.1)
        return self

    def kinds(self):
        return sorted({violation["kind"] for violation in checker.Checker(self.history).judge()})


class Cases(unittest.TestCase):
    def red(self, world, *kinds):
        self.assertEqual(world.kinds(), sorted(kinds))
        self.assertEqual(checker.verdict(world.history, {})[0], "invalid")

    def green(self, world):
        self.assertEqual(world.kinds(), [])


class Valid(Cases):
    def test_a_command_that_ran_once(self):
        self.green(World().good())

    def test_an_attempt_lost_and_one_that_succeeded(self):
        self.green(World().lost_then_good())

    def test_an_unknown_answer_may_have_been_applied_or_not(self):
        world = World().good()
        world.accept("cmd_b", outcome="unknown")
        world.accept("cmd_c", outcome="unknown")
        world.store("cmd_c")
        world.attempt("cmd_c")
        world.ran("cmd_c")
        self.green(world)

    def test_a_frozen_executor_may_do_its_work_late(self):
        """Its row comes after the attempt that replaced it; that is said aloud not to be promised away."""
        world = World().lost_then_good()
        world.history.rows.append(Row(5.0, T0 + 5.0, "end", "cmd_a", 1, 77, "succeeded"))
        self.green(world)

    def test_a_cancelled_command(self):
        world = World()
        world.accept()
        world.store(state="cancelled", attempt=0)
        world.act("cancel")
        self.green(world)

    def test_work_that_was_running_when_it_was_cancelled_may_still_show(self):
        world = World()
        world.accept()
        world.store(state="cancelled")
        world.attempt(outcome="cancelled", start=2.99, end=3.0)
        world.act("cancel", at=3.0)
        world.ran(start=3.001, end=3.2, how="cancelled")
        self.green(world)


class Invalid(Cases):
    def test_lost(self):
        world = World()
        world.accept()
        self.red(world, "lost")

    def test_not_ended(self):
        world = World()
        world.accept()
        world.store(state="queued", attempt=0)
        self.red(world, "not ended")

    def test_ran_twice_in_one_attempt(self):
        world = World().good()
        world.ran(start=2.5, end=None)
        self.red(world, "ran twice")

    def test_ended_twice_in_one_attempt(self):
        world = World().good()
        world.history.rows.append(Row(2.6, T0 + 2.6, "end", "cmd_a", 1, 78, "succeeded"))
        self.red(world, "ran twice")

    def test_effect_without_acceptance(self):
        world = World().good()
        world.ran("cmd_x")
        self.red(world, "effect without acceptance")

    def test_command_from_nowhere(self):
        world = World().good()
        world.store("cmd_x", state="cancelled", attempt=0)
        self.red(world, "command from nowhere")

    def test_refused_and_applied(self):
        world = World()
        world.accept(outcome="refused")
        world.store(state="expired", attempt=0)
        self.assertIn("refused but applied", world.kinds())

    def test_succeeded_without_ledger_end(self):
        world = World().good()
        world.history.rows.pop()
        self.red(world, "succeeded without effect")

    def test_succeeded_although_the_ledger_says_it_failed(self):
        world = World().good()
        world.history.rows[-1] = world.history.rows[-1]._replace(how="failed")
        self.red(world, "succeeded without effect")

    def test_failed_although_the_ledger_says_it_succeeded(self):
        world = World().good()
        world.history.attempts["cmd_a"].insert(0, world.history.attempts["cmd_a"].pop()._replace(outcome="failed"))
        world.history.commands["cmd_a"] = Command("dead", "not_retryable", 1, 3, wall_ms(1.0))
        world.history.requests[0].expect = ["dead"]
        self.red(world, "end disagrees")

    def test_succeeded_twice(self):
        world = World().good()
        world.attempt(number=2, start=3.0, end=3.1)
        world.ran(number=2, start=3.0, end=3.1)
        self.red(world, "end disagrees")

    def test_ran_without_permit(self):
        world = World().good()
        world.ran(number=2, start=3.0, end=None)
        self.red(world, "ran without permit")

    def test_two_ids_for_a_key_in_the_answers(self):
        world = World().good()
        world.history.requests[0].ids.add("cmd_b")
        world.store("cmd_b", key="key-other")
        world.attempt("cmd_b")
        world.ran("cmd_b")
        self.red(world, "two ids for a key")

    def test_another_id_for_a_key_in_the_store(self):
        world = World().good()
        world.good("cmd_b", key="key-cmd_a")
        world.history.keys = {"key-cmd_a": "cmd_b"}
        self.assertIn("two ids for a key", world.kinds())

    def test_cancelled_yet_ran_after_the_answer(self):
        world = World()
        world.accept()
        world.store(state="cancelled")
        world.attempt(outcome="lost", start=3.4, end=3.9)
        world.act("cancel", at=3.0)
        world.ran(start=3.5, end=None)
        self.red(world, "cancelled yet ran")

    def test_key_overlap(self):
        world = World()
        for id, start, end in (("cmd_a", 2.0, 2.5), ("cmd_b", 2.4, 2.6)):
            world.accept(id, order="k")
            world.store(id)
            world.attempt(id, start=start, end=end)
            world.ran(id, start=start, end=end)
        self.red(world, "key overlap")

    def test_two_keys_may_overlap(self):
        world = World()
        for id, key in (("cmd_a", "k"), ("cmd_b", "l")):
            world.good(id, order=key)
        self.green(world)

    def test_early_start(self):
        world = World()
        world.accept(delay=1500)
        world.store(due=wall_ms(1.5))
        world.attempt()
        world.ran()
        self.red(world, "early")

    def test_early_retry(self):
        world = World().lost_then_good()
        world.history.commands["cmd_a"] = world.history.commands["cmd_a"]._replace(due_ms=wall_ms(3.05))
        self.red(world, "early")

    def test_brought_forward_is_not_early(self):
        world = World()
        world.accept(delay=5000)
        world.store()
        world.act("reschedule", at=1.5, due=wall_ms(1.9))
        world.attempt()
        world.ran()
        self.green(world)

    def test_wrong_end(self):
        world = World()
        world.accept()
        world.store(state="dead", reason="attempts_exhausted")
        world.attempt(outcome="failed")
        world.ran(how="failed")
        self.red(world, "wrong end")

    def test_poison_needs_three_losses(self):
        world = World()
        world.accept()
        world.store(state="dead", reason="poison", attempt=3)
        for number in (1, 2):
            world.attempt(number=number, outcome="lost", start=number + 1.0, end=number + 1.5)
        self.red(world, "wrong end")
        world.attempt(number=3, outcome="lost", start=4.0, end=4.5)
        self.green(world)

    def test_what_must_run_once_is_not_tried_again(self):
        world = World().lost_then_good()
        world.history.requests[0].once = True
        self.red(world, "tried again after a loss")

    def test_cancelled_though_nobody_asked(self):
        world = World()
        world.accept()
        world.store(state="cancelled", attempt=0)
        world.act("cancel", outcome="refused")
        self.red(world, "wrong end")

    def test_two_holders_of_one_epoch(self):
        world = World().good()
        world.accept("cmd_b")
        world.store("cmd_b")
        world.attempt("cmd_b", publisher=2)
        world.ran("cmd_b")
        self.red(world, "two holders")

    def test_what_the_rounds_saw_counts(self):
        world = World().good()
        world.history.found.append({"kind": "late", "id": "cmd_a", "detail": "3 s"})
        self.red(world, "late")


class Witness(Cases):
    def test_the_shortest_one_is_told_with_what_every_source_says(self):
        world = World().lost_then_good()
        world.ran(number=2, start=3.5, end=None)
        world.good("cmd_b")
        world.ran("cmd_b", start=2.7, end=None)
        world.act("cancel", "cmd_b", outcome="unknown")
        world.history.events["cmd_b"] = [Event(1, "lost", "server", "attempt 1")]
        world.history.strikes.append({"name": "agent kill", "targets": ["a-1"], "struck": 2.5, "healed": 2.8})
        world.history.strikes.append({"name": "much later", "targets": ["a-1"], "struck": 50.0, "healed": 51.0})
        witness = checker.verdict(world.history, {})[3]
        for part in ("ran twice: cmd_b", "client  key-cmd_b", "client  cancel", "ledger  start attempt 1", "agent kill",
                     "kind='lost'", "outcome='succeeded'"):
            self.assertIn(part, witness)
        self.assertNotIn("much later", witness)


class Inconclusive(Cases):
    WANTED = {"faults": ["agent kill", "link reset"], "points": ["store.before-commit"],
              "counters": {"permits_refused": 100, "stale_refused": 50}}

    def hit_everything(self):
        world = World().good()
        world.history.hits.update(self.WANTED["faults"])
        world.history.points.update(self.WANTED["points"])
        world.history.counters.update(self.WANTED["counters"])
        return world.history

    def test_everything_was_hit(self):
        self.assertEqual(checker.verdict(self.hit_everything(), self.WANTED)[:3], ("valid", [], []))

    def test_each_gap_alone(self):
        for spoil, gap in ((lambda h: h.hits.pop("link reset"), "fault never struck: link reset"),
                           (lambda h: h.points.clear(), "point never hit: store.before-commit"),
                           (lambda h: h.counters.update({"permits_refused": -1}), "permits_refused: 99, wanted 100"),
                           (lambda h: h.counters.update({"stale_refused": -50}), "stale_refused: 0, wanted 50")):
            history = self.hit_everything()
            spoil(history)
            self.assertEqual(checker.verdict(history, self.WANTED)[:3], ("inconclusive", [], [gap]))

    def test_a_violation_outweighs_a_gap(self):
        history = World().history
        history.found.append({"kind": "store", "detail": "integrity_check"})
        self.assertEqual(checker.verdict(history, self.WANTED)[0], "invalid")


class Figures(unittest.TestCase):
    def test_fail_over_is_the_first_of_a_later_epoch(self):
        world = World()
        for number, (start, epoch) in enumerate(((2.0, 5), (2.2, 5), (2.5, 6), (2.6, 6))):
            world.store(f"cmd_{number}")
            world.attempt(f"cmd_{number}", start=start, epoch=epoch)
        strike = {"name": "agent kill", "targets": ["a-1"], "healed_wall": T0 + 3, "alone": True,
                  "moves": [{"agent": "a-1", "held": {3: 5, 4: 5}, "struck": T0 + 2.1}]}
        moves = report.Moves(world.history)
        (sample,) = moves.fail_over([strike])["agent kill"]
        self.assertAlmostEqual(sample, 390, delta=2)

    def test_ids_are_written_as_the_api_writes_them(self):
        self.assertEqual(name_of(0), "cmd_0000000000000")
        self.assertEqual(name_of(31), "cmd_000000000000Z")
        self.assertEqual(name_of((1 << 63) - 1), "cmd_7ZZZZZZZZZZZZ")


if __name__ == "__main__":
    unittest.main()
