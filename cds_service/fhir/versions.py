"""The versions of FHIR that are read, and which of them a hook call is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cds_service.core.values import JSON, ConditionEntry, MedicationEntry
from cds_service.fhir import dstu2, r4, r5, stu3
from cds_service.fhir.detection import DSTU2, PREFERRED, R4, R5, STU3, possible_versions
from cds_service.fhir.medication import Place


@dataclass(frozen=True, slots=True)
class Version:
    """The reader of one version, and how an order is written in it (None: no order can be)."""

    name: str
    read_medication: Callable[[JSON, Place], MedicationEntry]
    read_condition: Callable[[JSON], ConditionEntry | None]
    write_order: Callable[[JSON], JSON] | None


VERSIONS = {
    version.name: version
    for version in (
        Version(R4, r4.read_medication, r4.read_condition, r4.write_order),
        Version(R5, r5.read_medication, r5.read_condition, r5.write_order),
        Version(STU3, stu3.read_medication, stu3.read_condition, stu3.write_order),
        Version(DSTU2, dstu2.read_medication, dstu2.read_condition, None),
    )
}


@dataclass(frozen=True, slots=True)
class CallVersion:
    """The version a call is in, and with it that of each resource.

    `agreed` is False where the drafts are of different versions: no new order is written then. `fits_all`: no resource
    of the call is of another version than `main`.
    """

    main: Version
    agreed: bool
    fits_all: bool

    @property
    def may_create(self) -> bool:
        """Whether a new order can be written that the client can read."""
        return self.agreed and self.main.write_order is not None

    def of(self, resource: JSON) -> Version:
        """The version of one resource: that of the call wherever it fits."""
        if self.fits_all:
            return self.main
        possible = possible_versions(resource)
        return self.main if not possible or self.main.name in possible else VERSIONS[possible[0]]


def settle_version(drafts: Iterable[JSON], chart: Iterable[JSON], notes: list[str]) -> CallVersion:
    """The version that fits all drafts and as much of the chart as it can.

    What fits several is R4, unless something leans to another. A call that no version fits is noted.
    """
    ordered = set(map(possible_versions, drafts)) - {()}
    found = ordered | set(map(possible_versions, chart)) - {()}
    by_drafts, everywhere = _common(ordered), _common(found)
    if not everywhere:
        names = {p[0] for p in found if len(p) == 1} or {p[0] for p in found}
        listed = ", ".join(version for version in PREFERRED if version in names)
        notes.append(f"resources of several versions of FHIR ({listed}); each was read as what it is")
    main = _likeliest(everywhere or by_drafts or PREFERRED, found)
    return CallVersion(VERSIONS[main], agreed=bool(by_drafts), fits_all=bool(everywhere))


def _common(possible: set[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(version for version in PREFERRED if all(version in p for p in possible))


def _likeliest(candidates: tuple[str, ...], possible: set[tuple[str, ...]]) -> str:
    """The candidate that something leans to, against the usual preference; else the preferred one."""
    leaning = {p[0] for p in possible if p != tuple(v for v in PREFERRED if v in p)}
    return next((version for version in candidates if version in leaning), candidates[0])
