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
    groups = {order.form_group, taken.form_group}
    if _WORN in groups and len(groups - {""}) > 1:
        return False
    return _is_lasting(order) == _is_lasting(taken) or not (order.states_form and taken.states_form)


def is_ended_with(taken: Medication, ended: Medication) -> bool:
    """The same drugs by the same route and release, in forms of one group: a stopped tablet leaves the patch on.

    A form that is in no group, or is not stated, may be of any.
    """
    *what, group = taken.kind_of_product
    *ended_what, ended_group = ended.kind_of_product
    return what == ended_what and (group == ended_group or not (group and ended_group))


def _is_lasting(medication: Medication) -> bool:
    return medication.product is not None and medication.product.extended_release
