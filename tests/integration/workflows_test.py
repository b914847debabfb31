"""Workflows from outside: made, run in order, results passed on, failed, tried again, cancelled, refused."""
import os
import unittest

from lib.process import ROOT, run_once
from lib.workflows import WORKFLOW_ID, WorkflowCase, ids, node, states, workflow

HELD = "held"  # a queue that the tests pause
EXAMPLE = os.path.join(ROOT, "docs", "examples", "month-end.json")
ONCE = {"max_attempts": 1}
LARGE = 10_000  # commands of one workflow


def failing(name, *parents, times=99, **fields):
    return node(name, *parents, type="builtin.fail", payload={"times": times}, **{"retry": ONCE, **fields})


def sleeping(name, *parents, ms):
    return node(name, *parents, type="builtin.sleep", payload={"ms": ms})


def echo(name, *parents, payload):
    return node(name, *parents, type="builtin.echo", payload=payload)


class Shared(WorkflowCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", "a-2", queues="default," + HELD)


class Life(Shared):
    def test_life_of_a_diamond(self):
        body = workflow(node("d", "b", "c"), node("b", "a"), node("c", "a"), node("a", delay_ms=700), name="diamond")
        made = self.api.want(201, "POST", "/v1/workflows", body)
        view = made.json
        self.assertRegex(view["id"], WORKFLOW_ID)
        self.assertEqual(made.headers["Location"], f"/v1/workflows/{view['id']}")
        self.assertEqual(set(view), {"id", "name", "on_failure", "state", "created_at", "finished_at", "counts", "commands"})
        self.assertEqual((view["name"], view["on_failure"], view["state"], view["finished_at"]),
                         ("diamond", "cancel_rest", "running", None))
        self.assertEqual(view["counts"], {"total": 4, "open": 4, "succeeded": 0, "failed": 0})
        self.assertEqual(states(view), {"a": "scheduled", "b": "waiting", "c": "waiting", "d": "waiting"})
        for entry in view["commands"]:
            self.assertEqual(set(entry), {"name", "id", "state", "attempt", "depends_on", "due_at", "finished_at"})
        self.check_parents_first(view)
        named = ids(view)
        last = self.api.command(named["d"])
        self.assertEqual((last["workflow"], last["node"], last["depends_on"]),
                         (view["id"], "d", sorted([named["b"], named["c"]])))
        self.assertEqual(self.api.explain(named["d"]), {"waits_for_dependency"})
        done = self.ended(view["id"])
        self.assertEqual((done["state"], set(states(done).values())), ("succeeded", {"succeeded"}))
        self.assertEqual(done["counts"], {"total": 4, "open": 0, "succeeded": 4, "failed": 0})
        self.assertEqual(done["finished_at"], max(entry["finished_at"] for entry in done["commands"]))
        commands = self.commands(done)
        self.check_order(done, commands)
        self.assertEqual({command["attempt"] for command in commands.values()}, {1})
        self.assertEqual({item["id"] for item in self.api.walk(workflow=view["id"])}, set(named.values()))

    def test_list_is_paged_newest_first_and_by_state(self):
        made = [self.submit(node("only", delay_ms=3600_000), name=f"listed-{n}")["id"] for n in range(3)]
        self.change(made[1], "cancel")
        running = [item["id"] for item in self.api.get("/v1/workflows", state="running")["items"]]
        self.assertEqual([id for id in running if id in made], [made[2], made[0]])
        cancelled = self.api.get("/v1/workflows", state="cancelled")["items"]
        self.assertIn(made[1], [item["id"] for item in cancelled])
        self.assertTrue(all("commands" not in item and item["counts"]["open"] == 0 for item in cancelled))
        found, cursor = [], None
        while True:
            page = self.api.get("/v1/workflows", limit=1, **({"cursor": cursor} if cursor else {}))
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        self.assertEqual([id for id in found if id in made], made[::-1])
        self.assertEqual(len(found), len(set(found)))
        for id in (made[0], made[2]):
            self.change(id, "cancel")

    def test_idempotency_key(self):
        body = workflow(node("a"), node("b", "a"), name="keyed")
        first = self.api.want(201, "POST", "/v1/workflows", body, {"Idempotency-Key": "wf-1"})
        again = self.api.want(200, "POST", "/v1/workflows", body, {"Idempotency-Key": "wf-1"})
        self.assertEqual((again.headers["Idempotency-Replayed"], again.json["id"]), ("true", first.json["id"]))
        self.assertIsNone(first.headers["Idempotency-Replayed"])
        self.api.want(422, "POST", "/v1/workflows", {**body, "name": "other"}, {"Idempotency-Key": "wf-1"})
        other = self.api.want(201, "POST", "/v1/workflows", body, {"Idempotency-Key": "wf-2"})
        self.assertNotEqual(other.json["id"], first.json["id"])

    def test_what_is_not_there(self):
        self.assertEqual(self.api.ask("GET", "/v1/workflows/wf_0000000000001").status, 404)
        self.assertEqual(self.api.ask("POST", "/v1/workflows/wf_0000000000001/cancel").status, 404)
        self.assertEqual(self.api.ask("POST", "/v1/workflows/wf_0000000000001/retry").status, 404)
        for path in ("/v1/workflows?state=odd", "/v1/workflows?limit=0", "/v1/workflows?cursor=x",
                     "/v1/workflows?colour=red", "/v1/commands?workflow=w"):
            self.assertEqual(self.api.ask("GET", path).status, 400, path)

    def test_command_line(self):
        def duly(*arguments):
            return run_once("duly", "--server", f"http://127.0.0.1:{self.cluster.http_port}", *arguments, seconds=60)
        followed = duly("workflows", "submit", EXAMPLE, "--watch")
        self.assertEqual(followed.returncode, 0, followed)
        id = followed.stderr.split()[0]
        self.assertRegex(id, WORKFLOW_ID)
        self.assertTrue(followed.stdout.splitlines()[-1].startswith("succeeded: 6 of 6 ended"), followed)
        got = duly("workflows", "get", id)
        self.assertEqual(got.returncode, 0, got)
        self.assertRegex(got.stdout, r"report +succeeded +1 +[a-z,-]+ \+1 ")
        report = self.api.want(200, "GET", f"/v1/commands/{ids(self.view(id))['report']}").body
        self.assertIn(b'"total": 12345678901234567890.10', report)
        self.assertIn(id, duly("workflows", "list", "--state", "succeeded").stdout)
        self.assertEqual([duly("workflows", verb, id).returncode for verb in ("watch", "cancel", "retry")], [0, 1, 1])
        self.assertEqual(duly("workflows", "get", "wf_0000000000001").returncode, 3)
        self.assertEqual(duly("workflows", "submit", EXAMPLE + ".not-there").returncode, 2)
        parent = ids(self.view(id))["report"]
        child = duly("submit", "builtin.noop", "--depends-on", parent, "--wait", "20000")
        self.assertEqual(child.returncode, 0, child)
        failed = self.submit(failing("bad"), node("rest", "bad"))["id"]
        self.ended(failed)
        self.assertEqual(duly("workflows", "watch", failed).returncode, 1)


class Results(Shared):
    def test_results_are_passed_on_byte_for_byte(self):
        source = ('{"total":12345678901234567890.10,"text":"Zürich \\u00e9 ☃ 😀 \\/","list":[1.0,  2E+2 ,-0.0],'
                  '"a/b":{"~":{"deep" : true}},"":"nameless"}')
        taken = {"": source, "/total": "12345678901234567890.10", "/text": '"Zürich \\u00e9 ☃ 😀 \\/"',
                 "/list": "[1.0,  2E+2 ,-0.0]", "/list/1": "2E+2", "/a~1b/~0": '{"deep" : true}', "/": '"nameless"'}
        refs = ",".join('{"$result":"a","pointer":"%s"}' % pointer for pointer in taken)
        payload = '{"kept":1.10, "all" :{"$result" : "a"},"parts":[%s],"n":[{"$result":"nothing"}]}'
        body = ('{"name":"bytes","commands":[{"name":"b","type":"builtin.echo","depends_on":["a","nothing"],"payload":%s},'
                '{"name":"nothing","type":"builtin.noop"},{"name":"a","type":"builtin.echo","payload":%s}]}'
                % (payload % refs, source))
        view = self.api.want(201, "POST", "/v1/workflows", body.encode()).json
        self.assertEqual(self.ended(view["id"])["state"], "succeeded")
        wanted = (payload % ",".join(taken.values())).replace('{"$result" : "a"}', source)
        wanted = wanted.replace('{"$result":"nothing"}', "null")
        answer = self.api.want(200, "GET", f"/v1/commands/{ids(view)['b']}")
        self.assertIn(b'"result":' + wanted.encode() + b",", answer.body)

    def cancelled_because(self, view, name):
        """The details of the events of a node that was cancelled without having run."""
        command = self.api.command(ids(view)[name])
        self.assertEqual((command["state"], command["attempts"]), ("cancelled", []))
        return " ".join(event["detail"] for event in command["events"])

    def test_a_result_that_has_nothing_there_is_a_failure(self):
        view = self.submit(echo("a", payload={"x": 1}), echo("b", "a", payload=[{"$result": "a", "pointer": "/nothing"}]),
                           node("after", "b"), node("beside", "a"), on_failure="continue")
        done = self.ended(view["id"])
        self.assertEqual((done["state"], states(done)), ("failed", {"a": "succeeded", "b": "cancelled",
                                                                    "after": "cancelled", "beside": "succeeded"}))
        self.assertEqual(done["counts"], {"total": 4, "open": 0, "succeeded": 2, "failed": 2})
        self.assertIn("/nothing", self.cancelled_because(done, "b"))

    def test_a_payload_that_would_become_too_large_is_a_failure(self):
        view = self.submit(echo("a", payload="x" * 700_000), echo("once", "a", payload={"$result": "a"}),
                           echo("twice", "a", payload=[{"$result": "a"}, {"$result": "a"}]), on_failure="continue")
        done = self.ended(view["id"])
        self.assertEqual((done["state"], states(done)),
                         ("failed", {"a": "succeeded", "once": "succeeded", "twice": "cancelled"}))
        self.assertIn("larger", self.cancelled_because(done, "twice"))


class Failure(Shared):
    def six(self, **fields):
        """`bad` dies while `slow` runs; who depends on whom is in the names."""
        view = self.submit(sleeping("slow", ms=2000), failing("bad", delay_ms=500), node("after_slow", "slow"),
                           node("after_bad", "bad"), node("after_after_bad", "after_bad", "slow"),
                           node("later", delay_ms=3000), **fields)
        return self.ended(view["id"])

    def test_cancel_rest_cancels_all_that_has_not_started(self):
        done = self.six()
        self.assertEqual((done["state"], states(done)),
                         ("failed", {"slow": "succeeded", "bad": "dead", "after_slow": "cancelled", "after_bad": "cancelled",
                                     "after_after_bad": "cancelled", "later": "cancelled"}))
        self.assertEqual(done["counts"], {"total": 6, "open": 0, "succeeded": 1, "failed": 5})

    def test_continue_cancels_what_depends_on_it_only(self):
        done = self.six(on_failure="continue")
        self.assertEqual((done["state"], states(done)),
                         ("failed", {"slow": "succeeded", "bad": "dead", "after_slow": "succeeded", "after_bad": "cancelled",
                                     "after_after_bad": "cancelled", "later": "succeeded"}))
        self.assertEqual(done["counts"], {"total": 6, "open": 0, "succeeded": 3, "failed": 3})

    def test_a_node_cancelled_by_hand_is_a_failure(self):
        view = self.submit(node("a", delay_ms=3600_000), node("b", "a"), node("other", delay_ms=3600_000))
        self.api.post(f"/v1/commands/{ids(view)['a']}/cancel")
        done = self.ended(view["id"])
        self.assertEqual((done["state"], set(states(done).values())), ("failed", {"cancelled"}))

    def test_retry_takes_up_what_failed_and_what_waited_for_it(self):
        twice = {"max_attempts": 2, "initial_delay_ms": 10}
        view = self.submit(node("good"), failing("bad", "good", times=3, retry=twice), node("after", "bad"),
                           node("last", "after", "good"))
        first = self.ended(view["id"])
        self.assertEqual((first["state"], states(first)), ("failed", {"good": "succeeded", "bad": "dead",
                                                                      "after": "cancelled", "last": "cancelled"}))
        again = self.change(view["id"], "retry")
        self.assertEqual((again["id"], again["state"], again["finished_at"]), (view["id"], "running", None))
        done = self.ended(view["id"])
        self.assertEqual((done["state"], set(states(done).values())), ("succeeded", {"succeeded"}))
        self.assertEqual(done["counts"], {"total": 4, "open": 0, "succeeded": 4, "failed": 0})
        commands = self.commands(done)
        self.assertEqual([(a["attempt"], a["outcome"]) for a in commands["bad"]["attempts"]],
                         [(1, "failed"), (2, "failed"), (3, "failed"), (4, "succeeded")])
        self.assertEqual([a["attempt"] for a in commands["good"]["attempts"]], [1])
        self.assertEqual([len(commands[name]["attempts"]) for name in ("after", "last")], [1, 1])
        self.check_order(done, commands)
        self.change(view["id"], "retry", status=409)

    def test_nothing_to_retry_while_all_goes_well(self):
        view = self.submit(node("a", delay_ms=3600_000), node("b", "a"))
        self.change(view["id"], "retry", status=409)
        self.assertEqual(states(self.view(view["id"])), {"a": "scheduled", "b": "waiting"})
        self.change(view["id"], "cancel")

    def test_cancel_reaches_what_runs(self):
        view = self.submit(node("first"), sleeping("long", "first", ms=30_000), node("after", "long"))
        self.wait("it runs", lambda: states(self.view(view["id"]))["long"] == "running")
        executor = self.api.command(ids(view)["long"])["attempts"][0]["executor"]
        self.wait("the agent says so", lambda: self.api.agent(executor)["running"] >= 1)
        cancelled = self.change(view["id"], "cancel")
        self.assertEqual((cancelled["state"], states(cancelled)),
                         ("cancelled", {"first": "succeeded", "long": "cancelled", "after": "cancelled"}))
        self.assertEqual(cancelled["counts"], {"total": 3, "open": 0, "succeeded": 1, "failed": 2})
        self.wait("the handler was stopped", lambda: self.api.agent(executor)["running"] == 0, 5)
        self.assertEqual(self.change(view["id"], "cancel"), self.view(view["id"]))

    def test_what_has_ended_otherwise_cannot_be_cancelled(self):
        for command, state in ((node("a"), "succeeded"), (failing("a"), "failed")):
            id = self.submit(command)["id"]
            self.assertEqual(self.ended(id)["state"], state)
            self.change(id, "cancel", status=409)

    def test_retry_after_cancel(self):
        self.api.want(200, "PUT", f"/v1/queues/{HELD}", {"paused": True})
        view = self.submit(node("first"), node("second", "first", queue=HELD), node("third", "second"))
        self.wait("the first has run", lambda: states(self.view(view["id"]))["first"] == "succeeded")
        self.assertEqual(self.change(view["id"], "cancel")["state"], "cancelled")
        again = self.change(view["id"], "retry")
        self.assertEqual((again["state"], again["finished_at"], states(again)["third"]), ("running", None, "waiting"))
        self.assertIn(states(again)["second"], ("scheduled", "queued"))
        self.api.want(200, "PUT", f"/v1/queues/{HELD}", {"paused": False})
        done = self.ended(view["id"])
        self.assertEqual(done["state"], "succeeded")
        commands = self.commands(done)
        self.assertEqual([len(commands[name]["attempts"]) for name in ("first", "second", "third")], [1, 1, 1])
        self.check_order(done, commands)


def taking(reference, depends_on=("a",)):
    return [node("a"), echo("b", *depends_on, payload={"in": [reference]})]


NODES = "/commands"
# (what is wrong, fields of the request, the beginning of the place, part of the detail)
BAD = [
    ("unknown name", {"commands": [node("a"), node("b", "a", "x")]}, "/commands/1/depends_on/1",
     "no command of this workflow is named 'x'"),
    ("itself", {"commands": [node("a", "a")]}, "/commands/0/depends_on/0", "a command cannot depend on itself"),
    ("twice", {"commands": [node("a"), node("b"), node("a")]}, "/commands/2/name", ""),
    ("cycle of two", {"commands": [node("a", "b"), node("b", "a")]}, NODES, "the dependencies form a cycle: "),
    ("no name", {"commands": [{"type": "builtin.noop"}]}, "/commands/0/name", ""),
    ("bad name", {"commands": [node("a b")]}, "/commands/0/name", ""),
    ("long name", {"commands": [node("a" * 129)]}, "/commands/0/name", ""),
    ("no type", {"commands": [{"name": "a"}]}, "/commands/0/type", ""),
    ("bad field", {"commands": [node("a", priority=10)]}, "/commands/0/priority", ""),
    ("unknown field", {"commands": [node("a", colour="red")]}, "/commands/0/colour", ""),
    ("a key of a node", {"commands": [node("a", idempotency_key="k")]}, "/commands/0/idempotency_key", ""),
    ("depends_on no list", {"commands": [node("a"), node("b", depends_on="a")]}, "/commands/1/depends_on", ""),
    ("depends_on no name", {"commands": [node("a"), node("b", depends_on=[7])]}, "/commands/1/depends_on/0", ""),
    ("no commands", {"commands": []}, NODES, ""),
    ("commands no list", {"commands": {}}, NODES, ""),
    ("bad workflow name", {"name": "a b"}, "/name", ""),
    ("empty workflow name", {"name": ""}, "/name", ""),
    ("bad policy", {"on_failure": "hope"}, "/on_failure", ""),
    ("unknown field of the workflow", {"colour": "red"}, "/colour", ""),
    ("result of a stranger", {"commands": taking({"$result": "x"})}, "/commands/1/payload/in/0", ""),
    ("result without depends_on", {"commands": taking({"$result": "a"}, ())}, "/commands/1/payload/in/0", ""),
    ("result of no name", {"commands": taking({"$result": 7})}, "/commands/1/payload/in/0", ""),
    ("a member beside it", {"commands": taking({"$result": "a", "or": 1})}, "/commands/1/payload/in/0", ""),
    ("pointer without slash", {"commands": taking({"$result": "a", "pointer": "x"})}, "/commands/1/payload/in/0", ""),
    ("pointer with a bad escape", {"commands": taking({"$result": "a", "pointer": "/~2"})}, "/commands/1/payload/in/0", ""),
    ("pointer no text", {"commands": taking({"$result": "a", "pointer": 1})}, "/commands/1/payload/in/0", ""),
]


class Refused(Shared):
    def refuse(self, fields, place, detail):
        body = {**workflow(node("a"), name="bad"), **fields}
        answer = self.api.ask("POST", "/v1/workflows", body)
        self.assertEqual(answer.status, 400, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        errors = answer.json["errors"]
        self.assertTrue(any(error["pointer"].startswith(place) and detail in error["detail"] for error in errors), errors)
        return errors

    def tearDown(self):
        self.assertNotIn("bad", {item["name"] for item in self.api.get("/v1/workflows", limit=1000)["items"]})
        super().tearDown()

    def test_each_error_names_its_place(self):
        before = self.api.stats()["commands"]
        for what, fields, place, detail in BAD:
            with self.subTest(what):
                self.refuse(fields, place, detail)
        missing = {"commands": [node("a")]}
        self.assertEqual([e["pointer"] for e in self.api.want(400, "POST", "/v1/workflows", missing).json["errors"]], ["/name"])
        self.assertEqual(self.api.stats()["commands"], before)

    def test_a_cycle_is_named(self):
        commands = [node("root"), node("tail", "c"), node("b", "a", "root"), node("c", "b"), node("a", "c"), node("free")]
        (error,) = self.refuse({"commands": commands}, "/commands", "the dependencies form a cycle: ")
        self.assertEqual(error["pointer"], "/commands")
        around = error["detail"].removeprefix("the dependencies form a cycle: ").split(" -> ")
        self.assertEqual((around[0], set(around), len(around)), (around[-1], {"a", "b", "c"}, 4))
        depends_on = {command["name"]: command.get("depends_on", []) for command in commands}
        for one, next_one in zip(around, around[1:]):
            self.assertIn(next_one, depends_on[one])

    def test_too_much(self):
        many = [node(f"n{i}") for i in range(LARGE + 1)]
        self.refuse({"commands": many}, NODES, "")
        chain = [node("n0"), *(node(f"n{i}", f"n{i - 1}") for i in range(1, 1001))]
        self.refuse({"commands": chain}, NODES, "")
        side = 317  # squared it is more than 100,000
        above = [node(f"a{i}") for i in range(side)]
        self.refuse({"commands": above + [node(f"b{i}", *(n["name"] for n in above)) for i in range(side)]}, NODES, "")


class Large(Shared):
    def test_ten_thousand_commands(self):
        middle = [f"n{i}" for i in range(LARGE - 2)]
        view = self.submit(node("first", delay_ms=3600_000), *(node(name, "first") for name in middle),
                           node("last", *middle), name="wide")
        self.assertEqual(view["counts"], {"total": LARGE, "open": LARGE, "succeeded": 0, "failed": 0})
        view = self.view(view["id"])
        self.assertEqual((len(view["commands"]), view["commands"][0]["name"], view["commands"][-1]["name"]),
                         (LARGE, "first", "last"))
        self.assertEqual(len(view["commands"][-1]["depends_on"]), LARGE - 2)
        self.check_parents_first(view)
        done = self.change(view["id"], "cancel")
        self.assertEqual((done["state"], set(states(done).values())), ("cancelled", {"cancelled"}))
        self.assertEqual(len(self.api.walk(workflow=view["id"], state="cancelled")), LARGE)

    def test_the_longest_chain(self):
        chain = [node("n0"), *(node(f"n{i}", f"n{i - 1}") for i in range(1, 1000))]
        view = self.submit(*reversed(chain), name="chain")
        self.assertEqual([entry["name"] for entry in view["commands"]], [command["name"] for command in chain])
        self.change(view["id"], "cancel")


if __name__ == "__main__":
    unittest.main()
