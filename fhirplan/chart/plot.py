"""Places a goal's readings, target and due date in a small drawing, and says the same in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from statistics import median
from typing import Any, Final

from fhirplan.chart import people
from fhirplan.chart.world import World
from fhirplan.coordination import due
from fhirplan.coordination.elements import objects
from fhirplan.coordination.progress import goal_due
from fhirplan.fhir.codec import Resource

# The drawing of the chart design: a box within 360 by 176.
LEFT, RIGHT, TOP, BOTTOM = 44.0, 344.0, 12.0, 140.0
_FLAT: Final = 0.01
_WIDE_GAP: Final = 3
# No axis is divided finer than values are written.
_FINEST: Final = 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """One numeric observation: when, how much, in which unit, and its value as written."""

    at: datetime
    value: float
    unit: str
    text: str
    id: str


@dataclass(frozen=True, slots=True)
class Point:
    """A reading in the drawing; ``met`` when it lies in the target, ``label`` its value where it is written."""

    x: float
    y: float
    met: bool
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing: its parts in its own coordinates, and ``sentence``, which says all of it.

    ``band`` is the target's top and height, ``edges`` its limits; ``lines`` are runs of points to be joined.
    """

    title: str
    sentence: str
    points: tuple[Point, ...]
    lines: tuple[str, ...]
    band: tuple[float, float] | None
    edges: tuple[float, ...]
    target: str
    ys: tuple[Tick, ...]
    xs: tuple[Tick, ...]
    due: Tick | None
    today: float
    left_out: str


def number(value: Any) -> float | None:
    """A FHIR decimal as a number; None when it is none or not finite."""
    try:
        made = float(Decimal(str(value)))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return made if math.isfinite(made) else None


def limits(goal: Resource) -> tuple[float | None, float | None]:
    """The lowest and highest value that meet the first measured target; None for an open side."""
    for item in objects(goal.get("target")):
        span, exact = item.get("detailRange"), item.get("detailQuantity")
        if isinstance(span, dict):
            return number((span.get("low") or {}).get("value")), number((span.get("high") or {}).get("value"))
        if isinstance(exact, dict) and (value := number(exact.get("value"))) is not None:
            sign = str(exact.get("comparator") or "")
            return (None, value) if sign.startswith("<") else (value, None) if sign.startswith(">") else (value, value)
    return None, None


def distance(goal: Resource, readings: list[Reading], world: World) -> str:
    """How far the newest reading is from the target, in words; "" without a reading or a numeric target."""
    low, high = limits(goal)
    if not readings or (low is None and high is None):
        return ""
    last = readings[-1]
    unit = people.quantity({"value": "", "unit": last.unit}).strip()
    if high is not None and last.value > high:
        return world.words("goal.over", value=_plain(last.value - high), unit=unit)
    if low is not None and last.value < low:
        return world.words("goal.under", value=_plain(low - last.value), unit=unit)
    return world.words("goal.met")


def trend(readings: list[Reading]) -> str:
    """``down``, ``up`` or ``flat``, from the first reading to the last: a fact, not a verdict."""
    first, last = readings[0].value, readings[-1].value
    if abs(last - first) <= abs(first) * _FLAT:
        return "flat"
    return "down" if last < first else "up"


def draw(goal: Resource, readings: list[Reading], world: World) -> Plot | None:
    """The drawing of a goal's readings; None below two of them in one unit."""
    if not readings:
        return None
    kept = [item for item in readings if item.unit == readings[-1].unit]
    if len(kept) < 2:
        return None
    low, high = limits(goal)
    when = due.moment(goal_due(goal), world.zone)
    across = _Scale.times(kept, _start(goal, world), when, world)
    ticks = _steps([item.value for item in kept] + [item for item in (low, high) if item is not None])
    down = _Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    points = _points(kept, low, high, across, down)
    name = people.label(next((item.get("measure") for item in objects(goal.get("target"))), None), world.words)
    return Plot(
        title=name,
        sentence=_sentence(name, kept, goal, readings, world),
        points=points,
        lines=_lines(kept, points),
        band=_band(low, high, down),
        edges=tuple(round(down(item), 1) for item in dict.fromkeys((low, high)) if item is not None),
        target=_limit_words(low, high),
        ys=tuple(Tick(round(down(value), 1), _plain(value)) for value in ticks),
        xs=_dates(across, world),
        due=Tick(round(across(when.timestamp()), 1), world.words.date(when.date(), world.today)) if when else None,
        today=round(across(world.now.timestamp()), 1),
        left_out=world.words("plot.left_out", n=len(readings) - len(kept)) if len(kept) < len(readings) else "",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    @classmethod
    def times(cls, kept: list[Reading], start: datetime | None, when: datetime | None, world: World) -> _Scale:
        first = min([kept[0].at, *([start] if start else [])])
        last = max([kept[-1].at, world.now, *([when] if when else [])])
        return cls(first.timestamp(), last.timestamp() + (last - first).total_seconds() * 0.05 + 1, LEFT, RIGHT)

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def _start(goal: Resource, world: World) -> datetime | None:
    start = due.moment(goal.get("startDate"), world.zone)
    return start.replace(hour=0, minute=0, second=0) if start else None


def _steps(values: list[float]) -> list[float]:
    """Three to six round values that take all of these in."""
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - spread * 0.1, high + spread * 0.1
    rough = max((high - low) / 4, _FINEST)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    first = math.floor(low / step)
    return [round((first + count) * step, 6) for count in range(math.ceil(high / step) - first + 1)]


def _points(
    kept: list[Reading], low: float | None, high: float | None, across: _Scale, down: _Scale
) -> tuple[Point, ...]:
    worst = max(range(len(kept)), key=lambda index: _excess(kept[index].value, low, high))
    named = {0, len(kept) - 1} | ({worst} if _excess(kept[worst].value, low, high) > 0 else set())
    return tuple(
        Point(
            round(across(item.at.timestamp()), 1),
            round(down(item.value), 1),
            _excess(item.value, low, high) <= 0,
            _plain(item.value) if index in named else "",
        )
        for index, item in enumerate(kept)
    )


def _excess(value: float, low: float | None, high: float | None) -> float:
    return max(value - high if high is not None else -1.0, low - value if low is not None else -1.0)


def _lines(kept: list[Reading], points: tuple[Point, ...]) -> tuple[str, ...]:
    """The points joined, with a break where the gap is far wider than usual."""
    gaps = [(two.at - one.at).total_seconds() for one, two in pairwise(kept)]
    usual = median(gaps) or 1.0
    runs: list[list[Point]] = [[points[0]]]
    for gap, point in zip(gaps, points[1:], strict=True):
        if gap > usual * _WIDE_GAP and len(gaps) > 1:
            runs.append([])
        runs[-1].append(point)
    return tuple(" ".join(f"{point.x},{point.y}" for point in run) for run in runs if len(run) > 1)


def _band(low: float | None, high: float | None, down: _Scale) -> tuple[float, float] | None:
    if low is None and high is None:
        return None
    top = down(high) if high is not None else TOP
    bottom = down(low) if low is not None else BOTTOM
    return round(top, 1), round(max(bottom - top, 1.0), 1)


def _limit_words(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return _plain(low) if low == high else f"{_plain(low)}\u2013{_plain(high)}"
    return f"≤\u00a0{_plain(high)}" if high is not None else f"≥\u00a0{_plain(low)}" if low is not None else ""


def _dates(across: _Scale, world: World) -> tuple[Tick, ...]:
    """At most four dates along the bottom, evenly apart."""
    begin = datetime.fromtimestamp(across.low, world.zone)
    days = max(int((across.high - across.low) // 86400), 1)
    step = max(math.ceil(days / 3), 1)
    found = [begin + timedelta(days=count) for count in range(0, days + 1, step)][:4]
    return tuple(Tick(round(across(item.timestamp()), 1), world.words.date(item.date(), world.today)) for item in found)


def _sentence(name: str, kept: list[Reading], goal: Resource, readings: list[Reading], world: World) -> str:
    words, today = world.words, world.today
    said = words(
        f"plot.{trend(kept)}",
        name=name,
        n=len(kept),
        **{"from": words.date(kept[0].at.astimezone(world.zone).date(), today)},
        to=words.date(kept[-1].at.astimezone(world.zone).date(), today),
        a=kept[0].text,
        b=kept[-1].text,
    )
    return " ".join(part for part in (said, distance(goal, readings, world)) if part)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
