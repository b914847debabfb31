"""Plots as plain SVG: curves over linear, logarithmic or quantile axes, and bars.  Nothing but text is needed."""
import html
import math

COLOURS = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#475569"]
WIDTH, LEFT, RIGHT, BOTTOM, LEGEND = 720, 76, 20, 52, 18
STYLE = ("<style>text{font:12px system-ui,sans-serif;fill:#334155}.title{font-size:15px;font-weight:600}"
         ".grid{stroke:#e2e8f0}.axis{stroke:#94a3b8}</style>")


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(words)}</text>'


def document(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
            f'{STYLE}\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def short(value):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


class Linear:
    """From 0, or below, to a round number above the most."""

    def __init__(self, values):
        most, least = max([*values, 1e-9]), min([*values, 0])
        step = 10 ** math.floor(math.log10(max(most - least, 1e-9)))
        step = next(one for one in (step / 5, step / 2, step, step * 2) if (most - least) / one <= 6)
        self.least, self.most = math.floor(least / step) * step, math.ceil(most / step) * step
        self.ticks = [(self.least + i * step, short(round(self.least + i * step, 9)))
                      for i in range(round((self.most - self.least) / step) + 1)]

    def place(self, value):
        return (value - self.least) / (self.most - self.least)


class Log:
    """Powers of ten; what is not above zero stands at the least."""

    def __init__(self, values):
        positive = [value for value in values if value > 0] or [1]
        self.low = math.floor(math.log10(min(positive)))
        self.high = max(math.ceil(math.log10(max(positive))), self.low + 1)
        self.ticks = [(10 ** power, short(10 ** power)) for power in range(self.low, self.high + 1)]

    def place(self, value):
        return (math.log10(max(value, 10 ** self.low)) - self.low) / (self.high - self.low)


class Quantiles:
    """Each further nine takes as much room as the one before it: the tail is what matters."""
    NINES = 4

    def __init__(self, _values):
        self.ticks = [(0, "0"), (.5, "p50"), (.9, "p90"), (.99, "p99"), (.999, "p99.9"), (1, "max")]

    def place(self, q):
        return 1.0 if q >= 1 else min(-math.log10(1 - q), self.NINES) / (self.NINES + 0.5)


def panel(title, x_label, y_label, series, x_axis, y_axis, top=0, height=340):
    """The parts of one plot; `series` is [(name, [(x, y), …])]."""
    xs, ys = x_axis([x for _, line in series for x, _ in line]), y_axis([y for _, line in series for _, y in line])
    first = top + 44 + LEGEND * len(series)  # below the title and the names: no line runs through them
    base = top + height - BOTTOM
    inner_w, inner_h = WIDTH - LEFT - RIGHT, base - first

    def at(x, y):
        return LEFT + xs.place(x) * inner_w, first + (1 - ys.place(y)) * inner_h

    parts = [text(LEFT, top + 24, title, "start", ' class="title"')]
    for value, label in ys.ticks:
        y = first + (1 - ys.place(value)) * inner_h
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(LEFT - 8, y + 4, label, "end"))
    for value, label in xs.ticks:
        x = LEFT + xs.place(value) * inner_w
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{first}" y2="{base}"/>')
        parts.append(text(x, base + 18, label))
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {first}V{base}H{WIDTH - RIGHT}"/>')
    parts.append(text(LEFT + inner_w / 2, base + 38, x_label))
    parts.append(text(0, 0, y_label, "middle", f' transform="translate(18 {first + inner_h / 2:.0f}) rotate(-90)"'))
    for number, (name, line) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        parts += [f'<circle cx="{at(*point)[0]:.1f}" cy="{at(*point)[1]:.1f}" r="2.5" fill="{colour}"/>' for point in line]
        parts.append(f'<rect x="{LEFT}" y="{top + 38 + LEGEND * number}" width="12" height="4" fill="{colour}"/>')
        parts.append(text(LEFT + 18, top + 44 + LEGEND * number, name, "start"))
    return parts


def panels(plots, height=340):
    """Plots below each other; each is what panel() takes."""
    parts = [part for number, plot in enumerate(plots) for part in panel(*plot, top=number * height, height=height)]
    return document(WIDTH, height * max(len(plots), 1), parts)


def bars(title, rows):
    """`rows` is [(name, value, wanted)]: a bar for the value, a mark where it should at least end."""
    label_w, row_h = 330, 30
    inner_w, height = WIDTH - label_w - 70, 50 + row_h * len(rows) + 26
    scale = Linear([value for _, value, _ in rows] + [wanted for *_, wanted in rows])
    parts = [text(16, 26, title, "start", ' class="title"')]
    for value, label in scale.ticks:
        x = label_w + scale.place(value) * inner_w
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="44" y2="{height - 24}"/>')
        parts.append(text(x, height - 8, label))
    for number, (name, value, wanted) in enumerate(rows):
        y = 50 + number * row_h
        colour = COLOURS[2] if value >= wanted else COLOURS[3]
        mark = label_w + scale.place(wanted) * inner_w
        parts.append(text(label_w - 10, y + 15, name, "end"))
        parts.append(f'<rect x="{label_w}" y="{y}" width="{scale.place(value) * inner_w:.1f}" height="20" fill="{colour}"/>')
        parts.append(f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{y - 3}" y2="{y + 23}" stroke="#0f172a" stroke-width="2"/>')
        parts.append(text(label_w + scale.place(value) * inner_w + 6, y + 15, f"{value:.2f}", "start"))
    return document(WIDTH, height, parts)
