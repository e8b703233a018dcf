"""What the form says of the patient, as typed -> values, or sentences about what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

SEXES = ("female", "male")
OLDEST = 120  # years
HIGHEST_EGFR = 250  # mL/min/1.73 m²
_NUMBER = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Patient:
    """Age in years, sex ("" is not stated), eGFR in mL/min/1.73 m² of today.

    `starts_all`: nothing of the list is taken yet; else all of it is.
    """

    age: int | None = None
    sex: str = ""
    egfr: Decimal | None = None
    starts_all: bool = False


def read_patient(form: Mapping[str, str]) -> tuple[Patient, tuple[str, ...]]:
    """The patient of a form, and what of it cannot be read."""
    problems: list[str] = []
    age = _number(form, "age", f"Age is whole years from 0 to {OLDEST}.", problems)
    if age is not None and (age > OLDEST or age != int(age)):
        problems.append(f"Age is whole years from 0 to {OLDEST}.")
    egfr = _number(form, "egfr", f"eGFR is a number from 1 to {HIGHEST_EGFR}.", problems)
    if egfr is not None and not 1 <= egfr <= HIGHEST_EGFR:
        problems.append(f"eGFR is a number from 1 to {HIGHEST_EGFR}.")
    sex = form.get("sex", "")
    if sex not in ("", *SEXES):
        problems.append("Sex is female, male or left open.")
    if problems:
        return Patient(), tuple(problems)
    return Patient(None if age is None else int(age), sex, egfr, form.get("use") == "new"), ()


def _number(form: Mapping[str, str], name: str, allowed: str, problems: list[str]) -> Decimal | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        problems.append(allowed)
        return None
    return Decimal(text.replace(",", "."))
