"""The worker of jobs that take a while is killed: when all were done, by the same judge for Duly and for peers, and as a table."""

LEGEND = """\
*Worker killed*: {sleepers} jobs of {sleep_s:g} s, {at_once} at a time in one worker, which is killed with all its processes (SIGKILL) in the second wave. Another one is started at
once. *All done after*: from the kill until the last handler has ended, of each round; {floor_s:g} s is what the work takes that is left, and {again_s:g} s is how long it is waited for. What is
not done then may be later, when a lock, a lease or a job's time is over, or never. *Begun twice*: handlers that were called again. The rest is set up as above, with concurrency {at_once} in
one worker, nothing fetched ahead (graphile-worker's local queue off, Celery's prefetch 1), and batches of {at_once} for pg-boss."""


def floor_s(sizes):
    """What the work takes that is left when the worker dies in the second wave: its first wave is done."""
    return (sizes.sleepers - sizes.at_once) / sizes.at_once * sizes.sleep_ms / 1000


def judged(wanted, starts, ends, killed, sizes):
    """`starts` and `ends`: {id: [microseconds]}; `killed`: seconds.  How many ended, when the last did if all have, and how many were begun more than once."""
    ended = [ends[id][0] for id in wanted if id in ends]
    figures = {"killed_ended": len(ended), "killed_of": len(wanted), "killed_waited_s": sizes.again_s,
               "killed_twice": sum(len(starts.get(id, ())) > 1 for id in wanted)}
    return figures | ({"killed_done_s": max(ended) / 1e6 - killed} if len(ended) == len(wanted) else {})


def done(f):
    if f["killed_ended"] < f["killed_of"]:
        return f"{f['killed_of'] - f['killed_ended']:,.0f} not within {f['killed_waited_s']:g} s"
    return f"{f['killed_done_s']:,.1f} s"


def markdown(systems, rounds, refused):
    """A line for each that was measured; `rounds`: [{name: figures}]."""
    lines = ["| worker killed | all done after | begun twice |", "| --- | --- | --- |"]
    for system in systems:
        mine = [one[system.name] for one in rounds if "killed_of" in one.get(system.name, {})]
        if mine:
            lines.append(f"| {system.title} | {' / '.join(map(done, mine))} | {' / '.join(format(one['killed_twice'], ',.0f') for one in mine)} |")
        elif system.name in refused:
            lines.append(f"| {system.title} | not measured: {refused[system.name]} | |")
    return "\n".join(lines)


def legend(sizes):
    return LEGEND.format(**vars(sizes), sleep_s=sizes.sleep_ms / 1000, floor_s=floor_s(sizes))
