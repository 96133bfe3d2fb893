"""The charts of the report: values in, one SVG out. Without scripts, and readable in print and in dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval.metrics.selective import Point
from eval.report.svg import SERIES, Scale, chart, element, line, mark, path, spread, text
from eval.results.metric_value import MetricValue

QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_ROW = 38  # pixels of a row of the waterfall
_COSTS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True, slots=True)
class LadderStep:
    """A place on the ladder: a language, in the order of tiers."""

    code: str
    name: str
    tier: int


@dataclass(frozen=True, slots=True)
class LadderLine:
    """One variant's metrics along the ladder. `index` is its number in the legend."""

    label: str
    index: int
    metrics: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """A point with a label; `x` and `y` are what its chart says they are."""

    label: str
    index: int
    x: float
    y: MetricValue


@dataclass(frozen=True, slots=True)
class Curve:
    """One risk-coverage curve."""

    label: str
    index: int
    points: tuple[Point, ...]


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def interval_bar(metric: MetricValue) -> Markup:
    """Draw a metric on a track from 0 to 100 %: the interval as a band, the value as a line across it."""
    if metric.value is None or metric.interval is None:
        return Markup("")
    x = Scale(0, 1, 1, 119)
    low, high, at = x(metric.interval.low), x(metric.interval.high), x(metric.value)
    parts = (
        element("rect", x=0, y=5, width=120, height=6, class_="track"),
        element("rect", x=low, y=3, width=max(1.0, high - low), height=10, class_="band"),
        element("rect", x=at - 1, y=0, width=2, height=16, class_="value"),
    )
    return element("svg", *parts, class_="bar", viewBox="0 0 120 16", width=120, height=16, aria_hidden="true")


def ladder(name: str, title: str, steps: Sequence[LadderStep], lines: Sequence[LadderLine]) -> Markup:
    """Draw one metric in [0, 1] from the first language to the last: a line per variant, an interval per value."""
    gap = max(54, 380 // len(steps))
    width, height, bottom = 96 + gap * len(steps), 260, 180
    y = Scale(0, 1, bottom, 20)
    place = [46 + gap // 2 + gap * i for i in range(len(steps))]
    parts = [*_levels(y, 44, width - 20), *_tiers(steps, place, bottom, gap / 2)]
    for s, x in zip(steps, place, strict=True):
        parts.append(text(x, bottom + 22, s.name, anchor="end", transform=f"rotate(-35 {x} {bottom + 22})"))
    for shown in lines:
        shift = 9 * (shown.index - (max(one.index for one in lines)) / 2)
        parts += _rungs(shown, [x + shift for x in place], y, steps)
    values = "; ".join(f"{shown.label}: {_describe_line(shown, steps)}" for shown in lines)
    return chart(name, title, f"{title} by language, 95 % intervals. {values}", (width, height), *parts)


def _describe_line(shown: LadderLine, steps: Sequence[LadderStep]) -> str:
    pairs = zip(steps, shown.metrics, strict=True)
    return ", ".join(f"{s.name} {'–' if m.value is None else percent(m.value)}" for s, m in pairs)


def _levels(y: Scale, left: float, right: float) -> list[Markup]:
    """The lines across at each quarter, with their percentages."""
    lines = [line(left, y(v), right, y(v), "grid") for v in QUARTERS]
    return lines + [text(left - 4, y(v) + 4, percent(v), anchor="end") for v in QUARTERS]


def _tiers(steps: Sequence[LadderStep], place: Sequence[float], bottom: float, half: float) -> list[Markup]:
    parts = []
    for tier in dict.fromkeys(s.tier for s in steps):
        held = [x for s, x in zip(steps, place, strict=True) if s.tier == tier]
        parts.append(text((held[0] + held[-1]) / 2, 12, f"T{tier}", anchor="middle", class_="tier"))
        if held[0] != place[0]:
            parts.append(line(held[0] - half, 4, held[0] - half, bottom, "border"))
    return parts


def _rungs(shown: LadderLine, place: Sequence[float], y: Scale, steps: Sequence[LadderStep]) -> list[Markup]:
    points = [
        (x, f.value, f.interval, s)
        for x, f, s in zip(place, shown.metrics, steps, strict=True)
        if f.value is not None and f.interval is not None
    ]
    parts = [path([(x, y(value)) for x, value, _, _ in points], shown.index)] if len(points) > 1 else []
    for x, value, interval, s in points:
        parts.append(line(x, y(interval.low), x, y(interval.high), f"whisker s{shown.index % SERIES}"))
        parts.append(mark(x, y(value), shown.index, f"{shown.label}, {s.name}: {percent(value)}"))
    return parts


def scatter(name: str, title: str, spots: Sequence[Spot], axes: tuple[str, str]) -> Markup:
    """Draw proportions (in [0, 1]) against each other. The dotted diagonal: no more can be answered than was found."""
    x, y = Scale(0, 1, 52, 262), Scale(0, 1, 230, 20)
    parts = [*_levels(y, 52, 262), line(x(0), y(0), x(1), y(1), "border")]
    parts += [text(x(v), 246, percent(v), anchor="middle") for v in QUARTERS]
    parts += [text(157, 266, axes[0], anchor="middle"), _side(axes[1], 125)]
    return chart(
        name,
        title,
        _describe_spots(spots, axes),
        (320, 274),
        *parts,
        *_label_spots(spots, x, y, (26, 230), whiskers=False),
    )


def cost(name: str, title: str, spots: Sequence[Spot], axes: tuple[str, str], unit: str = "s") -> Markup:
    """Draw the cost (logarithmic, in `unit`) against a proportion in [0, 1]."""
    costs = [s.x for s in spots] or [1.0]
    low = max((t for t in _COSTS if t <= min(costs)), default=_COSTS[0])
    high = min((t for t in _COSTS if t >= max(costs) and t > low), default=_COSTS[-1])
    x, y = Scale(low, high, 52, 540, log=True), Scale(0, 1, 230, 20)
    ticks = [t for t in _COSTS if low <= t <= high]
    parts = [*_levels(y, 52, 540), *(line(x(t), 20, x(t), 230, "grid") for t in ticks)]
    parts += [text(x(t), 246, f"{t:g} {unit}", anchor="middle") for t in ticks]
    parts += [text(296, 266, axes[0], anchor="middle"), _side(axes[1], 125)]
    return chart(
        name,
        title,
        _describe_spots(spots, axes),
        (660, 274),
        *parts,
        *_label_spots(spots, x, y, (26, 230), whiskers=True),
    )


def _side(label: str, middle: float) -> Markup:
    return text(12, middle, label, anchor="middle", transform=f"rotate(-90 12 {middle})")


def _describe_spots(spots: Sequence[Spot], axes: tuple[str, str]) -> str:
    values = "; ".join(f"{s.label} {s.x:.3g}, {percent(s.y.value or 0)}" for s in spots)
    return f"{axes[0]} against {axes[1]}. {values}"


def _label_spots(spots: Sequence[Spot], x: Scale, y: Scale, room: tuple[float, float], whiskers: bool) -> list[Markup]:
    """The points; labels stand to the right, moved apart where they would meet, each led to its point by a line."""
    placed = [s for s in spots if s.y.value is not None]
    parts = [_whisker(s, x(s.x), y) for s in placed if whiskers]
    for group in _neighbours(placed, x):
        heights = spread([y(s.y.value or 0) for s in group], 12, *room)
        edge = max(x(s.x) for s in group)
        for s, height in zip(group, heights, strict=True):
            at, up = x(s.x), y(s.y.value or 0)
            parts += [line(at, up, edge + 14, height, "lead"), mark(at, up, s.index, s.label)]
            parts.append(text(edge + 16, height + 4, s.label))
    return parts


def _whisker(spot: Spot, at: float, y: Scale) -> Markup:
    interval = spot.y.interval
    return (
        line(at, y(interval.low), at, y(interval.high), f"whisker s{spot.index % SERIES}") if interval else Markup("")
    )


def _neighbours(spots: Sequence[Spot], x: Scale) -> list[list[Spot]]:
    """The points in groups whose labels would meet, from left to right."""
    groups: list[list[Spot]] = []
    for s in sorted(spots, key=lambda s: s.x):
        last = groups[-1][-1] if groups else None
        if last is not None and x(s.x) - x(last.x) < 24 + 7 * len(last.label):
            groups[-1].append(s)
        else:
            groups.append([s])
    return groups


def risk_coverage(name: str, title: str, curves: Sequence[Curve]) -> Markup:
    """Draw how often answers are wrong (up) when only the surest part of them is given (across)."""
    x, y = Scale(0, 1, 52, 302), Scale(0, 1, 230, 20)
    parts = [*_levels(y, 52, 302), *(text(x(v), 246, percent(v), anchor="middle") for v in QUARTERS)]
    parts += [text(177, 266, "coverage: surest answers first", anchor="middle"), _side("risk: wrong answers", 125)]
    for c in curves:
        parts.append(path([(x(p.coverage), y(p.risk)) for p in c.points], c.index))
        parts += [mark(x(p.coverage), y(p.risk), c.index) for p in (c.points if len(c.points) < 9 else c.points[-1:])]
    risks = "; ".join(f"{c.label}: {percent(c.points[-1].risk)} wrong with every answer given" for c in curves)
    return chart(name, title, f"Risk against coverage. {risks}", (320, 274), *parts)


def waterfall(name: str, title: str, total: int, steps: Sequence[tuple[str, str, int]]) -> Markup:
    """Draw what is lost at each step (label, kind, count) of `total` questions; the kind "right" is what is left."""
    x = Scale(0, total, 2, 262)
    parts = _row(0, "asked, with a reference", "asked", x, (0, total), total)
    left = total
    for place, (label, kind, count) in enumerate(steps, 1):
        parts += _row(place, label, kind, x, (left - count, left), total)
        left -= count
    counts = ", ".join(f"{label}: {count}" for label, _, count in steps)
    return chart(name, title, f"Of {total} questions, {counts}.", (340, _ROW * (len(steps) + 1)), *parts)


def _row(place: int, label: str, kind: str, x: Scale, held: tuple[int, int], total: int) -> list[Markup]:
    """The label, and below it the bar with its count."""
    top, count = _ROW * place, held[1] - held[0]
    left, right = x(held[0]), x(held[1])
    return [
        text(0, top + 14, label),
        line(x(0), top + 33, x(total), top + 33, "grid"),
        element("rect", x=left, y=top + 19, width=max(1.0, right - left), height=14, class_=f"step {kind}"),
        text(right + 6, top + 31, f"{count} ({percent(count / total)})", class_="count"),
    ]
