"""What the form of the workbench offers: conditions, results with their units, routes, and the fixtures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.core.values import JSON, ConditionGroup, Knowledge, LabFact
from cds_service.examples import ROUTES, code_of
from cds_service.fixtures import Fixture, fixtures_folder, moved_to, read_fixtures

_ASKED_FIRST = ("creatinine", "egfr", "weight")
# Further units that people report in, as UCUM has them (in lower case) and as they are written.
_WRITTEN = {"umol/l": "µmol/L", "[lb_av]": "lb", "mmol/l": "mmol/L", "meq/l": "mEq/L", "nmol/l": "nmol/L"}


def choices_of(knowledge: Knowledge, fixtures: Iterable[Fixture]) -> JSON:
    """Everything the form offers, as the page reads it."""
    labs = sorted(knowledge.labs.values(), key=lambda lab: (lab.id not in _ASKED_FIRST, lab.name.lower()))
    conditions = sorted(knowledge.conditions.values(), key=lambda group: group.name.lower())
    return {
        "conditions": [_condition(group, knowledge) for group in conditions],
        "labs": [_lab(lab) for lab in labs if not lab.positive],
        "routes": [{"name": name, "code": code, "display": text} for name, (code, text) in ROUTES.items()],
        "fixtures": [{"name": fixture.name, "title": fixture.title} for fixture in fixtures],
    }


def all_fixtures() -> dict[str, Fixture]:
    """Every fixture by name."""
    return {fixture.name: fixture for fixture in read_fixtures(fixtures_folder())}


def as_sent(fixture: Fixture, today: date) -> JSON:
    """The service and the body of a fixture, its dates moved to today. The body is text: some fixtures are no JSON."""
    named: JSON = {"name": fixture.name, "title": fixture.title, "service": fixture.service}
    return named | {"body": moved_to(fixture, today)}


def _condition(group: ConditionGroup, knowledge: Knowledge) -> JSON:
    return {"id": group.id, "name": group.name, "coding": code_of(group, knowledge)}


def _lab(lab: LabFact) -> JSON:
    """`units` (code and how it is written) are what a result may be given in; the first is the one that cards show."""
    own = lab.unit if lab.unit.lower() in lab.units else next(iter(lab.units))
    units = [{"code": own, "name": lab.unit}]
    units += [{"code": code, "name": _WRITTEN[code]} for code in lab.units if code in _WRITTEN and code != own.lower()]
    return {"id": lab.id, "name": lab.name, "loinc": list(lab.loinc), "units": units}
