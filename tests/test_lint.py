"""`cds-service lint` over faulty card files: every fault at once, with its file, its place and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands import run
from tests.own_cards import write_cards

JSON = dict[str, Any]
LOUD = {"severity": "major", "indicator": "warning"}
BANDS = [{"label": "a band", "at_least": 60, "max_per_day": 20}, {"label": "another", "below": 60, "max_per_day": 10}]


def faults(folder: Path, *cards: JSON, only: tuple[str, ...] = ()) -> list[str]:
    """What the lint says of a folder with only these cards."""
    result = run("lint", *only, "--cards", str(write_cards(folder, *cards)))
    assert result.returncode == 1, result.stdout
    assert result.stderr == b""
    return result.stdout.decode().splitlines()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"drugs": {"drug": {"any_of": ["methotrexat"]}}},
            'drugs.drug.any_of: "methotrexat" is neither a group nor an ingredient of cards/drugs/',
        ),
        (
            {"drugs": {"drug": {"any_of": ["any-drug"], "score": {"scale": "acb", "at_least": 3}}}},
            'drugs.drug.score: "acb" is not in drugs/scores/. Use acbcalc-2023.',
        ),
        (
            {"when": {"daily_dose": {"object": {"above": 20}}}},
            'when.daily_dose: "object" is no slot of this card. Use drug.',
        ),
        (
            {"when": {"slot_drug": {"object": ["methotrexate"]}}},
            'when.slot_drug: "object" is no slot of this card. Use drug.',
        ),
        (
            {"when": {"without_condition": {"any_of": ["cancers"]}}},
            'when.without_condition: "cancers" is not a condition of facts.yaml',
        ),
        (
            {"when": {"without_drug": {"any_of": ["cancers"]}}},
            'when.without_drug: "cancers" is neither a group nor an ingredient of cards/drugs/',
        ),
        (
            {"dose": {"bands": BANDS}},
            "dose.by: is missing; bands need the fact they are bands of. Use crcl, egfr or age.",
        ),
        (
            {"dose": {"by": "egfr", "bands": [{"label": "one", "below": 60, "max_per_day": 10}]}},
            "dose.bands[0]: a single band holds for everyone. Leave out its bounds, or add other bands.",
        ),
        (
            {
                "drugs": {"object": {"any_of": ["methotrexate"]}, "precipitant": {"any_of": ["amoxicillin"]}},
                "dose": {"bands": BANDS[:1]},
            },
            "dose.drug: is missing; name the slot that is judged: object, precipitant.",
        ),
        (
            {"when": {"days_a_week": {"drug": "sometimes"}}},
            'when.days_a_week.drug: "sometimes" is not allowed. Use unknown.',
        ),
    ],
    ids=str,
)
def test_a_fault_of_a_card_says_where_and_what_is_allowed(tmp_path: Path, change: JSON, fault: str) -> None:
    """Each in one line, beside whatever else is wrong."""
    assert f"cards/interactions/own-card.yaml, {fault}" in faults(tmp_path / "cards", change)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the lint says of a folder in which every card of ODD stands."""
    changes = [{"id": f"own-{number}"} | change for number, (change, _) in enumerate(ODD)]
    return "\n".join(faults(tmp_path_factory.mktemp("odd") / "cards", *changes))


def modifier(age: int) -> JSON:
    """A modifier, each time with the same name."""
    return {"name": "one name", "when": {"age": {"at_least": age}}, "because": "a reason of a test"}


ODD: list[tuple[JSON, str]] = [
    ({"modifiers": [modifier(65), modifier(80)]}, 'modifiers: "one name" stands here 2 times; once is enough.'),
    ({"override_reasons": ["will-monitor"] * 2}, 'override_reasons: "will-monitor" stands here 2 times'),
    (
        {"evidence": [{"key": "acb-data", "supports": "one thing"}, {"key": "acb-data", "supports": "another"}]},
        'evidence: "acb-data" stands here 2 times',
    ),
    (
        {"history": [{"version": 1, "date": "2026-02-30", "change": "first version", "content": ""}]},
        'history[0].date: "2026-02-30" is no date. Use the form 2026-11-22.',
    ),
    (
        {
            "version": 2,
            "history": [
                {"version": 1, "date": "2026-11-23", "change": "first version", "content": "0"},
                {"version": 2, "date": "2026-11-22", "change": "second version", "content": ""},
            ],
        },
        "history[1].date: 2026-11-22 is before the date of the version before it.",
    ),
    (
        {"when": {"any": [{"age": {"above": 65, "below": 12}}, {"sex": "male"}]}},
        "when.any[0].age: no number is within both bounds.",
    ),
    ({"when": {"age": {"above": 65, "at_most": 65}}}, "when.age: no number is within both bounds."),
    ({"when": {"daily_dose": {"drug": {"above": 9, "below": 3}}}}, "when.daily_dose: no number is within both bounds."),
    (
        {"drugs": {"drug": {"any_of": ["methotrexate"], "none_of": ["methotrexate"]}}},
        "drugs.drug: holds no drug: none_of takes away all of any_of.",
    ),
    ({"review": {"written_by": "a test", "reviewed": "None"}}, 'review.reviewed: "None" names nobody.'),
    (
        {"drugs": {"drug": {"any_of": ["methotrexate"], "forms": ["oral tablett"]}}},
        'drugs.drug.forms: "oral tablett" is not a dose form of drugs/dose-forms.yaml',
    ),
    (
        {"drugs": {"drug": {"any_of": ["methotrexate"], "except_brands": ["Trexal"]}}},
        'drugs.drug.except_brands: "Trexal" is not a brand of cards/drugs/',
    ),
    (
        {"when": {"slot_drug": {"drug": ["gabapentin"]}}},
        'when.slot_drug: "gabapentin" is never in the slot drug, so this never holds',
    ),
    ({"consequence": "harm of {drug:d} in a test"}, "consequence: {drug:d} is no placeholder here. Use drug"),
    ({"consequence": "harm of {drug!z} in a test"}, "consequence: {drug!z} is no placeholder here. Use drug"),
    ({"consequence": "harm of {drug: in a test"}, "consequence: a brace that is not closed is no placeholder here."),
]


@pytest.mark.parametrize(("number", "fault"), [(n, fault) for n, (_, fault) in enumerate(ODD)], ids=str)
def test_what_would_do_nothing_or_break_an_answer_is_refused(told: str, number: int, fault: str) -> None:
    """A test that can never hold, a name nobody knows, a date that does not exist: each with its file and its place."""
    assert f"cards/interactions/own-{number}.yaml, {fault}" in told


def test_knowledge_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    """A folder that is gone, another ending, another folder: the rules in them would be missed by nobody."""
    folder = write_cards(tmp_path / "cards", {})
    (folder / "patient-factors").rename(folder / "patient_factors")
    (folder / "patient_factors" / "some.yaml").write_bytes(b"id: some\n")
    (folder / "interactions" / "other.yml").write_bytes(b"id: other\n")
    (folder / "drugs" / "products" / "m.csv").rename(folder / "drugs" / "products" / "m.CSV")
    (folder / "interactions" / "own-card.yaml~").write_bytes(b"what an editor leaves\n")
    (folder / "remarks.md").write_bytes(b"remarks\n")
    told = run("lint", "--cards", str(folder)).stdout.decode()
    for fault in (
        "cards/patient-factors: is missing",
        "cards/patient_factors/some.yaml: is read by nothing here. Card files end in .yaml and stand in interactions,",
        "cards/interactions/other.yml: is read by nothing under this name.",
        "cards/drugs/products/m.CSV: is read by nothing under this name.",
    ):
        assert fault in told
    assert "own-card.yaml~" not in told
    assert "remarks.md" not in told


def test_groups_are_not_empty_and_leave_out_what_exists(tmp_path: Path) -> None:
    """A misspelt exception leaves its drug in, and a group without a drug matches nothing."""
    folder = write_cards(tmp_path / "cards", {})
    rest = "singular: a, plural: as, basis: made up by a test, sources: [acb-data]"
    text = f"own-group: {{members: [methotrexate], except: [methotrexat], {rest}}}\n"
    text += f"own-empty: {{members: [], {rest}}}\nany-drug: {{members: [methotrexate], {rest}}}\n"
    (folder / "drugs" / "groups" / "own.yaml").write_text(text, encoding="utf-8")
    told = run("lint", "--cards", str(folder)).stdout.decode()
    assert 'cards/drugs/groups/own.yaml, own-group.except: "methotrexat" is no ingredient of the dictionary' in told
    assert "cards/drugs/groups/own.yaml, own-empty: " in told
    assert "cards/drugs/groups/own.yaml, any-drug: stands for all drugs already" in told


def pair(card_id: str, topic: str, **slot: Any) -> JSON:
    """A card about methotrexate with amoxicillin."""
    return {
        "id": card_id,
        "topic": topic,
        "drugs": {"object": {"any_of": ["methotrexate"]}, "precipitant": {"any_of": ["amoxicillin"]} | slot},
        "examples": [
            {
                "name": "both together",
                "ordering": ["methotrexate"],
                "taking": ["amoxicillin"],
                "expect": {"severity": "moderate", "indicator": "info"},
            },
            {"name": "one alone", "ordering": ["amoxicillin"], "expect": "no card"},
        ],
    }


def test_two_active_cards_do_not_make_two_cards_of_one_pair(tmp_path: Path) -> None:
    """They share a topic, differ in their drugs, or somebody said why these are two problems."""
    two = [pair("own-first", "absorption"), pair("own-second", "kidney")]
    (fault, _) = faults(tmp_path / "two", *two)
    assert fault.startswith(
        "cards/different-problems.yaml, absorption + kidney: own-first and own-second make two cards"
    )
    draft = run("lint", "--cards", str(write_cards(tmp_path / "draft", two[0], two[1] | {"status": "draft"})))
    assert draft.returncode == 0, draft.stdout
    one_topic = run("lint", "--cards", str(write_cards(tmp_path / "one", two[0], pair("own-second", "absorption"))))
    assert one_topic.returncode == 0, one_topic.stdout
    said = write_cards(tmp_path / "said", *two)
    with (said / "different-problems.yaml").open("a", encoding="utf-8") as file:
        file.write("- {topics: [absorption, kidney], why: A reason that a test gives.}\n")
    assert run("lint", "--cards", str(said)).returncode == 0


def test_different_problems_are_topics_that_exist_and_stand_once(tmp_path: Path) -> None:
    """A misspelt topic would allow nothing and a second entry would hide the first."""
    folder = write_cards(tmp_path / "cards", {})
    with (folder / "different-problems.yaml").open("a", encoding="utf-8") as file:
        file.write("- {topics: [absorbtion, kidney], why: A reason that a test gives.}\n" * 2)
    told = run("lint", "--cards", str(folder)).stdout.decode()
    assert '"absorbtion" is not in topics.yaml' in told
    assert "absorbtion and kidney stand here twice" in told


def test_one_key_of_evidence_stands_in_one_file_and_groups_cite_what_exists(tmp_path: Path) -> None:
    """A second entry of one key, and a source that is nowhere, are told together."""
    folder = write_cards(tmp_path / "cards", {})
    general = (folder / "evidence" / "general.yaml").read_text(encoding="utf-8")
    (folder / "evidence" / "second.yaml").write_text(general, encoding="utf-8")
    group = "own-group:\n  singular: drug\n  plural: drugs\n  members: [methotrexate]\n"
    group += "  basis: a list that a test made up\n  sources: [nowhere]\n"
    (folder / "drugs" / "groups" / "own.yaml").write_text(group, encoding="utf-8")
    told = run("lint", "--cards", str(folder)).stdout.decode()
    assert "cards/evidence/second.yaml, acb-data: stands in another file of cards/evidence/ already" in told
    assert 'cards/drugs/groups, own-group: source "nowhere" is not in cards/evidence/' in told


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("for: [omeprazole]", "own-suggestion.by: is missing; a replace needs it"),
        ("for: [omeprazol]\n  by: pantoprazole", 'own-suggestion: "omeprazol" is neither a group nor an ingredient'),
        ("for: [omeprazole]\n  by: pantoprazol", 'own-suggestion.by: "pantoprazol" is no ingredient of cards/drugs/'),
        ("for: [omeprazole]\n  by: pantoprazole\n  due_in_days: [5, 3]", "the first day is after the last"),
        (
            "for: [omeprazole]\n  by: pantoprazole\n  not_with_conditions: [dialysys]",
            'own-suggestion.not_with_conditions: "dialysys" is not a condition of facts.yaml',
        ),
    ],
)
def test_a_faulty_suggestion_is_refused(tmp_path: Path, entry: str, fault: str) -> None:
    """An alternative needs what it replaces and what it puts in place, and a due date has its first day first."""
    folder = write_cards(tmp_path / "cards", {})
    with (folder / "suggestions.yaml").open("a", encoding="utf-8") as file:
        file.write(f'\nown-suggestion:\n  kind: replace\n  label: "Replace {{drug}}"\n  description: none\n  {entry}\n')
    assert fault in run("lint", "--cards", str(folder)).stdout.decode()


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("wording", "no_kidney: ", "no_kidny: ", "cards/wording.yaml, no_kidney: is missing"),
        ("wording", "no_kidney: ", "no_kidny: ", "cards/wording.yaml, no_kidny: is no text of this file. Use "),
        ("wording", "part_conditions: ", "part_problems: ", "cards/wording.yaml, part_conditions: is missing"),
        ("wording", "{band}", "{bnad}", "dose_limit: {bnad} is no placeholder here. Use band, limit."),
        ("wording", 'why: "', 'why: "{drug} ', "why: {drug} is no placeholder here. This text is used as it stands"),
        ("notices", "current-drug-not-read:", "not-read:", "current-drug-not-read: is missing"),
        ("notices", "current-drug-not-read:", "not-read:", "cards/notices.yaml, not-read: is no notice. Use "),
        ("notices", "{names}", "{name}", "order-not-checked.summary: {name} is no placeholder here. Use names."),
        ("notices", "topic: check", "topic: chek", 'order-not-checked.topic: "chek" is not in topics.yaml'),
        (
            "suggestions",
            "{often}",
            "{oft",
            "reduce-dose.label: a brace that is not closed is no placeholder here. Use drug, dose, often, total.",
        ),
        ("suggestions", "Order creatinine", "Order {drug} creatinine", "{drug} is no placeholder here. This text is"),
    ],
)
def test_a_faulty_text_is_found_before_an_answer_needs_it(
    tmp_path: Path, file: str, old: str, new: str, fault: str
) -> None:
    """Each text that answers are put together from is there, and is filled only with what there is to fill in."""
    path = write_cards(tmp_path / "cards", {}) / f"{file}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert fault in run("lint", "--cards", str(path.parent)).stdout.decode()


def test_single_cards_can_be_checked(tmp_path: Path) -> None:
    """Only the named card's examples run, and a name that is no card is said."""
    wrong = {"expect": {**LOUD}, "name": "it is loud", "ordering": ["methotrexate"]}
    silent = {"name": "it is silent", "ordering": ["amoxicillin"], "expect": "no card"}
    cards = [{}, {"id": "own-second", "examples": [wrong, silent]}]
    folder = write_cards(tmp_path / "cards", *cards)
    assert run("lint", "own-card", "--cards", str(folder)).stdout.decode() == "In order: own-card.\n"
    told = run("lint", "own-second", "--cards", str(folder)).stdout.decode()
    assert 'examples[0] "it is loud": expected major/warning, found moderate/info.' in told
    assert "there is no card file of this id" in run("lint", "nonesuch", "--cards", str(folder)).stdout.decode()
    faulty = folder / "interactions" / "own-second.yaml"
    faulty.write_text(
        faulty.read_text(encoding="utf-8").replace("severity: moderate", "severity: odd"), encoding="utf-8"
    )
    told = run("lint", "own-card", "--cards", str(folder)).stdout.decode()
    assert "no example was run, because of faults in other files: cards/interactions/own-second.yaml" in told


def test_stamp_fills_in_a_checksum_that_stays_text(tmp_path: Path) -> None:
    """A checksum may consist of digits alone; YAML must not read it as a number, and a second run changes nothing."""
    folder = write_cards(tmp_path / "cards", {})
    path = folder / "interactions" / "own-card.yaml"
    stamped = path.read_text(encoding="utf-8")
    (line,) = [line for line in stamped.splitlines() if "content:" in line]
    assert line.count('"') == 2
    result = run("lint", "--stamp", "--cards", str(folder))
    assert result.stdout.decode().splitlines()[-1] == "All card files are in order."
    assert path.read_text(encoding="utf-8") == stamped


def test_two_ids_that_share_what_stands_in_a_uuid_are_refused(tmp_path: Path) -> None:
    """Two ids whose hashes begin alike (found by trying), and a card that is called like a notice."""
    found = faults(tmp_path / "cards", {"id": "rule-560634"}, {"id": "rule-2202435"}, {"id": "chart-incomplete"})
    told = [fault for fault in found if "collides with the id of" in fault]
    assert told == [
        "cards/interactions/chart-incomplete.yaml, id: collides with the id of cards/notices.yaml; choose another.",
        "cards/interactions/rule-560634.yaml, id: collides with the id of cards/interactions/rule-2202435.yaml; "
        "choose another.",
    ]
