"""A command's ordinary life: accepted, due, run, recorded, and how it is asked about."""
import concurrent.futures
import json
import threading
import time
import unittest

from lib.api import in_ms, instant
from lib.cluster import TestCase

ODD = ('{ "a" :1.0,  "ünï":"\\u00e9 ☃ 😀 \\/", "big":12345678901234567890, "long":3.141592653589793238462643383279, '
       '"neg":-0.0,"exp":1E+2, "nested":[[ ],{ }, [1 ,2,[3,[ null,true , false]]]] }')
ID = r"^cmd_[0-9A-HJKMNP-TV-Z]{13}$"


class Life(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", "a-2")

    def test_payload_and_result_are_the_bytes_that_were_sent(self):
        for payload in (ODD, "null", '"x"', "-0", "[1, 2 ,3]", "1e15", " \t{}".strip()):
            with self.subTest(payload=payload):
                body = f'{{"payload":{payload}, "type":"builtin.echo"}}'.encode()
                answer = self.api.want(201, "POST", "/v1/commands", body)
                ended = self.api.want(200, "GET", f"/v1/commands/{answer.json['id']}?wait_ms=10000")
                self.assertEqual(ended.json["state"], "succeeded")
                self.assertIn(b'"payload":' + payload.encode() + b',', ended.body)
                self.assertIn(b'"result":' + payload.encode() + b',', ended.body)

    def test_number_beyond_a_double_is_refused_whole(self):
        """Documented as a limit: every number of a payload must fit into a double."""
        before = self.api.stats()["commands"]
        answer = self.api.want(400, "POST", "/v1/commands", b'{"type":"builtin.echo","payload":[1e400]}')
        self.assertIn("malformed JSON", answer.json["detail"])
        self.assertEqual(self.api.stats()["commands"], before)

    def test_answer_to_a_submit(self):
        answer = self.api.want(201, "POST", "/v1/commands",
                               {"type": "builtin.echo", "payload": {"k": 1}, "delay_ms": 60000, "priority": 7,
                                "key": "one", "labels": {"team": "x"}, "timeout_ms": 1234, "on_lost": "dead",
                                "retry": {"max_attempts": 5, "initial_delay_ms": 10}}, {"X-Request-Id": "r-17"})
        command = answer.json
        self.assertRegex(command["id"], ID)
        self.assertEqual(answer.headers["Location"], f"/v1/commands/{command['id']}")
        self.assertEqual(answer.headers["X-Request-Id"], "r-17")
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/json")
        wanted = {"type": "builtin.echo", "queue": "default", "payload": {"k": 1}, "state": "scheduled", "priority": 7,
                  "key": "one", "labels": {"team": "x"}, "timeout_ms": 1234, "on_lost": "dead", "attempt": 0,
                  "max_attempts": 5, "result": None, "error": None, "finished_at": None, "attempts": [],
                  "retry": {"max_attempts": 5, "initial_delay_ms": 10, "multiplier": 2.0, "max_delay_ms": 60000,
                            "jitter": 0.1}}
        self.assertEqual({name: command[name] for name in wanted}, wanted)
        self.assertIn(command["shard"], range(16))
        wait = instant(command["due_at"]) - instant(command["created_at"])
        self.assertTrue(60000 <= wait <= 60001, wait)
        self.assertRegex(command["due_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.api.post(f"/v1/commands/{command['id']}/cancel")

    def test_the_answer_to_a_submit_is_what_the_store_holds(self):
        full = (b'{"type":"odd.one","payload":{ "a" : 1.50, "a\\u0062": [ ] },"delay_ms":3600000,"priority":0,"key":"k",'
                b'"labels":{"b":"2","a":"\xc3\xa9\\n"},"timeout_ms":77,"on_lost":"dead","expires_at":"2199-01-01T00:00:00Z",'
                b'"retry":{"max_attempts":7,"initial_delay_ms":1,"multiplier":1.25,"max_delay_ms":9,"jitter":0.3}}')
        for body in (full, b'{"type":"plain","delay_ms":3600000}',
                     b'{"type":"at","due_at":"%s"}' % in_ms(3600_000).encode()):
            answer = self.api.want(201, "POST", "/v1/commands", body)
            path = f"/v1/commands/{answer.json['id']}"
            self.assertEqual(answer.body, self.api.want(200, "GET", path).body)
            self.api.post(path + "/cancel")

    def test_every_answer_has_a_request_id(self):
        for method, path in (("GET", "/livez"), ("GET", "/nowhere"), ("POST", "/v1/commands"), ("DELETE", "/livez")):
            self.assertRegex(self.api.ask(method, path).headers["X-Request-Id"], r"^\S+$")

    def test_delayed_commands_are_never_early_and_hardly_late(self):
        begun = time.time() * 1000
        ids = self.api.batch([{"type": "builtin.noop", "delay_ms": 20 * i} for i in range(50)])
        offset = "+02:00"
        due = in_ms(7200_000 + 900)[:-1] + offset  # the same instant, said in another zone
        ids.append(self.api.submit(due_at=due)["id"])
        late = []
        for number, id in enumerate(ids):
            command = self.api.ended(id)
            (attempt,) = command["attempts"]
            self.assertGreaterEqual(instant(attempt["started_at"]), instant(command["due_at"]), command)
            self.assertGreaterEqual(instant(command["due_at"]), int(begun) + min(20 * number, 899))
            late.append(instant(attempt["started_at"]) - instant(command["due_at"]))
        self.assertLess(sorted(late)[len(late) // 2], 100, late)
        self.assertLess(max(late), 1000, late)

    def test_past_due_runs_at_once(self):
        command = self.api.ended(self.api.submit(due_at="2001-01-01T00:00:00Z")["id"], 5)
        self.assertEqual((command["state"], command["due_at"]), ("succeeded", "2001-01-01T00:00:00.000Z"))

    def test_attempt_says_who_and_when(self):
        command = self.api.ended(self.api.submit("builtin.sleep", {"ms": 150})["id"])
        (attempt,) = command["attempts"]
        self.assertEqual(set(attempt), {"attempt", "agent", "epoch", "executor", "queued_at", "started_at", "finished_at",
                                        "outcome", "error"})
        self.assertEqual((attempt["attempt"], attempt["outcome"], attempt["error"]), (1, "succeeded", None))
        holder = self.api.get("/v1/shards")["items"][command["shard"]]
        self.assertEqual((attempt["agent"], attempt["epoch"]), (holder["agent"], holder["epoch"]))
        self.assertIn(attempt["executor"], ("a-1", "a-2"))
        order = [instant(command["created_at"]), instant(attempt["started_at"]), instant(attempt["finished_at"])]
        self.assertEqual(order, sorted(order))
        self.assertTrue(150 <= order[2] - order[1] < 1500, order)
        self.assertLess(abs(instant(attempt["queued_at"]) - order[1]), 1500)
        self.assertEqual(command["finished_at"], attempt["finished_at"])

    def test_running_attempt_is_shown(self):
        id = self.api.submit("builtin.sleep", {"ms": 1500})["id"]
        self.wait("it runs", lambda: self.api.command(id)["state"] == "running")
        command = self.api.command(id)
        self.assertEqual(command["attempt"], 1)
        (attempt,) = command["attempts"]
        self.assertEqual((attempt["finished_at"], attempt["outcome"]), (None, None))
        self.assertIn(attempt["executor"], ("a-1", "a-2"))
        self.assertEqual(self.api.explain(id), {"running"})

    # ---- waiting

    def test_wait_ends_with_the_command(self):
        id = self.api.submit("builtin.sleep", {"ms": 400})["id"]
        begun = time.monotonic()
        self.assertEqual(self.api.command(id, 20000)["state"], "succeeded")
        self.assertTrue(0.3 < time.monotonic() - begun < 3)

    def test_wait_ends_after_its_time(self):
        id = self.api.submit(delay_ms=60000)["id"]
        begun = time.monotonic()
        self.assertEqual(self.api.command(id, 500)["state"], "scheduled")
        self.assertTrue(0.5 <= time.monotonic() - begun < 2)
        self.assertEqual(self.api.ask("GET", f"/v1/commands/{id}?wait_ms=60001").status, 400)
        self.api.post(f"/v1/commands/{id}/cancel")
        begun = time.monotonic()
        self.assertEqual(self.api.command(id, 5000)["state"], "cancelled")
        self.assertLess(time.monotonic() - begun, 1)

    def test_many_wait_for_one(self):
        id = self.api.submit(delay_ms=700)["id"]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            states = {future.result()["state"] for future in
                      [pool.submit(self.api.command, id, 10000) for _ in range(20)]}
        self.assertEqual(states, {"succeeded"})

    # ---- batches

    def count(self, label):
        return len(self.api.walk(**{"label.batch": label}))

    def test_batch_as_json(self):
        commands = [{"type": "builtin.echo", "payload": n, "labels": {"batch": "j"}} for n in range(300)]
        items = self.api.post("/v1/commands/batch", {"commands": commands}, 201)["items"]
        self.assertEqual([item["replayed"] for item in items], [False] * 300)
        self.assertEqual(len({item["id"] for item in items}), 300)
        self.assertEqual([self.api.ended(items[n]["id"])["result"] for n in (0, 17, 299)], [0, 17, 299])
        self.assertEqual(self.count("j"), 300)

    def test_batch_as_lines(self):
        lines = [f'{{"type": "builtin.echo", "payload": [ {n} ], "labels": {{"batch": "n"}}}}' for n in range(5)]
        answer = self.api.want(201, "POST", "/v1/commands/batch", "\n\n".join(lines).encode() + b"\r\n",
                               {"Content-Type": "application/x-ndjson"})
        self.assertEqual([self.api.ended(item["id"])["result"] for item in answer.json["items"]], [[n] for n in range(5)])

    def test_batch_is_all_or_nothing(self):
        good = {"type": "builtin.noop", "labels": {"batch": "bad"}}
        bad = [good, {**good, "priority": 10}, good, {**good, "due_at": "tomorrow", "colour": 1}]
        answer = self.api.want(400, "POST", "/v1/commands/batch", {"commands": bad})
        self.assertEqual({error["pointer"] for error in answer.json["errors"]},
                         {"/commands/1/priority", "/commands/3/due_at", "/commands/3/colour"})
        lines = "\n".join(json.dumps(command) for command in bad)
        answer = self.api.want(400, "POST", "/v1/commands/batch", lines.encode(),
                               {"Content-Type": "application/x-ndjson"})
        self.assertEqual({error["pointer"] for error in answer.json["errors"]},
                         {"/1/priority", "/3/due_at", "/3/colour"})
        self.assertEqual(self.count("bad"), 0)

    def test_batch_keys(self):
        def make(key, payload):
            return {"type": "builtin.echo", "payload": payload, "idempotency_key": key, "labels": {"batch": "keys"}}
        first = self.api.post("/v1/commands/batch", {"commands": [make("bk1", 1), make("bk2", 2)]}, 201)["items"]
        again = self.api.post("/v1/commands/batch",
                              {"commands": [make("bk3", 3), make("bk1", 1), make("bk3", 3)]}, 201)["items"]
        self.assertEqual(again[1], {"id": first[0]["id"], "replayed": True})
        self.assertEqual([item["replayed"] for item in again], [False, True, True])
        self.assertEqual(again[2]["id"], again[0]["id"])
        answer = self.api.want(422, "POST", "/v1/commands/batch", {"commands": [make("bk4", 4), make("bk2", 99)]})
        self.assertEqual(answer.json["errors"][0]["pointer"], "/commands/1/idempotency_key")
        self.assertEqual(self.count("keys"), 3)

    def test_batch_limits(self):
        noop = {"type": "builtin.noop", "queue": "limits-nobody"}
        answer = self.api.want(400, "POST", "/v1/commands/batch", {"commands": [noop] * 10001})
        self.assertEqual(answer.json["errors"][0]["pointer"], "/commands")
        self.api.want(400, "POST", "/v1/commands/batch", {"commands": []})
        self.assertEqual(self.api.walk(queue="limits-nobody"), [])

    # ---- idempotency

    def test_same_key_and_body_give_the_first_command(self):
        body = b'{"type":"builtin.echo","payload":{"n":1,"m":2}}'
        first = self.api.want(201, "POST", "/v1/commands", body, {"Idempotency-Key": "i-1"})
        self.assertNotIn("Idempotency-Replayed", first.headers)
        self.api.ended(first.json["id"])
        again = self.api.want(200, "POST", "/v1/commands", body, {"Idempotency-Key": "i-1"})
        self.assertEqual(again.headers["Idempotency-Replayed"], "true")
        self.assertEqual(again.headers["Location"], first.headers["Location"])
        self.assertEqual((again.json["id"], again.json["state"]), (first.json["id"], "succeeded"))
        other = self.api.want(422, "POST", "/v1/commands", body.replace(b"1", b"7"), {"Idempotency-Key": "i-1"})
        self.assertEqual(other.json["status"], 422)
        for bad in ("", "k" * 256):
            self.api.want(400, "POST", "/v1/commands", body, {"Idempotency-Key": bad})
        self.api.want(201, "POST", "/v1/commands", body, {"Idempotency-Key": "k" * 255})

    def test_one_key_at_the_same_time_makes_one_command(self):
        barrier = threading.Barrier(16)

        def submit(_):
            barrier.wait()
            return self.api.ask("POST", "/v1/commands", {"type": "builtin.noop"}, {"Idempotency-Key": "race"})
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(submit, range(16)))
        self.assertEqual(sorted(answer.status for answer in answers), [200] * 15 + [201])
        self.assertEqual(len({answer.json["id"] for answer in answers}), 1)

    # ---- size

    def test_one_mebibyte_is_taken_and_no_more(self):
        inside = '"' + "x" * ((1 << 20) - 2) + '"'
        body = f'{{"type":"builtin.echo","payload":{inside}}}'.encode()
        id = self.api.want(201, "POST", "/v1/commands", body).json["id"]
        self.api.ended(id)
        self.assertIn(b'"result":' + inside.encode(), self.api.want(200, "GET", f"/v1/commands/{id}").body)
        for size in (1 << 20, 3 << 20):
            over = f'{{"type":"builtin.echo","payload":"{"y" * (size - 1)}"}}'.encode()
            self.assertEqual(self.api.ask("POST", "/v1/commands", over).status, 413)
        big = {"type": "builtin.noop", "payload": "z" * 1000_000}
        self.assertEqual(self.api.ask("POST", "/v1/commands/batch", {"commands": [big] * 9}).status, 413)
        ids = self.api.batch([big] * 3)
        self.assertEqual({self.api.ended(id)["state"] for id in ids}, {"succeeded"})

    def test_unknown_type_is_dead_at_once_and_says_so(self):
        command = self.api.ended(self.api.submit("no.such-type", {})["id"])
        self.assertEqual(command["state"], "dead")
        self.assertIn("no.such-type", command["error"])


if __name__ == "__main__":
    unittest.main()
