"""Lists: filters, cursors, order."""
import unittest

from lib.api import in_ms
from lib.cluster import TestCase

NOBODY = "list-nobody"


class Lists(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1")
        commands = []
        for n in range(250):
            commands.append({"type": f"list.t{n % 3}", "queue": NOBODY, "delay_ms": 3600_000 + n * 1000,
                             "labels": {"n": str(n), "tenth": str(n % 10)}, **({"key": f"k{n % 5}"} if n % 2 else {})})
        cls.ids = cls.api.batch(commands)
        for id in cls.ids[::25]:
            cls.api.post(f"/v1/commands/{id}/cancel")

    def found(self, **query):
        return [self.ids.index(item["id"]) for item in self.api.walk(queue=NOBODY, **query)]

    def test_newest_first(self):
        self.assertEqual(self.found(), list(range(249, -1, -1)))

    def test_filters(self):
        numbers = range(249, -1, -1)
        self.assertEqual(self.found(type="list.t1"), [n for n in numbers if n % 3 == 1])
        self.assertEqual(self.found(state="cancelled"), [n for n in numbers if n % 25 == 0])
        self.assertEqual(self.found(key="k3"), [n for n in numbers if n % 2 and n % 5 == 3])
        self.assertEqual(self.found(**{"label.tenth": "4"}), [n for n in numbers if n % 10 == 4])
        self.assertEqual(self.found(**{"label.tenth": "4", "label.n": "84"}), [84])
        self.assertEqual(self.found(**{"label.tenth": "4"}, type="list.t0", state="scheduled"),
                         [n for n in numbers if n % 10 == 4 and n % 3 == 0 and n % 25])
        self.assertEqual(self.found(**{"label.absent": "x"}), [])
        self.assertEqual(self.api.walk(queue="no-such"), [])
        self.assertEqual(self.api.walk(type="no-such"), [])

    def test_due_filters(self):
        middle = self.api.command(self.ids[100])["due_at"]
        before, after = self.found(due_before=middle), self.found(due_after=middle)
        self.assertEqual(before + after, [*before, *after])
        self.assertEqual(set(before) | set(after) | {100}, set(range(250)))
        self.assertLessEqual(set(before), set(range(0, 101)))
        self.assertLessEqual(set(after), set(range(100, 250)))
        self.assertEqual(self.found(due_before=in_ms(1000)), [])

    def test_walk_covers_each_exactly_once(self):
        for limit in (1, 7, 100, 249, 250, 251, 1000):
            with self.subTest(limit=limit):
                if limit == 1:
                    query = {"state": "cancelled"}
                    self.assertEqual([self.ids.index(item["id"]) for item in self.api.walk(1, queue=NOBODY, **query)],
                                     list(range(225, -1, -25)))
                else:
                    walked = [item["id"] for item in self.api.walk(limit, queue=NOBODY)]
                    self.assertEqual(walked, self.ids[::-1])

    def test_pages_have_the_size_asked_for(self):
        page = self.api.get("/v1/commands", queue=NOBODY)
        self.assertEqual(len(page["items"]), 100)
        self.assertEqual(len(self.api.get("/v1/commands", queue=NOBODY, limit=3)["items"]), 3)

    def test_new_work_does_not_disturb_a_walk(self):
        make = {"type": "list.t0", "queue": "list-moving", "delay_ms": 3600_000}
        ids = self.api.batch([make] * 30)
        page = self.api.get("/v1/commands", queue="list-moving", limit=10)
        seen = [item["id"] for item in page["items"]]
        while page["next_cursor"]:
            self.api.batch([make])
            page = self.api.get("/v1/commands", queue="list-moving", limit=10, cursor=page["next_cursor"])
            seen += [item["id"] for item in page["items"]]
        self.assertEqual(seen, ids[::-1])

    def test_bad_queries(self):
        cursor = self.api.get("/v1/commands", queue=NOBODY, limit=1)["next_cursor"]
        flipped = cursor[:-1] + ("0" if cursor[-1] != "0" else "1")
        for query in ("limit=0", "limit=1001", "limit=x", "cursor=zzz", f"cursor={flipped}", "state=asleep", "colour=red",
                      "due_before=tomorrow", "limit=1&limit=2", "label.=x", "type=a%20b", "queue=%zz"):
            with self.subTest(query=query):
                answer = self.api.want(400, "GET", f"/v1/commands?{query}")
                self.assertEqual(answer.headers["Content-Type"], "application/problem+json")

    def test_items_are_brief_and_whole_otherwise(self):
        item = self.api.get("/v1/commands", queue=NOBODY, **{"label.n": "3"})["items"][0]
        full = self.api.command(item["id"])
        self.assertEqual({name: full[name] for name in item}, item)
        self.assertNotIn("attempts", item)


if __name__ == "__main__":
    unittest.main()
