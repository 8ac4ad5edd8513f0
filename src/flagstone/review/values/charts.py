"""
Positions of the marks of a chart, in the units of its SVG; templates/values.html draws them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

WIDTH, HEIGHT = 640, 160
_MAX_POINTS = 2_000
_MAX_SERIES = 6
_WEEKS_FROM = 90
"""Number of days from which each bar is a week."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle with the number of its series and a tooltip."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Rectangles, dots and a line, with the names of the series and the labels of the axes."""

    marks: Sequence[Mark] = ()
    dots: Sequence[tuple[float, float]] = ()
    line: str = ""
    names: Sequence[str] = ()
    ends: tuple[str, str] = ("", "")
    top: str = ""


def over_time(counts: Mapping[tuple[date, str], int]) -> Chart | None:
    """Return a bar for each day (each week for 90 days or more), stacked by name."""
    if not counts:
        return None
    days = sorted({day for day, _ in counts})
    step = 7 if (days[-1] - days[0]).days >= _WEEKS_FROM else 1
    first, bars = days[0], (days[-1] - days[0]).days // step + 1
    totals: Counter[str] = Counter()
    for (_, name), number in counts.items():
        totals[name] += number
    names = [name for name, _ in totals.most_common(_MAX_SERIES)]
    stacks: dict[int, Counter[int]] = {}
    for (day, name), number in counts.items():
        series = names.index(name) if name in names else _MAX_SERIES
        stacks.setdefault((day - first).days // step, Counter())[series] += number
    top = max(stack.total() for stack in stacks.values())
    titles = [*names, "others"]
    marks = [
        mark
        for place, stack in sorted(stacks.items())
        for mark in _stacked(place, bars, stack, top, titles, first + timedelta(days=place * step))
    ]
    shown = titles if len(totals) > _MAX_SERIES else names
    return Chart(marks=marks, names=shown, ends=(str(first), str(days[-1])), top=f"{top:,}")


def _stacked(
    place: int, bars: int, stack: Counter[int], top: int, names: Sequence[str], day: date
) -> list[Mark]:
    slot = WIDTH / bars
    width = min(40.0, slot * 0.8)
    marks, foot = [], float(HEIGHT)
    for series in sorted(stack):
        height = HEIGHT * stack[series] / top
        foot -= height
        title = f"{day}: {stack[series]:,} {names[series]}"
        marks.append(Mark(place * slot + (slot - width) / 2, foot, width, height, series, title))
    return marks


def shares(parts: Mapping[str, int], total: int, series: Mapping[str, int]) -> list[Mark]:
    """Return a bar 100 wide, with a rectangle for each of *parts* by its share of *total*."""
    marks, x = [], 0.0
    for name, number in parts.items():
        width = 100 * number / total if total else 0.0
        marks.append(Mark(x, 0, width, 10, series[name], f"{name}: {number:,}"))
        x += width
    return marks


def plot_of(data: Mapping[str, Any]) -> Chart | None:
    """Return a chart of a native plot's first two columns; None if the second is not numeric."""
    rows = data["data"][:_MAX_POINTS]
    ys = _numbers(row[1] for row in rows)
    xs = _numbers(row[0] for row in rows)
    if not ys:
        return None
    if not xs:  # names or dates: keep their order
        xs = [float(n) for n in range(len(rows))]
    # Bars start at zero, so the scale includes it.
    foot, *heights = _scaled([0.0 if data.get("mark") == "bar" else ys[0], *ys], HEIGHT)
    dots = [(10 + x, HEIGHT - y) for x, y in zip(_scaled(xs, WIDTH - 20), heights, strict=True)]
    ends = (str(rows[0][0])[:40], str(rows[-1][0])[:40])
    if data.get("mark") == "bar":
        width = max(1.0, min(40.0, 0.6 * (WIDTH - 20) / len(dots)))
        marks = [
            Mark(x - width / 2, min(y, HEIGHT - foot), width, abs(HEIGHT - foot - y), 0,
                 f"{row[0]}: {row[1]}")
            for (x, y), row in zip(dots, rows, strict=True)
        ]  # fmt: skip
        return Chart(marks=marks, ends=ends)
    is_line = data.get("mark") == "line" and len(dots) > 1
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots) if is_line else ""
    return Chart(dots=() if line else dots, line=line, ends=ends)


def _numbers(cells: Iterable[Any]) -> list[float]:
    """Return *cells* as numbers; an empty list if one of them is not a finite number."""
    values = list(cells)
    are_numbers = all(isinstance(value, int | float) for value in values)
    return [float(v) for v in values] if are_numbers and all(map(math.isfinite, values)) else []


def _scaled(values: Sequence[float], size: float) -> list[float]:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return [(value - low) / span * size for value in values]
