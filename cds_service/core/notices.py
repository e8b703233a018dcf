"""Cards about the check itself: never a silent "all clear".

What could not be read, coded or seen is named, in a card, because clients show an error like an empty
answer. Sentences come from `cards/notices.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.core.identity import card_uuid
from cds_service.core.values import (
    EMPTY,
    FAILED,
    MISSING,
    PARTIAL,
    PRESENT,
    Card,
    CardOrigin,
    HookRequest,
    Knowledge,
    Medication,
    Missing,
    Notice,
    Rule,
)
from cds_service.core.wording import SUMMARY_LIMIT, escaped, plain, utf16_length

_MOST_NAMED = 8
_DATE_OF = "date of "


def compose_notices(
    request: HookRequest,
    medications: tuple[Medication, ...],
    unjudged: tuple[Missing, ...],
    something_checked: bool,
    knowledge: Knowledge,
) -> tuple[Card, ...]:
    """The notices this request needs, in a fixed order."""
    new = [m for m in medications if m.is_new]
    cards = [
        _notice("order-not-checked", request, knowledge, _unread(new), new),
        _notice("code-and-text-disagree", request, knowledge, _disagreeing(new), new),
        *_medication_list(request, new, knowledge),
    ]
    if something_checked:
        taken = [m for m in medications if not m.is_new and m.role in ("taking", "ordering")]
        cards.append(_notice("current-drug-not-read", request, knowledge, _unread(taken), new))
        cards.append(_notice("current-drug-disagrees", request, knowledge, _disagreeing(taken), new))
        cards.append(_chart(request, unjudged, new, knowledge))
    return tuple(card for card in cards if card is not None)


def switched_off(
    request: HookRequest, medications: tuple[Medication, ...], rules: tuple[Rule, ...], knowledge: Knowledge
) -> tuple[Card, ...]:
    """One notice that names the silenced rules that would have shown a card for these orders."""
    names = sorted({rule.title for rule in rules})
    card = _notice("check-switched-off", request, knowledge, names, [m for m in medications if m.is_new])
    return () if card is None else (card,)


def not_checked(medications: Iterable[Medication]) -> tuple[tuple[str, str], ...]:
    """(key, why) of new orders that were not read, or not in full.

    Why is "unreadable" (a form that is not read), "unknown" (no drug was recognised) or "in-part" (some was not).
    """
    return tuple((m.entry.key, _why(m)) for m in medications if m.is_new and (not m.ingredients or m.unread))


def _why(medication: Medication) -> str:
    if not medication.entry.readable:
        return "unreadable"
    return "in-part" if medication.ingredients else "unknown"


def _unread(medications: Iterable[Medication]) -> list[str]:
    named = []
    for medication in medications:
        if not medication.ingredients:
            named.append(medication.label)
        elif medication.unread:
            named.append(f"{' '.join(medication.unread)} (in {medication.label})")
    return sorted(set(named))


def _disagreeing(medications: Iterable[Medication]) -> list[str]:
    return sorted({f"{m.label} ({' / '.join(m.ingredients)})" for m in medications if m.disagrees and m.ingredients})


def _medication_list(request: HookRequest, new: list[Medication], knowledge: Knowledge) -> list[Card | None]:
    if not new:
        return []
    state = request.chart.parts.get("medicationRequests", MISSING)
    if state in (PRESENT, EMPTY):
        return [_notice("medication-source-incomplete", request, knowledge, _broken_sources(request, knowledge), new)]
    notice = {
        MISSING: "no-medication-list",
        FAILED: "medication-list-failed",
        PARTIAL: "medication-list-partial",
    }
    return [_notice(notice[state], request, knowledge, ["medicationRequests"], new)]


def _broken_sources(request: HookRequest, knowledge: Knowledge) -> list[str]:
    """Other sources of current medications that were asked for and came back broken or in part."""
    parts = [p for p in knowledge.chart_queries if p.startswith("medication") and p != "medicationRequests"]
    return [knowledge.wording[f"part_{p}"] for p in parts if request.chart.parts.get(p) in (FAILED, PARTIAL)]


def _chart(
    request: HookRequest, unjudged: tuple[Missing, ...], new: list[Medication], knowledge: Knowledge
) -> Card | None:
    """What a rule about an ordered drug needed to be judged at all: a part of the chart, an age, a date."""
    absent = {
        knowledge.wording.get(f"part_{part}", part)
        for missing in unjudged
        for part in (knowledge.fact_parts.get(missing.fact, ""),)
        if part and not request.chart.seen(part)
    }
    absent |= {knowledge.wording["no_age"] for m in unjudged if m.fact == "age" and request.chart.seen("patient")}
    absent |= {m.fact for m in unjudged if m.fact.startswith(_DATE_OF)}
    return _notice("chart-incomplete", request, knowledge, sorted(absent), new)


def _notice(
    notice_id: str, request: HookRequest, knowledge: Knowledge, names: list[str], new: list[Medication]
) -> Card | None:
    if not names or not new:
        return None
    notice = knowledge.notices[notice_id]
    empty = knowledge.wording["unnamed_order"]
    shown = [plain(name) or empty for name in names]
    lines = "\n".join(f"- {escaped(name)}" for name in shown[:_MOST_NAMED])
    more = len(shown) - _MOST_NAMED
    lines += f"\n- and {more} more" if more > 0 else ""
    orders = tuple(sorted(m.entry.key for m in new))
    origin = CardOrigin(notice.id, notice.version, notice.indicator)
    return Card(
        uuid=card_uuid(request.card_key, request.hook_instance, origin, (*orders, *shown)),
        summary=_summary(notice, shown),
        detail=notice.detail.format(names=lines),
        indicator=notice.indicator,
        topic=notice.topic,
        topic_name=knowledge.topics[notice.topic].name,
        suggestions=(),
        selection_behavior="",
        override_reasons=notice.override_reasons if notice.indicator != "info" else (),
        links=(),
        rules=((notice.id, notice.version, "", notice.indicator),),
        orders=orders,
    )


def _summary(notice: Notice, names: list[str]) -> str:
    """As many names as fit; the rest is counted, never cut."""
    for count in range(min(len(names), 3), 0, -1):
        more = len(names) - count
        text = notice.summary.format(names="; ".join(names[:count]) + (f"; {more} more" if more else ""))
        if utf16_length(text) <= SUMMARY_LIMIT:
            return text
    return notice.summary.format(names=f"{len(names)}")
