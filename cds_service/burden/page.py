"""The burden report as one web page: no script, nothing loaded from elsewhere, readable in light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from cds_service.burden.counting import INDICATORS, Burden, by_weight, share

_BAR, _LETTERS, _ROW = 14, 14, 46  # pixels
_WIDEST = 85  # percent; the rest is for the figure behind the longest bar
_SHOWN = 12
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --quiet: #555c66; --line: #d5d9df;
  --critical: #a31621; --warning: #b45f06; --info: #2b6cb0; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --text: #e8eaed; --quiet: #aab2bd; --line: #3a414b;
    --critical: #ff8a8a; --warning: #f2b25c; --info: #82b4f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.quiet { color: var(--quiet); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; margin: 1.5rem 0 0; }
dl div { display: flex; flex-direction: column; justify-content: space-between;
  border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
dd small { display: block; color: var(--quiet); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .5rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; font-weight: 400; white-space: normal; min-width: 11rem; overflow-wrap: anywhere; }
thead th, thead th:first-child { font-weight: 600; white-space: normal; vertical-align: bottom; }
@media (max-width: 34rem) { th, td { padding: .3rem .35rem; } th:first-child { min-width: 8rem; } }
.chart { display: block; max-width: 46rem; margin-bottom: .5rem; }
svg text { fill: var(--text); font: 14px system-ui, sans-serif; }
.critical { fill: var(--critical); } .warning { fill: var(--warning); } .info { fill: var(--info); }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: 1rem; margin: .25rem 0 .75rem; padding: 0; }
.key svg { display: inline-block; width: .9em; vertical-align: -.1em; margin-right: .4em; }
"""
_Bars = Sequence[tuple[str, Mapping[str, float]]]


def write_page(burden: Burden) -> str:
    """The whole page."""
    body = "\n".join((_head(burden), _indicators(burden), _topics(burden), _rules(burden), _rest(burden)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Alert burden</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(burden: Burden) -> str:
    loud = burden.cards["critical"] + burden.cards["warning"]
    tiles = (
        ("Orders", f"{burden.orders:,}", f"in {burden.signings:,} signings"),
        ("Warning or critical cards per 100 orders", f"{burden.per_100_orders(loud):.1f}", f"{loud:,} cards"),
        ("Signings with a warning or critical card", *_percent(burden.signings_interrupted, burden.signings)),
        ("Orders beside which nothing was said", *_percent(burden.orders_silent, burden.orders)),
        ("Orders not or only partly checked", *_percent(burden.orders_unchecked, burden.orders)),
        ("Requests refused", f"{len(burden.refused):,}", f"of {burden.requests:,}"),
    )
    shown = "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}<small>{detail}</small></dd></div>" for name, value, detail in tiles
    )
    return (
        "<h1>Alert burden</h1>\n"
        f'<p class="quiet">What the service said to {burden.requests:,} requests. '
        f"Knowledge {escape(burden.knowledge)}. Notices about the check itself are counted apart, at the end.</p>\n"
        f"<dl>\n{shown}\n</dl>"
    )


def _percent(part: int, whole: int) -> tuple[str, str]:
    figure, _, detail = share(part, whole).partition(" (")
    return figure, detail.rstrip(")") or "&nbsp;"


def _indicators(burden: Burden) -> str:
    rates = {i: burden.per_100_orders(burden.cards[i]) for i in INDICATORS}
    bars: _Bars = [(i, {i: rates[i]}) for i in INDICATORS]
    rows = [(i, f"{burden.cards[i]:,}", f"{rates[i]:.1f}") for i in INDICATORS]
    title = "Cards per 100 orders"
    return "\n".join(
        (
            f"<h2>{title}</h2>",
            _chart("indicators", title, bars),
            _table("Clinical cards by how loud they are", ("Indicator", "Cards", "Per 100 orders"), rows),
        )
    )


def _topics(burden: Burden) -> str:
    names = sorted(burden.topics, key=lambda name: (-burden.topics[name].total(), name))
    bars = [(n, {i: burden.per_100_orders(burden.topics[n][i]) for i in INDICATORS}) for n in names[:_SHOWN]]
    left = f'<p class="quiet">The chart shows the {_SHOWN} most frequent topics.</p>' if len(names) > _SHOWN else ""
    return "\n".join(
        (
            "<h2>Topics</h2>",
            _key(),
            _chart("topics", "Cards per 100 orders by topic", bars),
            left,
            _table("Clinical cards by topic, the loudest first", ("Topic", *_COLUMNS), _rows(burden, burden.topics)),
        )
    )


_COLUMNS = ("Critical", "Warning", "Info", "Per 100 orders")


def _rules(burden: Burden) -> str:
    led = [(*row, f"{burden.inside[row[0]]:,}") for row in _rows(burden, burden.lead)]
    only_inside = ((name, n) for name, n in burden.inside.most_common() if name not in burden.lead)
    led += [(name, *("–",) * 4, f"{n:,}") for name, n in only_inside]
    caption = "Rules: how often each leads a card (by indicator), and how many cards it is in at all"
    return "<h2>Rules</h2>\n" + _table(caption, ("Rule", *_COLUMNS, "In cards"), led)


def _rest(burden: Burden) -> str:
    parts = ["<h2>About the check itself</h2>"]
    notices = [(name, f"{count:,}") for name, count in burden.notices.most_common()]
    slowest = [(name, f"{ms:.0f}") for ms, name in burden.slowest()]
    refused = [(name, str(status)) for name, status in burden.refused]
    if notices:
        parts.append(_table("Notices, not counted above", ("Notice", "Cards"), notices))
    else:
        parts.append("<p>No notices: every medication was read, and every part of the chart was seen.</p>")
    parts += ["<h2>Requests</h2>", _table("The slowest requests", ("Request", "Milliseconds"), slowest)]
    if refused:
        parts.append(_table("Refused requests", ("Request", "HTTP status"), refused))
    return "\n".join(parts)


def _rows(burden: Burden, counts: Mapping[str, Counter[str]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            *(f"{counts[name][i]:,}" for i in INDICATORS),
            f"{burden.per_100_orders(counts[name].total()):.1f}",
        )
        for name in by_weight(counts)
    ]


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(c)}</td>" for c in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _key() -> str:
    square = '<svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" class="{0}"/></svg>{0}'
    return '<ul class="key">' + "".join(f"<li>{square.format(i)}</li>" for i in INDICATORS) + "</ul>"


def _chart(chart_id: str, title: str, bars: _Bars) -> str:
    """Horizontal bars, stacked by indicator; widths are in percent, so that the letters keep their size."""
    if not bars:
        return ""
    most = max(sum(parts.values()) for _, parts in bars) or 1.0
    rows = "\n".join(_bar(name, parts, n * _ROW, _WIDEST / most) for n, (name, parts) in enumerate(bars))
    return (
        f'<svg class="chart" width="100%" height="{len(bars) * _ROW}" role="img" aria-labelledby="{chart_id}-title">\n'
        f'<title id="{chart_id}-title">{escape(title)}; the figures are in the table below</title>\n{rows}\n</svg>'
    )


def _bar(name: str, parts: Mapping[str, float], top: int, scale: float) -> str:
    pieces = [f'<text x="0" y="{top + _LETTERS}">{escape(name)}</text>']
    left, bar = 0.0, top + _LETTERS + 6
    for indicator, value in parts.items():
        width = value * scale
        pieces.append(f'<rect class="{indicator}" x="{left:.2f}%" y="{bar}" width="{width:.2f}%" height="{_BAR}"/>')
        left += width
    pieces.append(f'<text x="{left:.2f}%" dx="6" y="{bar + _BAR - 3}">{sum(parts.values()):.1f}</text>')
    return "".join(pieces)
