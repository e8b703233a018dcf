"""Suggest other clock times for a draft order, as far as possible from the doses of other drugs.

For drugs that add up it is a comfort measure: it eases overlapping peaks and does not remove a risk. For drugs
that bind each other in the gut it is what the label asks for. Which of the two, and the limits, come from the
suggestion's file; times are whole hours inside its window, and the number of doses never changes.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations

from cds_service.core.dosing import clock_minutes, clock_time
from cds_service.core.judging import Situation, judge
from cds_service.core.planning import Plan, may_be_rewritten, new_orders
from cds_service.core.values import (
    Action,
    Fact,
    Finding,
    Medication,
    OrderChange,
    StaggerLimits,
    Suggestion,
    SuggestionPlan,
    Test,
)

_DAY = 24 * 60


def stagger_doses(
    entry: SuggestionPlan, finding: Finding, drugs: tuple[Medication, ...], indicator: str, plan: Plan
) -> list[Suggestion]:
    """New times for the first order of the finding that can be moved; none on a critical card."""
    if indicator == "critical" or not _may_stagger(entry, plan):
        return []
    for medication in sorted(new_orders(finding), key=lambda m: m.ingredients):
        suggestion = _staggered(entry, medication, drugs, plan)
        if suggestion is not None:
            return [suggestion]
    return []


def _may_stagger(entry: SuggestionPlan, plan: Plan) -> bool:
    """Known kidney function good enough, no excluded drug anywhere, no excluded condition (or unknown ones)."""
    egfr = plan.facts.known.get("egfr")
    if entry.needs_egfr is not None and not _reaches(egfr, entry.needs_egfr):
        return False
    if not plan.request.chart.seen("medicationRequests") or any(_is_unknown(m) for m in plan.medications):
        return False  # an opioid may be among what was not seen
    active = {n for m in plan.medications if m.role in ("ordering", "taking") for n in m.ingredients}
    if active & entry.not_with_drugs:
        return False
    if not entry.not_with_conditions:
        return True
    test = Test("condition", names=tuple(sorted(entry.not_with_conditions)))
    return judge((test,), Situation((), (), plan.facts)).holds is False


def _reaches(fact: Fact | None, limit: Decimal) -> bool:
    return fact is not None and fact.value is not None and fact.value >= limit and not fact.comparator.startswith("<")


def _is_unknown(medication: Medication) -> bool:
    return medication.role in ("ordering", "taking") and (not medication.ingredients or bool(medication.unread))


def _staggered(
    entry: SuggestionPlan, medication: Medication, drugs: tuple[Medication, ...], plan: Plan
) -> Suggestion | None:
    name = next((n for n in medication.ingredients if n in entry.limits), "")
    if not name or len(medication.ingredients) != 1 or not _may_be_moved(entry, medication, plan):
        return None
    count = medication.doses_per_day
    names = {drug.ingredients for drug in drugs} - {medication.ingredients}
    partners = [m for m in plan.medications if m.ingredients in names and _is_in_use(m)]
    others = [(p, *times_of(p, entry)) for p in partners]
    if count is None or not others or any(not times for _, times, _ in others):
        return None
    fixed = tuple(t for _, times, _ in others for t in times)
    apart = (entry.min_distance_hours, entry.min_hours_after or entry.min_distance_hours)
    if all(stated for _, _, stated in others) and are_apart(times_of(medication, entry)[0], fixed, apart):
        return None
    times = place_doses(count, fixed, entry.limits[name], entry.waking, apart)
    if not times or times == medication.times:
        return None
    words = {
        "drug": name,
        "times": _listed(times),
        "others": "; ".join(f"{' / '.join(p.ingredients)} {_listed(t)}{_assumed(s)}" for p, t, s in others),
    }
    change = OrderChange(times=times)
    action = Action("update", entry.description.format(**words), medication.entry.key, change)
    label = entry.label.format(**words)
    return Suggestion(entry.id, entry.kind, label, (action,), entry.note.format(**words))


def _is_in_use(medication: Medication) -> bool:
    return medication.role in ("ordering", "taking") and medication.route != "local"


def _may_be_moved(entry: SuggestionPlan, medication: Medication, plan: Plan) -> bool:
    product = medication.product
    if medication.entry.key in plan.corrected:
        return False  # the dose comes first; the times are offered once it is right
    if not may_be_rewritten(medication, plan.knowledge) or medication.entry.setting == "inpatient" or product is None:
        return False
    dosage = medication.entry.dosages[0]
    plain = not dosage.times_of_day and not dosage.when and not dosage.days_of_week
    every_day = dosage.period == 1 and dosage.period_unit == "d"
    ordinary = not product.extended_release and product.brand.lower() not in entry.not_brands
    return plain and every_day and ordinary and medication.route == "systemic"


def times_of(medication: Medication, entry: SuggestionPlan) -> tuple[tuple[str, ...], bool]:
    """(clock times as HH:MM, whether they are stated). Assumed times come from the suggestion's file."""
    anchor = next((entry.anchors[n] for n in medication.ingredients if n in entry.anchors), "")
    if medication.times_stated:
        times = tuple(anchor or entry.waking[1] if t == "bedtime" else t for t in medication.times)
        return tuple(sorted(times)), "bedtime" not in medication.times
    if anchor and medication.doses_per_day == 1:
        return (anchor,), False
    return entry.assumed_times.get(medication.doses_per_day or 0, ()), False


def _assumed(stated: bool) -> str:
    return "" if stated else " (assumed)"


def _listed(times: tuple[str, ...]) -> str:
    ordered = sorted(times, key=lambda t: clock_minutes(t) or 0)
    return ", ".join(ordered)


def place_doses(
    count: int,
    others: tuple[str, ...],
    limits: StaggerLimits,
    waking: tuple[str, str],
    apart: tuple[int, int],
) -> tuple[str, ...]:
    """`count` times (HH:MM) on a day, or () where none keeps the limits.

    `others` are the times of the other drugs. Gaps between the own doses stay between
    `limits.min_gap` and `limits.max_gap` hours (round the clock; one dose a day has a gap of 24); every dose is
    at least `apart[0]` hours before and `apart[1]` hours after each of `others`. The largest smallest distance
    wins, then the most even spacing, then the earliest times.
    """
    first, last = (clock_minutes(t) or 0 for t in waking)
    fixed = [m for m in map(clock_minutes, others) if m is not None]
    hours = range(-(-first // 60) * 60, last + 1, 60)
    free = [h for h in hours if all(_is_apart(h, m, apart) for m in fixed)]
    best: tuple[tuple[int, int, tuple[int, ...]], tuple[int, ...]] | None = None
    for times in combinations(free, count):
        gaps = [(b - a) % _DAY or _DAY for a, b in zip(times, (*times[1:], times[0]), strict=True)]
        if min(gaps) < limits.min_gap * 60 or max(gaps) > limits.max_gap * 60:
            continue
        nearest = min((_apart(t, m) for t in times for m in fixed), default=_DAY)
        score = (-nearest, sum(g * g for g in gaps), times)
        if best is None or score < best[0]:
            best = (score, times)
    return tuple(clock_time(t) for t in best[1]) if best else ()


def are_apart(own: tuple[str, ...], others: tuple[str, ...], apart: tuple[int, int]) -> bool:
    """Whether every one of `own` is at least `apart` (hours before, hours after) from every one of `others`."""
    pairs = [(clock_minutes(a), clock_minutes(b)) for a in own for b in others]
    return bool(pairs) and all(a is not None and b is not None and _is_apart(a, b, apart) for a, b in pairs)


def _is_apart(own: int, other: int, apart: tuple[int, int]) -> bool:
    """Minutes of the day: enough time from `own` to the next `other`, and from the last `other` to `own`."""
    before, after = (hours * 60 for hours in apart)
    return (other - own) % _DAY >= before and (own - other) % _DAY >= after


def _apart(one: int, other: int) -> int:
    """Minutes between two clock times, round the clock."""
    distance = abs(one - other) % _DAY
    return min(distance, _DAY - distance)
