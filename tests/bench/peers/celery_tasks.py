"""The application of the Celery that is measured: durable queue, persistent messages, publisher confirms, late acknowledgement."""
import json
import os
import time

from celery import Celery

SETTINGS = json.loads(os.environ["DULY_PEER_SETTINGS"])
CALLERS = 64

app = Celery("bench", broker=SETTINGS["server"]["url"])
app.conf.update(
    broker_pool_limit=CALLERS, broker_transport_options={"confirm_publish": True}, task_acks_late=True, task_ignore_result=True,
    # "Optimizing" in its documents: many short tasks want a larger multiplier than 4, long ones 1.
    worker_prefetch_multiplier=SETTINGS["server"]["prefetch"])
SLEEP_MS = SETTINGS["sleep_ms"]


def log_of(name):
    return os.open(SETTINGS[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


STARTS, ENDS = log_of("starts"), log_of("ends")


def write(log, id):
    os.write(log, f"{id} {time.time_ns() // 1000}\n".encode())


@app.task(name="noop")
def noop(id, filler):  # pylint: disable=unused-argument
    write(STARTS, id)
    if SLEEP_MS:
        time.sleep(SLEEP_MS / 1000)
        write(ENDS, id)
