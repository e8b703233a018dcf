"""Judge the `when` of a rule, variant or modifier for one patient: it holds, it does not, or unknown.

Unknown is a value of its own. A test on a fact that is not on file never counts as passed or failed;
it comes back with the name of the fact, so that the card can say what was missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from cds_service.core.totals import total_of
from cds_service.core.values import ConditionFact, Fact, Facts, Medication, Participant, Test


@dataclass(frozen=True, slots=True)
class Situation:
    """What a test may look at: the matched drugs, all drugs, and the facts of the patient."""

    participants: tuple[Participant, ...]
    medications: tuple[Medication, ...]
    facts: Facts
    started_together: bool = False
    renewal: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds` is None where it could not be judged; then `missing` names the facts."""

    holds: bool | None
    facts: tuple[Fact, ...] = ()
    missing: tuple[str, ...] = ()


_FAILS = Verdict(False)


def judge(tests: tuple[Test, ...], situation: Situation) -> Verdict:
    """All tests must hold. One that fails decides; otherwise one that is unknown leaves it unknown."""
    facts: tuple[Fact, ...] = ()
    missing: tuple[str, ...] = ()
    unknown = False
    for test in tests:
        verdict = _KINDS[test.kind](test, situation)
        if verdict.holds is False:
            return _FAILS
        if verdict.holds is None:
            unknown, missing = True, missing + verdict.missing
        facts += verdict.facts
    return Verdict(None, missing=missing) if unknown else Verdict(True, facts)


def _any(test: Test, situation: Situation) -> Verdict:
    verdicts = [judge(branch, situation) for branch in test.branches]
    held = [v for v in verdicts if v.holds]
    if held:
        return Verdict(True, tuple(fact for v in held for fact in v.facts))
    answered = _answered_otherwise(test, verdicts, situation)
    missing = tuple(name for v in verdicts for name in v.missing if name not in answered)
    return Verdict(None, missing=missing) if missing else Verdict(False)


def _answered_otherwise(test: Test, verdicts: list[Verdict], situation: Situation) -> set[str]:
    """Facts not on file for which another branch says what counts instead (CrCl where eGFR is unknown), and could."""
    decided = [branch for branch, v in zip(test.branches, verdicts, strict=True) if v.holds is not None]
    unknown = {t.subject for branch in decided for t in branch if t.kind == "unknown"}
    return unknown - situation.facts.known.keys()


def _number(test: Test, situation: Situation) -> Verdict:
    fact = situation.facts.known.get(test.subject)
    if fact is None or fact.value is None:
        return Verdict(None, missing=(test.subject,))
    judged = [_within(fact.value, fact.comparator, name, limit) for name, limit in test.bounds]
    if False in judged:
        return Verdict(False)
    return Verdict(None, missing=(test.subject,)) if None in judged else Verdict(True, (fact,))


def _within(value: Decimal, comparator: str, bound: str, limit: Decimal) -> bool | None:
    """Whether a value keeps a bound. A result such as ">60" is a range: None where it lies on both sides."""
    if not comparator:
        return _keeps(value, bound, limit)
    outermost = (
        _keeps(value, bound, limit) if comparator.endswith("=") else _keeps_beyond(value, comparator, bound, limit)
    )
    return outermost if outermost == _keeps_far_out(comparator, bound) else None


def _keeps(value: Decimal, bound: str, limit: Decimal) -> bool:
    if bound == "at_least":
        return value >= limit
    if bound == "above":
        return value > limit
    return value < limit if bound == "below" else value <= limit


def _keeps_beyond(value: Decimal, comparator: str, bound: str, limit: Decimal) -> bool:
    """The same for values just past `value` on the side the comparator points to."""
    if value != limit:
        return _keeps(value, bound, limit)
    return (comparator == ">") == (bound in ("at_least", "above"))


def _keeps_far_out(comparator: str, bound: str) -> bool:
    """The same for the far end of the range."""
    return comparator.startswith(">") == (bound in ("at_least", "above"))


def _unknown(test: Test, situation: Situation) -> Verdict:
    return Verdict(test.subject not in situation.facts.known)


def _sex(test: Test, situation: Situation) -> Verdict:
    sex = situation.facts.sex
    if not sex:
        return Verdict(None, missing=("sex",))
    return Verdict(sex in test.names, (Fact("sex", None, sex, sex),) if sex in test.names else ())


def _condition(test: Test, situation: Situation) -> Verdict:
    facts = situation.facts
    entries = [entry for group in test.names for entry in facts.conditions.get(group, ())]
    counted = [entry for entry in entries if _counts(entry, test, facts)]
    if counted:
        return Verdict(True, tuple(_as_fact(entry, bool(test.days)) for entry in counted[:2]))
    if test.days and any(entry.onset is None and entry.active for entry in entries):
        return Verdict(None, missing=("date of " + test.names[0].replace("-", " "),))
    return Verdict(False) if facts.conditions_seen else Verdict(None, missing=("conditions",))


def _without_condition(test: Test, situation: Situation) -> Verdict:
    verdict = _condition(test, situation)
    return Verdict(not verdict.holds) if verdict.holds is not None else Verdict(None, missing=verdict.missing)


def _counts(entry: ConditionFact, test: Test, facts: Facts) -> bool:
    if test.days:
        return entry.onset is not None and entry.onset >= facts.today - timedelta(days=test.days)
    return entry.active or test.history


def _as_fact(entry: ConditionFact, dated: bool) -> Fact:
    name = entry.text.split(" (")[0]
    short = f"{name} {entry.onset.isoformat()}" if dated and entry.onset else name
    return Fact(f"{'event' if dated else 'condition'}:{entry.group}", None, entry.text, short, entry.onset)


def _with_drug(test: Test, situation: Situation) -> Verdict:
    others = _other_drugs(test, situation)
    needed = int(test.bounds[0][1]) if test.bounds else 1
    if len(others) < needed:
        return Verdict(False)
    return Verdict(True, tuple(_drug_fact(name, others[name]) for name in sorted(others)[:3]))


def _without_drug(test: Test, situation: Situation) -> Verdict:
    """Nobody knows that a drug is not taken while the medication list was not seen."""
    if _other_drugs(test, situation):
        return Verdict(False)
    return Verdict(True) if situation.facts.medications_seen else Verdict(None, missing=("medications",))


def _other_drugs(test: Test, situation: Situation) -> dict[str, Medication]:
    own = {p.ingredient for p in situation.participants}
    others: dict[str, Medication] = {}
    for medication in situation.medications:
        if medication.role not in ("ordering", "taking"):
            continue
        if not test.any_route and medication.route in ("local", "variable"):
            continue
        for name in medication.ingredients:
            if name in test.names and name not in own:
                others.setdefault(name, medication)
    return others


def _drug_fact(name: str, medication: Medication) -> Fact:
    verb = "ordered" if medication.role == "ordering" else "taken"
    return Fact(f"drug:{name}", None, f"{name} is also {verb}", f"with {name}")


def _slot_drug(test: Test, situation: Situation) -> Verdict:
    return Verdict(any(p.slot == test.subject and p.ingredient in test.names for p in situation.participants))


def _combination_product(_: Test, situation: Situation) -> Verdict:
    return Verdict(any(len(p.medication.ingredients) > 1 for p in situation.participants))


def _dosing(test: Test, situation: Situation) -> Verdict:
    """The mg a day, the mg a week or the days a week of the drug in a slot."""
    participant = next(p for p in situation.participants if p.slot == test.subject)
    value, what = _measured(test.kind, participant, situation)
    if value is None:
        return Verdict(None, missing=(f"{what} of {participant.ingredient}",))
    holds = all(_keeps(value, bound, limit) for bound, limit in test.bounds)
    shown = f"{participant.ingredient} {_shown(value, test.kind)}"
    return Verdict(holds, (Fact(test.kind, value, shown, shown),) if holds else ())


def _dosing_unknown(test: Test, situation: Situation) -> Verdict:
    participant = next(p for p in situation.participants if p.slot == test.subject)
    value, what = _measured(test.kind.removesuffix("_unknown"), participant, situation)
    text = f"{what} of {participant.ingredient} not stated"
    return Verdict(True, (Fact(test.kind, None, text, f"{what} not stated"),)) if value is None else Verdict(False)


_UNITS = {"daily_dose": ("mg/day", 3), "weekly_dose": ("mg/week", 3), "days_a_week": ("days a week", 1)}


def _shown(value: Decimal, kind: str) -> str:
    """With its unit, and without the endless decimal places of a dose every 3 days."""
    unit, places = _UNITS[kind]
    return f"{round(value, places).normalize():,f} {unit}"


def _measured(kind: str, participant: Participant, situation: Situation) -> tuple[Decimal | None, str]:
    """(value or None, what it is called). Doses are those after the session, over all orders of the drug."""
    if kind == "days_a_week":
        return participant.medication.days_a_week, "weekly schedule"
    daily = kind == "daily_dose"
    total = total_of(participant, situation.medications, lambda m: m.daily if daily else m.weekly)
    return (None if total.problem else total.mg), "daily dose" if daily else "weekly dose"


def _some_route(test: Test, situation: Situation) -> Verdict:
    return Verdict(any(p.medication.route in test.names for p in situation.participants))


def _every_route(test: Test, situation: Situation) -> Verdict:
    return Verdict(all(p.medication.route in test.names for p in situation.participants))


def _started_together(test: Test, situation: Situation) -> Verdict:
    return Verdict(situation.started_together, (_TOGETHER,) if situation.started_together else ())


def _renewal(_: Test, situation: Situation) -> Verdict:
    return Verdict(situation.renewal)


def _stop_date_unknown(_: Test, situation: Situation) -> Verdict:
    return Verdict(any(_without_date(p.medication) for p in situation.participants))


def _without_date(medication: Medication) -> bool:
    return medication.role == "stopped" and medication.stopped_on is None


_TOGETHER = Fact("started_together", None, "both are ordered new in this session", "started together")

_KINDS = {
    "any": _any,
    "number": _number,
    "unknown": _unknown,
    "sex": _sex,
    "condition": _condition,
    "without_condition": _without_condition,
    "with_drug": _with_drug,
    "without_drug": _without_drug,
    "slot_drug": _slot_drug,
    "combination_product": _combination_product,
    "daily_dose": _dosing,
    "daily_dose_unknown": _dosing_unknown,
    "weekly_dose": _dosing,
    "weekly_dose_unknown": _dosing_unknown,
    "days_a_week": _dosing,
    "days_a_week_unknown": _dosing_unknown,
    "some_route": _some_route,
    "every_route": _every_route,
    "started_together": _started_together,
    "unchanged_renewal": _renewal,
    "stop_date_unknown": _stop_date_unknown,
}
