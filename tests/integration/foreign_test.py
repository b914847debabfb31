"""Executors that are no agents, in Python and JavaScript: over HTTP, by message, killed, frozen, slow, and twice."""
import json
import os
import signal
import unittest

from lib.cluster import TestCase
from lib.process import ROOT, Process

FOREIGN = os.path.join(ROOT, "tests", "integration", "foreign")
MODULES = os.path.join(ROOT, os.environ.get("DULY_FOREIGN_MODULES", "build/foreign"), "node_modules")
QUICK = {"max_attempts": 5, "initial_delay_ms": 50, "max_delay_ms": 100}
BY_MESSAGE = ("--report", "message")
ONLY_AMQP = ("--report", "message", "--no-begin")


class Executors:
    """One server, an agent that only dispatches, and executors: `start` begins one."""

    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", roles="dispatch")
        cls.queues = 0

    def setUp(self):
        type(self).queues += 1
        self.queue = f"foreign-{self.queues}"

    def start(self, name, *flags):
        arguments = ["--queue", self.queue, "--amqp", self.cluster.amqp, "--server", f"http://127.0.0.1:{self.api.port}",
                     "--name", name]
        process = Process(name, [*self.program, *arguments, *flags],
                          os.path.join(self.cluster.folder, f"{self.queue}-{name}.log"))
        self.addCleanup(process.end)
        self.addCleanup(self.show_log_of_failure, process)
        return process

    def show_log_of_failure(self, process):
        result = self._outcome.result
        if any(getattr(test, "test_case", test) is self for test, _ in [*result.failures, *result.errors]):
            print(process.tail())

    def submit(self, type, payload=None, **fields):
        return self.api.submit(type, payload, queue=self.queue, **{"retry": QUICK, **fields})["id"]

    def says(self, process, line, seconds=15):
        self.wait(f"{process.name} says {line!r}", lambda: line in process.log(), seconds)

    def outcomes(self, id):
        return [(a["executor"], a["outcome"]) for a in self.api.command(id)["attempts"]]

    def stale(self):
        return self.api.totals()["stale_results"]


class Tests(Executors):
    """For each language."""

    def test_every_way_of_reporting(self):
        for n, flags in enumerate([(), BY_MESSAGE, ONLY_AMQP]):
            with self.subTest(flags):
                self.queue = f"ways-{n}"
                self.start("one", *flags)
                good = self.submit("echo", {"n": [1, "\u00e9"]})
                bad = self.submit("fail", retry={**QUICK, "max_attempts": 2})
                strange = self.submit("unheard-of")
                ended = self.api.ended(good)
                self.assertEqual((ended["state"], ended["result"]), ("succeeded", {"n": [1, "\u00e9"]}))
                self.assertEqual(self.outcomes(good), [("one", "succeeded")])
                self.assertEqual(self.api.ended(bad)["reason"], "attempts_exhausted")
                self.assertEqual(self.outcomes(bad), [("one", "failed")] * 2)
                self.assertIn("as asked", self.api.command(bad)["attempts"][0]["error"])
                self.assertEqual(self.api.ended(strange)["reason"], "not_retryable")

    def copy(self, id):
        """The message of the first attempt once more, as a broker may deliver it."""
        command = self.api.command(id)
        with self.cluster.connect() as amqp:
            amqp.publish("duly.execute", self.queue, json.dumps(command["payload"]).encode(), {"duly-token": 0},
                         type=command["type"], message_id=id + ".1", correlation_id=id)

    def test_a_copy_of_a_message_is_refused_at_begin(self):
        executor = self.start("one", "--at-once", "2")
        id = self.submit("work", {"ms": 1000})
        self.says(executor, f"runs {id}.1")
        self.copy(id)
        self.says(executor, f"refused {id}.1 already_permitted")
        self.assertEqual(self.api.ended(id)["state"], "succeeded")
        self.copy(id)
        self.says(executor, f"refused {id}.1 finished")
        self.assertEqual(executor.log().count("runs"), 1)

    def test_without_a_begin_a_copy_is_known_to_who_ran_it_and_stale_for_the_server(self):
        executor = self.start("one", *ONLY_AMQP)
        id = self.submit("echo", 1)
        self.assertEqual(self.api.ended(id)["state"], "succeeded")
        stale = self.stale()
        self.copy(id)
        self.wait("the second report is stale", lambda: self.stale() == stale + 1)
        self.assertEqual(executor.log().count("runs"), 1)
        self.assertEqual(self.outcomes(id), [("one", "succeeded")])

    def test_killed_in_the_middle_its_work_is_tried_again_by_another(self):
        for flags in ((), BY_MESSAGE):
            with self.subTest(flags):
                self.queue = "killed" + "-by-message" * bool(flags)
                victim = self.start("victim", *flags)
                id = self.submit("work", {"ms": 2500}, timeout_ms=1000)
                self.says(victim, f"runs {id}.1")
                victim.kill()
                self.start("other", *flags)
                self.assertEqual(self.api.ended(id)["state"], "succeeded")
                self.assertEqual(self.outcomes(id), [("victim", "lost"), ("other", "succeeded")])
                self.assertIn("no sign of its executor", self.api.command(id)["attempts"][0]["error"])

    def test_killed_without_a_begin_its_message_comes_again(self):
        victim = self.start("victim", *ONLY_AMQP)
        id = self.submit("work", {"ms": 1500})
        self.says(victim, f"runs {id}.1")
        victim.kill()
        self.start("other", *ONLY_AMQP)
        self.assertEqual(self.api.ended(id)["state"], "succeeded")
        self.assertEqual(self.outcomes(id), [("other", "succeeded")])

    def test_heartbeats_keep_work_that_is_longer_than_its_time_out_also_over_a_restart(self):
        executor = self.start("one")
        id = self.submit("work", {"ms": 4000}, timeout_ms=1000)
        self.says(executor, f"runs {id}.1")
        self.cluster.server.kill()
        self.cluster.start_server()
        ended = self.api.ended(id)
        self.assertEqual((ended["state"], ended["result"]), ("succeeded", {"whole": True}))
        self.assertEqual(self.outcomes(id), [("one", "succeeded")])

    def test_who_runs_a_cancelled_command_hears_of_it(self):
        executor = self.start("one")
        id = self.submit("work", {"ms": 60_000}, timeout_ms=1500)
        self.says(executor, f"runs {id}.1")
        self.api.post(f"/v1/commands/{id}/cancel")
        self.says(executor, f"stops {id}.1")
        self.says(executor, f"stale {id}.1")
        self.assertEqual(self.api.command(id)["state"], "cancelled")

    def test_a_reply_may_outrun_the_confirm(self):
        for n, flags in enumerate([(), BY_MESSAGE, ONLY_AMQP]):
            with self.subTest(flags):
                self.queue = f"outruns-{n}"
                self.start("one", *flags)
                self.assertEqual(self.api.ended(self.submit("echo", 0))["state"], "succeeded")
                # The broker has the message, and nobody else knows.
                self.api.crash_agent("a-1", "hang", "dispatch.after-confirm", duration_ms=1000)
                id = self.submit("echo", 1)
                ended = self.api.ended(id)
                self.assertEqual(ended["state"], "succeeded")
                self.assertIsNone(ended["attempts"][0]["queued_at"], "it was marked before")
                # The agent is awake and has marked what it could.
                self.assertEqual(self.api.ended(self.submit("echo", 2))["state"], "succeeded")
                self.assertEqual(self.outcomes(id), [("one", "succeeded")])

    def test_a_result_of_an_attempt_that_is_past_is_refused(self):
        for flags in ((), BY_MESSAGE):
            with self.subTest(flags):
                self.queue = "past" + "-by-message" * bool(flags)
                frozen = self.start("frozen", *flags)
                id = self.submit("work", {"ms": 1500}, timeout_ms=1000)
                self.says(frozen, f"runs {id}.1")
                frozen.signal(signal.SIGSTOP)
                other = self.start("other", *flags)
                self.says(other, f"runs {id}.2")
                stale = self.stale()
                frozen.signal(signal.SIGCONT)
                self.says(frozen, f"reported {id}.1" if flags else f"stale {id}.1")
                self.wait("it is counted", lambda stale=stale: self.stale() == stale + 1)
                ended = self.api.ended(id)
                self.assertEqual((ended["state"], ended["result"]), ("succeeded", {"whole": True}))
                self.assertEqual(self.outcomes(id), [("frozen", "lost"), ("other", "succeeded")])


class InPython(Tests, TestCase):
    # Debian's own: pika is its package.
    program = ["/usr/bin/python3", "-B", os.path.join(FOREIGN, "python", "executor.py")]


class InJavaScript(Tests, TestCase):
    program = ["env", f"NODE_PATH={MODULES}", "node", os.path.join(FOREIGN, "node", "executor.js")]


class LeastPermissions(Executors, TestCase):
    """The users of docs/executors.md: what they may do is enough."""
    program = InPython.program

    def start_as(self, user, write, *flags):
        node, vhost = self.cluster.node, self.cluster.vhost
        permissions = ", ".join(f'<<"{text}">>' for text in (user, vhost, "^$", write, rf"^duly\\.execute\\.{self.queue}$"))
        node.output("ctl", node.folder, "eval",
                    f'rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"secret">>, <<"t">>), '
                    f'rabbit_auth_backend_internal:set_permissions({permissions}, <<"t">>).')
        self.addCleanup(node.output, "ctl", node.folder, "eval",
                        f'rabbit_auth_backend_internal:delete_user(<<"{user}">>, <<"t">>).')
        url = self.cluster.amqp.replace("guest:guest", f"{user}:secret")
        self.assertIn(user, url)
        return self.start("one", "--amqp", url, *flags)

    def test_over_http_and_by_message(self):
        for n, (write, flags) in enumerate([("^$", ()), (r"^amq\\.default$", ONLY_AMQP)]):
            with self.subTest(flags):
                self.queue = f"least-{n}"
                self.start_as(f"{self.cluster.vhost}-{n}", write, *flags)
                id = self.submit("echo", n)
                self.assertEqual(self.api.ended(id)["result"], n)
                self.assertEqual(self.outcomes(id), [("one", "succeeded")])


class Results(TestCase):
    """The queue duly.results, by hand."""

    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", roles="dispatch")

    def report(self, correlation_id, body=None, headers=None, **fields):
        body = json.dumps({"outcome": "succeeded", **fields}).encode() if body is None else body
        with self.cluster.connect() as amqp:
            amqp.publish("", "duly.results", body, headers or {}, correlation_id=correlation_id)

    def parked(self, reason, *arguments, **fields):
        self.report(*arguments, **fields)
        with self.cluster.connect() as amqp:
            letter = self.wait("a dead letter", lambda: amqp.get("duly.dead"))
        self.assertEqual(letter["routing_key"], "duly.results.unparseable")
        self.assertIn(reason, letter["headers"]["duly-reason"])
        return letter

    def begun(self, queue, **fields):
        id = self.api.submit("work", queue=queue, retry=QUICK, **fields)["id"]
        attempt = f"/v1/commands/{id}/attempts/1"
        self.api.want(200, "POST", f"{attempt}/begin", {"executor": "hand"})
        return id

    def test_what_cannot_be_taken_is_parked_with_the_reason(self):
        unknown = "cmd_0000000000001"
        letter = self.parked("property correlation_id: ", "order-7")
        self.assertEqual((letter["correlation_id"], letter["body"]), ("order-7", b'{"outcome": "succeeded"}'))
        self.parked("the body: ", unknown + ".1", b"done")
        self.parked("/outcome: is required", unknown + ".1", b"{}")
        self.parked("header duly-attempt: is another attempt", unknown + ".1", headers={"duly-attempt": 2})
        self.parked("there is no such command", unknown + ".1")
        id = self.begun("parked")
        self.report(id, outcome="failed")
        self.wait("it is taken", lambda: self.api.command(id)["attempts"])
        self.parked("does not say which attempt", id)
        self.report(id, headers={"duly-attempt": 2})
        self.assertEqual(self.api.ended(id)["state"], "succeeded")

    def test_results_are_kept_through_kills_of_the_server(self):
        ids = [self.begun("kept", timeout_ms=60_000) for _ in range(60)]
        for at, point in enumerate(("store.before-commit", "store.after-commit", "now")):
            if point != "now":
                self.api.crash_server("kill", point, after=2)
            with self.cluster.connect() as amqp:
                for n, id in enumerate(ids[at * 20:at * 20 + 20]):
                    amqp.publish("", "duly.results", b'{"outcome":"succeeded","result":%d}' % n, {}, confirm=False,
                                 correlation_id=id + ".1")
                if point == "now":
                    self.cluster.server.kill()
                amqp.confirmed()
            self.wait("the server is killed", lambda: not self.cluster.server.running())
            self.cluster.start_server()
        for n, id in enumerate(ids):
            ended = self.api.ended(id)
            self.assertEqual((ended["state"], ended["result"], len(ended["attempts"])), ("succeeded", n % 20, 1))


if __name__ == "__main__":
    unittest.main()
