"""Built-in handlers, foreign executors, and the messages that travel."""
import os
import time
import unittest

from lib.amqp import Closed
from lib.api import instant
from lib.cluster import TestCase


class Handlers(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.cluster.start_agent("a-1", "--allow-exec", "/bin/echo", "--allow-exec", "/bin/sh", "--allow-exec", "/bin/cat")
        cls.cluster.start_agent("a-2", queues="strict")
        cls.cluster.shards_even()

    def run_command(self, *arguments, **fields):
        return self.api.ended(self.api.submit(*arguments, **fields)["id"])

    def test_noop_and_sleep(self):
        command = self.run_command("builtin.noop")
        self.assertEqual((command["state"], command["result"]), ("succeeded", None))
        command = self.run_command("builtin.sleep", {"ms": "x"})
        self.assertEqual((command["state"], command["reason"]), ("dead", "not_retryable"))
        self.assertIn("ms", command["error"])

    def test_append_writes_one_line(self):
        commands = [self.cluster.append(f"line {n} ünï", file="lines") for n in range(200)]
        ids = self.api.batch(commands)
        for id in ids:
            self.assertEqual(self.api.ended(id)["state"], "succeeded")
        wanted = {(id, "1", f"line {n} ünï") for n, id in enumerate(ids)}
        entries = self.cluster.ledger("lines")
        self.assertEqual((len(entries), set(entries)), (200, wanted))

    def test_append_stays_in_its_folder(self):
        for name in ("../outside", "a/b", "", "..", "x\0y"):
            with self.subTest(name=name):
                command = self.run_command("builtin.append", {"file": name, "line": "x"})
                self.assertEqual((command["state"], command["reason"]), ("dead", "not_retryable"))
        self.assertFalse(os.path.exists(os.path.join(self.cluster.folder, "outside")))
        command = self.run_command("builtin.append", {"file": "forged", "line": "a\ncmd_0 1 b"})
        self.assertEqual(command["state"], "dead")

    def test_exec(self):
        command = self.run_command("builtin.exec", {"program": "/bin/echo", "args": ["-n", "$HOME", "a b", "`id`"]})
        self.assertEqual(command["state"], "succeeded")
        self.assertEqual((command["result"]["exit_code"], command["result"]["stdout"]), (0, "$HOME a b `id`"))
        command = self.run_command("builtin.exec", {"program": "/bin/cat", "stdin": "in ☃\n"})
        self.assertEqual(command["result"]["stdout"], "in ☃\n")
        script = 'echo "$DULY_COMMAND_ID $DULY_ATTEMPT"'
        command = self.run_command("builtin.exec", {"program": "/bin/sh", "args": ["-c", script]})
        self.assertEqual(command["result"]["stdout"], f"{command['id']} 1\n")

    def test_exec_that_fails(self):
        once = {"max_attempts": 2, "initial_delay_ms": 10}
        payload = {"program": "/bin/sh", "args": ["-c", "echo why >&2; exit 3"]}
        command = self.run_command("builtin.exec", payload, retry=once)
        self.assertEqual((command["reason"], len(command["attempts"])), ("attempts_exhausted", 2))
        self.assertIn("exited with 3", command["error"])
        self.assertIn("why", command["error"])
        payload["args"][1] = "exit 100"
        command = self.run_command("builtin.exec", payload, retry=once)
        self.assertEqual((command["reason"], len(command["attempts"])), ("not_retryable", 1))

    def test_exec_of_what_is_not_allowed(self):
        for name in ("/bin/ls", "echo", "/bin/../bin/echo"):
            command = self.run_command("builtin.exec", {"program": name})
            self.assertEqual((command["state"], command["reason"]), ("dead", "not_retryable"))
            self.assertIn("not allowed", command["error"])
        command = self.run_command("builtin.exec", {"program": "/bin/echo"}, queue="strict")
        self.assertIn("--allow-exec", command["error"])

    def test_exec_is_killed_whole_on_its_time_out(self):
        marker = os.path.join(self.cluster.folder, "still-alive")
        script = f"(sleep 2; touch {marker}) & sleep 30"
        payload = {"program": "/bin/sh", "args": ["-c", script]}
        command = self.run_command("builtin.exec", payload, timeout_ms=400, retry={"max_attempts": 1})
        self.assertEqual((command["state"], command["attempts"][0]["outcome"]), ("dead", "timed_out"))
        time.sleep(2.2)  # long enough for a grandchild that was left to leave its mark
        self.assertFalse(os.path.exists(marker))

    def test_exec_output_is_capped(self):
        payload = {"program": "/bin/sh", "args": ["-c", "head -c 3000000 /dev/zero | tr '\\0' x"]}
        command = self.run_command("builtin.exec", payload)
        self.assertEqual(command["state"], "succeeded")
        self.assertTrue(command["result"]["stdout_truncated"])
        self.assertLessEqual(len(command["result"]["stdout"]), 256 << 10)


class Messages(TestCase):
    """What a foreign executor sees: the message, and begin and finish over HTTP."""

    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")

    def take(self, queue):
        """The queue is there from its first command on, at some time: until then the broker closes the channel, with 404, or
        with 541 while the queue is known and its process has not begun."""
        def look():
            with self.cluster.connect() as broker:
                try:
                    return broker.get(f"duly.execute.{queue}")
                except Closed as closed:
                    if closed.code not in (404, 541):
                        raise
                    return None
        return self.wait("a message", look)

    def test_message_is_as_the_contract_says(self):
        raw = b'{ "x":[1.0, 2 ] }'
        body = b'{"type":"my.type","queue":"foreign","key":"k","delay_ms":300,"payload":' + raw + b'}'
        command = self.api.want(201, "POST", "/v1/commands", body).json
        self.assertEqual(self.api.explain(command["id"]), {"not_due"})
        message = self.take("foreign")
        self.assertEqual(message["body"], raw)
        self.assertEqual((message["exchange"], message["routing_key"]), ("duly.execute", "foreign"))
        self.assertEqual(message["message_id"], command["id"] + ".1")
        self.assertEqual(message["correlation_id"], command["id"])
        self.assertEqual((message["type"], message["app_id"], message["delivery_mode"]), ("my.type", "duly", 2))
        self.assertEqual(message["content_type"], "application/json")
        self.assertLess(abs(message["timestamp"] - time.time()), 5)
        headers = message["headers"]
        epoch = self.api.epochs()[command["shard"]]
        wanted = {"duly-id": command["id"], "duly-attempt": 1, "duly-max-attempts": 3, "duly-queue": "foreign",
                  "duly-shard": command["shard"], "duly-epoch": epoch, "duly-key": "k",
                  "duly-due-at": instant(command["due_at"])}
        self.assertEqual({name: headers.get(name) for name in wanted}, wanted)
        self.api.post(f"/v1/commands/{command['id']}/cancel")

    def test_foreign_executor(self):
        id = self.api.submit("my.type", {"n": 1}, queue="foreign2", retry={"initial_delay_ms": 50})["id"]
        attempt = f"/v1/commands/{id}/attempts"
        self.take("foreign2")
        self.api.want(409, "POST", f"{attempt}/2/begin", {"executor": "perl"})
        self.api.want(200, "POST", f"{attempt}/1/begin", {"executor": "perl"})
        self.api.want(409, "POST", f"{attempt}/1/begin", {"executor": "perl-2"})
        self.assertEqual(self.api.command(id)["state"], "running")
        failed = {"executor": "perl", "outcome": "failed", "error": "no luck", "retryable": True}
        self.api.want(200, "POST", f"{attempt}/1/finish", failed)
        self.take("foreign2")
        self.api.want(200, "POST", f"{attempt}/2/begin", {"executor": "perl"})
        self.api.want(409, "POST", f"{attempt}/1/finish", failed)
        good = b'{"executor":"perl","outcome":"succeeded","result":{ "a":1.0 }}'
        self.api.want(200, "POST", f"{attempt}/2/finish", good)
        self.api.want(409, "POST", f"{attempt}/2/finish", good)
        answer = self.api.want(200, "GET", f"/v1/commands/{id}")
        self.assertIn(b'"result":{ "a":1.0 }', answer.body)
        self.assertEqual([(a["executor"], a["outcome"], a["error"]) for a in answer.json["attempts"]],
                         [("perl", "failed", "no luck"), ("perl", "succeeded", None)])

    def test_one_dead_letter_for_each_dead_command(self):
        retry = {"max_attempts": 2, "initial_delay_ms": 10}
        commands = [{"type": "builtin.fail", "payload": {"times": 9, "retryable": n % 2 == 0}, "retry": retry}
                    for n in range(20)]
        ids = self.api.batch(commands + [{"type": "builtin.noop"}] * 5)
        states = [self.api.ended(id)["state"] for id in ids]
        self.assertEqual(states, ["dead"] * 20 + ["succeeded"] * 5)
        self.wait("all were published", lambda: self.api.stats()["totals"]["dead_letters_published"] == 20)
        with self.cluster.connect() as broker:
            letters = broker.drain("duly.dead")
        self.assertEqual(sorted(letter["headers"]["duly-id"] for letter in letters), sorted(ids[:20]))
        for letter in letters:
            number = ids.index(letter["headers"]["duly-id"])
            reason = "attempts_exhausted" if number % 2 == 0 else "not_retryable"
            self.assertEqual(letter["headers"]["duly-reason"], reason)
            self.assertEqual(letter["correlation_id"], ids[number])
        # Dead twice is two deaths: redriven and dead again.
        self.api.post(f"/v1/commands/{ids[1]}/retry")
        self.assertEqual(self.api.ended(ids[1])["state"], "dead")
        self.wait("one more", lambda: self.api.stats()["totals"]["dead_letters_published"] == 21)
        with self.cluster.connect() as broker:
            self.assertEqual([letter["headers"]["duly-id"] for letter in broker.drain("duly.dead")], [ids[1]])


if __name__ == "__main__":
    unittest.main()
