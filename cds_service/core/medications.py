"""Entries of the session and the chart -> medications: which drug, which role, route, dose and times.

One public function, `read_medications`. Codes come first, then the text; where the two name different
drugs, both are kept and the medication says that they disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from cds_service.core.dosing import (
    clock_minutes,
    daily_doses,
    days_a_week,
    doses_per_day,
    is_bedtime,
    weekly_doses,
)
from cds_service.core.identification import identify_drug, route_of
from cds_service.core.products import is_ended_with
from cds_service.core.values import (
    HookRequest,
    Knowledge,
    Medication,
    MedicationEntry,
)

_NOT_COUNTED = frozenset({"entered-in-error", "cancelled", "not-taken", "not-done", "declined"})
_ENDED = frozenset({"stopped", "completed"})
_ENDED_DRAFT = frozenset({"completed", *_NOT_COUNTED})
_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})
_LONG_NAME = 60
_SAME_THERAPY = 6  # so many parts of the order of medications tell one therapy from another


def read_medications(request: HookRequest, knowledge: Knowledge, today: date) -> tuple[Medication, ...]:
    """All medications of the request, drafts first, each list in a fixed order.

    Drafts with status `stopped` become role "stopping"; other ended drafts are left out. A chart entry
    that is the same order of the same drug as a draft is left out (the draft is what counts). A chart drug that a draft
    replaces (`priorPrescription`) or stops ends today.
    """
    drafts = [_read(entry, knowledge, today) for entry in request.drafts if _is_live_draft(entry)]
    own = {(m.entry.resource_type, m.entry.resource_id, m.ingredients) for m in drafts if m.entry.resource_id}
    known = [_read(e, knowledge, today) for e in request.chart.medications if e.status not in _NOT_COUNTED]
    chart = [m for m in known if (m.entry.resource_type, m.entry.resource_id, m.ingredients) not in own]
    ends = _closed_by(drafts, known)
    closed = [_close(medication, ends, today) for medication in chart]
    live = [m for m in closed if m.role == "taking" or m.stopped_on is not None or m.entry.status in _ENDED]
    return (*sorted(drafts, key=_order), *_first_of_each(live))


def _is_live_draft(entry: MedicationEntry) -> bool:
    return entry.status not in _ENDED_DRAFT


def _order(medication: Medication) -> tuple[str, ...]:
    """A total order that does not depend on where an entry stood in the request."""
    daily = ",".join(f"{k}={v.mg}" for k, v in sorted(medication.daily.items()))
    return (
        " ".join(medication.ingredients),
        medication.role,
        medication.route,
        str(medication.stopped_on or ""),
        daily,
        " ".join(medication.times),
        medication.label,
        medication.entry.key,
    )


def _first_of_each(medications: Iterable[Medication]) -> list[Medication]:
    """The same drug told by several sources counts once; the rest in order.

    A source that states no dose adds nothing to one that does, nor one without a form to one of the same dose with it;
    sources with different doses or forms are all kept. Of those without a dose one with instructions is kept, so that
    a renewal of it is known.
    """
    seen: dict[tuple[object, ...], Medication] = {}
    ordered = sorted(((_order(m), m) for m in medications), key=_instructed_first)
    dosed = {key for _, m in ordered if _is_dosed(m) for key in (_therapy(m), (*_therapy(m), *_form(m)))}
    formed = {order[:_SAME_THERAPY] for order, m in ordered if m.states_form}
    for order, medication in ordered:
        therapy = (*_therapy(medication), *_form(medication)) if medication.states_form else _therapy(medication)
        told = not medication.states_form and order[:_SAME_THERAPY] in formed
        if told or (not _is_dosed(medication) and therapy in dosed):
            continue
        key = (*order[:_SAME_THERAPY], *_form(medication), medication.entry.key if not medication.ingredients else "")
        seen.setdefault(key, medication)
    return list(seen.values())


def _instructed_first(pair: tuple[tuple[str, ...], Medication]) -> tuple[object, ...]:
    order, medication = pair
    return order[:_SAME_THERAPY], not medication.entry.dosages, order[_SAME_THERAPY:]


def _therapy(medication: Medication) -> tuple[object, ...]:
    return medication.ingredients, medication.role, medication.route, medication.stopped_on


def _form(medication: Medication) -> tuple[bool, str]:
    return medication.is_lasting, medication.form_group


def _is_dosed(medication: Medication) -> bool:
    return any(daily.mg is not None for daily in medication.daily.values())


def _read(entry: MedicationEntry, knowledge: Knowledge, today: date) -> Medication:
    product, unread, disagrees = identify_drug(entry, knowledge)
    label = _label(entry)
    ended, stopped_on = _end_of_course(entry, today)
    role = ("stopping" if entry.status == "stopped" else "ordering") if entry.is_draft else "taking"
    if not entry.is_draft and ended:
        role = "stopped"
    times, stated = _times(entry)
    per_day = _count_per_day(entry)
    by_the_week = product is not None and not knowledge.by_the_week.isdisjoint(product.ingredients)
    return Medication(
        entry=entry,
        role=role,
        ingredients=product.ingredients if product else (),
        product=product,
        label=label,
        unread=unread,
        disagrees=disagrees,
        route=route_of(entry, product, knowledge),
        daily=daily_doses(entry.dosages, product),
        weekly=weekly_doses(entry.dosages, product) if by_the_week else {},
        days_a_week=days_a_week(entry.dosages, knowledge.vocabulary) if by_the_week else None,
        doses_per_day=per_day,
        times=times,
        times_stated=stated,
        stopped_on=stopped_on,
        form_group=knowledge.vocabulary.form_groups.get(product.form, "") if product else "",
    )


def _label(entry: MedicationEntry) -> str:
    """How the request names it; bounded, and visibly so."""
    texts = (*entry.texts, *(c.display for c in entry.codings), *(c.code for c in entry.codings), entry.reference)
    name = " ".join(next((t for t in texts if t.strip()), "").split())
    return name if len(name) <= _LONG_NAME else name[: _LONG_NAME - 1].rstrip() + "…"


def _end_of_course(entry: MedicationEntry, today: date) -> tuple[bool, date | None]:
    """(whether it is over, on which day; None if that is not known).

    An ended order without its end was over by the end of its supply and by the last update of its record,
    whichever is first. The validity of a prescription says when it may be filled, not when it is taken.
    """
    bounds = [d.ends for d in entry.dosages if d.ends is not None]
    explicit = entry.ends or (max(bounds) if bounds and len(bounds) == len(entry.dosages) else None)
    if entry.status in _ENDED:
        bounds_of_end = [d for d in (_end_of_supply(entry), entry.recorded) if d]
        known = explicit or min(bounds_of_end, default=None)
        return True, min(known, today) if known else None
    if entry.is_draft or explicit is None:
        return False, None
    return (True, explicit) if explicit < today else (False, None)


def _end_of_supply(entry: MedicationEntry) -> date | None:
    begun = entry.starts or entry.authored
    if begun is None or entry.supply_days is None or not 0 < entry.supply_days <= Decimal(3660):
        return None
    days = int(entry.supply_days)
    return date.max if (date.max - begun).days < days else begun + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class _Closed:
    """What this session ends: entries by key, and drugs (in every source, or beside the orders of the chart)."""

    keys: frozenset[str]
    everywhere: tuple[Medication, ...]
    beside_orders: tuple[Medication, ...]


def _closed_by(drafts: list[Medication], chart: list[Medication]) -> _Closed:
    """What replaces an entry of the chart replaces the same drug in its other sources too.

    A stop order that is an order of the chart ends that order and what other sources tell of it, but no
    other order of the same drug; one that stands alone ends the drug.
    """
    keys = frozenset(draft.entry.prior for draft in drafts if draft.entry.prior)
    replaced = [m for m in chart if m.entry.key in keys and m.ingredients]
    ids = {m.entry.key for m in chart}
    stopping = [draft for draft in drafts if draft.role == "stopping" and draft.ingredients]
    alone = [draft for draft in stopping if draft.entry.key not in ids]
    known = [draft for draft in stopping if draft.entry.key in ids]
    return _Closed(keys, (*replaced, *alone), tuple(known))


def _close(medication: Medication, closed: _Closed, today: date) -> Medication:
    """A chart drug that this session stops or replaces ends today; it is no partner any more."""
    if medication.role != "taking":
        return medication
    is_order = medication.entry.resource_type in _ORDERS
    drugs = closed.everywhere if is_order else (*closed.everywhere, *closed.beside_orders)
    ended = medication.entry.key in closed.keys or any(is_ended_with(medication, other) for other in drugs)
    return replace(medication, role="stopped", stopped_on=today, replaced=True) if ended else medication


def _count_per_day(entry: MedicationEntry) -> int | None:
    if len(entry.dosages) != 1:
        return None
    count = doses_per_day(entry.dosages[0])
    return int(count) if count is not None and count == int(count) and 0 < count <= 24 else None


def _times(entry: MedicationEntry) -> tuple[tuple[str, ...], bool]:
    """Clock times as stated (HH:MM), sorted; a bedtime code stands as "bedtime"."""
    times: set[str] = set()
    for dosage in entry.dosages:
        times.update(t[:5] for t in dosage.times_of_day if clock_minutes(t) is not None)
        if is_bedtime(dosage) and not dosage.times_of_day:
            times.add("bedtime")
    return tuple(sorted(times)), bool(times)
