"""The aims, and one table of them: figure, aim, measured, the limit measured in the same run, ratio, met or missed."""
import math
import statistics

MISSING = float("nan")
MILLION = 1_000_000


def median(rounds):
    """The median of each number over the rounds; of what is no number the last round's."""
    names = {name for one in rounds for name in one}
    merged = {}
    for name in names:
        values = [one[name] for one in rounds if name in one]
        numbers = all(isinstance(value, (int, float)) for value in values)
        merged[name] = statistics.median(values) if numbers else values[-1]
    return merged


class Row:
    """One line.  `verdict` is True, False, or None for what has no aim or was not measured."""

    def __init__(self, figure, aim, measured, limit="", ratio="", verdict=None, share=None, wanted=None):
        self.figure, self.aim, self.measured, self.limit, self.ratio = figure, aim, measured, limit, ratio
        self.verdict, self.share, self.wanted = verdict, share, wanted

    def line(self):
        said = {True: "met", False: "**missed**", None: ""}[self.verdict]
        return f"| {self.figure} | {self.aim} | {self.measured} | {self.limit} | {self.ratio} | {said} |"


def against(f, figure, key, limit_key, limit_name, wanted, aim=None):
    """A rate beside a rate: at least `wanted` of the limit."""
    have, limit = f.get(key), f.get(limit_key)
    if have is None or not limit:
        return Row(figure, aim or f"≥ {wanted} of it", "not measured")
    share = have / limit
    return Row(figure, aim or f"≥ {wanted} of {limit_name}", f"{have:,.0f}/s", f"{limit:,.0f}/s", f"{share:.2f}",
               share >= wanted, share, wanted)


def at_least(f, figure, key, wanted, unit="/s", of=None):
    have = f.get(key)
    if have is None:
        return Row(figure, f"≥ {wanted:,}{unit}", "not measured")
    return Row(figure, f"≥ {wanted:,}{unit}", f"{have:,.2f}" if wanted < 10 else f"{have:,.0f}{unit}", "",
               f"{have / wanted:.2f} of the aim", judged(have >= wanted, *(of or (0, None))))


def judged(met, have, size):
    """What is missed with less than the aim speaks of is missed; what is met with less is not yet met."""
    return None if met and size is not None and have < size else met


def at_most(f, figure, keys, wanted, unit, floor=None, of=None):
    """Figures that shall be small, each with its most.  `floor`: what could not be beaten, measured or reckoned; `of`: (how
    many there were, how many the aim speaks of)."""
    have = [f.get(key) for key in keys]
    aim = "≤ " + " / ".join(f"{most:g}" for most in wanted) + " " + unit
    if any(one is None for one in have):
        return Row(figure, aim, "not measured")
    shown = " / ".join(f"{one:.2f}" if one < 100 else f"{one:,.0f}" for one in have) + " " + unit
    met = judged(all(one <= most for one, most in zip(have, wanted)), *(of or (0, None)))
    if not floor or math.isnan(floor):
        return Row(figure, aim, shown, "", "", met)
    return Row(figure, aim, shown, f"{floor:.2f} {unit}", f"{have[0] / floor:.1f} ×", met)


def plain(f, figure, keys, unit):
    """Written down, without an aim."""
    have = [f.get(key) for key in keys]
    if any(one is None for one in have):
        return Row(figure, "", "not measured")
    return Row(figure, "", " / ".join(f"{one:,.1f}" if abs(one) < 100 else f"{one:,.0f}" for one in have) + " " + unit)


def rates(f):
    return [
        against(f, "`POST /v1/commands`, 1 connection, one after the other", "enqueue_1_per_s", "sqlite_insert_1_per_s",
                "single-row commits", 0.7),
        against(f, "the same, 64 connections", "enqueue_64_per_s", "sqlite_insert_64_per_s", "inserts in batches of 64", 0.5),
        against(f, "batches of 1,000, 1 connection", "enqueue_batch_per_s", "sqlite_insert_1000_per_s",
                "inserts in batches of 1,000", 0.5),
        against(f, "batches of 1,000, 4 connections", "enqueue_batch_4_per_s", "sqlite_insert_1000_per_s",
                "inserts in batches of 1,000", 0.5),
        against(f, "dispatch alone: due → confirmed → marked `queued`", "dispatch_per_s", "publish_confirm_per_s",
                "raw publish + confirm", 0.6, "≥ 0.6 of raw publish + confirm, aim 0.8"),
        against(f, "whole life: ready → succeeded, with permit and result", "life_per_s", "publish_consume_per_s",
                "raw publish-and-consume", 0.5),
        at_least(f, "the same with `bundle` 100, beside the best peer's drain", "bundle_per_s", 45_000),
        against(f, "the same, as the aim stood to raw publish-and-consume where it was set (45,000 to 40,000)", "bundle_per_s",
                "publish_consume_per_s", "raw publish-and-consume", 1.125),
    ]


def moments(f):
    syncs = f.get("publish_single_p50_ms", MISSING) + 3 * f.get("fdatasync_4k_p50_ms", MISSING)
    offered = f.get("latency_offered_per_s", 0)
    rate, of_rate = f"{offered:,.0f}/s offered", (offered, 2000)
    herd, of_herd = f"{f.get('herd', 0):,.0f} due at one instant", (f.get("herd", 0), 60_000)
    floor = f.get("lost_floor_s", 6)
    return [
        at_most(f, f"answered 201 → handler starts, {rate}, p50 / p99", ["latency_accepted_p50_ms", "latency_accepted_p99_ms"],
                [1.0, 3], "ms", of=of_rate),
        at_most(f, f"due to be sent → handler starts, {rate}, p50 / p99 (limit: a confirmed publish + 3 syncs, p50)",
                ["latency_sent_p50_ms", "latency_sent_p99_ms"], [1.0, 3], "ms", syncs, of_rate),
        plain(f, "due to be sent → answered 201 meanwhile, p50 / p99", ["latency_accept_p50_ms", "latency_accept_p99_ms"],
              "ms"),
        at_most(f, f"lost executor, {f.get('lost_running', 0):.0f} running: kill -9 → all have ended (limit: the waves left)",
                ["lost_s"], [floor + 0.5], "s", floor),
        same(f, "lost executor: attempts repeated / of them more than once", ["lost_repeated", "lost_oftener"],
             [f.get("lost_running"), 0], "those that ran / 0"),
        at_most(f, f"{herd}: all started after", ["herd_all_s"], [5], "s", of=of_herd),
        same(f, f"{herd}: started early", ["herd_early"], [0], "0"),
        at_most(f, f"{herd}: accept p99 meanwhile", ["herd_accept_p99_ms"], [50], "ms", of=of_herd),
        at_most(f, "reads under full load: get, p99", ["reads_get_p99_ms"], [5], "ms"),
        at_most(f, "reads under full load: filtered list of 100, p99", ["reads_list_p99_ms"], [20], "ms"),
        at_most(f, "reads under full load: stats, p99", ["reads_stats_p99_ms"], [5], "ms"),
    ]


def same(f, figure, keys, wanted, aim):
    have = [f.get(key) for key in keys]
    if any(one is None for one in have):
        return Row(figure, aim, "not measured")
    return Row(figure, aim, " / ".join(f"{one:,.0f}" for one in have), "", "", have == wanted)


def sizes(f):
    stored = f.get("growth_stored", 0)
    waiting, ten = f"{stored:,.0f} waiting", (stored, 10 * MILLION)
    rows = [
        at_most(f, f"lateness of {f.get('growth_due_rate', 0):,.0f}/s due out of {waiting}, p50 / p99 (aim: out of 1 million)",
                ["growth_lateness_p50_ms", "growth_lateness_p99_ms"], [1, 5], "ms", of=(stored, MILLION)),
        same(f, f"of those started early, out of {waiting}", ["growth_lateness_early"], [0], "0"),
        at_most(f, f"memory of the server, {waiting} (aim: 10 million)", ["growth_memory_server_mb"], [150], "MB", of=ten),
        at_most(f, f"memory of the agent, {waiting} (aim: 10 million)", ["growth_memory_agent_mb"], [60], "MB", of=ten),
        at_most(f, "database bytes a command of 256 B payload", ["growth_bytes_a_command"], [450], "B"),
        at_most(f, f"start to ready, {waiting} (aim: 10 million)", ["start_ready_s"], [1], "s", of=ten),
        at_most(f, f"start to first handler, {waiting} (aim: 10 million)", ["start_first_s"], [2], "s", of=ten),
        at_least(f, f"whole lives a second with {waiting}, beside the smallest backlog (aim: 10 million beside 10,000)",
                 "growth_life_ratio", 0.8, "", of=ten),
    ]
    for prefix, what in (("dispatch", "dispatch alone"), ("life", "whole life")):
        rows.append(plain(f, f"processor a command, {what}: server / agent / broker",
                          [f"{prefix}_server_us", f"{prefix}_agent_us", f"{prefix}_broker_us"], "µs"))
    rows.append(plain(f, "processor of the server a command accepted: 1 / 64 connections / batches of 1,000",
                      ["enqueue_1_server_us", "enqueue_64_server_us", "enqueue_batch_server_us"], "µs"))
    return rows


def beside(f):
    """What goes on beside the work: removal, and agents that only say that they live."""
    of_ended, of_fleet = (f.get("retained", 0), MILLION), (f.get("fleet", 0), 200)
    rows = [at_least(f, f"whole lives a second while {f.get('retained', 0):,.0f} ended commands are removed, beside without (aim: 1 million)",
                     "retained_ratio", 0.9, "", of=of_ended)]
    for shards in sorted(int(key.split("_")[1]) for key in f if key.startswith("fleet_") and key.endswith("_share")):
        many = f"{f['fleet']:,.0f} agents, {shards:,} shards"
        rows += [at_most(f, f"{many}: heartbeats, share of a core", [f"fleet_{shards}_share"], [0.02], "", of=of_fleet),
                 at_most(f, f"{many}: half of them dead at once, {f[f'fleet_{shards}_orphans']:,.0f} shards reassigned after",
                         [f"fleet_{shards}_reassigned_s"], [2], "s", of=of_fleet)]
    if "instructions_post_k" in f:
        rows.append(plain(f, "instructions a command, thousands: server one `POST` / server batches of 100 / a life, server / agent",
                          ["instructions_post_k", "instructions_batch_k", "instructions_life_server_k", "instructions_life_agent_k"], ""))
    return rows


def all_rows(f):
    return rates(f) + moments(f) + sizes(f) + beside(f)


def limits(f):
    """The limits themselves, for whoever wants to compare machines."""
    inserts = " / ".join(f"{f.get(f'sqlite_insert_{n}_per_s', MISSING):,.0f}" for n in (1, 16, 64, 256, 1000))
    return "\n".join([
        "| limit of this machine | measured |", "| --- | --- |",
        f"| fdatasync of 4 KiB, p50 / p99 | {f.get('fdatasync_4k_p50_ms', MISSING):.2f} / "
        f"{f.get('fdatasync_4k_p99_ms', MISSING):.2f} ms |",
        f"| SQLite inserts, WAL, FULL, batches of 1 / 16 / 64 / 256 / 1,000 | {inserts} a second |",
        f"| quorum queue, publish + confirm, window 1,000 | {f.get('publish_confirm_per_s', MISSING):,.0f} a second |",
        f"| the same published and consumed at once | {f.get('publish_consume_per_s', MISSING):,.0f} a second |",
        f"| both with the properties and headers that an execution message has | "
        f"{f.get('publish_confirm_ours_per_s', MISSING):,.0f} / {f.get('publish_consume_ours_per_s', MISSING):,.0f} a second |",
        f"| one confirmed publish, p50 / p99 | {f.get('publish_single_p50_ms', MISSING):.2f} / "
        f"{f.get('publish_single_p99_ms', MISSING):.2f} ms |"])


def markdown(rows):
    head = "| figure | aim | measured | limit | ratio | |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "\n".join(row.line() for row in rows)
