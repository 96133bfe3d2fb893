"""What the charts are drawn with: escaped elements, scales, marks that differ in shape as well as in colour.

Colours are CSS classes (`s0` … `s7`, templates/style.css), so that dark mode and print choose their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

SERIES = 8  # colours, then they begin again
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.8L4.6 3.6H-4.6z",
    "M0-5L5 0L0 5L-5 0z",
    "M0 4.8L4.6-3.6H-4.6z",
    "M-1.4-4.6h2.8v3.2h3.2v2.8h-3.2v3.2h-2.8v-3.2h-3.2v-2.8h3.2z",
)
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "12 4", "1 2")


@dataclass(frozen=True, slots=True)
class Scale:
    """From values low … high to pixels start … end; by powers where `log`. Values outside are drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        inside = min(self.high, max(self.low, value))
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, inside))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """One element, its content and attribute values escaped; "_" in a name stands for "-", at the end for nothing."""
    given = {name.rstrip("_").replace("_", "-"): _text(value) for name, value in attributes.items() if value != ""}
    head = Markup("").join(Markup(' {}="{}"').format(Markup(name), value) for name, value in given.items())
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), head, Markup("").join(map(escape, content)))


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def text(x: float, y: float, *content: object, anchor: str = "start", **attributes: object) -> Markup:
    return element("text", *content, x=x, y=y, text_anchor=anchor, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def mark(x: float, y: float, index: int, tip: str = "") -> Markup:
    """The mark of series number `index`; `tip` shows where a pointer rests."""
    place = f"translate({x:.1f} {y:.1f})"
    tips = [element("title", tip)] if tip else []
    return element("path", *tips, d=_SHAPES[index % len(_SHAPES)], transform=place, class_=f"mark s{index % SERIES}")


def path(points: list[tuple[float, float]], index: int) -> Markup:
    """A line of series number `index` through the points, dashed in its own way."""
    steps = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return element("path", d=steps, class_=f"path s{index % SERIES}", stroke_dasharray=_DASHES[index % len(_DASHES)])


def chart(name: str, title: str, description: str, size: tuple[int, int], *parts: Markup) -> Markup:
    """A drawing with a name and a description for those who do not see it. `name` is its id in the page."""
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *parts,
        class_="chart",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        viewBox=f"0 0 {size[0]} {size[1]}",
        width=size[0],
        height=size[1],
    )


def legend(labels: Mapping[int, str]) -> Markup:
    """The mark and line of each series beside its name."""
    items = [element("li", _swatch(i), " ", element("bdi", label)) for i, label in labels.items()]
    return element("ul", *items, class_="legend")


def _swatch(index: int) -> Markup:
    parts = path([(0, 8), (32, 8)], index), mark(16, 8, index)
    return element("svg", *parts, viewBox="0 0 32 16", width=32, height=16, aria_hidden="true")


def spread(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved apart to `gap` within low … high, their order kept, so that labels do not overlap."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    floor = low
    for i in order:
        moved[i] = floor = max(moved[i], floor)
        floor += gap
    ceiling = high
    for i in reversed(order):
        moved[i] = ceiling = min(moved[i], ceiling)
        ceiling -= gap
    return moved
