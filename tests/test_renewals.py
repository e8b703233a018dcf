"""Unchanged renewals: what counts as one, what its card still says, and that no running drug ends by one click."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import JSON, answer_of, hook_call, orders_in, rules_of, suggestions_of

ISOTRETINOIN = {"drug": "isotretinoin 20 MG Oral Capsule", "dose": "1 capsule", "times_a_day": 1}
SIMVASTATIN = {"drug": "simvastatin 20 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
GEMFIBROZIL = {"drug": "gemfibrozil 600 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}
TACROLIMUS = {"drug": "tacrolimus 1 MG Oral Capsule", "dose": "1 capsule", "times_a_day": 2}
FLECAINIDE = {"drug": "flecainide acetate 100 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}
RITONAVIR = {"drug": "ritonavir 100 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}
POTASSIUM = {
    "drug": "potassium chloride 20 MEQ Extended Release Oral Tablet",
    "dose": "1 tablet",
    "times_a_day": 1,
}
LISINOPRIL = {"drug": "lisinopril 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
IN_WORDS = {"drug": "gabapentin 300 MG Oral Capsule", "sig": "One capsule as the pain clinic said"}
LORAZEPAM = {"drug": "lorazepam 1 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
PATCH = {"drug": "72 HR fentanyl 0.025 MG/HR Transdermal System", "sig": "1 patch every 3 days"}
PREGNANT = {"age": 25, "sex": "female", "egfr": 95, "conditions": ["pregnancy"]}
OLD = {"age": 70, "egfr": 50}


def lead_of(answer: JSON, rule: str) -> JSON:
    """The card that this rule leads."""
    return next(card for card in answer["cards"] if rules_of(card)[0]["id"] == rule)


def labels_of(answer: JSON, kind: str) -> list[str]:
    """The buttons of one kind, in their order."""
    return [str(suggestion["label"]) for suggestion in suggestions_of(answer, kind)]


def test_a_critical_renewal_keeps_its_advice(client: FlaskClient, knowledge: Knowledge) -> None:
    """Isotretinoin in pregnancy: that it is a renewal comes first, what to do follows, and there is no partner."""
    answer = answer_of(client, hook_call(knowledge, [ISOTRETINOIN], [ISOTRETINOIN], PREGNANT))
    card = lead_of(answer, "isotretinoin-pregnancy")
    assert card["indicator"] == "critical"
    assert card["detail"].startswith("Unchanged renewal, or a lower dose.\n\nDo not order isotretinoin in pregnancy")
    assert "partner" not in card["detail"]
    assert "Review it as usual" not in card["detail"]
    assert labels_of(answer, "delete") == ["Remove the isotretinoin order"]


def test_the_renewal_of_a_pair_names_the_partner(client: FlaskClient, knowledge: Knowledge) -> None:
    """Simvastatin beside gemfibrozil stays critical, with its advice."""
    answer = answer_of(client, hook_call(knowledge, [SIMVASTATIN], [SIMVASTATIN, GEMFIBROZIL]))
    card = lead_of(answer, "simvastatin-gemfibrozil-cyclosporine-danazol")
    assert card["indicator"] == "critical"
    renewal, advice = card["detail"].split("\n\n")[:2]
    assert renewal.endswith("with the same partner.")
    assert advice.startswith("Do not combine the two")


def test_a_quiet_renewal_says_only_that_it_is_one(client: FlaskClient, knowledge: Knowledge) -> None:
    """What a warning would say of the start is left out; a new order says it."""
    line = PATCH | {"sig": "1 patch every 3 days"}
    quiet = lead_of(
        answer_of(client, hook_call(knowledge, [line], [line, LORAZEPAM])),
        "opioid-benzodiazepine",
    )
    new = lead_of(answer_of(client, hook_call(knowledge, [line], [LORAZEPAM])), "opioid-benzodiazepine")
    assert (quiet["indicator"], new["indicator"]) == ("info", "warning")
    assert "with the same partner. Review it as usual" in quiet["detail"]
    assert "naloxone" not in quiet["detail"]
    assert "naloxone" in new["detail"]


@pytest.mark.parametrize(
    ("renewed", "others"),
    [
        (TACROLIMUS, ["darunavir 800 MG Oral Tablet", RITONAVIR]),
        (FLECAINIDE, [RITONAVIR]),
        (
            {"drug": "phenelzine 15 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 3},
            ["sertraline 50 MG Oral Tablet"],
        ),
    ],
    ids=["tacrolimus", "flecainide", "phenelzine"],
)
def test_no_button_ends_a_running_drug_of_a_pair(
    client: FlaskClient, knowledge: Knowledge, renewed: JSON, others: list[Any]
) -> None:
    """A new order of the same drug may be removed; a renewal of a pair that runs may not."""
    again = answer_of(client, hook_call(knowledge, [renewed], [renewed, *others]))
    assert again["cards"][0]["indicator"] == "critical"
    assert labels_of(again, "delete") == []
    assert len(labels_of(answer_of(client, hook_call(knowledge, [renewed], others)), "delete")) == 1


def test_of_a_renewed_and_a_new_drug_only_the_new_one_may_be_removed(client: FlaskClient, knowledge: Knowledge) -> None:
    """Ritonavir added to flecainide that is renewed in the same session."""
    answer = answer_of(client, hook_call(knowledge, [FLECAINIDE, RITONAVIR], [FLECAINIDE]))
    assert labels_of(answer, "delete") == ["Remove the ritonavir order"]


def test_a_transplant_medicine_that_runs_is_not_removed_at_another_dose(
    client: FlaskClient, knowledge: Knowledge
) -> None:
    """A raised dose of tacrolimus is no renewal, but without its order the drug would end."""
    more = TACROLIMUS | {"dose": "2 capsules"}
    raised = answer_of(client, hook_call(knowledge, [more], [TACROLIMUS, RITONAVIR]))
    assert raised["cards"][0]["indicator"] == "critical"
    assert labels_of(raised, "delete") == []


@pytest.mark.parametrize(
    ("order", "other", "rule", "facts"),
    [
        (POTASSIUM, LISINOPRIL, "ras-inhibitor-potassium-supplement", OLD),
        (IN_WORDS, "baclofen 10 MG Oral Tablet", "gabapentin-baclofen-cns-depression", OLD),
        (PATCH, LORAZEPAM, "opioid-benzodiazepine", {"age": 40, "egfr": 95}),
        (
            {"drug": "enoxaparin sodium 40 MG in 0.4 ML Prefilled Syringe", "sig": "40 mg once daily"},
            "ibuprofen 400 MG Oral Tablet",
            "injected-anticoagulant-nsaid-antiplatelet",
            OLD,
        ),
    ],
    ids=["milliequivalents", "instructions in words", "patch", "syringe"],
)
def test_the_same_product_by_the_same_instructions_is_a_renewal(
    client: FlaskClient, knowledge: Knowledge, order: JSON, other: Any, rule: str, facts: JSON
) -> None:
    """Where no dose can be worked out, the same order again is unchanged and one that is not taken yet is new."""
    again = lead_of(answer_of(client, hook_call(knowledge, [order], [order, other], facts)), rule)
    new = lead_of(answer_of(client, hook_call(knowledge, [order], [other], facts)), rule)
    assert "Unchanged renewal" in again["detail"]
    assert "Unchanged renewal" not in new["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"drug": "potassium chloride 10 MEQ Extended Release Oral Tablet"},
        {"drug": "potassium chloride 20 MEQ Oral Tablet"},
        {"drug": "potassium chloride Extended Release Oral Tablet"},
        {"times_a_day": 2},
        {"dose": "2 tablets"},
        {"sig": "twice daily for a week"},
    ],
    ids=str,
)
def test_any_difference_makes_it_a_new_order(client: FlaskClient, knowledge: Knowledge, change: JSON) -> None:
    """Another strength, form, dose, frequency or text, or a strength that is not stated."""
    answer = answer_of(client, hook_call(knowledge, [POTASSIUM | change], [POTASSIUM, LISINOPRIL], OLD))
    card = lead_of(answer, "ras-inhibitor-potassium-supplement")
    assert card["indicator"] == "warning"
    assert "Unchanged renewal" not in card["detail"]


def test_instructions_that_say_nothing_are_no_renewal(client: FlaskClient, knowledge: Knowledge) -> None:
    """Neither order states how much: nobody knows whether it is the same."""
    bare = {"drug": POTASSIUM["drug"]}
    answer = answer_of(client, hook_call(knowledge, [bare], [bare, LISINOPRIL], OLD))
    assert lead_of(answer, "ras-inhibitor-potassium-supplement")["indicator"] == "warning"


def test_a_new_rate_of_infusion_is_a_new_order(client: FlaskClient, knowledge: Knowledge) -> None:
    """The same words at 4 instead of 2 mg an hour; at the same rate it is a renewal, whatever its period."""
    line = {
        "drug": "morphine sulfate 1 MG/ML Injectable Solution",
        "sig": "continuous infusion",
        "route": "intravenous",
    }
    body = hook_call(knowledge, [line], [line, LORAZEPAM])
    (order,) = orders_in(body)
    taken = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    taken["dosageInstruction"][0]["doseAndRate"] = [{"rateQuantity": {"value": 2, "unit": "mg/h"}}]
    order["dosageInstruction"][0]["timing"] = {"repeat": {"boundsPeriod": {"end": "2027-01-31"}}}
    found = []
    for rate in (2, 4):
        order["dosageInstruction"][0]["doseAndRate"] = [{"rateQuantity": {"value": rate, "unit": "mg/h"}}]
        found.append(lead_of(answer_of(client, body), "opioid-benzodiazepine")["indicator"])
    assert found == ["info", "warning"]


def test_two_orders_in_words_are_no_renewal_of_one(client: FlaskClient, knowledge: Knowledge) -> None:
    """The same patch ordered twice is twice the dose."""
    answer = answer_of(client, hook_call(knowledge, [PATCH, PATCH], [PATCH, LORAZEPAM]))
    assert lead_of(answer, "opioid-benzodiazepine")["indicator"] == "warning"


def test_a_statement_without_instructions_does_not_hide_the_prescription(
    client: FlaskClient, knowledge: Knowledge
) -> None:
    """The chart tells the same tablet twice, once without saying how it is taken."""
    bare = {"drug": POTASSIUM["drug"]}
    for taking in ([bare, POTASSIUM, LISINOPRIL], [POTASSIUM, bare, LISINOPRIL]):
        answer = answer_of(client, hook_call(knowledge, [POTASSIUM], taking, OLD))
        assert lead_of(answer, "ras-inhibitor-potassium-supplement")["indicator"] == "info"
