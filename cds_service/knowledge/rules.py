"""Card files -> rules. Called only with content that passed the schema; references are checked here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cds_service.core.values import (
    ConditionGroup,
    DoseBand,
    DoseLimit,
    EvidenceUse,
    Face,
    Group,
    Ingredient,
    LabFact,
    Modifier,
    OverrideReason,
    Rule,
    Scale,
    Slot,
    SuggestionPlan,
    Test,
    Variant,
)
from cds_service.errors import Fault
from cds_service.knowledge.bounds import BOUNDS, DOSINGS
from cds_service.knowledge.dictionary import EVERY_DRUG

_FLAGS = ("started_together", "unchanged_renewal", "combination_product")
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a card may refer to."""

    ingredients: Mapping[str, Ingredient]
    groups: Mapping[str, Group]
    scales: Mapping[str, Scale]
    labs: Mapping[str, LabFact]
    conditions: Mapping[str, ConditionGroup]
    suggestions: Mapping[str, SuggestionPlan]
    reasons: Mapping[str, OverrideReason]
    evidence: Mapping[str, Mapping[str, str]]
    topics: Mapping[str, Any]
    forms: Collection[str]
    brands: Collection[str]


class Builder:
    """Builds one rule and notes every reference that leads nowhere."""

    def __init__(self, name: str, shelf: Shelf, faults: list[Fault]) -> None:
        self.name = name
        self.shelf = shelf
        self.faults = faults
        self.slots: dict[str, frozenset[str]] = {}

    def fault(self, path: str, message: str) -> None:
        self.faults.append(Fault(self.name, path, message))

    def rule(self, card: Content) -> Rule:
        """The rule of a card file."""
        slots = tuple(self._slot(name, slot, f"drugs.{name}") for name, slot in card["drugs"].items())
        self.slots = {slot.id: slot.members for slot in slots}
        if card["topic"] not in self.shelf.topics:
            self.fault("topic", f'"{card["topic"]}" is not in topics.yaml')
        face = self._face(card["card"], "card", None)
        return Rule(
            id=card["id"],
            title=card["title"],
            version=card["version"],
            status=card["status"],
            topic=card["topic"],
            slots=slots,
            when=self._when(card.get("when", {}), "when"),
            consequence=card["consequence"],
            face=face,
            variants=tuple(self._variant(v, face, f"variants[{i}]") for i, v in enumerate(card.get("variants", ()))),
            modifiers=tuple(
                self._modifier(m, face, f"modifiers[{i}]") for i, m in enumerate(card.get("modifiers", ()))
            ),
            dose=self._dose(card["dose"]) if "dose" in card else None,
            quiet_renewal=card.get("renewal", "quiet") == "quiet",
            show_minor=card.get("show_minor", False),
            certainty=card["certainty"],
            override_reasons=tuple(self._reasons(card["override_reasons"])),
            evidence=tuple(self._evidence(card["evidence"])),
            reviewed=card["review"]["reviewed"],
        )

    # --- Drugs ---

    def members(self, names: list[str], path: str) -> frozenset[str]:
        """The ingredients that groups and ingredient names come to."""
        found: set[str] = set()
        for name in names:
            if name == EVERY_DRUG:
                found |= self.shelf.ingredients.keys()
            elif name in self.shelf.groups:
                found |= self.shelf.groups[name].members
            elif name in self.shelf.ingredients:
                found.add(name)
            else:
                self.fault(path, f'"{name}" is neither a group nor an ingredient of cards/drugs/')
        return frozenset(found)

    def _slot(self, slot_id: str, slot: Content, path: str) -> Slot:
        members = self.members(slot["any_of"], f"{path}.any_of") - self.members(
            slot.get("none_of", []), f"{path}.none_of"
        )
        scale = self._scale(slot, path)
        route = slot.get("route", "systemic")
        first = self.shelf.groups.get(slot["any_of"][0])
        return Slot(
            id=slot_id,
            members=members & scale.scores.keys() if scale else members,
            label=slot.get("label") or (first.singular if first else slot["any_of"][0]),
            routes=frozenset(("systemic", "variable") if route == "systemic" else route),
            lower_variable=route == "systemic",
            washout_days=slot.get("washout_days", 0),
            at_least=slot.get("at_least", 1),
            except_brands=self._brands(slot, "except_brands", path),
            only_brands=self._brands(slot, "only_brands", path),
            not_in_product_with=self.members(slot.get("not_in_product_with", []), f"{path}.not_in_product_with"),
            forms=self._forms(slot, "forms", path),
            except_forms=self._forms(slot, "except_forms", path),
            or_brands=self._brands(slot, "or_brands", path),
            or_drugs=self.members(slot.get("or_drugs", []), f"{path}.or_drugs"),
            or_extended_release=slot.get("or_extended_release", False),
            being=slot.get("being", ""),
            twice=slot.get("twice", False),
            scale=scale,
            score_at_least=slot["score"]["at_least"] if scale else 0,
        )

    def _forms(self, slot: Content, name: str, path: str) -> frozenset[str]:
        return self._known(
            slot.get(name, ()), self.shelf.forms, f"{path}.{name}", "a dose form of drugs/dose-forms.yaml"
        )

    def _brands(self, slot: Content, name: str, path: str) -> frozenset[str]:
        return self._known(slot.get(name, ()), self.shelf.brands, f"{path}.{name}", "a brand of cards/drugs/")

    def _known(self, names: Collection[str], known: Collection[str], path: str, what: str) -> frozenset[str]:
        for name in names:
            if name.lower() not in known:
                self.fault(path, f'"{name}" is not {what}')
        return frozenset(name.lower() for name in names)

    def _scale(self, slot: Content, path: str) -> Scale | None:
        if "score" not in slot:
            return None
        scale = self.shelf.scales.get(slot["score"]["scale"])
        if scale is None:
            known = ", ".join(sorted(self.shelf.scales))
            self.fault(f"{path}.score", f'"{slot["score"]["scale"]}" is not in drugs/scores/. Use {known}.')
        return scale

    # --- Faces, variants, modifiers ---

    def _face(self, face: Content, path: str, base: Face | None) -> Face:
        return Face(
            severity=face.get("severity") or (base.severity if base else "minor"),
            indicator=face.get("indicator") or (base.indicator if base else "info"),
            summary=face.get("summary") or (base.summary if base else ""),
            advice=_tidy(face.get("advice") or (base.advice if base else "")),
            suggestions=self._suggestions(face["suggestions"], f"{path}.suggestions")
            if "suggestions" in face
            else (base.suggestions if base else ()),
        )

    def _suggestions(self, names: list[str], path: str) -> tuple[str, ...]:
        for name in names:
            if name not in self.shelf.suggestions:
                self.fault(path, f'"{name}" is not in suggestions.yaml')
        return tuple(n for n in names if n in self.shelf.suggestions)

    def _variant(self, variant: Content, base: Face, path: str) -> Variant:
        when = self._when(variant["when"], f"{path}.when")
        face = self._face(variant, path, base)
        return Variant(variant["name"], when, face, variant.get("modifiers", "apply") == "apply")

    def _modifier(self, modifier: Content, base: Face, path: str) -> Modifier:
        return Modifier(
            name=modifier["name"],
            when=self._when(modifier["when"], f"{path}.when"),
            severity=modifier.get("severity", base.severity),
            indicator=modifier.get("indicator", base.indicator),
            because=_tidy(modifier["because"]),
            advice=_tidy(modifier.get("advice", "")),
            replaces_advice=modifier.get("replaces_advice", False),
            suggestions=self._suggestions(modifier.get("suggestions", []), f"{path}.suggestions"),
        )

    # --- Tests ---

    def _when(self, when: Content, path: str) -> tuple[Test, ...]:
        return tuple(self._test(kind, value, f"{path}.{kind}") for kind, value in when.items())

    def _test(self, kind: str, value: Any, path: str) -> Test:
        if kind == "age" or kind in self.shelf.labs:
            return Test("unknown", kind) if value == "unknown" else Test("number", kind, _bounds(value))
        if kind in _FLAGS:
            return Test(kind)
        makers: dict[str, Callable[[Any, str], Test]] = {
            "any": self._any,
            "condition": self._condition,
            "without_condition": self._condition,
            "with_drug": self._with_drug,
            "without_drug": self._with_drug,
            "slot_drug": self._slot_drug,
        }
        if kind in DOSINGS:
            return self._dosing(kind, value, path)
        if kind in makers:
            return replace(makers[kind](value, path), kind=kind)
        if kind == "stop_date":
            return Test("stop_date_unknown")
        if isinstance(value, dict):
            self.fault(path, "is no fact of facts.yaml")
        return Test(kind, names=(value,) if isinstance(value, str) else tuple(value))

    def _any(self, value: list[Content], path: str) -> Test:
        return Test("any", branches=tuple(self._when(v, f"{path}[{i}]") for i, v in enumerate(value)))

    def _condition(self, value: Content, path: str) -> Test:
        for name in value["any_of"]:
            if name not in self.shelf.conditions:
                self.fault(path, f'"{name}" is not a condition of facts.yaml')
        return Test(
            "condition",
            names=tuple(value["any_of"]),
            days=value.get("within_days", 0),
            history=value.get("history", False),
        )

    def _with_drug(self, value: Content, path: str) -> Test:
        members = self.members(value["any_of"], path) - self.members(value.get("none_of", []), path)
        count = ((("count", Decimal(value["count"]))),) if "count" in value else ()
        any_route = value.get("route") == "any"
        return Test("with_drug", bounds=count, names=tuple(sorted(members)), any_route=any_route)

    def _slot_drug(self, value: Content, path: str) -> Test:
        slot, names = next(iter(value.items()))
        self._known_slot(slot, path)
        for name in names:
            members = self.members([name], path)
            if members and not members & self.slots.get(slot, members):
                self.fault(path, f'"{name}" is never in the slot {slot}, so this never holds')
        return Test("slot_drug", slot, names=tuple(sorted(self.members(names, path))))

    def _dosing(self, kind: str, value: Content, path: str) -> Test:
        slot, bounds = next(iter(value.items()))
        self._known_slot(slot, path)
        return Test(f"{kind}_unknown", slot) if bounds == "unknown" else Test(kind, slot, _bounds(bounds))

    def _known_slot(self, slot: str, path: str) -> None:
        if slot not in self.slots:
            self.fault(path, f'"{slot}" is no slot of this card. Use {", ".join(sorted(self.slots))}.')

    def _dose(self, dose: Content) -> DoseLimit:
        slot = dose.get("drug", next(iter(self.slots)) if len(self.slots) == 1 else "")
        if slot:
            self._known_slot(slot, "dose.drug")
        else:
            self.fault("dose.drug", f"is missing; name the slot that is judged: {', '.join(sorted(self.slots))}.")
        if "by" not in dose and len(dose["bands"]) > 1:
            self.fault("dose.by", "is missing; bands need the fact they are bands of. Use crcl, egfr or age.")
        if len(dose["bands"]) == 1 and BOUNDS & dose["bands"][0].keys():
            self.fault("dose.bands[0]", "a single band holds for everyone. Leave out its bounds, or add other bands.")
        return _dose(slot, dose)

    # --- References ---

    def _reasons(self, names: list[str]) -> list[OverrideReason]:
        for name in names:
            if name not in self.shelf.reasons:
                self.fault("override_reasons", f'"{name}" is not in override_reasons.yaml')
        return [self.shelf.reasons[n] for n in names if n in self.shelf.reasons]

    def _evidence(self, uses: list[Content]) -> list[EvidenceUse]:
        found = []
        for use in uses:
            source = self.shelf.evidence.get(use["key"])
            if source is None:
                self.fault("evidence", f'"{use["key"]}" is not in cards/evidence/')
                continue
            found.append(EvidenceUse(use["key"], source["title"], source["url"], source["kind"], use["supports"]))
        return found


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _bounds(value: Content) -> tuple[tuple[str, Decimal], ...]:
    return tuple((name, Decimal(limit)) for name, limit in value.items())


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _dose(slot: str, dose: Content) -> DoseLimit:
    bands = tuple(
        DoseBand(
            label=band["label"],
            above=_number(band.get("above")),
            at_least=_number(band.get("at_least")),
            below=_number(band.get("below")),
            at_most=_number(band.get("at_most")),
            max_per_day=Decimal(band["max_per_day"]),
            min_per_day=_number(band.get("min_per_day")),
            doses_per_day=tuple(band.get("doses_per_day", ())),
            proportional_to=_number(band.get("proportional_to")),
        )
        for band in dose["bands"]
    )
    return DoseLimit(
        slot=slot,
        by=dose.get("by", ""),
        stand_in=dose.get("stand_in", ""),
        bands=bands,
        minimum_age=dose.get("minimum_age", 0),
        unknown_is_above=dose.get("unknown_dose") == "above",
    )
