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
    # "Optimizing" in its documents: many short tasks want a larger multiplier than 4.
    worker_prefetch_multiplier=64)
STARTS = os.open(SETTINGS["starts"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@app.task(name="noop")
def noop(id, filler):  # pylint: disable=unused-argument
    os.write(STARTS, f"{id} {time.time_ns() // 1000}\n".encode())
