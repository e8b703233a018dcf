"""The alert burden: what the service says to many hook calls, counted through the real application.

Cards about the check itself (notices) are counted apart from clinical cards, so that neither hides the other.
No patient data leaves this module: only ids of rules and topics, counts, times and names of files.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.core.medications import read_medications
from cds_service.core.notices import not_checked
from cds_service.core.values import JSON, Knowledge, indicator_rank
from cds_service.errors import BadRequest
from cds_service.fhir.request import read_hook_request
from cds_service.fixtures import read_fixture
from cds_service.settings import Settings
from cds_service.web.answer import EXTENSION
from cds_service.web.json_body import read_json
from cds_service.web.services import SERVICES, service_of

INDICATORS = ("critical", "warning", "info")
_NOTICES = "check"
_SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One hook call to count: where it stands, the service it goes to, and its day."""

    name: str
    service: str
    day: date
    body: bytes


@dataclass(slots=True)
class Burden:
    """The counts. A clinical card is counted once at its lead rule and once at every rule that is in it."""

    requests: int = 0
    signings: int = 0
    signings_interrupted: int = 0
    orders: int = 0
    orders_unchecked: int = 0
    orders_silent: int = 0
    cards: Counter[str] = field(default_factory=Counter)
    lead: dict[str, Counter[str]] = field(default_factory=dict)
    inside: Counter[str] = field(default_factory=Counter)
    topics: dict[str, Counter[str]] = field(default_factory=dict)
    notices: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, int]] = field(default_factory=list)
    times: list[tuple[float, str]] = field(default_factory=list)
    knowledge: str = ""

    def per_100_orders(self, cards: int) -> float:
        """Cards for each hundred orders; 0 without orders."""
        return 100 * cards / self.orders if self.orders else 0.0

    def slowest(self) -> list[tuple[float, str]]:
        """The slowest requests, (milliseconds, name)."""
        return sorted(self.times, reverse=True)[:_SLOWEST]

    def as_json(self) -> JSON:
        """All counts, for machines."""
        return {
            "knowledge": self.knowledge,
            "requests": self.requests,
            "refused": [{"request": name, "status": status} for name, status in self.refused],
            "signings": {"withOrders": self.signings, "withWarningOrCritical": self.signings_interrupted},
            "orders": {"all": self.orders, "notOrPartlyChecked": self.orders_unchecked, "silent": self.orders_silent},
            "cards": {name: self.cards[name] for name in INDICATORS},
            "cardsPer100Orders": {n: round(self.per_100_orders(self.cards[n]), 2) for n in INDICATORS},
            "leadRules": _sorted(self.lead),
            "rulesInAnyCard": dict(self.inside.most_common()),
            "topics": _sorted(self.topics),
            "notices": dict(self.notices.most_common()),
            "slowest": [{"request": name, "milliseconds": round(ms, 1)} for ms, name in self.slowest()],
        }


def _sorted(counts: Mapping[str, Counter[str]]) -> JSON:
    return {name: {i: counts[name][i] for i in INDICATORS} for name in by_weight(counts)}


def by_weight(counts: Mapping[str, Counter[str]]) -> list[str]:
    """Names with the loudest and most frequent first."""
    return sorted(counts, key=lambda name: (*(-counts[name][i] for i in INDICATORS), name))


# --- Finding the calls ---------------------------------------------------------------------------------------


def find_calls(paths: Iterable[Path], day: date) -> tuple[list[Call], list[str]]:
    """The hook calls under these files and folders, and a sentence for each that is none.

    A folder with a case.yaml is a fixture with its own day and service; any other holds *.json files, or fixtures.
    """
    calls: list[Call] = []
    faults: list[str] = []
    for path in paths:
        found = list(_under(path))
        if not found:
            faults.append(f"{path}: holds neither fixtures (case.yaml, request.json) nor *.json files")
        for item in found:
            try:
                calls.append(_fixture(item) if item.is_dir() else _plain(item, day))
            except BadRequest as error:
                faults.append(f"{item}: is no hook call ({error})")
            except OSError as error:
                faults.append(f"{item}: cannot be read ({error.strerror})")
            except (KeyError, TypeError, ValueError, yaml.YAMLError):
                faults.append(f"{item}: its case.yaml does not say title, today, service and status")
    return calls, faults


def _under(path: Path) -> Iterable[Path]:
    if not path.is_dir() or (path / "case.yaml").is_file():
        return [path]
    return [*sorted(p.parent for p in path.glob("*/case.yaml")), *sorted(path.glob("*.json"))]


def _fixture(folder: Path) -> Call:
    fixture = read_fixture(folder)
    return Call(folder.name, fixture.service, fixture.today, fixture.request())


def _plain(file: Path, day: date) -> Call:
    body = file.read_bytes()
    return Call(file.name, service_of(read_json(body)), day, body)


# --- Counting ------------------------------------------------------------------------------------------------


class _Clock:
    """The day the application takes for today."""

    def __init__(self) -> None:
        self.day = date.min

    def __call__(self) -> date:
        return self.day


def count_burden(calls: Iterable[Call], settings: Settings) -> Burden:
    """Send every call through the application and count what it says."""
    clock = _Clock()
    app = create_app(settings, clock)
    knowledge: Knowledge = app.extensions["cds_service"]
    client = app.test_client()
    burden = Burden(knowledge=knowledge.version)
    for call in calls:
        clock.day = call.day
        answer = _answer(client, call, burden)
        if answer is not None:
            _count(burden, call, answer, knowledge)
    return burden


def _answer(client: FlaskClient, call: Call, burden: Burden) -> JSON | None:
    burden.requests += 1
    began = time.perf_counter()
    response = client.post(f"/cds-services/{call.service}", data=call.body, content_type="application/json")
    burden.times.append((1000 * (time.perf_counter() - began), call.name))
    if response.status_code != 200:
        burden.refused.append((call.name, response.status_code))
        return None
    return dict(read_json(response.get_data()))


def _count(burden: Burden, call: Call, answer: JSON, knowledge: Knowledge) -> None:
    request = read_hook_request(read_json(call.body), SERVICES[call.service]).request
    medications = read_medications(request, knowledge, call.day)
    orders = {m.entry.key for m in medications if m.is_new}
    clinical = [card for card in answer["cards"] if card["source"]["topic"]["code"] != _NOTICES]
    burden.notices.update(_rules(card)[0]["id"] for card in answer["cards"] if card not in clinical)
    burden.signings += bool(orders)
    burden.signings_interrupted += any(indicator_rank(card["indicator"]) > indicator_rank("info") for card in clinical)
    burden.orders += len(orders)
    burden.orders_unchecked += len(not_checked(medications))
    burden.orders_silent += len(orders - {key for card in clinical for key in card["extension"][EXTENSION]["orders"]})
    for card in clinical:
        _count_card(burden, card)


def _count_card(burden: Burden, card: JSON) -> None:
    indicator, rules = card["indicator"], _rules(card)
    burden.cards[indicator] += 1
    burden.lead.setdefault(rules[0]["id"], Counter())[indicator] += 1
    burden.topics.setdefault(card["source"]["topic"]["display"], Counter())[indicator] += 1
    burden.inside.update({rule["id"] for rule in rules})


def _rules(card: JSON) -> list[dict[str, Any]]:
    return list(card["extension"][EXTENSION]["rules"])


# --- As text -------------------------------------------------------------------------------------------------


def readable(burden: Burden) -> str:
    """The report for a terminal."""
    blocks = [_overview(burden), _indicators(burden)]
    blocks.append(_table("By topic (critical, warning, info)", _rows(burden, burden.topics)))
    led = [(*row, f"in {burden.inside[row[0]]} cards") for row in _rows(burden, burden.lead)]
    others = [
        (name, *("–",) * 4, f"in {n} cards") for name, n in burden.inside.most_common() if name not in burden.lead
    ]
    blocks.append(_table("By rule that leads the card (critical, warning, info)", [*led, *others]))
    notices = [(name, f"{count:,}") for name, count in burden.notices.most_common()]
    blocks.append(_table("Notices about the check itself, not counted above", notices))
    blocks.append(_table("Slowest requests", [(name, f"{ms:.0f} ms") for ms, name in burden.slowest()]))
    blocks.append(_table("Refused", [(name, str(status)) for name, status in burden.refused]))
    return "\n\n".join(block for block in blocks if block)


def share(part: int, whole: int) -> str:
    """A part of a whole in percent, with both numbers; never a division by nothing."""
    return f"{100 * part / whole:.1f} % ({part:,} of {whole:,})" if whole else "none of 0"


def _overview(burden: Burden) -> str:
    return "\n".join(
        (
            f"{burden.requests:,} requests, {len(burden.refused):,} refused. Knowledge {burden.knowledge}.",
            f"{burden.orders:,} orders in {burden.signings:,} signings that have orders.",
            f"Orders not or only partly checked: {share(burden.orders_unchecked, burden.orders)}",
            f"Orders beside which nothing was said (no card): {share(burden.orders_silent, burden.orders)}",
            f"Signings with a warning or critical card: {share(burden.signings_interrupted, burden.signings)}",
        )
    )


def _indicators(burden: Burden) -> str:
    rows = [(n, f"{burden.per_100_orders(burden.cards[n]):.1f}", f"{burden.cards[n]:,} cards") for n in INDICATORS]
    total = sum(burden.cards.values())
    return _table("Cards per 100 orders", [*rows, ("all", f"{burden.per_100_orders(total):.1f}", f"{total:,} cards")])


def _rows(burden: Burden, counts: Mapping[str, Counter[str]]) -> list[tuple[str, ...]]:
    """name, count by indicator, and cards per 100 orders."""
    return [
        (
            name,
            *(str(counts[name][indicator]) for indicator in INDICATORS),
            f"{burden.per_100_orders(counts[name].total()):.1f} per 100",
        )
        for name in by_weight(counts)
    ]


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join((title, *lines))
