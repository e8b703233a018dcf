"""Weeks -> the bars of a chart: where each stands, in percent of the width and pixels of height."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.insights.weekly import Week

HEIGHT = 132  # pixels of the bars, without the letters below
TOP = 18  # pixels above them, for the figure of the highest
SERIES = ("shown", "accepted", "overridden")
_BAR = 0.26  # of the width of a week
_GAP = 0.02
_MOST_LABELS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `x` and `width` in percent, `y` and `height` in pixels. `name` is what it counts."""

    name: str
    x: float
    y: float
    width: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Label:
    """The first day of a week, below its bars; `x` in percent, `anchor` as SVG has it."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars, the labels of some weeks, and the highest count, which the full height stands for."""

    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    highest: int


def draw_chart(weeks: tuple[Week, ...]) -> Chart:
    """Three bars a week beside each other; a count of none has no bar."""
    highest = max((max(_counts(week)) for week in weeks), default=0)
    share = 100 / max(len(weeks), 1)
    bars = tuple(bar for n, week in enumerate(weeks) for bar in _bars(week, n * share, share, highest))
    return Chart(bars, _labels(weeks, share), highest)


def _counts(week: Week) -> tuple[int, int, int]:
    return week.shown, week.accepted, week.overridden


def _bars(week: Week, left: float, share: float, highest: int) -> list[Bar]:
    found = []
    for n, (name, count) in enumerate(zip(SERIES, _counts(week), strict=True)):
        if count:
            height = max(HEIGHT * count / highest, 1.5)
            x = left + share * (0.09 + n * (_BAR + _GAP))
            found.append(Bar(name, round(x, 3), round(TOP + HEIGHT - height, 2), round(share * _BAR, 3), height, count))
    return found


def _labels(weeks: tuple[Week, ...], share: float) -> tuple[Label, ...]:
    """As many as fit on a telephone, the last week among them."""
    every = -(-len(weeks) // _MOST_LABELS) or 1
    chosen = range(len(weeks) - 1, -1, -every)
    return tuple(Label(round((n + 0.5) * share, 3), f"{weeks[n].begins:%d %b}", _anchor(n, len(weeks))) for n in chosen)


def _anchor(position: int, count: int) -> str:
    if count > 2 and position == count - 1:
        return "end"
    return "start" if count > 2 and position == 0 else "middle"
