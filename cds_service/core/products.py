"""Whether an order goes on with what is taken, or comes beside it."""

from __future__ import annotations

from cds_service.core.values import Medication


def goes_on_with(order: Medication, taken: Medication) -> bool:
    """The same drugs by the same route and release. An order or record that states no form may be either release."""
    if order.ingredients != taken.ingredients or order.route != taken.route:
        return False
    return order.kind_of_product == taken.kind_of_product or not (_states_form(order) and _states_form(taken))


def _states_form(medication: Medication) -> bool:
    product = medication.product
    return product is not None and (bool(product.form) or product.extended_release)
