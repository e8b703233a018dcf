"""What one drug comes to over the orders of a session and the products that go on beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cds_service.core.dosing import NO_DOSE
from cds_service.core.products import goes_on_with
from cds_service.core.values import DailyDose, Medication, Participant

DosesOf = Callable[[Medication], Mapping[str, DailyDose]]
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Total:
    """mg of one drug after the session; `problem` says why an order could not be counted.

    `taken` is the part that other products bring which are taken already.
    """

    mg: Decimal
    problem: str = ""
    taken: Decimal = _NOTHING


def total_of(participant: Participant, medications: tuple[Medication, ...], doses: DosesOf) -> Total:
    """Two orders of one drug are one dose, and so is what is taken in another product (a combination) and goes on.

    It is the same total whether the drug or its partner is ordered. An order that states none does not lessen what the
    others state. A drug that ends stands for itself.
    """
    name, medication = participant.ingredient, participant.medication
    own, own_problem = _stated(medication, name, doses)
    if medication.role not in ("ordering", "taking"):
        return Total(own, own_problem)
    taken = _going_on(name, medication.route, medications, doses)
    mg, problem = taken, own_problem
    for order in medications:
        if is_order_of(order, name, medication.route):
            ordered, why = _stated(order, name, doses)
            mg, problem = mg + ordered, why or problem
    return Total(mg, problem, taken if medication.role == "ordering" else max(mg - own, _NOTHING))


def is_order_of(medication: Medication, name: str, route: str) -> bool:
    """Whether it is an order of this session (selected or not) for the drug by this route."""
    return medication.role == "ordering" and name in medication.ingredients and medication.route == route


def _going_on(name: str, route: str, medications: tuple[Medication, ...], doses: DosesOf) -> Decimal:
    """What is taken already in products that no order of the session goes on with."""
    orders = [m for m in medications if m.role == "ordering"]
    most: dict[tuple[object, ...], dict[str, Decimal]] = {}
    for medication in medications:
        is_taken = medication.role == "taking" and medication.route == route and name in medication.ingredients
        if is_taken and not any(goes_on_with(order, medication) for order in orders):
            forms, form = most.setdefault(medication.kind_of_product, {}), medication.form_group
            forms[form] = max(forms.get(form, _NOTHING), _stated(medication, name, doses)[0])
    return sum((_over_forms(forms) for forms in most.values()), _NOTHING)


def _over_forms(forms: dict[str, Decimal]) -> Decimal:
    """Tablets and injection add up; a record without a form may tell of either."""
    stated = sum((mg for form, mg in forms.items() if form), _NOTHING)
    return max(stated, forms.get("", _NOTHING))


def _stated(medication: Medication, name: str, doses: DosesOf) -> tuple[Decimal, str]:
    dose = doses(medication).get(name, NO_DOSE)
    return (_NOTHING, dose.problem) if dose.mg is None else (dose.mg, "")
