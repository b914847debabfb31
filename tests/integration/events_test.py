"""GET /v1/events: what happens is told in order, once, after it is true; and who listens badly hurts nobody but himself."""
import threading
import unittest

from lib.api import in_ms, instant
from lib.cluster import TestCase
from lib.events import Stream

STREAMS = 64
KEPT = 131_072


class Events(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server()
        cls.cluster.start_agents("a-1", "a-2", queues="default,other")

    def stream(self, last_id=None, **query):
        stream = Stream(self.cluster.http_port, last_id, **query)
        self.addCleanup(stream.close)
        return stream.listening() if stream.status == 200 else stream

    def test_a_life_is_told_in_order(self):
        with self.stream() as stream:
            good = self.api.ended(self.api.submit("builtin.noop")["id"])
            bad = self.api.submit("builtin.fail", {"times": 1}, retry={"max_attempts": 2, "initial_delay_ms": 50})
            bad = self.api.ended(bad["id"])
            dead = self.api.ended(self.api.submit("builtin.fail", {"times": 9}, retry={"max_attempts": 1})["id"])
            self.wait("the ends are told", lambda: all(c["state"] in stream.states(c["id"]) for c in (good, bad, dead)))
            # A permit may outrun the mark of its message: then the command never was queued.
            steps = lambda command: [state for state in stream.states(command["id"]) if state != "queued"]
            self.assertEqual(steps(good), ["scheduled", "running", "succeeded"])
            self.assertEqual(steps(bad), ["scheduled", "running", "scheduled", "running", "succeeded"])
            self.assertEqual(steps(dead), ["scheduled", "running", "dead"])
            (end,) = [data for _, _, data in stream.frames if data["id"] == dead["id"] and data["state"] == "dead"]
            self.assertEqual({key: end[key] for key in ("queue", "type", "attempt", "reason")},
                             {"queue": "default", "type": "builtin.fail", "attempt": 1, "reason": "attempts_exhausted"})
            self.assertLess(abs(instant(end["at"]) - instant(dead["finished_at"])), 2)
            attempts = [data["attempt"] for _, _, data in stream.frames if data["id"] == bad["id"]]
            self.assertEqual((attempts[0], attempts[-1], sorted(attempts)), (0, 2, attempts))

    def test_what_is_told_is_true(self):
        with self.stream() as stream:
            ids = set(self.api.batch([{"type": "builtin.noop"}] * 200))
            looked = 0

            def all_looked_at():
                nonlocal looked
                for _, _, data in stream.frames[looked:]:
                    looked += 1
                    if data["state"] == "succeeded" and data["id"] in ids:
                        self.assertEqual(self.api.command(data["id"])["state"], "succeeded")
                        ids.remove(data["id"])
                return not ids
            self.wait("every end is told", all_looked_at, 20)

    def test_a_dropped_connection_loses_nothing_and_brings_nothing_twice(self):
        first = self.stream()
        ids, frames, last, drops = [], [], first.last_id, 0
        stop = threading.Event()

        def load():
            while not stop.is_set():
                ids.extend(self.api.batch([{"type": "builtin.noop"}] * 20))
                self.api.ended(ids[-1])  # else a slow reader is told of more than is kept for it

        loader = threading.Thread(target=load, daemon=True)
        loader.start()
        stream = first
        for _ in range(15):
            self.wait("something comes", lambda: len(stream.frames) > 40)
            stream.close()
            drops += 1
            frames, last = frames + stream.frames, stream.last_id
            stream = self.stream(last)
        stop.set()
        loader.join(20)
        ids += self.api.batch([{"type": "builtin.noop"}] * 20)
        for id in ids:
            self.api.ended(id)
        self.wait("the last end is told", lambda: all("succeeded" in stream.states(id) for id in ids[-20:]))
        stream.close()
        frames += stream.frames
        self.assertEqual([event for event, _, _ in frames if event != "command"], [])
        numbers = [int(id.rpartition("-")[2]) for _, id, _ in frames]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        told = {data["id"] for _, _, data in frames if data["state"] == "succeeded"}
        self.assertEqual([id for id in ids if id not in told], [])
        self.assertEqual(drops, 15)

    def test_a_filter_lets_through_what_it_names(self):
        other = self.stream(queue="other")
        dead = self.stream(state="dead", type="builtin.fail")
        later = self.api.submit("builtin.noop", queue="other", delay_ms=3_600_000)["id"]
        one = self.stream(id=later)
        self.api.want(200, "POST", f"/v1/commands/{later}/reschedule", {"due_at": in_ms(0)})
        id = self.api.submit("builtin.fail", {"times": 9}, queue="default", retry={"max_attempts": 1})["id"]
        self.api.ended(self.api.submit("builtin.noop", queue="default")["id"])
        self.api.ended(id)
        self.api.ended(later)
        self.wait("all is told", lambda: dead.frames and all("succeeded" in s.states(later) for s in (other, one)))
        self.assertEqual({data["queue"] for _, _, data in other.frames}, {"other"})
        self.assertEqual([(data["id"], data["state"]) for _, _, data in dead.frames], [(id, "dead")])
        self.assertEqual([state for state in one.states(later) if state in ("running", "succeeded")], ["running", "succeeded"])
        self.assertEqual({data["id"] for _, _, data in one.frames}, {later})
        refused = self.api.ask("GET", "/v1/events?state=lost")
        self.assertEqual((refused.status, refused.json["detail"]), (400, "state is not a state of a command"))

    def test_a_node_names_its_workflow(self):
        with self.stream() as stream:
            body = {"name": "two", "commands": [{"name": "a", "type": "builtin.noop"},
                                                {"name": "b", "type": "builtin.noop", "depends_on": ["a"]}]}
            workflow = self.api.want(201, "POST", "/v1/workflows", body).json
            last = workflow["commands"][1]["id"]
            self.wait("its end", lambda: "succeeded" in stream.states(last))
            self.assertEqual([state for state in stream.states(last) if state != "queued"],
                             ["waiting", "scheduled", "running", "succeeded"])
            told = {data.get("workflow_id") for _, _, data in stream.frames if data["id"] == last}
            self.assertEqual(told, {workflow["id"]})

    def test_there_is_room_for_so_many(self):
        # The server may still be about to notice that those of another test have gone.
        streams = [self.wait("room", self.one_more) for _ in range(STREAMS)]
        refused = self.api.ask("GET", "/v1/events")
        self.assertEqual((refused.status, refused.json["title"], refused.headers["Retry-After"]),
                         (503, "too_many_streams", "1"))
        streams[7].close()
        self.wait("room again", lambda: self.api_takes_one_more())
        id = self.api.ended(self.api.submit()["id"])["id"]
        self.wait("everybody hears it", lambda: all("succeeded" in s.states(id) for s in streams if s is not streams[7]))
        for stream in streams:
            stream.close()

    def one_more(self):
        stream = self.stream()
        return stream if stream.status == 200 else None

    def api_takes_one_more(self):
        with Stream(self.cluster.http_port) as stream:
            return stream.status == 200

    def test_nothing_but_get(self):
        for method in ("HEAD", "POST", "PUT", "DELETE"):
            answer = self.api.ask(method, "/v1/events")
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET"))


class Restarts(TestCase):
    def test_after_a_restart_there_is_a_reset_first(self):
        cluster = self.new_cluster().start_server()
        stream = Stream(cluster.http_port).listening()
        cluster.api.submit(delay_ms=3600_000)
        self.wait("it is told", lambda: stream.frames)
        before = stream.last_id
        cluster.server.kill()
        self.wait("the stream ends with its server", lambda: stream.ended)
        cluster.start_server()
        with Stream(cluster.http_port, before).listening() as again:
            id = cluster.api.submit(delay_ms=3600_000)["id"]
            self.wait("it goes on", lambda: again.states(id))
            self.assertEqual((again.resets(), again.frames[0][0]), (["unknown_id"], "reset"))
            self.assertNotEqual(again.last_id.split("-")[0], before.split("-")[0])
            self.assertEqual(again.states(id), ["scheduled"])

    def test_an_orderly_end_does_not_wait_for_streams(self):
        cluster = self.new_cluster().start_server("--drain-ms", "30000")
        streams = [Stream(cluster.http_port).listening() for _ in range(5)]
        self.assertEqual(cluster.server.terminate(10), 0)
        self.wait("all have ended", lambda: all(stream.ended for stream in streams))


class SlowReader(TestCase):
    def test_who_does_not_read_holds_nobody_up(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", queues="quick")
        slow = Stream(cluster.http_port, read=False)
        self.addCleanup(slow.close)
        with Stream(cluster.http_port, queue="quick").listening() as quick:
            for _ in range(KEPT // 10_000 + 4):
                body = {"commands": [{"type": "t", "queue": "later", "delay_ms": 86_400_000}] * 10_000}
                cluster.api.want(201, "POST", "/v1/commands/batch", body)
                id = cluster.api.ended(cluster.api.submit(queue="quick")["id"])["id"]
                self.wait("the other one hears it", lambda: "succeeded" in quick.states(id))
            self.assertEqual(quick.resets(), [])
            slow.read_on()
            self.wait("it is told what it missed", slow.resets, 30)
            id = cluster.api.ended(cluster.api.submit(queue="quick")["id"])["id"]
            self.wait("and goes on with the present", lambda: "succeeded" in slow.states(id), 30)
            self.assertEqual(slow.resets(), ["too_slow"])
            numbers = slow.numbers()
            self.assertEqual(numbers, sorted(set(numbers)))
            gaps = [b - a for a, b in zip(numbers, numbers[1:]) if b - a > 1]
            self.assertEqual(len(gaps), 1)


if __name__ == "__main__":
    unittest.main()
