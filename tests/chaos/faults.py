"""The faults by name.  Each is a generator: it strikes, yields how many seconds to keep that up under load, and heals.

What a fault does is told to its Strike.  `disk full` is not here: it is a round of its own (disk_full.py).
"""
from broker_faults import broker_faults
from operator_faults import operator_faults
from process_faults import AGENT_POINTS, SERVER_POINTS, process_faults
from proxy_faults import proxy_faults

POINTS = [*AGENT_POINTS, *SERVER_POINTS]


def all_faults():
    """name -> generator function."""
    return {**process_faults(), **operator_faults(), **broker_faults(), **proxy_faults()}
