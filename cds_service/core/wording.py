"""Put findings into words: summaries under 140 characters and short Markdown details.

Sentences come from the card files; this module only fills them in, orders them, and keeps text that
came with the request from being read as Markdown or HTML.
"""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.core.values import (
    INDICATORS,
    DoseFinding,
    Fact,
    Facts,
    Finding,
    Knowledge,
    LabFact,
    indicator_rank,
)

SUMMARY_LIMIT = 139  # CDS Hooks: fewer than 140 characters, counted in UTF-16 units
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MOST_NAMED = 3
_NO_TAGS = str.maketrans({"<": "‹", ">": "›"})
_STEM = 5


def utf16_length(text: str) -> int:
    """Length as JavaScript and .NET clients count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain(text: str) -> str:
    """Text of the request as one line: no control characters, no lone surrogates, nothing that looks like a tag.

    A summary is plain text by the specification, but some clients render it as HTML.
    """
    clean = text.encode("utf-8", "replace").decode("utf-8").translate(_NO_TAGS)
    return " ".join(_CONTROL.sub(" ", clean).split())


def escaped(text: str) -> str:
    """Text of the request, safe inside Markdown: nothing in it can become markup or a link."""
    return _MARKDOWN.sub(r"\\\1", plain(text)).replace("://", ":\u200b//")


def drug_names(findings: tuple[Finding, ...]) -> list[str]:
    """Names of all drugs of a card, the lead finding's first, new orders before others."""
    names: dict[str, None] = {}
    for finding in findings:
        for participant in finding.participants:
            names.setdefault(participant.ingredient)
    return list(names)


def summarise(findings: tuple[Finding, ...], knowledge: Knowledge) -> str:
    """The lead finding's summary, with all drugs of the card and the deciding facts, as far as they fit."""
    lead = findings[0]
    names = drug_names(findings)
    pair = len({p.ingredient for p in lead.participants})
    facts = [fact.short for fact in _for_summary(lead, names)]
    for count in range(len(names), min(pair, len(names)) - 1, -1):
        for kept in (facts, facts[:2], facts[:1], []):
            text = _filled_summary(lead, names, count, kept, knowledge)
            if utf16_length(text) <= SUMMARY_LIMIT and (kept or not facts or count <= pair):
                return text
    return _filled_summary(lead, names, min(2, len(names)), [], knowledge)


def _for_summary(finding: Finding, names: list[str]) -> list[Fact]:
    """Facts that decided how loud, without what the summary says already: its drugs and its own condition."""
    said = {f"drug:{name}" for name in names} | {"sex"}
    summary = finding.face.summary.lower()
    said |= {f.id for f in finding.given if f.id.startswith("condition:") and _is_said(f.short, summary)}
    return [fact for fact in finding.deciding if fact.id not in said]


def _is_said(name: str, text: str) -> bool:
    """Whether a telling word of `name` stands in `text`, in whatever form ("urinary", "urination")."""
    return any(len(word) > _STEM and word[:_STEM] in text for word in name.lower().split())


def _filled_summary(lead: Finding, names: list[str], count: int, facts: list[str], knowledge: Knowledge) -> str:
    more = len(names) - count
    drugs = " + ".join(names[:count]) + (f" + {more} more" if more else "")
    text = fill(_summary_of(lead, knowledge), lead, knowledge, drugs=drugs)
    together = f"{text}; {', '.join(facts)}" if facts else text
    return together[:1].upper() + together[1:]


def _summary_of(finding: Finding, knowledge: Knowledge) -> str:
    """The card's own summary. One that tells a dose as too high is not true of a dose that nobody knows."""
    summary, dose = finding.face.summary, finding.dose
    is_unknown = dose is not None and dose.daily is None and "{dose}" in summary
    return knowledge.wording["unknown_dose"] if is_unknown else summary


def fill(template: str, finding: Finding, knowledge: Knowledge, drugs: str = "") -> str:
    """Fill the placeholders of a card file: {drugs}, {products}, slots, {score}, {dose}, {limit}, {kidney}, {band}."""
    words = {p.slot: p.ingredient for p in finding.participants}
    words["drugs"] = drugs or " + ".join(_names(finding))
    words["products"] = " and ".join(dict.fromkeys(" / ".join(p.medication.ingredients) for p in finding.participants))
    scale = finding.rule.slots[0].scale
    if scale is not None:
        words["score"] = str(sum(scale.scores[p.ingredient] for p in finding.participants))
    dose = finding.dose
    if dose is not None:
        words["dose"] = f"{amount(dose.daily)} mg/day" if dose.daily is not None else knowledge.wording["no_dose"]
        words["limit"] = f"{amount(dose.limit)} mg/day"
        words["kidney"] = dose.fact.short if dose.fact else knowledge.wording["no_kidney"]
        words["band"] = dose.band.label
    return template.format(**words)


def _names(finding: Finding) -> list[str]:
    """The drugs of a finding; one that stands in two products is named once."""
    names = [p.ingredient for p in finding.participants]
    return names[:1] if finding.rule.slots[0].twice else names


def counted(count: int, noun: str, knowledge: Knowledge) -> str:
    """ "1 order" or "3 orders", in the words of wording.yaml."""
    return knowledge.wording[f"{noun}_{'one' if count == 1 else 'many'}"].format(count=count)


def months_of(lab: LabFact, knowledge: Knowledge) -> str:
    """How long a result counts: "1 month" or "12 months"."""
    return counted(max(1, lab.max_age_days // 30), "month", knowledge)


def amount(value: Decimal) -> str:
    """1800 → "1,800"; 2.50 → "2.5"."""
    return f"{value.normalize():,f}"


def describe(
    findings: tuple[Finding, ...], notes: tuple[str, ...], scope: str, facts: Facts, knowledge: Knowledge
) -> str:
    """The detail of a card, in the order a prescriber needs it."""
    lead = findings[0]
    wording = knowledge.wording
    parts = _advice(findings, knowledge)
    parts.append(f"**{wording['can_happen']}** {fill(lead.rule.consequence, lead, knowledge)}")
    parts += _section(wording["why"], _reasons(findings, knowledge))
    parts += _section(wording["missing"], _missing(findings, facts, knowledge))
    parts += _section(wording["also"], _others(findings[1:], knowledge))
    parts += [*dict.fromkeys(notes)]
    parts.append(_provenance(findings, knowledge))
    parts.append(scope)
    return "\n\n".join(parts)


def _advice(findings: tuple[Finding, ...], knowledge: Knowledge) -> list[str]:
    """What to do. A quiet renewal says that it is one instead of how to start the drug; a loud one says both."""
    lead = findings[0]
    is_quiet = lead.renewal and lead.indicator == INDICATORS[0]
    texts = [text for text in lead.advice if not is_quiet or text != lead.face.advice]
    first = [_renewal(lead, is_quiet, knowledge)] if lead.renewal else []
    return [*first, *(fill(text, lead, knowledge) for text in texts), *_second_advice(findings, knowledge)]


def _renewal(finding: Finding, is_quiet: bool, knowledge: Knowledge) -> str:
    keys = ("renewal" if finding.has_partner else "renewal_alone", *(("renewal_review",) if is_quiet else ()))
    return " ".join(knowledge.wording[key] for key in keys)


def _second_advice(findings: tuple[Finding, ...], knowledge: Knowledge) -> list[str]:
    """What raised the second finding may ask for a step of its own; its base advice would only repeat."""
    for finding in findings[1:2]:
        new = len(finding.advice) > 1 and finding.advice[0] not in findings[0].advice
        if new and finding.indicator == findings[0].indicator:
            return [fill(finding.advice[0], finding, knowledge)]
    return []


def _section(title: str, lines: list[str]) -> list[str]:
    return ["\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])] if lines else []


def _reasons(findings: tuple[Finding, ...], knowledge: Knowledge) -> list[str]:
    """Each reason once with all its facts, then doses, then facts that no reason names."""
    because: dict[str, dict[str, None]] = {}
    told: set[Fact] = set()
    for reason in (reason for finding in findings for reason in finding.reasons):
        because.setdefault(reason.because, {}).update(dict.fromkeys(fact.text for fact in reason.facts))
        told.update(reason.facts)
    lines = [f"{'; '.join(facts)}: {text}" if facts else text for text, facts in because.items()]
    for dose in (finding.dose for finding in findings if finding.dose is not None):
        lines.append(_dose_line(dose, knowledge))
        told.update([dose.fact] if dose.fact else [])
    lines += [fact.text for finding in findings for fact in finding.deciding if fact not in told]
    return list(dict.fromkeys(lines))


def _dose_line(dose: DoseFinding, knowledge: Knowledge) -> str:
    wording = knowledge.wording
    fact = dose.fact.text if dose.fact else ""
    stands_in = wording["stands_in"] if dose.stands_in else ""
    daily = f"{amount(dose.daily)} mg/day" if dose.daily is not None else ""
    template = wording["dose_with_taken" if dose.taken else "dose_ordered"]
    ordered = template.format(dose=daily) if daily else dose.problem
    limit = wording["dose_limit"].format(band=dose.band.label, limit=f"{amount(dose.limit)} mg/day")
    other = wording["not_used"].format(fact=dose.not_used.text) if dose.not_used else ""
    return "; ".join(part for part in (fact, stands_in, ordered, limit, other) if part)


def _missing(findings: tuple[Finding, ...], facts: Facts, knowledge: Knowledge) -> list[str]:
    """Each fact that is not known, and how much louder this card would be with which value."""
    by_fact: dict[str, dict[str, dict[str, None]]] = {}
    for missing in (m for finding in findings for m in finding.missing):
        if indicator_rank(missing.indicator) > indicator_rank(findings[0].indicator):
            by_fact.setdefault(missing.fact, {}).setdefault(missing.indicator, {}).setdefault(missing.would)
    lines = []
    for name, louder in by_fact.items():
        would = [
            knowledge.wording["would_be"].format(indicator=indicator, values=", ".join(louder[indicator]))
            for indicator in reversed(INDICATORS)
            if indicator in louder
        ]
        lines.append(f"{_fact_name(name, facts, knowledge)}: {'; '.join(would)}")
    return lines


def _fact_name(name: str, facts: Facts, knowledge: Knowledge) -> str:
    wording = knowledge.wording
    if name not in knowledge.labs:
        return wording.get(f"missing_{name}", name)
    lab = knowledge.labs[name]
    if name in facts.known:
        return f"{lab.name} ({wording['only_range'].format(fact=facts.known[name].short)})"
    months = months_of(lab, knowledge)
    why = wording["not_seen"] if name in facts.unseen else wording["not_on_file"].format(months=months)
    return f"{lab.name} ({why})"


def _others(findings: tuple[Finding, ...], knowledge: Knowledge) -> list[str]:
    lines = []
    for finding in findings[:_MOST_NAMED]:
        drugs = " + ".join(_names(finding))
        subject, colon, rest = finding.rule.title.partition(": ")
        what = rest if colon and "(" not in subject else finding.rule.title
        lines.append(f"{drugs}: {what} ({finding.severity}; {finding.rule.id} v{finding.rule.version})")
    more = len(findings) - _MOST_NAMED
    if more > 0:
        lines.append(knowledge.wording["and_more"].format(count=more))
    return lines


def _provenance(findings: tuple[Finding, ...], knowledge: Knowledge) -> str:
    lead = findings[0]
    reviewed = knowledge.wording["unreviewed"] if lead.rule.reviewed == "none" else lead.rule.reviewed
    return (
        f"{knowledge.wording['rule']} {lead.rule.id} v{lead.rule.version}; {lead.severity}; "
        f"{knowledge.wording['certainty']}: {lead.rule.certainty}. {reviewed}"
    )
