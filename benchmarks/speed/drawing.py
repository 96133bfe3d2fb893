"""A growth curve as one SVG, both axes logarithmic, that stands on its own."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from benchmarks.speed.measure import Growth
from eval.report.svg import Scale, chart, element, line, mark, path, text

_STYLE = (
    "text{font:12px sans-serif;fill:#333}.grid{stroke:#ccc;stroke-width:.6}.path{fill:none;stroke:currentColor;"
    "stroke-width:1.4}.mark{fill:currentColor}.s0{color:#0b5fa5}.s1{color:#b3421a}.s2{color:#2a7a3b}.s3{color:#6b4ca0}"
)
_BOX = (64, 600, 300, 34)  # left, right, bottom, top


def draw(growth: Growth) -> str:
    """The whole file."""
    points = [p for series in growth.series.values() for p in series]
    x, y = (_scale([p[i] for p in points], *ends) for i, ends in enumerate((_BOX[:2], _BOX[2:])))
    parts = [element("style", _STYLE), text(_BOX[0], 18, growth.title), *_axes(x, y, growth)]
    for number, (name, series) in enumerate(growth.series.items()):
        places = [(x(a), y(b)) for a, b in series]
        parts.append(path(places, number))
        parts += [mark(*place, number, f"{a:g}: {b:.3g}") for place, (a, b) in zip(places, series, strict=True)]
        parts.append(text(places[-1][0] + 8, places[-1][1] + 4, name, class_=f"s{number}"))
    told = "; ".join(f"{n}: " + ", ".join(f"{a:g} {b:.3g}" for a, b in s) for n, s in growth.series.items())
    drawn = chart(growth.name, growth.title, f"{growth.up} by {growth.across}. {told}", (780, 344), *parts)
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def _scale(values: list[float], start: float, end: float) -> Scale:
    """From the step of 1, 2, 5 … below the least to the one above the most."""
    low = max(t for t in _ticks(min(values) / 10, max(values)) if t <= min(values))
    high = min(t for t in _ticks(min(values), max(values) * 10) if t >= max(values))
    return Scale(low, high if high > low else 2 * low, start, end, log=True)


def _ticks(low: float, high: float) -> Iterator[float]:
    """1, 2 and 5 times each power of ten, from below `low` to above `high`."""
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (digit * 10.0**power for digit in (1, 2, 5))


def _axes(x: Scale, y: Scale, growth: Growth) -> Iterator[Markup]:
    left, right, bottom, top = _BOX
    for value in _ticks(x.low, x.high):
        if x.low <= value <= x.high:
            yield line(x(value), top, x(value), bottom, "grid")
            yield text(x(value), bottom + 16, f"{value:,.10g}", anchor="middle")
    for value in _ticks(y.low, y.high):
        if y.low <= value <= y.high:
            yield line(left, y(value), right, y(value), "grid")
            yield text(left - 5, y(value) + 4, f"{value:,.10g}", anchor="end")
    yield text((left + right) / 2, bottom + 36, growth.across, anchor="middle")
    yield text(14, (top + bottom) / 2, growth.up, anchor="middle", transform=f"rotate(-90 14 {(top + bottom) / 2})")
