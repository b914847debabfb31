"""What a run measured and counted: the table at its end, and the same as JSON."""
import bisect
import collections
import datetime
import itertools
import json
import os
import platform
import subprocess

from lib.process import ROOT

WORK_WITHIN_MS = 100
LONGEST_MOVE_S = 20  # later than that it is no fail-over any more
FIGURES = "{count}, p50 {p50_ms} ms, p99 {p99_ms} ms, max {max_ms} ms"


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def summary(samples):
    return {"count": len(samples), "p50_ms": round(quantile(samples, 0.5)), "p99_ms": round(quantile(samples, 0.99)),
            "max_ms": round(max(samples))}


class Moves:
    """When each shard's work was in the broker, under which epoch, and since when it was due."""

    def __init__(self, history):
        self.published = collections.defaultdict(list)
        for id, attempts in history.attempts.items():
            command = history.commands[id]
            of_shard = self.published[command.shard]
            for attempt in attempts:
                # Of earlier attempts the due time is not kept: they were due whenever that suits.
                due = command.due_ms if attempt.number == command.attempt else 0
                of_shard.append((attempt.queued_ms or attempt.started_ms, attempt.epoch, due))
        for of_shard in self.published.values():
            of_shard.sort()
        self.all = sorted(at for of_shard in self.published.values() for at, _, _ in of_shard)

    def first_after(self, shard, epoch, wall_ms):
        """Milliseconds from then until the first command of the shard is queued by a later holder.

        None when the shard had nothing to do at that moment: then the time tells of the load, not of the fail-over.
        """
        of_shard = self.published[shard]
        for queued, its_epoch, due in itertools.islice(of_shard, bisect.bisect_left(of_shard, (wall_ms,)), None):
            if queued > wall_ms + 1000 * LONGEST_MOVE_S:
                return None
            if its_epoch > epoch:
                return queued - wall_ms if due <= wall_ms + WORK_WITHIN_MS else None
        return None

    def fail_over(self, strikes):
        """fault -> samples, one for each shard of the struck agent.  A second fault may hold up the work itself."""
        samples = collections.defaultdict(list)
        for strike in strikes:
            for move in strike["moves"] if strike["alone"] else []:
                if move["struck"] is None:
                    continue
                found = [self.first_after(shard, epoch, move["struck"] * 1000) for shard, epoch in move["held"].items()]
                samples[strike["name"]] += [sample for sample in found if sample is not None]
        return {name: of_fault for name, of_fault in samples.items() if of_fault}

    def publishing_again(self, strikes):
        """From the broker's listening to the next command that it has."""
        samples = collections.defaultdict(list)
        for strike in strikes:
            if "broker" not in strike["targets"] or not strike["alone"]:
                continue
            at = bisect.bisect_left(self.all, strike["healed_wall"] * 1000)
            if at < len(self.all):
                samples[strike["name"]].append(self.all[at] - strike["healed_wall"] * 1000)
        return dict(samples)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"nproc": os.cpu_count(), "cpu": models[0] if models else platform.machine(), "kernel": platform.release()}


def commit():
    """With a plus when the tree is not what the commit says."""
    def git(*arguments):
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def instant(wall):
    at = datetime.datetime.fromtimestamp(wall, datetime.timezone.utc)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def in_groups(samples):
    """The kills at named points are one group, as are the hangs."""
    grouped = collections.defaultdict(list)
    for name, values in samples.items():
        grouped[name.split(" at ")[0] + (" at a point" if " at " in name else "")] += values
    return grouped


def write(path, report):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
        file.write("\n")


def text(report):
    """The table for people."""
    lines = [f"{'fault':44} {'struck':>6}  {'fail-over p50/p99/max ms':>26}  {'heal to all ended, max s':>24}"]
    for name, count in sorted(report["faults"].items()):
        moved = report["failover_samples_ms"].get(name)
        figures = "{p50_ms}/{p99_ms}/{max_ms}".format(**summary(moved)) if moved else ""
        recovery = max(report["recovery_samples_s"].get(name, [0]))
        lines.append(f"{name:44} {count:6}  {figures:>26}  {recovery:24.2f}")
    lines += [f"point {name:38} {count:6}" for name, count in sorted(report["points"].items())]
    for name, samples in sorted(in_groups(report["failover_samples_ms"]).items()):
        lines.append(f"fail-over, {name}, by shard: " + FIGURES.format(**summary(samples)))
    for name, samples in sorted(report["publishing_again_ms"].items()):
        lines.append(f"publishing again after {name}: " + FIGURES.format(**summary(samples)))
    if report["restart_samples_s"]:
        ready = summary([1000 * sample for sample in report["restart_samples_s"]])
        lines.append("server start until ready: " + FIGURES.format(**ready))
    lines.append("kills and pauses: " + ", ".join(f"{count} {name}" for name, count in report["kills"].items()))
    lines.append("accepted {accepted} | ended {ended} | lost {lost} | run twice {twice} | duplicates suppressed "
                 "{duplicates_suppressed} | stale refused {stale_refused} | effects {effects}".format(**report))
    return "\n".join(lines)
