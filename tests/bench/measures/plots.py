"""The plots of a run, as SVG files in one folder."""
import os

from measures import svg


def ratios(rows):
    have = [(row.figure.replace("`POST /v1/commands`", "POST").split(":")[0], row.share, row.wanted) for row in rows if row.share is not None]
    return svg.bars("Duly beside the limits measured in the same run (mark: the aim)", have) if have else None


def latencies(f):
    wanted = [("answered 201 → handler starts", "curve_accepted"), ("due to be sent → handler starts", "curve_sent"),
              ("due → handler starts", "curve_lateness")]
    series = [(name, f[key]) for name, key in wanted if f.get(key)]
    single = [(q, f.get(f"publish_single_{label}_ms")) for q, label in
              ((0, "min"), (.5, "p50"), (.9, "p90"), (.99, "p99"), (.999, "p999"), (1, "max"))]
    if series and all(y is not None for _, y in single):
        series.append(("limit: one confirmed publish alone", single))
    if not series:
        return None
    return svg.panels([("How soon a command starts", "quantile", "ms", series, svg.Quantiles, svg.Log)])


def growth(f):
    steps = f.get("steps")
    if not steps or len(steps) < 2:
        return None

    def line(key):
        return [(step["stored"], step[key]) for step in steps]

    return svg.panels([
        ("Whole lives a second, by commands waiting", "commands waiting", "a second", [("lives", line("life_per_s"))],
         svg.Log, svg.Linear),
        ("Lateness, by commands waiting", "commands waiting", "ms", [("p50", line("lateness_p50_ms")),
                                                                    ("p99", line("lateness_p99_ms"))], svg.Log, svg.Linear),
        ("Memory, by commands waiting", "commands waiting", "MB", [("server", line("memory_server_busy_mb")),
                                                                  ("agent", line("memory_agent_mb"))], svg.Log, svg.Linear)])


def draw(folder, figures, rows):
    """The names of the files written."""
    os.makedirs(folder, exist_ok=True)
    written = []
    for name, drawing in (("speed-ratios", ratios(rows)), ("speed-latency", latencies(figures)),
                          ("speed-growth", growth(figures))):
        if drawing is None:
            continue
        written.append(os.path.join(folder, name + ".svg"))
        with open(written[-1], "w", encoding="utf-8") as out:
            out.write(drawing)
    return written
