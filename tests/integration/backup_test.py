"""A copy of a running store, and what happens when an older copy is put back under running agents."""
import os
import re
import shutil
import subprocess
import unittest

from lib.cluster import TestCase
from lib.process import program


def maintain(cluster, *words, data=None):
    return subprocess.run([program("duly-server"), *words, "--data", data or cluster.data], capture_output=True,
                          text=True, check=False, timeout=60)


def missing(api):
    rows = api.get("/v1/audit", limit=1000)["items"]
    return {row["subject"] for row in rows if row["what"] == "command.missing"}


class Backup(TestCase):
    def test_what_is_refused(self):
        cluster = self.new_cluster().start_server()
        copy = os.path.join(cluster.folder, "copy.db")
        self.assertEqual(maintain(cluster, "backup", copy).returncode, 0)
        again = maintain(cluster, "backup", copy)
        self.assertEqual((again.returncode, again.stderr.count("\n")), (1, 1))
        self.assertIn("exists", again.stderr)
        under_a_server = maintain(cluster, "restore", copy)
        self.assertEqual(under_a_server.returncode, 1)
        self.assertIn("in use", under_a_server.stderr)
        self.assertEqual(maintain(cluster, "undo", copy).returncode, 2)
        self.assertEqual(maintain(cluster, "backup").returncode, 2)
        cluster.server.terminate()
        over_a_store = maintain(cluster, "restore", copy)
        self.assertEqual(over_a_store.returncode, 1)
        self.assertIn("move it away", over_a_store.stderr)

    def test_an_older_copy_under_running_agents(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("a-1", "a-2")
        api = cluster.api
        done = api.submit(**cluster.append("before"))
        api.ended(done["id"])
        long = api.submit("builtin.sleep", {"ms": 6000})
        self.wait("it runs", lambda: api.command(long["id"])["state"] == "running")
        held = [api.submit(**cluster.append(f"held {n}", queue="held")) for n in range(20)]
        self.wait("they are queued", lambda: all(api.command(one["id"])["state"] == "queued" for one in held))
        later = api.submit(**cluster.append("later", delay_ms=4000))
        copy = os.path.join(cluster.folder, "copy.db")
        # Under load: what the copy has of it is whole, and nothing of it is told twice.
        load = [api.submit(**cluster.append(f"load {n}")) for n in range(50)]
        self.assertEqual(maintain(cluster, "backup", copy).returncode, 0)
        lost = [api.submit(**cluster.append(f"lost {n}", queue="held")) for n in range(5)]
        self.wait("they are queued", lambda: all(api.command(one["id"])["state"] == "queued" for one in lost))
        for one in load:
            api.ended(one["id"])

        cluster.server.kill()
        shutil.move(cluster.data, cluster.data + ".old")
        restored = maintain(cluster, "restore", copy)
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.assertIn("generation 2", restored.stdout)
        running = int(re.search(r"(\d+) were running", restored.stdout)[1])
        cluster.start_server()
        cluster.start_agent("a-3", queues="held")
        cluster.shards_even()

        self.assertEqual(api.command(done["id"])["state"], "succeeded")
        self.assertEqual((api.command(long["id"])["state"], api.command(long["id"])["reason"]), ("dead", "restored"))
        # The copy may have met some of the load while it ran.
        torn = [one for one in load if api.command(one["id"]).get("reason") == "restored"]
        self.assertEqual(len(torn) + 1, running)
        for one in [long, *torn]:
            api.post(f"/v1/commands/{one['id']}/retry")
        for one in [*held, later, *load]:
            self.assertEqual(api.ended(one["id"])["state"], "succeeded")
        for one in lost:
            self.assertEqual(api.ask("GET", f"/v1/commands/{one['id']}").status, 404)
        self.wait("the missing are listed", lambda: missing(api) >= {one["id"] for one in lost})
        self.assertEqual(api.ended(long["id"])["state"], "succeeded")
        # What was there ran once, what the copy does not know did not run, and epochs only grow.
        lines = [line for _, _, line in cluster.ledger()]
        for n in range(20):
            self.assertEqual(lines.count(f"held {n}"), 1)
        self.assertFalse([line for line in lines if line.startswith("lost")])
        self.assertGreater(min(shard["epoch"] for shard in api.get("/v1/shards")["items"]), 1_000_000)


if __name__ == "__main__":
    unittest.main()
