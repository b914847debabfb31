"""What was measured of delayed messages, as one table of Markdown and one plot."""
import os

from measures import svg


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def beside(f, figure, key, limit_key, limit):
    """A rate beside what the broker alone did in the same run."""
    if key not in f or not f.get(limit_key):
        return line(figure, "not measured", "", "")
    return line(figure, f"{f[key]:,.0f}/s", f"{limit}: {f[limit_key]:,.0f}/s", f"{f[key] / f[limit_key]:.2f}")


def rates(f, sizes):
    both, alone = "published and consumed, without Duly", "published and confirmed, without Duly"
    rows = [beside(f, "taken: published to `duly.submit` → on disk", "taken_per_s", "publish_consume_per_s", both),
            beside(f, "the same without message ids", "taken_plain_per_s", "publish_consume_per_s", both)]
    batches = [(f"{rate:,}/s", f"taken_{rate}_batch") for rate in sizes.offered] + [("as fast as can be", "taken_batch")]
    if all(key in f for _, key in batches):
        rows.append(line("messages in a commit, offered " + " / ".join(name for name, _ in batches),
                         " / ".join(f"{f[key]:.1f}" for _, key in batches), "", ""))
    rows += [beside(f, f"delivered: {sizes.messages:,} due at once → all confirmed by the user's queue", "delivered_per_s",
                    "publish_confirm_per_s", alone),
             beside(f, "the same → in a consumer's hand", "delivered_consumed_per_s", "publish_consume_per_s", both),
             beside(f, "the whole way at once: published → on disk → due → in a consumer's hand", "through_per_s",
                    "publish_consume_per_s", both)]
    for prefix, what in (("taken", "taken"), ("delivered", "delivered"), ("through", "the whole way")):
        each = [f.get(f"{prefix}_{role}_us") for role in ("server", "agent", "broker")]
        if None not in each:
            rows.append(line(f"processor a message, {what}: server / agent / broker",
                             " / ".join(f"{one:.0f}" for one in each) + " µs", "", ""))
    return "\n".join([line("figure", "measured", "limit of the same run", "ratio"), line(*["---"] * 4), *rows])


def late_row(name, f, prefix):
    def cell(kind):
        if f"{prefix}_{kind}_p50_ms" not in f:
            return "not measured"
        return " / ".join(f"{f[f'{prefix}_{kind}_{q}_ms']:,.1f}" for q in ("p50", "p99", "max"))

    early = sum(f.get(f"{prefix}_{kind}_early", 0) for kind in ("uniform", "mixed"))
    return line(name, cell("uniform"), cell("mixed"), f"{early:.0f}")


def latenesses(f, sizes):
    least, most = sizes.mixed_ms
    rows = [late_row("Duly", f, "late_duly")]
    rows += [late_row(f"Duly, {step['waiting']:,} others waiting", step, "late") for step in f.get("waiting_duly", [])[1:]]
    rows += [late_row("TTL and dead letters", f, "late_ttl"),
             late_row("TTL and dead letters, `at-least-once`", f, "late_ttl_kept")]
    head = line(f"late, ms: p50 / p99 / max, {sizes.late_rate:,}/s for {sizes.late_seconds} s", f"all delayed {sizes.uniform_ms:,} ms",
                f"mixed, {least:,} to {most:,} ms", "early")
    return "\n".join([head, line(*["---"] * 4), *rows])


def memories(f):
    rows = []
    for step in f.get("waiting_duly", []):
        rows.append(line(f"{step['waiting']:,} in Duly", f"{step['server_mb']:.0f} / {step['agent_mb']:.0f} MB",
                         f"{step['broker_mb']:.0f} / {step['broker_rss_mb']:.0f} MB", disk(step)))
    for step in f.get("waiting_ttl", []):
        rows.append(line(f"{step['waiting']:,} in a queue with TTL", "", f"{step['broker_mb']:.0f} / {step['broker_rss_mb']:.0f} MB",
                         disk(step)))
    return "\n".join([line("waiting", "server / agent, RSS", "broker: used / RSS", "disk a message, taken at"), line(*["---"] * 4), *rows])


def disk(step):
    return f"{step['bytes_a_message']:,.0f} B, {step['fill_per_s']:,.0f}/s" if "bytes_a_message" in step else ""


def markdown(f, sizes):
    return "\n\n".join([rates(f, sizes), latenesses(f, sizes), memories(f)])


def draw(folder, f):
    """The name of the file written."""
    wanted = [("Duly, mixed delays", f.get("curve_late_duly_mixed")), ("Duly, delays all the same", f.get("curve_late_duly_uniform")),
              ("TTL and dead letters, mixed delays", f.get("curve_late_ttl_mixed")),
              ("TTL and dead letters, delays all the same", f.get("curve_late_ttl_uniform"))]
    series = [(f"{name}, {step['waiting']:,} others waiting", step["curve_late_mixed"]) for step in f.get("waiting_duly", [])[-1:]
              for name in ["Duly, mixed delays"] if "curve_late_mixed" in step]
    series = [one for one in wanted if one[1]] + series
    if not series:
        return "nothing"
    os.makedirs(folder, exist_ok=True)
    name = os.path.join(folder, "messages-lateness.svg")
    with open(name, "w", encoding="utf-8") as out:
        out.write(svg.panels([("How late a delayed message comes", "quantile", "ms", series, svg.Quantiles, svg.Log)]))
    return name
