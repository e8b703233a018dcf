"""The synthetic cohort: what its files must be, and what it must be like to stand for real prescribing."""

from __future__ import annotations

import json
import re
import statistics
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from cds_service.cohort.chart import creatinine_of
from cds_service.cohort.drawing import draw_signings
from cds_service.cohort.frequencies import Frequencies, read_frequencies
from cds_service.cohort.values import Person, Signing
from cds_service.core.facts import ckd_epi_2021
from cds_service.core.naming import read_name
from cds_service.core.values import Knowledge
from cds_service.fixtures import fixtures_folder
from tests.commands import DAY, refusal, run
from tests.helpers import answer_of, notices_of, strict_json

FOLDER = fixtures_folder() / "cohort"
MANY = 1500


@pytest.fixture(scope="module")
def figures() -> Frequencies:
    """The frequency files as released."""
    return read_frequencies(FOLDER)


@pytest.fixture(scope="module")
def signings(figures: Frequencies) -> list[Signing]:
    """Enough signings for shares to be steady."""
    return list(draw_signings(figures, 7, MANY))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort as the command line writes it."""
    folder = tmp_path_factory.mktemp("cohort") / "one"
    result = run("cohort", "--seed", "3", "--patients", "120", "--today", DAY, str(folder))
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"Wrote 120 hook calls of seed 3")
    return folder


# --- The figures and their sources ----------------------------------------------------------------------------


def test_every_figure_names_a_source() -> None:
    """A source is a title and an https address; what has none is called our assumption and gives its reason."""
    sources = yaml.safe_load((FOLDER / "sources.yaml").read_text())
    for name, source in sources.items():
        assert source["title"]
        assert source["seen"]
        assert name == "assumption" or source["url"].startswith("https://"), name
    text = "".join((FOLDER / file).read_text() for file in ("people.yaml", "conditions.yaml", "drugs.yaml"))
    assert set(re.findall(r"source: ([\w-]+)", text)) <= set(sources)
    for path in ("conditions.yaml", "drugs.yaml"):
        entries = yaml.safe_load((FOLDER / path).read_text())
        for entry in entries.values() if isinstance(entries, dict) else entries:
            assert entry["source"] != "assumption" or entry["note"], entry


def test_the_shares_of_a_drug_and_of_a_choice_add_up(figures: Frequencies) -> None:
    """What a drug is taken for adds up to all of its people, and so do the orders of a signing and the stages."""
    for drug in figures.drugs:
        assert sum(share for _, share in drug.uses) == pytest.approx(1), drug.text
        assert all(name in figures.conditions for name, _ in drug.uses), drug.text
    assert sum(figures.people["signing"]["orders"]["share"]) == pytest.approx(1)
    for age in ("under_65", "from_65"):
        assert sum(figures.people["kidney"]["stages"][age]) == pytest.approx(1)


def test_the_dictionary_reads_every_product_in_full(figures: Frequencies, knowledge: Knowledge) -> None:
    """No word of a product text is unread, and a code is the code of exactly that product."""
    for drug in figures.drugs:
        product = read_name(drug.text, knowledge.vocabulary)
        assert product.ingredients, drug.text
        assert product.unread == (), drug.text
        if drug.code:
            assert knowledge.vocabulary.products[drug.code] == drug.text


def test_the_codes_of_a_condition_mean_that_condition(knowledge: Knowledge) -> None:
    """A SNOMED CT or ICD-10-CM code of the cohort is one of the fact it names in cards/facts.yaml."""
    for name, entry in yaml.safe_load((FOLDER / "conditions.yaml").read_text()).items():
        if "fact" not in entry:
            assert "snomed" not in entry, name
            continue
        group = knowledge.conditions[entry["fact"]]
        assert "snomed" not in entry or entry["snomed"] in group.snomed, name
        assert entry.get("icd10", group.icd10[0]).replace(".", "").startswith(group.icd10), name


def test_150_drugs_or_more_and_the_commonest_ones_first(figures: Frequencies, signings: list[Signing]) -> None:
    """The drugs of the survey are there, and what is ordered most is among what is bought most."""
    assert len(figures.drugs) >= 150
    bought = sorted(figures.drugs, key=lambda drug: -drug.fills)
    ordered = [order.drug for signing in signings for order in signing.orders]
    commonest = sorted(set(ordered), key=ordered.count, reverse=True)[:10]
    assert {drug.text for drug in commonest} <= {drug.text for drug in bought[:60]}


# --- The people ---------------------------------------------------------------------------------------------------


def test_older_people_take_five_drugs_or_more(signings: list[Signing]) -> None:
    """The median at 65 and over is at least 5, and fewer are taken in younger years."""
    older = statistics.median(len(s.person.taken) for s in signings if s.person.age >= 65)
    younger = statistics.median(len(s.person.taken) for s in signings if s.person.age < 45)
    assert older >= 5
    assert younger < older


def test_a_third_has_kidney_disease_or_no_kidney_function_on_file(
    figures: Frequencies, signings: list[Signing]
) -> None:
    """At least 30 %, and neither of the two reasons alone makes it up."""
    reduced = [_has_kidney_disease(s.person, figures) for s in signings]
    unknown = [_has_no_kidney_function(s.person, figures) for s in signings]
    either = [a or b for a, b in zip(reduced, unknown, strict=True)]
    assert sum(either) >= 0.3 * MANY
    assert 0.05 * MANY < sum(reduced) < sum(either)
    assert 0.05 * MANY < sum(unknown) < sum(either)


def _has_kidney_disease(person: Person, figures: Frequencies) -> bool:
    code = figures.people["loinc"]["egfr"]
    return any(r.loinc == code and r.value < 60 for r in person.results) or any(
        problem.snomed in figures.people["kidney"]["stage_codes"]["snomed"] for problem in person.listed
    )


def _has_no_kidney_function(person: Person, figures: Frequencies) -> bool:
    codes = [figures.people["loinc"][name] for name in ("egfr", "creatinine")]
    return not any(r.loinc in codes and r.days_ago <= 365 for r in person.results)


def test_drugs_follow_conditions(signings: list[Signing]) -> None:
    """Nobody takes a long-term drug without one of the conditions it is taken for; one of a class is the most."""
    for signing in signings:
        had = {condition.id for condition in signing.person.conditions}
        for taken in signing.person.taken:
            assert taken.drug.days or had & {name for name, _ in taken.drug.uses}, taken.drug.text
        families = [taken.drug.family for taken in signing.person.taken]
        assert len(families) == len(set(families))


def test_short_illnesses_come_with_their_drugs(signings: list[Signing]) -> None:
    """Nobody has an infection or a sprain on the list without a drug for it, taken or ordered."""
    entries = yaml.safe_load((FOLDER / "conditions.yaml").read_text())
    short = {name for name, entry in entries.items() if "profile" in entry}
    for signing in signings:
        drugs = [taken.drug for taken in signing.person.taken] + [order.drug for order in signing.orders]
        had = short & {condition.id for condition in signing.person.conditions}
        assert had <= {name for drug in drugs for name, _ in drug.uses}


def test_orders_are_new_renewed_and_changed(signings: list[Signing]) -> None:
    """About half of the orders renew a drug, some change its dose, and half of these say which order they follow."""
    orders = [order for signing in signings for order in signing.orders]
    kinds = [order.kind for order in orders]
    assert 0.4 < kinds.count("renewal") / len(orders) < 0.7
    assert 0.02 < kinds.count("change") / len(orders) < 0.1
    assert kinds.count("start") > 0
    assert kinds.count("course") > 0
    again = [order.linked for order in orders if order.kind in ("renewal", "change")]
    assert 0.4 < sum(again) / len(again) < 0.6
    assert not any(order.linked for order in orders if order.kind in ("start", "course"))


@pytest.mark.parametrize(
    ("egfr", "age", "is_female"), [(60, 60, True), (60, 60, False), (105, 40, False), (12, 88, True), (125, 25, False)]
)
def test_creatinine_is_that_of_the_egfr(egfr: float, age: int, is_female: bool) -> None:
    """The service's own equation, given the creatinine of the cohort, gives back the eGFR that was drawn."""
    creatinine = Decimal(str(creatinine_of(egfr, age, is_female)))
    assert float(ckd_epi_2021(creatinine, Decimal(age), is_female)) == pytest.approx(egfr, abs=0.01)


# --- The files ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """Two runs agree file by file; another seed gives other people."""
    run("cohort", "--seed", "3", "--patients", "120", "--today", DAY, str(tmp_path / "again"))
    run("cohort", "--seed", "4", "--patients", "120", "--today", DAY, str(tmp_path / "other"))
    assert _contents(tmp_path / "again") == _contents(written)
    assert _contents(tmp_path / "other") != _contents(written)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_call_is_answered_and_every_medication_read(written: Path, client: FlaskClient) -> None:
    """200 for all, and no notice that an order or a current drug was not read."""
    assert len(list(written.iterdir())) == 120
    for path in sorted(written.iterdir()):
        unread = {"order-not-checked", "current-drug-not-read", "code-and-text-disagree", "current-drug-disagrees"}
        assert unread.isdisjoint(notices_of(answer_of(client, path.read_bytes()))), path.name


def test_the_calls_look_like_those_of_a_client(written: Path) -> None:
    """Unique hook instances, every part of the chart, and links to orders that are on the chart."""
    bodies = [json.loads(path.read_text()) for path in written.iterdir()]
    assert len({body["hookInstance"] for body in bodies}) == len(bodies)
    linked = 0
    for body in bodies:
        current = {f"MedicationRequest/{r['id']}" for r in _resources(body["prefetch"]["medicationRequests"])}
        for order in _resources(body["context"]["draftOrders"]):
            prior = order.get("priorPrescription", {}).get("reference")
            linked += prior is not None
            assert prior is None or prior in current
            assert order["status"] == "draft"
        assert strict_json(json.dumps(body).encode()) == body
    assert linked > 10


def _resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_a_folder_with_files_in_it_is_refused(written: Path, tmp_path: Path) -> None:
    """Nothing is overwritten; a folder that cannot be made and a silly number are told too."""
    assert "is not empty" in refusal(run("cohort", str(written)))
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot be used as a folder" in refusal(run("cohort", str(file)))
    assert "at least 1" in refusal(run("cohort", "--patients", "0", str(tmp_path / "new")))
