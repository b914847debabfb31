"""README.md and docs/tutorial.md do what they say: their commands are run in their order, and print what is shown."""
import json
import os
import re
import subprocess
import unittest

from lib.cluster import TestCase
from lib.process import BIN, die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADDRESS = "http://127.0.0.1:8080"
MARK = "---- block"


def blocks(page):
    """[(commands, [lines they print])]: each block fenced as `sh`, with the one fenced as `text` behind it."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as text:
        fenced = re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", text.read())
    found = []
    for kind, body in fenced:
        if kind == "sh":
            found.append((body, []))
        elif kind == "text":
            found[-1][1].extend(body.splitlines())
    return found


def pattern_of(line):
    """What a line shows, whatever ids, times and numbers it has; what a table shows to the right is left out."""
    pattern = re.escape(" ".join(line.split()))
    pattern = re.sub(r"cmd_\w{13}", r"cmd_\\w{13}", pattern)
    pattern = re.sub(r"\d{4}\\-\d\d\\-\d\dT[\d:]+\\\.\d{3}Z", r"[-0-9T:.]+Z", pattern)
    return pattern


class Tutorial(TestCase):
    def run_all(self, commands):
        """The output of each block, errors included; they share one shell, as a reader's terminal does."""
        script = "set -euo pipefail\n" + "".join(f"echo '{MARK}'\n{body}" for body in commands)
        cluster = self.own_cluster
        script = script.replace(ADDRESS, f"http://127.0.0.1:{cluster.http_port}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
        environment["PATH"] = f"{BIN}:{environment['PATH']}"
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=240, check=False, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.split(MARK)[1:]

    def start_what_run_starts(self):
        cluster = self.new_cluster().start_server()
        cluster.start_agents("agent-1", "agent-2", "agent-3")
        return cluster

    def test_the_five_minutes_of_the_readme(self):
        cluster = self.start_what_run_starts()
        commands, _ = blocks("README.md")[0]
        self.assertIn("/v1/schedules", commands)
        printed, = self.run_all([commands])
        answers = [json.loads(one) for one in re.sub(r"\}\s*\{", "}\0{", printed.strip()).split("\0")]
        self.assertEqual([answer["type"] for answer in answers if "type" in answer and "status" not in answer], ["builtin.echo"])
        self.assertEqual([answer for answer in answers if "errors" in answer or answer.get("status", 0) >= 400], [])
        command = cluster.api.get(f"/v1/commands/{answers[0]['id']}?wait_ms=20000")
        self.assertEqual((command["state"], command["result"]), ("succeeded", {"hello": "world"}))
        self.wait("the schedule has fired", lambda: cluster.api.get("/v1/commands?schedule=tick&state=succeeded")["items"])
        self.wait("the agent is dead", lambda: not cluster.agents["agent-3"].running())

    def test_what_the_tutorial_shows_is_what_comes(self):
        self.start_what_run_starts()
        told = blocks("docs/tutorial.md")
        self.assertGreater(len(told), 8)
        self.assertGreater(sum(len(shown) for _, shown in told), 20)
        printed = self.run_all([body for body, _ in told])
        self.assertEqual(len(printed), len(told))
        for (body, shown), output in zip(told, printed):
            lines = [" ".join(line.split()) for line in output.splitlines()]
            for line in shown:
                pattern = pattern_of(line)
                self.assertTrue(any(re.search(pattern, one) for one in lines), f"{line!r} does not come of\n{body}\nbut\n{output}")

    def test_a_line_that_does_not_come_is_seen(self):
        self.assertTrue(re.search(pattern_of("cmd_06Y6ZKQ4R8000  a  dead  1"), "x cmd_06Y6ZKQ4R8001 a dead 1 y"))
        self.assertFalse(re.search(pattern_of("cmd_06Y6ZKQ4R8000  a  dead  1"), "cmd_06Y6ZKQ4R8001 a succeeded 1"))
        self.assertTrue(re.search(pattern_of("due at 2026-11-22T11:00:00.000Z"), "due at 2027-01-01T00:00:00.500Z"))


if __name__ == "__main__":
    unittest.main()
