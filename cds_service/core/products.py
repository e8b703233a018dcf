"""Whether two medications are one product: what an order goes on with, and what a stop order ends."""

from __future__ import annotations

from cds_service.core.values import Medication

# A patch is on beside what is swallowed. Tablets that follow an infusion, or bridge to a depot, are no second product.
_WORN = "transdermal"


def goes_on_with(order: Medication, taken: Medication) -> bool:
    """The same drugs by the same route and release, both as a patch or neither.

    An order or record that states no form may be a patch, and of either release.
    """
    if order.ingredients != taken.ingredients or order.route != taken.route:
        return False
    if _WORN in (order.form_group, taken.form_group) and not _may_be_one_form(order, taken):
        return False
    return order.is_lasting == taken.is_lasting or not (order.states_form and taken.states_form)


def is_ended_with(taken: Medication, ended: Medication) -> bool:
    """The same drugs by the same route and release, in forms of one group: a stopped tablet leaves the patch on.

    A form that is in no group, or is not stated, may be of any.
    """
    return taken.kind_of_product == ended.kind_of_product and _may_be_one_form(taken, ended)


def _may_be_one_form(one: Medication, other: Medication) -> bool:
    return one.form_group == other.form_group or not (one.form_group and other.form_group)
