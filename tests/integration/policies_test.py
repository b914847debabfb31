"""Settings of queues that lose messages without a sign: found through RabbitMQ's management API, told, and gone again."""
import os
import re
import shutil
import tempfile
import unittest

from lib.cluster import TestCase
from lib.process import free_port, run_once
from lib.rabbit import Node


class Policies(TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="duly-management-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.port = free_port()
        conf = os.path.join(folder, "conf")
        with open(conf, "w", encoding="ascii") as text:
            text.write(f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {cls.port}\n")
        cls.node = Node.start_new(DULY_RABBIT_CONF=conf, DULY_RABBIT_PLUGINS="rabbitmq_management")
        cls.addClassCleanup(cls.node.close)

    def start(self, url=None):
        self.cluster = self.new_cluster(node=self.node)
        return self.cluster.start_server("--amqp-management", url or f"http://127.0.0.1:{self.port}")

    def check(self):
        return self.cluster.api.get("/readyz")["checks"]["queues"]

    def problems(self):
        text = self.cluster.api.want(200, "GET", "/metrics").body.decode()
        return int(float(re.search(r"^duly_broker_lossy_settings (\S+)$", text, re.MULTILINE)[1]))

    def ctl(self, *words):
        self.node.output("ctl", self.node.folder, *words)

    def test_they_are_found_and_told_until_they_are_gone(self):
        self.ctl("set_policy", "bounded", r"^duly\.execute\.mail$", '{"max-length": 100, "message-ttl": 60000}')
        cluster = self.start()
        cluster.api.want(200, "PUT", "/v1/queues/mail", {"paused": False})
        with cluster.connect() as amqp:
            self.wait("the queue is declared", lambda: amqp.depth("duly.execute.mail") is not None)
        self.wait("it is found", lambda: self.problems() == 2, 60)
        self.assertEqual(self.check(), "degraded: 2 settings of queues lose messages, see the log")
        log = cluster.server.log()
        self.assertIn("duly.execute.mail: policy max-length = 100 drops the oldest messages", log)
        self.assertIn("duly.execute.mail: policy message-ttl = 60000 drops messages", log)

        self.ctl("clear_policy", "bounded")
        self.wait("it is gone", lambda: self.problems() == 0, 90)
        self.assertEqual(self.check(), "ok")
        self.assertEqual(cluster.server.log().count("a setting that lost messages is gone"), 2)

    def test_what_does_not_answer_is_told_and_harms_nothing(self):
        cluster = self.start(f"http://watcher:se-cret@127.0.0.1:{free_port()}")
        self.wait("it is told", lambda: "not known" in self.check())
        self.assertEqual(cluster.api.get("/readyz")["status"], "ready")
        self.assertIn("the settings of queues are not known", cluster.server.log())
        self.assertNotIn("se-cret", cluster.server.log())

    def test_a_user_without_the_right_is_told(self):
        cluster = self.start(f"http://guest:wrong@127.0.0.1:{self.port}")
        self.wait("it is told", lambda: "answered 401" in cluster.server.log())

    def test_what_is_no_url_is_refused_at_the_start(self):
        done = run_once("duly-server", "--data", tempfile.mkdtemp(dir=self.node.folder), "--amqp-management", "rabbit:15672")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--amqp-management", done.stderr)


if __name__ == "__main__":
    unittest.main()
