"""Schedules from outside: made, changed, fired, and each fire one command whatever is killed."""
import time
import unittest

from lib.api import in_ms, instant
from lib.cluster import TestCase

NOBODY = "nobody"


def schedule(name, **fields):
    fields.setdefault("command", {"type": "builtin.noop"})
    if "cron" not in fields:
        fields.setdefault("every_ms", 500)
    return {"name": name, **fields}


class Schedules(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.share_cluster().start_server().start_agents("a-1", "a-2")

    def fires(self, name, **query):
        return self.api.walk(schedule=name, **query)

    def test_life(self):
        made = self.api.want(201, "POST", "/v1/schedules", schedule("life", every_ms=300))
        self.assertEqual(made.headers["Location"], "/v1/schedules/life")
        self.assertEqual(made.headers["ETag"], '"1"')
        self.assertEqual(made.json["version"], 1)
        self.assertEqual(self.api.ask("POST", "/v1/schedules", schedule("life")).status, 409)
        self.wait("it has fired", lambda: len(self.fires("life", state="succeeded")) >= 3)
        fired = self.fires("life")
        self.assertEqual({instant(one["fire_at"]) % 300 for one in fired}, {0})
        self.assertEqual({one["schedule"] for one in fired}, {"life"})
        self.assertEqual(len({one["fire_at"] for one in fired}), len(fired))
        for one in fired:
            self.assertEqual(one["due_at"], one["fire_at"])
        paused = self.api.post("/v1/schedules/life/pause")
        self.assertEqual((paused["enabled"], paused["next_fire_at"]), (False, None))
        count = len(self.fires("life"))
        time.sleep(0.7)
        self.assertEqual(len(self.fires("life")), count)
        self.assertTrue(self.api.post("/v1/schedules/life/resume")["enabled"])
        self.wait("it fires again", lambda: len(self.fires("life")) > count)
        self.api.want(204, "DELETE", "/v1/schedules/life")
        self.assertEqual(self.api.ask("GET", "/v1/schedules/life").status, 404)
        self.assertEqual(self.fires("life"), [])

    def test_versions_and_rollback(self):
        self.api.want(201, "POST", "/v1/schedules", schedule("edited", cron="0 3 * * *"))
        changed = schedule("edited", cron="0 4 * * *", time_zone="Europe/Berlin")
        self.api.want(412, "PUT", "/v1/schedules/edited", changed, {"If-Match": '"7"'})
        put = self.api.want(200, "PUT", "/v1/schedules/edited", changed, {"If-Match": '"1"'})
        self.assertEqual((put.headers["ETag"], put.json["cron"]), ('"2"', "0 4 * * *"))
        back = self.api.want(200, "POST", "/v1/schedules/edited/rollback", {"version": 1}).json
        self.assertEqual((back["version"], back["cron"], back["time_zone"]), (3, "0 3 * * *", "UTC"))
        versions = self.api.get("/v1/schedules/edited/versions")["items"]
        self.assertEqual([(one["version"], one["what"]) for one in versions],
                         [(3, "rolled back to 1"), (2, "changed"), (1, "created")])
        self.assertEqual(versions[1]["schedule"]["cron"], "0 4 * * *")
        self.assertEqual(self.api.ask("POST", "/v1/schedules/edited/rollback", {"version": 9}).status, 404)
        self.assertEqual(self.api.ask("PUT", "/v1/schedules/unheard-of", schedule("unheard-of")).status, 404)

    def test_next_shows_what_daylight_saving_does(self):
        self.api.want(201, "POST", "/v1/schedules", schedule("dst", cron="30 2 * * *", time_zone="Europe/Berlin"))
        spring = self.api.get("/v1/schedules/dst/next", count=2, **{"from": "2026-03-28T12:00:00Z"})["items"]
        self.assertEqual([(one["fire_at"], one["shift"]) for one in spring],
                         [("2026-03-29T01:00:00.000Z", "gap"), ("2026-03-30T00:30:00.000Z", None)])
        autumn = self.api.get("/v1/schedules/dst/next", count=2, **{"from": "2026-10-24T12:00:00Z"})["items"]
        self.assertEqual([(one["fire_at"], one["shift"]) for one in autumn],
                         [("2026-10-25T00:30:00.000Z", "fold"), ("2026-10-26T01:30:00.000Z", None)])

    def test_bad_input_is_named(self):
        bad = schedule("bad", cron="0 0 30 2 *", overlap="never", command={"type": "t", "delay_ms": 3}, colour="red")
        answer = self.api.want(400, "POST", "/v1/schedules", bad).json
        self.assertLessEqual({"/overlap", "/command/delay_ms", "/colour"},
                             {error["pointer"] for error in answer["errors"]})
        only = self.api.want(400, "POST", "/v1/schedules", schedule("bad", cron="0 0 30 2 *")).json
        self.assertEqual([error["pointer"] for error in only["errors"]], ["/cron"])
        for path in ("/v1/schedules/no%20name", "/v1/schedules/x/next?count=0", "/v1/schedules?limit=0"):
            self.assertEqual(self.api.ask("GET", path).status, 400, path)

    def test_trigger_and_backfill(self):
        self.api.want(201, "POST", "/v1/schedules", schedule("byhand", every_ms=60_000, enabled=False))
        command = self.api.post("/v1/schedules/byhand/trigger", status=201)
        self.assertEqual(self.api.ended(command["id"])["state"], "succeeded")
        request = {"from": in_ms(-600_000), "to": in_ms(3_600_000)}
        self.assertEqual(self.api.post("/v1/schedules/byhand/backfill", request),
                         {"created": 10, "existing": 0, "next_from": None})
        self.assertEqual(self.api.post("/v1/schedules/byhand/backfill", request)["created"], 0)
        self.wait("all ran", lambda: len(self.fires("byhand", state="succeeded")) == 11)

    def test_overlap(self):
        held = {"type": "builtin.noop", "queue": NOBODY}
        for overlap in ("skip", "buffer_one", "cancel_other"):
            self.api.want(201, "POST", "/v1/schedules", schedule(overlap, command=held, overlap=overlap, every_ms=200))
        self.wait("others were cancelled", lambda: len(self.fires("cancel_other", state="cancelled")) >= 2)
        self.wait("some were skipped", lambda: self.api.get("/v1/schedules/skip")["skipped"] >= 2)
        self.assertEqual(len(self.fires("skip")), 1)
        (first,) = self.fires("buffer_one")
        self.assertIsNotNone(self.api.get("/v1/schedules/buffer_one")["buffered_fire_at"])
        self.api.post(f"/v1/commands/{first['id']}/cancel")
        self.wait("the buffered one is made", lambda: len(self.fires("buffer_one")) == 2)
        for overlap in ("skip", "buffer_one", "cancel_other"):
            self.api.want(204, "DELETE", f"/v1/schedules/{overlap}")


class Killed(TestCase):
    def test_one_command_for_each_fire_over_kills(self):
        """I10: the server is killed again and again; afterwards no fire time is missing and none is double."""
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        api = cluster.api
        catch_up = {"policy": "all", "max": 1000}
        begun = instant(in_ms(0))
        for number in range(20):
            api.want(201, "POST", "/v1/schedules", schedule(f"s{number}", every_ms=200 + 10 * number,
                                                            catch_up=catch_up))
        for _ in range(4):
            time.sleep(0.8)
            cluster.server.kill()
            cluster.start_server()
        time.sleep(0.5)
        for number in range(20):
            api.post(f"/v1/schedules/s{number}/pause")
            every = 200 + 10 * number
            times = sorted(instant(one["fire_at"]) for one in api.walk(schedule=f"s{number}"))
            self.assertEqual(times, list(range(times[0], times[-1] + 1, every)))
            self.assertLess(times[0] - begun, 2 * every + 2000)
            self.assertGreater(times[-1], instant(in_ms(0)) - 3000)
        cluster.idle()
        self.assertEqual({one["state"] for one in api.walk()}, {"succeeded"})


if __name__ == "__main__":
    unittest.main()
