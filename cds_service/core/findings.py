"""Medications and facts -> findings: the rules that match, how loud, and why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from cds_service.core.dose_limits import judge_dose
from cds_service.core.judging import Situation, Verdict, judge
from cds_service.core.matching import match_rules
from cds_service.core.renewals import Use
from cds_service.core.values import (
    INDICATORS,
    Face,
    Fact,
    Facts,
    Finding,
    Knowledge,
    Medication,
    Missing,
    Modifier,
    Participant,
    Reason,
    Rule,
    Variant,
    indicator_rank,
    severity_rank,
)


def find_interactions(
    medications: tuple[Medication, ...], facts: Facts, knowledge: Knowledge, renewed: frozenset[Use]
) -> tuple[tuple[Finding, ...], tuple[Missing, ...]]:
    """(findings, loudest first; rules that a missing part of the chart kept from being judged)."""
    found: dict[tuple[object, ...], Finding] = {}
    unjudged: list[Missing] = []
    taken = _taken(medications)
    for rule, participants in match_rules(medications, knowledge, facts.today):
        together, renewal = _is_started_together(participants, taken), _is_renewal(participants, renewed)
        situation = Situation(participants, medications, facts, together, renewal)
        verdict = judge(rule.when, situation)
        if verdict.holds is None:
            unjudged += [Missing(name, rule.title, rule.face.indicator) for name in verdict.missing]
        finding = _finding(rule, situation, verdict) if verdict.holds else None
        if finding is not None:
            _keep_loudest(found, finding)
    return tuple(sorted(found.values(), key=finding_order)), tuple(dict.fromkeys(unjudged))


def is_shown(finding: Finding) -> bool:
    """Silent rules and minor findings are counted, not shown, unless the card file says otherwise."""
    if finding.rule.status != "active":
        return False
    return finding.severity != "minor" or finding.rule.show_minor


def finding_order(finding: Finding) -> tuple[int, int, bool, bool, str, tuple[str, ...], tuple[str, ...]]:
    """Worst first: indicator, severity; of equals what is new, then a rule that names several drugs, then id."""
    drugs = tuple(sorted(p.ingredient for p in finding.participants))
    return (
        -indicator_rank(finding.indicator),
        -severity_rank(finding.severity),
        finding.renewal,
        len(drugs) == 1,
        finding.rule.id,
        drugs,
        finding.orders,
    )


def _keep_loudest(found: dict[tuple[object, ...], Finding], finding: Finding) -> None:
    key = (finding.rule.id, frozenset(p.ingredient for p in finding.participants), finding.orders)
    known = found.get(key)
    if known is None or finding_order(finding) < finding_order(known):
        found[key] = finding


def _is_started_together(participants: tuple[Participant, ...], taken: frozenset[Use]) -> bool:
    """Several drugs, all ordered now and none of them taken before by that route."""
    ordered = all(p.medication.role == "ordering" for p in participants)
    return len(participants) > 1 and ordered and not any(_use_of(p) in taken for p in participants)


def _is_renewal(participants: tuple[Participant, ...], renewed: frozenset[Use]) -> bool:
    """Each new order goes on with what was taken, at the same or a lower dose, with the same partners."""
    return all(
        _use_of(p) in renewed if p.medication.role == "ordering" else p.medication.role == "taking"
        for p in participants
    )


def _use_of(participant: Participant) -> Use:
    return participant.ingredient, participant.medication.route


def _taken(medications: tuple[Medication, ...]) -> frozenset[Use]:
    return frozenset((name, m.route) for m in medications if m.was_taken for name in m.ingredients)


def _finding(rule: Rule, situation: Situation, matched: Verdict) -> Finding | None:
    variant = _variant(rule, situation)
    face = variant.face if variant else rule.face
    use_modifiers = variant is None or variant.apply_modifiers
    verdicts = [(m, judge(m.when, situation)) for m in rule.modifiers] if use_modifiers else []
    held = [(m, v) for m, v in verdicts if v.holds]
    severity = max((face.severity, *(m.severity for m, _ in held)), key=severity_rank)
    indicator = max((face.indicator, *(m.indicator for m, _ in held)), key=indicator_rank)
    loudest = sorted(held, key=lambda item: (-indicator_rank(item[0].indicator), -severity_rank(item[0].severity)))
    finding = Finding(
        rule=rule,
        participants=situation.participants,
        orders=tuple(sorted({p.medication.entry.key for p in situation.participants if p.medication.is_new})),
        severity=severity,
        indicator=indicator,
        face=face,
        advice=_advice(face, [m for m, _ in loudest]),
        suggestions=tuple(dict.fromkeys((*face.suggestions, *(s for m, _ in held for s in m.suggestions)))),
        reasons=tuple(Reason(m.name, m.because, v.facts) for m, v in loudest),
        missing=_missing(verdicts, indicator),
        renewal=situation.renewal,
        variant=variant.name if variant else "",
        deciding=(
            *_score(rule, situation.participants),
            *_deciding(matched, loudest),
            *_stopped(rule, situation.participants),
        ),
        given=matched.facts,
    )
    if rule.dose is not None:
        judged = judge_dose(finding, rule.dose, situation)
        if judged is None:
            return None
        finding = judged
    return _lowered(finding, rule)


def _variant(rule: Rule, situation: Situation) -> Variant | None:
    """The first variant that holds; None leaves the card's own best case."""
    return next((variant for variant in rule.variants if judge(variant.when, situation).holds), None)


def _deciding(matched: Verdict, held: list[tuple[Modifier, Verdict]]) -> tuple[Fact, ...]:
    facts = [fact for _, verdict in held for fact in verdict.facts] + list(matched.facts)
    return tuple(dict.fromkeys(facts))


def _advice(face: Face, held: list[Modifier]) -> tuple[str, ...]:
    """The loudest modifier's advice first, then the card's own unless a modifier takes its place."""
    own = () if any(m.replaces_advice for m in held) else (face.advice,)
    return tuple(dict.fromkeys(text for text in (*(m.advice for m in held), *own) if text))


def _score(rule: Rule, participants: tuple[Participant, ...]) -> tuple[Fact, ...]:
    """The score of each contributor, so that the reader can add up."""
    scale = rule.slots[0].scale
    if scale is None:
        return ()
    scores = {p.ingredient: scale.scores[p.ingredient] for p in participants}
    total = Decimal(sum(scores.values()))
    highest_first = sorted(scores, key=lambda name: (-scores[name], name))
    listed = ", ".join(f"{name} {scores[name]}" for name in highest_first)
    return (Fact("score", total, f"{scale.name} score {total}: {listed}", f"score {total}"),)


def _stopped(rule: Rule, participants: tuple[Participant, ...]) -> tuple[Fact, ...]:
    """When a drug that still counts was stopped: the reader must be able to count the days."""
    if rule.slots[0].being:
        return ()
    facts = []
    for participant in participants:
        medication, name = participant.medication, participant.ingredient
        if medication.role in ("stopped", "stopping"):
            day = medication.stopped_on.isoformat() if medication.stopped_on else "on an unknown day"
            text = f"{name} stopped {'today' if medication.role == 'stopping' else day}"
            facts.append(Fact(f"stopped:{name}", None, text, text, medication.stopped_on))
    return tuple(facts)


def _missing(verdicts: list[tuple[Modifier, Verdict]], indicator: str) -> tuple[Missing, ...]:
    """Facts not on file that could have made this louder than it is."""
    return tuple(
        Missing(name, modifier.name, modifier.indicator)
        for modifier, verdict in verdicts
        if verdict.holds is None and indicator_rank(modifier.indicator) > indicator_rank(indicator)
        for name in dict.fromkeys(verdict.missing)
    )


def _lowered(finding: Finding, rule: Rule) -> Finding:
    """One tier lower for a vaginal or rectal route; a warning that is only repeated becomes an info."""
    rank = indicator_rank(finding.indicator)
    if _rests_on_variable_route(finding, rule):
        rank = max(rank - 1, 0)
    if finding.renewal and rule.quiet_renewal and rank == indicator_rank("warning"):
        rank = indicator_rank("info")
    return finding if INDICATORS[rank] == finding.indicator else replace(finding, indicator=INDICATORS[rank])


def _rests_on_variable_route(finding: Finding, rule: Rule) -> bool:
    """Whether the rule would not have matched without a drug whose absorption is only partly known."""
    for slot in rule.slots:
        routes = [p.medication.route for p in finding.participants if p.slot == slot.id]
        certain = sum(route != "variable" for route in routes)
        if slot.lower_variable and certain < slot.at_least:
            return True
    return False
