"""One table of Duly and the peers, and what its columns mean."""
from peers.measures import LAST_S

MISSING = "–"
FELL_BEHIND = 0.95  # of the offered rate

LEGEND = """\
*Enqueue*, jobs a second, each acknowledged before it counts, nobody works meanwhile: one caller, one after the other / 64 callers at once, each waiting for its answer /
the bulk call, 1,000 jobs in each, one after the other. *Drain*: {lives:,} ready jobs that do nothing; from the moment the workers, connected already, are let go until
the system itself knows all of them done (Celery: until the last is called; that its queue is empty is looked at after that). *Accepted → started*: {rate:,} jobs a second offered for {rate_seconds:g} s, at most 64 unanswered; from the client's hearing
that a job is accepted, and from the moment it was to be sent, until its handler is called (below zero: called before the client heard). It *falls behind* when less than
95 % of what was offered had been started one second after the last was to be sent; then it says how many a second had. *Late*: {due_rate:,} jobs due a second for
{due_seconds} s, submitted before in batches, while {waiting:,} others wait for another day; handler called minus due time. *Early*: called before its time, of {due:,}.
*Memory*, with those that wait, after that: servers / workers, resident, what processes share counted once; with Duly the servers are its own and RabbitMQ. Payloads of
256 bytes; each handler writes its job's id and the clock (one `write`) and nothing else; clients, servers and workers share this machine's processors. Each job that was
accepted is looked for among those that ran. Peers are driven through their own client libraries, Duly by a C++ program that costs little: enqueueing with one of them
would cost Duly's client something, too."""


def rates(f, keys):
    return " / ".join(f"{f[key]:,.0f}" if key in f else MISSING for key in keys)


def ms(f, keys):
    return " / ".join(f"{f[key]:,.1f}" if f.get(key) is not None else MISSING for key in keys)


def amiss(f, prefix):
    """What a figure must not pass over in silence."""
    lost, twice = f.get(f"{prefix}_lost", 0), f.get(f"{prefix}_twice", 0)
    return (f", **{lost:,.0f} lost**" if lost else "") + (f", **{twice:,.0f} twice**" if twice else "")


def latency(f):
    if "reached_per_s" not in f:
        return MISSING
    if f["reached_per_s"] < FELL_BEHIND * f["offered_per_s"]:
        return f"falls behind: {f['reached_per_s']:,.0f}/s{amiss(f, 'latency')}"
    return f"{ms(f, ('accepted_p50_ms', 'accepted_p99_ms'))}; {ms(f, ('sent_p50_ms', 'sent_p99_ms'))} ms" + amiss(f, "latency")


def lateness(f, sizes):
    if "late_started" not in f:
        return MISSING, MISSING
    count, few = sizes.due_rate * sizes.due_seconds, f["waiting"] != sizes.waiting
    said = f" ({f['waiting']:,.0f} waiting)" if few else ""
    if f["late_margin_s"] < 0:
        said += f", the last submitted {-f['late_margin_s']:.1f} s after the first was due"
    if f["late_started"] == 0:
        return f"none of {count:,} started{said}", MISSING
    if f.get("late_lost"):
        said = f", {f['late_started']:,.0f} of {count:,} started within {LAST_S} s{said}"
    said += f", **{f['late_twice']:,.0f} twice**" if f.get("late_twice") else ""
    return ms(f, ("late_p50_ms", "late_p99_ms")) + " ms" + said, f"{f['late_early']:,.0f}"


def memory(f):
    if "memory_server_mb" not in f:
        return MISSING
    broker = f" + {f['memory_broker_mb']:,.0f}" if "memory_broker_mb" in f else ""
    return f"{f['memory_server_mb']:,.0f}{broker} / {f['memory_worker_mb']:,.0f} MB"


def row(system, f, sizes):
    late, early = lateness(f, sizes)
    drain = rates(f, ["drain_per_s"]) + amiss(f, "drain")
    enqueue = rates(f, ["enqueue_1_per_s", "enqueue_64_per_s", "enqueue_bulk_per_s"]) + amiss(f, "enqueue")
    return f"| {system.title} | {enqueue} | {drain} | {latency(f)} | {late} | {early} | {memory(f)} |"


def markdown(systems, medians, refused, sizes):
    """`medians`: {name: figures}; `refused`: {name: why it was not measured}."""
    lines = ["| | enqueue 1 / 64 / bulk, a second | drain, a second | accepted → started; to be sent → started, p50 / p99 | late, p50 / p99 | early | memory, servers / workers |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for system in systems:
        if system.name in refused:
            lines.append(f"| {system.title} | not measured: {refused[system.name]} | | | | | |")
        else:
            lines.append(row(system, medians.get(system.name, {}), sizes))
    return "\n".join(lines)


def where(about, sizes):
    """Machine, versions and date: a table of figures says nothing without them."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    rounds = "1 round" if sizes.rounds == 1 else f"medians of {sizes.rounds} rounds"
    return (f"{about['date']}, commit {about['commit']}, {rounds}. {about['cores']} cores of {about['cpu']}, Linux {about['kernel']}, load before: "
            f"{about['load_before']:.1f}. {about['duly']}; {versions}.")


def legend(systems, sizes):
    setups = "\n".join(f"- {system.title.replace('*', '').replace('`', '')}: {system.setup}." for system in systems)
    return LEGEND.format(**{**vars(sizes), "due": sizes.due_rate * sizes.due_seconds}) + f"\n\nSet up:\n\n{setups}"
