"""What is on file about a person of the cohort: problem list, results, and which medications carry a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from cds_service.cohort.frequencies import Condition, Frequencies
from cds_service.cohort.values import Listed, Order, Person, Result, Signing, Taken


def finished(rng: Random, figures: Frequencies, signing: Signing) -> Signing:
    """The signing with its chart filled in."""
    return _Chart(rng, figures.people).fill(signing)


def creatinine_of(egfr: float, age: int, is_female: bool) -> float:
    """Serum creatinine in mg/dL that gives this eGFR: CKD-EPI 2021 (Inker et al., NEJM 2021;385:1737) solved for it."""
    kappa, alpha, sex = (0.7, -0.241, 1.012) if is_female else (0.9, -0.302, 1.0)
    ratio = egfr / (142 * 0.9938**age * sex)
    return float(kappa * ratio ** (1 / (-1.2 if ratio < 1 else alpha)))


@dataclass(frozen=True, slots=True)
class _Chart:
    rng: Random
    people: Mapping[str, Any]

    def fill(self, signing: Signing) -> Signing:
        stage = self._stage(signing.person)
        person = replace(
            signing.person,
            taken=tuple(self._recorded(taken) for taken in signing.person.taken),
            listed=self._problems(signing.person, stage),
        )
        person = replace(person, results=tuple(self._results(person, stage)))
        return Signing(person, tuple(replace(order, coded=self._is_coded(order)) for order in signing.orders))

    def _recorded(self, taken: Taken) -> Taken:
        stated = taken.drug.over_the_counter and self._chance(self.people["signing"]["over_the_counter"]["share"])
        return replace(taken, stated=stated, coded=self._is_coded(taken))

    def _is_coded(self, entry: Taken | Order) -> bool:
        return self._chance(self.people["signing"]["coded"]["share"]) and bool(entry.drug.code)

    def _chance(self, share: float) -> bool:
        return self.rng.random() < share

    # --- Problems --------------------------------------------------------------------------------------

    def _stage(self, person: Person) -> int:
        """Stage of kidney disease, 1 to 5; 0 without."""
        kidney = self.people["kidney"]
        if all(condition.id != kidney["condition"] for condition in person.conditions):
            return 0
        shares = kidney["stages"]["from_65" if person.age >= kidney["stages"]["old_from"] else "under_65"]
        return int(self.rng.choices(range(1, 6), shares)[0])

    def _problems(self, person: Person, stage: int) -> tuple[Listed, ...]:
        return tuple(
            self._kidney_problem(condition, stage) if self._is_kidney(condition) else self._problem(condition)
            for condition in person.conditions
            if self._chance(self._listed(condition, stage))
        )

    def _is_kidney(self, condition: Condition) -> bool:
        return bool(condition.id == self.people["kidney"]["condition"])

    def _listed(self, condition: Condition, stage: int) -> float:
        chart = self.people["chart"]
        if self._is_kidney(condition):
            return float(chart["kidney_disease_listed"]["share"][stage - 1])
        return float(chart["listed"]["acute" if condition.short else "chronic"])

    def _problem(self, condition: Condition) -> Listed:
        chart = self.people["chart"]
        if self._chance(chart["uncoded"]["share"]):
            return Listed(condition.name)
        icd10 = condition.icd10 if self._chance(chart["icd10"]["share"]) else ""
        return Listed(condition.name, condition.snomed, icd10)

    def _kidney_problem(self, condition: Condition, stage: int) -> Listed:
        codes = self.people["kidney"]["stage_codes"]
        return Listed(f"{condition.name} stage {stage}", codes["snomed"][stage - 1], codes["icd10"][stage - 1])

    # --- Results ---------------------------------------------------------------------------------------

    def _results(self, person: Person, stage: int) -> list[Result]:
        found = self._kidney_results(person, stage)
        figures = self.people["results"]
        for level in figures["levels"]:
            if self._takes(person, level["drug"]) and self._chance(level["on_file"]):
                found.append(self._normal(level["loinc"], level, level["unit"], 180))
        if self._takes(person, figures["inr"]["drug"]) and self._chance(figures["inr"]["on_file"]):
            found.append(Result(self.people["loinc"]["inr"], self._inr(), "{INR}", self.rng.randint(1, 40)))
        if self._chance(figures["weight"]["on_file"]):
            curve = {"mean": figures["weight"]["female" if person.is_female else "male"]} | figures["weight"]
            found.append(self._normal(self.people["loinc"]["weight"], curve, "kg", 300))
        return found

    def _takes(self, person: Person, drug: str) -> bool:
        """Whether a drug on the chart is the one that a level is measured for."""
        return any(taken.drug.text.startswith(drug) for taken in person.taken)

    def _kidney_results(self, person: Person, stage: int) -> list[Result]:
        kidney, codes = self.people["kidney"], self.people["loinc"]
        days = self._days_since_test(person)
        if not days:
            return []
        egfr = self._egfr(person, stage)
        creatinine = creatinine_of(egfr, person.age, person.is_female)
        found = [Result(codes["creatinine"], round(creatinine, 2), "mg/dL", days)]
        if not self._chance(kidney["creatinine_only"]["share"]):
            found.append(Result(codes["egfr"], round(egfr), "mL/min/{1.73_m2}", days))
        figures = self.people["results"]
        potassium = figures["potassium"] | ({"mean": figures["potassium"]["mean_reduced"]} if stage > 2 else {})
        found.append(replace(self._normal(codes["potassium"], potassium, "mmol/L", 1), days_ago=days))
        sodium = self._normal(codes["sodium"], figures["sodium"], "mmol/L", 1)
        return [*found, replace(sodium, value=round(sodium.value), days_ago=days)]

    def _days_since_test(self, person: Person) -> int:
        """0 where no kidney function was ever measured."""
        kidney = self.people["kidney"]
        reasons = kidney["tested_when_indicated"]
        indicated = any(condition.id in reasons["conditions"] for condition in person.conditions)
        share = reasons["share"] if indicated else kidney["tested"]["share"][person.band]
        if self._chance(share):
            return self.rng.randint(2, 350)
        return self.rng.randint(400, 1080) if self._chance(kidney["older_result"]["share"]) else 0

    def _egfr(self, person: Person, stage: int) -> float:
        kidney = self.people["kidney"]
        if stage:
            lowest, highest = kidney["stages"]["egfr"][stage - 1]
            return self.rng.triangular(lowest, highest, highest)
        drawn = self.rng.gauss(kidney["mean"]["egfr"][person.band], kidney["spread"]["egfr"])
        return min(max(drawn, 60.0), 130.0)

    def _inr(self) -> float:
        figures = self.people["results"]["inr"]
        dice = self.rng.random()
        if dice < figures["below_2"]:
            return round(self.rng.uniform(1.2, 1.9), 1)
        if dice > 1 - figures["above_3"]:
            return round(self.rng.uniform(3.1, 4.6), 1)
        return round(self.rng.uniform(2.0, 3.0), 1)

    def _normal(self, loinc: str, curve: Mapping[str, Any], unit: str, days: int) -> Result:
        """A value of a normal curve, without its far ends, of one of the last days."""
        mean, far = curve["mean"], 2.5 * curve["spread"]
        value = min(max(self.rng.gauss(mean, curve["spread"]), mean - far), mean + far)
        return Result(loinc, round(value, 1), unit, self.rng.randint(1, days))
