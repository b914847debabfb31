"""Which peers there are, how each is set up, and why so."""
import dataclasses
import os

from peers.servers import Beanstalkd, Broker, Postgres, Redis

DEBIAN_PYTHON = "/usr/bin/python3"  # it is Debian's packages that it imports, not those of a Python from elsewhere
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass
class System:
    name: str        # for --only, and in the JSON
    title: str
    server: object   # makes one, of the RabbitMQ of this run
    adapter: str
    settings: dict   # what the adapter is told beside where its server is
    setup: str       # the same in words
    package: str     # of Debian, or of npm: what its version is that of
    needs: tuple     # packages of Debian
    has_bulk: bool = True
    processes: int = 1
    waits_share: float = 1  # of the delayed jobs that the others hold

    @property
    def command(self):
        path = os.path.join(HERE, self.adapter)
        return {".js": ["node", path], ".py": [DEBIAN_PYTHON, "-B", path], ".rb": ["ruby", path]}[os.path.splitext(path)[1]]

    def at_once(self, count):
        """What the adapter is told in place of its settings, so that one worker has so many jobs at a time, which take a while."""
        return {"concurrency": count, "workers": 1, "batch": count, "prefetch": 1, "local": -1}

    @property
    def of_npm(self):
        return self.adapter.endswith(".js") and self.package != "beanstalkd"


BULLMQ = {"concurrency": 100}
POOL = 10  # connections of a client: the default of both libraries
GRAPHILE = {"concurrency": 24, "poll_ms": 100, "pool": POOL, "local": 500}
PG_BOSS = {"workers": 4, "batch": 5000, "pool": POOL}
SYSTEMS = [
    System("bullmq", "BullMQ + Redis (fsync once a second)", lambda node: Redis(appendfsync="everysec"), "bullmq.js", BULLMQ,
           "1 worker, concurrency 100", "bullmq", ("redis-server",)),
    System("bullmq-always", "BullMQ + Redis (fsync always)", lambda node: Redis(appendfsync="always"), "bullmq.js", BULLMQ,
           "1 worker, concurrency 100", "bullmq", ("redis-server",)),
    System("graphile-worker", "graphile-worker + PostgreSQL", lambda node: Postgres(), "graphile.js", GRAPHILE,
           "2 workers, concurrency 24 each, its documents' settings for throughput (local queue 500, completions batched), polled each 100 ms for "
           "what is delayed; a pool of 10 connections, as by default", "graphile-worker", ("postgresql",), processes=2),
    System("pg-boss", "pg-boss + PostgreSQL", lambda node: Postgres(), "pgboss.js", PG_BOSS,
           "4 workers in 1 process, batches of 5,000, polled each 0.5 s (the least it takes); a pool of 10 connections", "pg-boss", ("postgresql",)),
    System("sidekiq", "Sidekiq + Redis (fsync once a second)", lambda node: Redis(appendfsync="everysec"), "sidekiq_driver.rb",
           {"concurrency": 10, "poll_s": 1}, "2 workers of 10 threads, polled about each second for what is delayed", "ruby-sidekiq",
           ("redis-server", "ruby-sidekiq"), processes=2),
    System("celery", "Celery + RabbitMQ", Broker, "celery_driver.py", {"concurrency": 2, "prefetch": 64},
           "1 worker of 2 processes, late acknowledgement, prefetch × 64, durable queue, persistent, confirmed", "python3-celery",
           ("python3-celery",), has_bulk=False, waits_share=0.1),
    System("beanstalkd", "beanstalkd (fsync of each write)", lambda node: Beanstalkd(), "beanstalkd.js", {"concurrency": 64},
           "1 worker of 64 connections; bulk: 1,000 puts written before their answers are read; a delay is whole seconds, rounded up",
           "beanstalkd", ("beanstalkd",)),
]
