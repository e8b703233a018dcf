"""The page to try orders, in a real browser on a real server: what a prescriber does, and what must never happen."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from cds_service.core.values import Knowledge
from cds_service.fixtures import fixtures_folder, read_fixtures
from tests.browser import LOOKS, expect_accessible, page_of
from tests.commands import ROOT
from tests.helpers import TODAY, hook_call
from tests.servers import Server, serving

JSON = dict[str, Any]
FIXTURES = read_fixtures(fixtures_folder())
STAGGER = "Stagger: "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One service for the tests that do not stop it."""
    with serving(tmp_path_factory.mktemp("try") / "data", workers=1, CDS_RATE="0") as running:
        yield running


def opened(page: Page, address: str = "/") -> Page:
    """The page when it may be used."""
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    return page


def choose_drug(page: Page, typed: str, text: str) -> None:
    """Type into the search, and choose with the keyboard what reads `text`."""
    field = page.get_by_role("combobox", name="Drug")
    field.fill("")
    field.press_sequentially(typed)
    option = page.get_by_role("option", name=text, exact=True)
    expect(option).to_be_visible()
    while option.get_attribute("aria-selected") != "true":
        field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value(text)


def add(page: Page, typed: str, text: str, when: str, button: str) -> None:
    """Add one tablet or capsule of a drug, so many times a day or at clock times."""
    choose_drug(page, typed, text)
    page.get_by_label("Amount", exact=True).fill("1")
    page.get_by_label("or at clock times" if ":" in when else "Times a day", exact=True).fill(when)
    page.get_by_role("button", name=button).click()


def cards(page: Page) -> Any:
    """The cards on the page."""
    return page.locator("#cards article")


def compose(page: Page, egfr: str, age: str = "72") -> None:
    """The patient with MS on baclofen and amitriptyline, for whom gabapentin is ordered."""
    page.get_by_label("Age (years)").fill(age)
    page.get_by_label("Sex", exact=True).select_option("female")
    page.get_by_label("eGFR", exact=True).fill(egfr)
    page.get_by_label("Condition", exact=True).fill("multiple sclerosis")
    page.get_by_role("button", name="Add condition").click()
    add(page, "baclo 10", "baclofen 10 MG Oral Tablet", "3", "Add to what is taken")
    add(page, "amitrip 25", "amitriptyline hydrochloride 25 MG Oral Tablet", "20:00", "Add to what is taken")
    add(page, "gabapentin 300", "gabapentin 300 MG Oral Capsule", "3", "Add to the orders")


def test_compose_stagger_and_override(browser: Browser, server: Server) -> None:
    """The patient of the founding example: move the doses, picture and card follow; override, find it in insights."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        compose(page, egfr="75")
        expect(page.locator("#state")).to_contain_text("order-select:")
        page.get_by_role("button", name="Sign the orders").click()
        expect(page.locator("#state")).to_contain_text("order-sign:")
        card = cards(page).filter(has_text="sleepiness")
        expect(card.locator(".tag")).to_have_text("warning")
        expect(page.locator("#day figure")).to_have_count(2)
        expect(page.locator("#day figure").first).to_contain_text("Now: doses overlap")
        page.locator("button", has_text=STAGGER).click()
        expect(page.locator("#orders")).to_contain_text("at 10:00, 16:00, 22:00")
        expect(page.locator("#day figure").first).to_contain_text("Before: doses overlap")
        expect(page.locator("#day figure").last).to_contain_text("Now: no doses overlap")
        expect(page.locator("button", has_text=STAGGER)).to_have_count(0)
        expect(page.locator("#state")).to_contain_text("order-sign:")
        card = cards(page).filter(has_text="sleepiness")
        card.get_by_label("Comment").fill("knows the risk")
        card.get_by_role("button", name="Override").click()
        expect(card).to_contain_text("Overridden: ")
        page.goto("/insights")
        expect(page.locator("main")).to_contain_text("Taken together before without harm")
        expect(page.locator("main")).to_contain_text("gabapentin-")
    (kept,) = [line for line in server.lines("feedback") if line["items"] == 1][-1:]
    assert kept["foreign"] == 0


def test_an_unknown_drug_is_unmistakable(browser: Browser, server: Server) -> None:
    """A name that nobody knows is said to be unchecked, at the order and on a card that looks like no other."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        page.get_by_role("combobox", name="Drug").fill("zzyxoril 5 mg")
        page.get_by_role("button", name="Add to the orders").click()
        expect(page.locator("#orders")).to_contain_text("Not recognised: this drug is not checked.")
        expect(page.locator("#cards article.unchecked .tag")).to_contain_text("check incomplete")


def test_no_card_says_what_was_checked(browser: Browser, server: Server) -> None:
    """The empty state is no bare "all clear"."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        expect(page.locator("#state")).to_contain_text("nothing was checked")
        page.get_by_label("Age (years)").fill("40")
        add(page, "amoxicillin 500", "amoxicillin 500 MG Oral Capsule", "3", "Add to the orders")
        expect(page.locator("#cards .checked")).to_contain_text("No card. Checked: 1 order with 0 current drugs")


def test_bad_entries_are_named(browser: Browser, server: Server) -> None:
    """What is wrong, and what is allowed; nothing that was typed is lost."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        page.get_by_role("button", name="Add to the orders").click()
        expect(page.locator("#form-fault")).to_contain_text("Which drug?")
        choose_drug(page, "gabapentin 300", "gabapentin 300 MG Oral Capsule")
        page.get_by_label("or at clock times").fill("08:00 25:00")
        page.get_by_role("button", name="Add to the orders").click()
        expect(page.locator("#form-fault")).to_contain_text("“25:00” is no clock time")
        expect(page.get_by_role("combobox", name="Drug")).to_have_value("gabapentin 300 MG Oral Capsule")


def test_a_server_that_stops_loses_nothing(browser: Browser, tmp_path: Path) -> None:
    """A clear message while the service is away; the entries stay, in the page and in its link."""
    with serving(tmp_path / "data", workers=1) as gone, page_of(browser, gone.base) as watched:
        page = opened(watched.page)
        add(page, "gabapentin 300", "gabapentin 300 MG Oral Capsule", "3", "Add to the orders")
        expect(page.locator("#state")).to_contain_text("order-select:")
        gone.process.send_signal(signal.SIGTERM)
        gone.process.wait(timeout=60)
        page.get_by_role("button", name="Sign the orders").click()
        expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
        expect(page.locator("#cards article")).to_have_count(0)
        expect(page.locator("#orders")).to_contain_text("gabapentin 300 MG Oral Capsule")
        assert "#s=" in page.url
        assert all("ERR_CONNECTION_REFUSED" in fault for fault in watched.faults)
        watched.faults.clear()


def test_a_link_restores_the_scenario(browser: Browser, server: Server) -> None:
    """The state is in the fragment, which is sent to nobody; another visit shows the same patient, orders and cards."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        compose(page, egfr="38")
        expect(cards(page).first).to_be_visible()
        page.wait_for_function("location.hash.startsWith('#s=')")
        expect(page.locator("#state")).to_contain_text("order-select:")
        address, shown = page.url, page.locator("#state").inner_text()
    assert "sclerosis" not in server.log.read_text(encoding="utf-8").lower()
    with page_of(browser, server.base) as watched:
        page = opened(watched.page, address)
        expect(page.get_by_label("eGFR", exact=True)).to_have_value("38")
        expect(page.locator("#orders")).to_contain_text("gabapentin 300 MG Oral Capsule, 1 capsule 3 × a day")
        expect(page.locator("#state")).to_have_text(shown)
        opened(page, "/#s=damaged")
        expect(page.locator("#said")).to_contain_text("This link is damaged")


def test_every_fixture_of_the_menu_is_answered(browser: Browser, server: Server) -> None:
    """Each shows the cards of its golden answer, or what was refused; even those that are no hook call at all."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page)
        menu = page.get_by_label("Start from an example")
        assert menu.locator("option").count() == len(FIXTURES) + 1
        for fixture in FIXTURES:
            with page.expect_response(lambda response: response.url.endswith(f"/cds-services/{fixture.service}")):  # noqa: B023
                menu.select_option(fixture.name)
            if fixture.status == 200:
                golden = json.loads((fixture.folder / "response.json").read_bytes())
                expect(cards(page)).to_have_count(len(golden["cards"]))
                indicators = [re.compile(rf"{card['indicator']}$") for card in golden["cards"]]
                expect(page.locator("#cards .tag")).to_have_text(indicators)
            else:
                expect(page.locator("#cards .alarm")).to_contain_text("nothing was checked")
            watched.faults[:] = [fault for fault in watched.faults if "status of 4" not in fault]


def test_a_session_of_the_keyboard_alone(browser: Browser, server: Server) -> None:
    """From the top of the page to a card and its suggestion without a mouse."""
    with page_of(browser, server.base) as watched:
        page = opened(watched.page, "/#fixture=gabapentin-with-baclofen")
        button = page.locator("button", has_text=STAGGER)
        expect(button).to_be_visible()
        for _ in range(120):
            page.keyboard.press("Tab")
            if button.evaluate("node => node === document.activeElement"):
                break
        page.keyboard.press("Enter")
        expect(page.locator("#orders")).to_contain_text(" at ")
        expect(page.locator("#said")).to_contain_text("Taken: Stagger")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_is_accessible(browser: Browser, server: Server, scheme: str, width: int) -> None:
    """axe finds nothing, in either colour scheme, with cards, a picture, an unread drug and open details; nor empty."""
    with page_of(browser, server.base, width, scheme) as watched:
        page = opened(watched.page)
        expect_accessible(page)
        opened(page, "/#fixture=gabapentin-with-baclofen")
        expect(page.locator("#day figure").first).to_be_visible()
        page.get_by_role("combobox", name="Drug").fill("zzyxoril")
        page.get_by_role("button", name="Add to the orders").click()
        expect(page.locator("#cards article.unchecked")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true })")
        page.get_by_role("combobox", name="Drug").press_sequentially("gaba")
        expect(page.locator("#found li").first).to_be_visible()
        expect_accessible(page)


# --- What the page asks for --------------------------------------------------------------------------


def found(client: FlaskClient, query: str) -> list[str]:
    """What the search finds."""
    return [choice["text"] for choice in client.get("/workbench/drugs", query_string={"q": query}).get_json()]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("gaba", "gabapentin"),
        ("neurontin", "Neurontin"),
        ("gabap 300 caps", "gabapentin 300 MG Oral Capsule"),
        ("WARF", "warfarin"),
    ],
)
def test_the_search_knows_generic_names_brands_and_products(client: FlaskClient, query: str, first: str) -> None:
    """The beginnings of words in any case and order; the plainest name comes first."""
    assert found(client, query)[0] == first


@pytest.mark.parametrize("query", ["", " ", "xyzzyq", "gabapentin xyzzyq", "🚀", "a" * 5000])
def test_a_search_that_finds_nothing_is_empty(client: FlaskClient, query: str) -> None:
    """Never an error, whatever is typed."""
    assert found(client, query) == []


def test_looking_says_what_was_understood(client: FlaskClient, knowledge: Knowledge) -> None:
    """Each medication with its ingredients or the words not understood, the scope, and the day in words."""
    seen = client.post("/workbench/look/interactions-order-sign", json=hook_call(knowledge)).get_json()
    assert [one["ingredients"] for one in seen["medications"]] == [["gabapentin"], ["baclofen"]]
    assert seen["scope"].startswith("Checked: 1 order with 1 current drug")
    assert "gabapentin at 08:00, 14:00, 20:00 (assumed)" in seen["day"]["text"]
    assert seen["day"]["overlap"] is True


def test_another_site_cannot_use_the_page(client: FlaskClient, knowledge: Knowledge) -> None:
    """What another site posts is refused, and no other site may read or frame what the page shows."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        response = client.post("/workbench/look/interactions-order-sign", json=hook_call(knowledge), headers=headers)
        assert response.status_code == 403
    page = client.get("/")
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "'unsafe" not in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b'"x"', b"[1]", b"[]"])
def test_what_the_page_may_not_send_is_refused_or_empty(client: FlaskClient, body: bytes) -> None:
    """Never a fault of ours."""
    for path in ("/workbench/markdown", "/workbench/look/interactions-order-sign", "/workbench/look/nothing"):
        status = client.post(path, data=body, content_type="application/json").status_code
        assert status in (200, 400, 404), (path, status)


def test_markdown_lets_no_markup_through(client: FlaskClient) -> None:
    """Raw HTML and dangerous links of a text stay text."""
    texts = [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://x.example/i.png)",
        "**b** [l](https://a.example)",
    ]
    html = client.post("/workbench/markdown", json=texts).get_json()
    assert "<script" not in "".join(html)
    assert 'href="javascript' not in "".join(html)
    assert "<img" not in "".join(html)
    assert html[3].startswith('<p><strong>b</strong> <a href="https://a.example" rel="noreferrer noopener"')


def test_a_fixture_is_as_of_today(client: FlaskClient) -> None:
    """Its dates are moved, so that its results are recent."""
    sent = client.get("/workbench/fixtures/gabapentin-with-baclofen").get_json()
    assert sent["service"] == "interactions-order-sign"
    assert (
        json.loads(sent["body"])["context"]["draftOrders"]["entry"][0]["resource"]["authoredOn"][:10]
        <= TODAY.isoformat()
    )
    assert client.get("/workbench/fixtures/nothing").status_code == 404


def test_the_scripts_have_no_inline_part() -> None:
    """The pages keep their own policy: no script or style in the templates, and no address elsewhere."""
    for path in (ROOT / "cds_service/web/pages/templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert not re.search(r"\son\w+=", text), path
        assert all('src="/static/' in line for line in text.splitlines() if "<script" in line), path


def test_today_is_the_service_s(client: FlaskClient) -> None:
    """The page writes dates as the service counts days, not as the browser does."""
    assert f'data-today="{TODAY.isoformat()}"' in client.get("/").get_data(as_text=True)
