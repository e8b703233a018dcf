"""The knowledge pages over HTTP and in a browser: each card's page and JSON, the list, and who sees what."""

from __future__ import annotations

import html
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.explained.drugs import groups_of
from cds_service.settings import read_settings
from cds_service.web.knowledge_api import KNOWLEDGE_CARD_SCHEMA, KNOWLEDGE_LIST_SCHEMA
from tests.browser import LOOKS, WIDTHS, expect_accessible, page_of
from tests.feedback import accepted, app_with, overridden, send
from tests.helpers import answer_of, app_of, cns_card, hook_call, outcome_text, rules_of, strict_json
from tests.own_cards import write_cards
from tests.servers import Server, serving

JSON = dict[str, Any]
CARD = "gabapentin-baclofen-cns-depression"
DRAFT = "acitretin-ribavirin-pregnancy"
PUBLIC = "https://cds.example/base"
PARTS = 4  # in which all cards are opened in the browser: tests run side by side


def text_of(client: FlaskClient, path: str, status: int = 200, **headers: str) -> str:
    """The words of a page, entities read."""
    response = client.get(path, headers=headers)
    assert response.status_code == status, path
    assert response.content_type == "text/html; charset=utf-8"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    return html.unescape(response.get_data(as_text=True))


def json_of(client: FlaskClient, path: str) -> Any:
    """The JSON at a path."""
    response = client.get(path)
    assert response.status_code == 200, path
    assert response.content_type == "application/json; charset=utf-8"
    return strict_json(response.get_data())


def made(**settings: str) -> Flask:
    """An application with these settings."""
    return app_of(read_settings({"CDS_AUTH": "off", "CDS_RATE": "0", **settings}))


# --- One card ------------------------------------------------------------------------------------------


def test_each_card_has_a_page_that_names_its_drugs_and_sources(client: FlaskClient, knowledge: Knowledge) -> None:
    """Every card file: title, groups, each drug (by name or in the full list), each source with its address."""
    for rule in knowledge.rules:
        text = text_of(client, f"/knowledge/{rule.id}")
        assert rule.title in text
        for slot in rule.slots:
            assert all(name in text for name in slot.members), rule.id
            whole = len(slot.members) <= 4 or len(slot.members) * 2 > len(knowledge.ingredients)
            parts = groups_of(slot.members, knowledge)[:4]
            assert whole or all(part.group.plural in text for part in parts), rule.id
        assert all(f'href="{use.url}"' in text and use.supports in text for use in rule.evidence), rule.id
        assert all(modifier.because.split("{")[0] in text for modifier in rule.modifiers), rule.id


def test_each_card_is_there_as_json(client: FlaskClient, knowledge: Knowledge) -> None:
    """Everything of the page, in the shape that the OpenAPI document promises."""
    validator = Draft202012Validator(KNOWLEDGE_CARD_SCHEMA)
    for rule in knowledge.rules:
        card = json_of(client, f"/knowledge/{rule.id}.json")
        assert [error.message for error in validator.iter_errors(card)] == []
        assert (card["id"], card["title"], card["version"]) == (rule.id, rule.title, rule.version)
        assert [set(slot["members"]) for slot in card["slots"]] == [set(slot.members) for slot in rule.slots]
        assert [use["url"] for use in card["evidence"]] == [use.url for use in rule.evidence]
        assert card["file"]["isThere"]
        assert card["file"]["examples"]
        assert len(card["sourceAttributes"]["uses"]) == 9


def test_a_page_says_what_raises_the_card_and_why(client: FlaskClient) -> None:
    """The gabapentin and baclofen card, sentence by sentence."""
    text = text_of(client, f"/knowledge/{CARD}")
    for sentence in (
        "Looked at when these drugs meet: at least one is being ordered, the others are ordered or taken.",
        "eGFR is at least 30 mL/min/1.73 m² and below 60 mL/min/1.73 m²",
        "an active problem: COPD or respiratory failure; or sleep apnoea",
        "Because: From 65 sedatives lead to falls, confusion and slowed breathing more often.",
        "Additive depression of the central nervous system",
        "Order creatinine with eGFR",
        "Taken together before without harm",
        "first version",
        "As 45 CFR 170.315(b)(11)(iv)(A) lists them for evidence-based decision support interventions.",
        "(10) Use of sex",
        "used: where eGFR or CrCl is calculated from it",
        "No clinician has reviewed this card.",
    ):
        assert sentence in text


def test_drafts_and_silent_cards_say_that_they_are_not_shown(client: FlaskClient, knowledge: Knowledge) -> None:
    """Each status has its sentence; of cards in use it says that they are shown."""
    said = {
        "active": "In use: its cards are shown.",
        "silent": "and its cards are not shown.",
        "draft": "A draft: it is not evaluated, and no card of it is shown.",
    }
    assert {rule.status for rule in knowledge.rules} == set(said)
    for status, sentence in said.items():
        rule = next(rule for rule in knowledge.rules if rule.status == status)
        assert sentence in text_of(client, f"/knowledge/{rule.id}")


def test_a_card_that_is_switched_off_says_so() -> None:
    """CDS_SILENCE changes what the page and the list say."""
    app = made(CDS_SILENCE=CARD)
    assert "Switched off at this site" in text_of(app.test_client(), f"/knowledge/{CARD}")
    assert "switched off here" in text_of(app.test_client(), f"/knowledge?text={CARD}")
    close_app(app)


@pytest.mark.parametrize("path", ["no-such-card", "..%2Ffacts", "facts", "interactions%2F" + CARD, CARD.upper()])
def test_an_id_that_is_no_card_is_not_found(client: FlaskClient, path: str) -> None:
    """A page in a sentence, JSON as an OperationOutcome; an id is never a path."""
    is_one_part = "%2F" not in path
    if is_one_part:
        assert "There is no card with this id." in text_of(client, f"/knowledge/{path}", 404)
    for address in (f"/knowledge/{path}.json", f"/knowledge/{path}/examples/1"):
        response = client.get(address)
        assert response.status_code == 404
        assert (
            not is_one_part
            or outcome_text(response) == "there is no card with this id. GET /knowledge.json lists them."
        )


def test_each_example_is_a_call_that_gives_what_it_promises(client: FlaskClient, knowledge: Knowledge) -> None:
    """The examples of one card, fetched and fired; numbers count from 1."""
    examples = json_of(client, f"/knowledge/{CARD}.json")["file"]["examples"]
    assert [example["number"] for example in examples] == [*range(1, len(examples) + 1)]
    for example in examples:
        body = json_of(client, f"/knowledge/{CARD}/examples/{example['number']}")
        assert body["hook"] == example["hook"]
        answer = answer_of(client, body, f"/cds-services/interactions-{example['hook']}")
        found = [entry for card in answer["cards"] for entry in rules_of(card) if entry["id"] == CARD]
        expected = [(example["severity"], example["indicator"])] if example["severity"] else []
        assert [(entry["severity"], entry["indicator"]) for entry in found] == expected, example["name"]
    for number in (0, len(examples) + 1):
        assert client.get(f"/knowledge/{CARD}/examples/{number}").status_code == 404


def test_a_card_file_that_is_gone_leaves_the_rule_readable(tmp_path: Path) -> None:
    """What the service loaded is shown; what only the file says is missing, in a sentence."""
    cards = write_cards(tmp_path / "cards", {})
    app = made(CDS_CARDS=str(cards))
    (cards / "interactions" / "own-card.yaml").unlink()
    text = text_of(app.test_client(), "/knowledge/own-card")
    assert "The card file cannot be read now" in text
    assert "Looked at when the drug is being ordered." in text
    assert app.test_client().get("/knowledge/own-card/examples/1").status_code == 404
    close_app(app)


# --- The list ------------------------------------------------------------------------------------------


def listed(client: FlaskClient, query: str) -> set[str]:
    """Ids of the cards that fit; the page links to the same ones."""
    found = json_of(client, f"/knowledge.json?{query}")
    assert Draft202012Validator(KNOWLEDGE_LIST_SCHEMA).is_valid(found)
    ids = {card["id"] for card in found["cards"]}
    assert found["count"] == len(ids)
    page = text_of(client, f"/knowledge?{query}")
    assert page.count('<li><a href="/knowledge/') == len(ids)
    assert all(f'<li><a href="/knowledge/{name}">' in page for name in ids)
    return ids


def test_the_list_has_every_card_once(client: FlaskClient, knowledge: Knowledge) -> None:
    """Without filters all cards stand there, by topic."""
    assert listed(client, "") == {rule.id for rule in knowledge.rules}
    assert f"<strong>{len(knowledge.rules)}</strong> of {len(knowledge.rules)} cards" in text_of(client, "/knowledge")


@pytest.mark.parametrize("name", ["baclofen", "Lioresal", "baclofen%2010%20MG%20Oral%20Tablet"])
def test_a_drug_is_found_by_ingredient_brand_and_clinical_drug(
    client: FlaskClient, knowledge: Knowledge, name: str
) -> None:
    """All three are baclofen: the cards with it in a slot, named or in a group."""
    expected = {rule.id for rule in knowledge.rules if any("baclofen" in slot.members for slot in rule.slots)}
    assert listed(client, f"drug={name}") == expected
    assert "Drug: <strong>baclofen</strong>" in text_of(client, f"/knowledge?drug={name}")


def test_each_filter_keeps_what_fits(client: FlaskClient, knowledge: Knowledge) -> None:
    """Topic, severity, indicator, status and kind of evidence, and two of them together."""
    rules = {rule.id: rule for rule in knowledge.rules}
    assert listed(client, "topic=bleeding") == {name for name, rule in rules.items() if rule.topic == "bleeding"}
    assert listed(client, "status=draft") == {name for name, rule in rules.items() if rule.status == "draft"}
    trials = {name for name, rule in rules.items() if any(use.kind == "trial" for use in rule.evidence)}
    assert listed(client, "evidence=trial") == trials
    critical = listed(client, "indicator=critical")
    assert CARD in critical, "a modifier raises it to critical"
    assert listed(client, "indicator=critical&evidence=trial") == critical & trials
    assert CARD not in listed(client, "severity=contraindicated")


def test_words_are_looked_up_in_titles_ids_drugs_and_groups(client: FlaskClient) -> None:
    """Each word must occur, in any case, anywhere."""
    assert CARD in listed(client, "text=Sedation%20GABAPENTIN")
    assert CARD not in listed(client, "text=sedation%20warfarin")
    assert "opioid-benzodiazepine" in listed(client, "text=benzodiazepines")
    assert listed(client, f"text={CARD}") == {CARD}


def test_nothing_found_is_said(client: FlaskClient) -> None:
    """A drug that is in no dictionary, filters that nothing fits, and what was not understood."""
    assert listed(client, "drug=zzzznone") == set()
    unknown = text_of(client, "/knowledge?drug=<b>zzzznone")
    assert "“<b>zzzznone” is not in the dictionary" in unknown
    assert "<b>zzzznone" not in client.get("/knowledge?drug=<b>zzzznone").get_data(as_text=True)
    assert "No card fits all of these filters." in text_of(client, "/knowledge?topic=none-such")
    assert "Not understood: zzzz." in text_of(client, "/knowledge?drug=baclofen%20zzzz")


# --- Who sees what -------------------------------------------------------------------------------------


def test_the_pages_need_no_token() -> None:
    """Where callers must be authenticated the cards are still for everybody, and what they came to for nobody."""
    app = made(CDS_AUTH="sandbox", CDS_PUBLIC_URL=PUBLIC)
    client = app.test_client()
    assert listed(client, "text=digoxin")
    assert "What it came to here" not in text_of(client, f"/knowledge/{CARD}")
    assert "Try it" not in text_of(client, f"/knowledge/{CARD}")
    assert "fired" not in json_of(client, f"/knowledge/{CARD}.json")
    close_app(app)


def test_examples_are_tried_only_where_there_is_a_workbench(client: FlaskClient) -> None:
    """The link leads to the workbench with the example's number."""
    assert f'<a href="/#example={CARD}/1">Try it' in text_of(client, f"/knowledge/{CARD}")


@pytest.mark.parametrize("path", ["/knowledge", "/knowledge.json", f"/knowledge/{CARD}", f"/knowledge/{CARD}.json"])
def test_pages_that_are_off_do_not_exist(path: str, few_cards: str) -> None:
    """CDS_KNOWLEDGE_PAGES=off."""
    app = made(CDS_KNOWLEDGE_PAGES="off", CDS_CARDS=few_cards)
    assert app.test_client().get(path).status_code == 404
    close_app(app)


def test_what_a_card_came_to_is_for_operators(database: str, knowledge: Knowledge) -> None:
    """Three shown, one accepted, one overridden, of this card alone: told here, not to who comes through a proxy."""
    app = app_with(database)
    client = app.test_client()
    assert "It has led no card here yet" in text_of(client, f"/knowledge/{CARD}")
    answer_of(client, hook_call(knowledge, ["warfarin sodium 5 MG Oral Tablet"], ["ibuprofen 400 MG Oral Tablet"]))
    bodies = [hook_call(knowledge) | {"hookInstance": str(uuid.uuid4())} for _ in range(3)]
    cards = [cns_card(answer_of(client, body)) for body in bodies]
    lead = rules_of(cards[0])[0]
    assert (
        send(client, accepted(cards[0]["uuid"], "a"), overridden(cards[1]["uuid"], "will-monitor")).status_code == 200
    )
    close_app(app)
    client = app_with(database).test_client()
    counts = {"version": lead["version"], "shown": 3, "accepted": 1, "overridden": 1}
    assert json_of(client, f"/knowledge/{lead['id']}.json")["fired"] == {"versions": [counts], "problem": ""}
    row = '<td class="number">3</td><td class="number">1</td><td class="number">1</td>'
    assert row in text_of(client, f"/knowledge/{lead['id']}")
    assert row not in text_of(client, f"/knowledge/{lead['id']}", **{"X-Forwarded-For": "192.0.2.1"})
    close_app(client.application)


def test_a_database_that_is_down_is_a_sentence(few_cards: str) -> None:
    """The page is there all the same."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    app = made(CDS_DATABASE_URL=nowhere, CDS_CARDS=few_cards)
    assert "The counts cannot be read now: the database does not work" in text_of(
        app.test_client(), "/knowledge/own-card"
    )
    close_app(app)


# --- From a card to its page ---------------------------------------------------------------------------


def test_a_card_links_to_the_page_of_its_leading_rule(client: FlaskClient, knowledge: Knowledge) -> None:
    """Last of its links, where the public address is known; a notice about the check gets none."""
    app = made(CDS_PUBLIC_URL=PUBLIC)
    body = hook_call(knowledge, ordering=["gabapentin 300 MG Oral Capsule", "zzzz 10 MG Oral Tablet"])
    answer = answer_of(app.test_client(), body)
    card = cns_card(answer)
    lead = rules_of(card)[0]["id"]
    url = f"{PUBLIC}/knowledge/{lead}"
    assert card["links"][-1] == {"label": "How this rule works", "url": url, "type": "absolute"}
    assert card["links"][:-1] == cns_card(answer_of(client, body))["links"]
    assert client.get(url.removeprefix(PUBLIC)).status_code == 200
    notices = [card for card in answer["cards"] if card["source"]["topic"]["code"] == "check"]
    assert notices
    assert not any("links" in notice for notice in notices)
    close_app(app)


def test_no_card_links_to_pages_that_are_off(client: FlaskClient, knowledge: Knowledge) -> None:
    """Nor where the public address is not known: the answer is the same as without pages."""
    app = made(CDS_PUBLIC_URL=PUBLIC, CDS_KNOWLEDGE_PAGES="off")
    body = hook_call(knowledge)
    assert answer_of(app.test_client(), body) == answer_of(client, body)
    close_app(app)


# --- In a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real service with an empty database."""
    with serving(tmp_path_factory.mktemp("pages") / "data", workers=1) as started:
        yield started


SEEN = (
    "/knowledge",
    "/knowledge?drug=Lioresal&severity=major",
    "/knowledge/no-such-card",
    f"/knowledge/{CARD}",
    f"/knowledge/{DRAFT}",
    "/knowledge/dabigatran-renal-dose",
)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_pages_are_accessible(browser: Browser, server: Server, scheme: str, width: int) -> None:
    """axe finds nothing, nothing is wider than the window, all folds open and closed."""
    for path in SEEN:
        with page_of(browser, server.base, width, scheme) as watched:
            watched.page.goto(path)
            if path.endswith("no-such-card"):
                watched.faults.clear()  # a browser tells of the 404 itself
            expect_accessible(watched.page)


def test_what_is_unfolded_is_accessible_too(browser: Browser, server: Server) -> None:
    """The full lists behind the names of groups, on a phone."""
    with page_of(browser, server.base, WIDTHS["narrow"], "dark") as watched:
        watched.page.goto(f"/knowledge/{CARD}")
        watched.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        expect_accessible(watched.page)


def test_one_searches_and_reads_by_keyboard_alone(browser: Browser, server: Server) -> None:
    """Type a brand, press Enter, go to the card, open the full list of a group."""
    with page_of(browser, server.base) as watched:
        page = watched.page
        page.goto("/knowledge")
        page.get_by_label("Drug (generic or brand)").focus()
        page.keyboard.type("Lioresal")
        page.keyboard.press("Enter")
        page.wait_for_url("**/knowledge?*drug=Lioresal*")
        page.get_by_role("link", name="Baclofen with an opioid: slowed breathing and deep sedation").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/knowledge/baclofen-opioid")
        page.locator(".slots summary").first.focus()
        page.keyboard.press("Enter")
        assert page.get_by_text("alfentanil, ", exact=False).first.is_visible()


def test_a_card_of_an_open_service_leads_to_its_page(browser: Browser, server: Server, knowledge: Knowledge) -> None:
    """Without a public address the service names the one it listens on, and the page is there."""
    call = json.dumps(hook_call(knowledge, ordering=["gabapentin 300 MG Oral Capsule"]), default=str)
    card = cns_card(server.post(call.encode()).json())
    link = card["links"][-1]
    assert (link["label"], link["url"]) == ("How this rule works", f"{server.base}/knowledge/{rules_of(card)[0]['id']}")
    with page_of(browser, server.base) as watched:
        watched.page.goto(link["url"])
        assert watched.page.get_by_role("heading", name="When it fires").is_visible()


@pytest.mark.parametrize("part", range(PARTS))
def test_every_card_opens_in_the_browser(browser: Browser, server: Server, knowledge: Knowledge, part: int) -> None:
    """No console error, the right heading, nothing wider than a phone."""
    look = "() => [document.querySelector('h1').innerText, document.documentElement.scrollWidth]"
    with page_of(browser, server.base, WIDTHS["narrow"]) as watched:
        for rule in knowledge.rules[part::PARTS]:
            watched.page.goto(f"/knowledge/{rule.id}", wait_until="domcontentloaded")
            heading, width = watched.page.evaluate(look)
            assert heading == rule.title
            assert width <= WIDTHS["narrow"], rule.id
            assert watched.faults == [], rule.id
