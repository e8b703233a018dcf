"""The checker for a list: what is recognised, the matrix of pairs, the cards, and who may ask."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page
from sqlalchemy import func, select

from cds_service.app import METRICS, close_app
from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from cds_service.store.database import Store
from cds_service.store.tables import shown
from cds_service.web.pages.markdown import as_html
from tests.browser import LOOKS, expect_accessible, page_of
from tests.helpers import answer_of, app_of, cns_card, hook_call
from tests.servers import Server, serving
from tests.tables import tables_of

THREE = ("gabapentin 300 mg three times daily", "baclofen 10 mg", "amitriptyline 25 mg at bedtime")
THIRTY = (
    "warfarin 5 mg daily", "amiodarone 200 mg", "simvastatin 40 mg", "clarithromycin 500 mg bid", "digoxin 0.125 mg",
    "furosemide 40 mg", "spironolactone 25 mg", "lisinopril 20 mg", "ibuprofen 400 mg prn", "aspirin 81 mg",
    "sertraline 100 mg", "tramadol 50 mg", "gabapentin 300 mg tid", "baclofen 10 mg tid", "amitriptyline 25 mg",
    "lithium carbonate 300 mg", "metformin 1000 mg bid", "methotrexate 10 mg", "omeprazole 20 mg", "clopidogrel 75 mg",
    "levothyroxine 100 mcg", "calcium carbonate 600 mg", "ciprofloxacin 500 mg", "tizanidine 4 mg", "phenytoin 100 mg",
    "carvedilol 12.5 mg", "diltiazem 120 mg", "potassium chloride 20 mEq", "allopurinol 300 mg", "prednisone 5 mg",
)  # fmt: skip


def check(client: FlaskClient, *lines: str, status: int = 200, **fields: str) -> str:
    """The page that answers a list."""
    response = client.post("/check", data={"list": "\n".join(lines), **fields})
    assert response.status_code == status
    assert response.content_type == "text/html; charset=utf-8"
    return response.get_data(as_text=True)


def summary_of(page: str) -> str:
    """The sentence that sums the result up."""
    found = re.search(r'<p class="sum"><strong>(.*?)</strong>', page, re.S)
    assert found, page
    return html.unescape(found[1])


def matrix_of(page: str) -> dict[tuple[str, str], str]:
    """(drug, drug) -> the text of the cell."""
    (heading, *rows), *_ = tables_of(page)
    return {(row[0], column): cell for row in rows for column, cell in zip(heading[1:], row[1:], strict=True)}


def lines_of(page: str) -> list[list[str]]:
    """The rows of the table of lines: number, as written, recognised."""
    return tables_of(page)[-1][1:]


def cards_of(page: str) -> list[str]:
    """The summaries of the cards, in their order."""
    return [html.unescape(text) for text in re.findall(r'<h3 id="card-\d+-title">(.*?)</h3>', page)]


# --- What is found -------------------------------------------------------------------------------------


def test_the_form_is_empty_and_says_its_limits(client: FlaskClient) -> None:
    """A page that works without a script, under the policy of all pages."""
    response = client.get("/check")
    page = response.get_data(as_text=True)
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "At most 100 lines of 2,000 characters" in page
    assert "<script" not in page
    assert 'class="sum"' not in page


def test_each_pair_has_a_letter_a_word_and_its_card(client: FlaskClient) -> None:
    """Three sedating drugs are three pairs; a cell reads the same from both sides and leads to a card."""
    page = check(client, *THREE)
    assert summary_of(page) == "3 drugs, 3 pairs, 3 pairs with a finding"
    matrix = matrix_of(page)
    assert matrix["gabapentin", "baclofen"] == "M: major, gabapentin with baclofen"
    assert matrix["baclofen", "gabapentin"] == "M: major, baclofen with gabapentin"
    assert matrix["baclofen", "baclofen"] == "the same drug"
    for number in re.findall(r'href="#card-(\d+)"', page):
        assert f'id="card-{number}"' in page


def test_a_pair_without_a_finding_says_none_and_the_result_says_what_was_checked(client: FlaskClient) -> None:
    """Never just blank."""
    page = check(client, "levothyroxine 50 mcg", "amlodipine 5 mg")
    assert summary_of(page) == "2 drugs, 1 pair, no finding"
    assert matrix_of(page)["levothyroxine", "amlodipine"] == "·none"
    assert "No card: nothing was found in 1 pair and about 2 drugs." in page


def test_a_list_that_is_started_is_judged_as_a_hook_call_of_its_orders(
    client: FlaskClient, knowledge: Knowledge
) -> None:
    """The card about sedation is the one that an order of the same three drugs draws."""
    facts = {"age": 72, "sex": "female", "egfr": 40}
    hook = cns_card(answer_of(client, hook_call(knowledge, ordering=THREE, taking=(), facts=facts)))
    page = check(client, *THREE, age="72", sex="female", egfr="40", use="new")
    assert hook["summary"] in cards_of(page)
    assert "started together" in hook["summary"]


def test_a_list_that_is_taken_is_not_called_started_together(client: FlaskClient) -> None:
    """Every pair is judged all the same."""
    page = check(client, *THREE, age="72", sex="female", egfr="40", use="taken")
    assert summary_of(page).startswith("3 drugs, 3 pairs, 3 pairs with a finding")
    assert "started together" not in page
    assert "ordered new in this session" not in page


def test_what_is_known_of_the_patient_counts(client: FlaskClient) -> None:
    """Metformin at eGFR 25 is a finding about one drug, without any pair; without an eGFR it is not."""
    page = check(client, "metformin 1000 mg bid", age="70", sex="male", egfr="25,0")
    assert summary_of(page) == "1 drug, 0 pairs, 0 pairs with a finding, 1 finding about one drug"
    assert any("lactic acidosis" in summary for summary in cards_of(page))
    assert summary_of(check(client, "metformin 1000 mg bid")) == "1 drug, 0 pairs, no finding"


def test_an_egfr_does_not_claim_that_other_results_were_looked_for(client: FlaskClient) -> None:
    """Cards say that laboratory results were not seen, not that there are none."""
    page = check(client, "lisinopril 20 mg", "spironolactone 25 mg", "potassium chloride 20 mEq", egfr="40")
    assert "laboratory results were not seen" in page
    assert "none in the last" not in page


def test_findings_about_three_drugs_stand_under_the_matrix(client: FlaskClient) -> None:
    """No cell of a pair can show them."""
    page = check(client, *THREE, "tramadol 50 mg", "tizanidine 4 mg")
    assert "about three or more" in summary_of(page)
    assert "<h2>About three or more drugs</h2>" in page


def test_thirty_drugs_are_435_pairs(client: FlaskClient) -> None:
    """The matrix has a row and a column for each."""
    page = check(client, *THIRTY, age="76", sex="female", egfr="38")
    assert summary_of(page).startswith("30 drugs, 435 pairs, ")
    assert len(matrix_of(page)) == 900
    assert all(matrix_of(page).values())


# --- What is read --------------------------------------------------------------------------------------


def test_an_unknown_drug_is_named_and_the_others_are_checked(client: FlaskClient) -> None:
    """On its line, above the result and on the service's own card."""
    page = check(client, "gabapentin 300 mg", "zzzimab 5 mg", "baclofen 10 mg")
    assert summary_of(page) == "2 drugs, 1 pair, 1 pair with a finding"
    assert "Nothing was recognised in 1 line" in page
    assert lines_of(page)[1] == ["2", "zzzimab 5 mg", "not recognised"]
    assert cards_of(page).count("Not checked: zzzimab 5 mg") == 1
    assert not any("Current medication" in summary for summary in cards_of(page))


def test_a_list_of_unknown_drugs_has_no_matrix_and_says_that_nothing_was_checked(client: FlaskClient) -> None:
    """No drug is no "all clear"."""
    page = check(client, "zzzimab", "yyyimab")
    assert summary_of(page) == "No drug was recognised, so nothing was checked"
    assert "no finding" not in page
    assert "Nothing was recognised in 2 lines" in page


def test_words_that_were_not_understood_are_shown(client: FlaskClient) -> None:
    """How a drug is taken is read past; an unknown word may be a drug and is named."""
    page = check(client, "warfarin 5 mg as directed by clinic", "", "  ", "Tab. amlodipine 5mg OD")
    assert lines_of(page) == [
        ["1", "warfarin 5 mg as directed by clinic", "warfarin not understood clinic"],
        ["4", "Tab. amlodipine 5mg OD", "amlodipine"],
    ]


def test_one_drug_in_two_lines_is_one_row_and_a_finding_about_one_drug(client: FlaskClient) -> None:
    """Two lines of ibuprofen and one of warfarin are one pair."""
    page = check(client, "ibuprofen 400 mg", "Ibuprofen 200 mg over the counter", "warfarin 5 mg")
    assert summary_of(page) == "2 drugs, 1 pair, 1 pair with a finding, 1 finding about one drug"
    assert "Ibuprofen in two orders or products" in cards_of(page)
    assert "lines 1, 2, 3" in page


def test_two_drugs_of_one_product_are_not_a_pair(client: FlaskClient) -> None:
    """They are meant to be together, unless one of them stands in another line as well."""
    one = check(client, "sulfamethoxazole 800 mg / trimethoprim 160 mg", "amlodipine 5 mg")
    assert summary_of(one).startswith("3 drugs, 2 pairs, ")
    assert matrix_of(one)["sulfamethoxazole", "trimethoprim"] == "one product, not judged"
    both = check(client, "sulfamethoxazole 800 mg / trimethoprim 160 mg", "trimethoprim 200 mg")
    assert summary_of(both).startswith("2 drugs, 1 pair, ")


def test_what_is_beyond_the_limits_is_said_to_be_left_out(client: FlaskClient) -> None:
    """The 101st medication, and what follows the 2,000th character of a line."""
    page = check(client, *["amlodipine 5 mg"] * 100, "warfarin 5 mg")
    assert "only the first 100 were checked, up to line 100" in page
    assert "warfarin" not in tables_of(page)[-1][-1][1]
    page = check(client, "amlodipine 5 mg " + "x" * 2000, "warfarin 5 mg")
    assert "Line 1 has 2,016 characters; only the first 2,000 were read." in page


def test_an_empty_list_is_refused_in_a_sentence(client: FlaskClient) -> None:
    """With the form to fill in."""
    page = check(client, " ", "", status=400)
    assert "The list is empty" in page
    assert 'name="list"' in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("age", "old"), ("age", "121"), ("age", "1.5"), ("egfr", "0"), ("egfr", "251"), ("egfr", "<15"), ("sex", "x")],
)
def test_a_field_that_cannot_be_read_is_named_and_the_list_is_kept(client: FlaskClient, field: str, value: str) -> None:
    """Nothing is checked without it: a card would say that it is not known."""
    page = check(client, "amlodipine 5 mg", status=400, **{field: value})
    assert {"age": "Age is", "egfr": "eGFR is", "sex": "Sex is"}[field] in page
    assert "amlodipine 5 mg</textarea>" in page
    assert 'class="sum"' not in page


def test_markup_in_a_line_stays_text(client: FlaskClient) -> None:
    """HTML, Markdown and a link in the name of a drug."""
    page = check(client, "<script>alert(1)</script> **x** [y](javascript:alert(2)) ![z](http://evil.example/z)")
    assert "<script>" not in page
    assert "<img" not in page
    assert "javascript:alert(2)</a>" not in page
    assert 'href="javascript' not in page


def test_markdown_of_cards_becomes_html_that_is_safe() -> None:
    """Bold, lists and links are; HTML, pictures, headings and links to scripts are not."""
    assert as_html("**a** <b>") == "<p><strong>a</strong> &lt;b&gt;</p>\n"
    assert as_html("- a\n- b") == "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"
    assert 'href="https://a.example/" rel="noreferrer noopener"' in as_html("[a](https://a.example/)")
    assert "href" not in as_html("[a](javascript:b)")
    assert "<img" not in as_html("![a](https://a.example/a.png)")
    assert "<h1" not in as_html("# a\n\nb\n===\n")


# --- Who may ask, and what is kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "null"},
        {"Origin": "http://[" },
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)  # fmt: skip
def test_what_another_site_posts_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    """Another port of this machine is another site too."""
    response = client.post("/check", data={"list": "amlodipine"}, headers=headers)
    assert response.status_code == 403
    assert "sent by a page of another site" in response.get_data(as_text=True)
    assert "amlodipine" not in response.get_data(as_text=True)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}])
def test_what_its_own_page_or_a_program_posts_is_answered(client: FlaskClient, headers: dict[str, str]) -> None:
    """Programs send neither header; the form of the page sends its own origin."""
    assert client.post("/check", data={"list": "amlodipine"}, headers=headers).status_code == 200


def test_a_page_elsewhere_may_lead_here(client: FlaskClient) -> None:
    """A link is no post."""
    assert client.get("/check", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_the_page_is_for_operators_alone(client: FlaskClient) -> None:
    """As /metrics is, not through a proxy."""
    assert client.post("/check", data={"list": "x"}, headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 403


def test_without_the_workbench_there_is_no_page() -> None:
    """It does not exist."""
    app = app_of(read_settings({"CDS_AUTH": "off", "CDS_WORKBENCH": "off"}))
    assert app.test_client().get("/check").status_code == 404
    assert app.test_client().post("/check").status_code == 404
    close_app(app)


def app_with(few_cards: str, **settings: str) -> Flask:
    """An application with one card."""
    return app_of(read_settings({"CDS_AUTH": "off", "CDS_CARDS": few_cards, **settings}))


def test_too_often_is_said_on_a_page(few_cards: str) -> None:
    """The rate counts for pages too, which have no caller."""
    app = app_with(few_cards, CDS_RATE="1")
    answers = [app.test_client().post("/check", data={"list": "x"}) for _ in range(3)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].content_type.startswith("text/html")
    assert answers[-1].headers["Retry-After"]
    assert re.search(r"<p>[A-Z].*</p>\s+<p>Go back to change what was sent", answers[-1].get_data(as_text=True))
    close_app(app)


def test_a_list_that_is_too_large_is_said_on_a_page(few_cards: str) -> None:
    """The limit of every body holds for the form."""
    app = app_with(few_cards, CDS_MAX_BODY="2048")
    response = app.test_client().post("/check", data={"list": "x" * 3000})
    assert response.status_code == 413
    assert "larger than this service accepts" in response.get_data(as_text=True)
    close_app(app)


def test_nothing_of_a_list_is_kept(tmp_path: Path, few_cards: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither counted as cards shown, nor in the log or the metrics."""
    database = f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    app = app_with(few_cards, CDS_DATABASE_URL=database)
    with caplog.at_level(logging.DEBUG, "cds_service"):
        check(app.test_client(), "canaryimab 5 mg", "gabapentin 300 mg", "baclofen 10 mg", age="71")
    assert "canaryimab" not in caplog.text
    assert "gabapentin" not in caplog.text
    metrics = app.extensions[METRICS].text().decode()
    assert "canaryimab" not in metrics
    assert not re.search(r"^cds_cards_total\{.*\} [1-9]", metrics, re.M)
    close_app(app)
    store = Store(database)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(shown)).scalar_one() == 0
    store.close()


# --- In a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with all cards."""
    with serving(tmp_path_factory.mktemp("check") / "data", workers=1) as started:
        yield started


def fill(page: Page, *lines: str) -> None:
    """Open the form, paste the list and send it."""
    page.goto("/check")
    page.get_by_label("Medications, one on each line.").fill("\n".join(lines))
    page.get_by_label("Age in years").fill("76")
    page.get_by_label("Sex").select_option("female")
    page.get_by_label("eGFR").fill("38")
    page.get_by_role("button", name="Check the list").click()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_form_and_result_are_accessible(browser: Browser, server: Server, width: int, scheme: str) -> None:
    """With thirty drugs, one unknown and one twice; and with nothing in the list."""
    with page_of(browser, server.base, width, scheme) as watched:
        page = watched.page
        page.goto("/check")
        expect_accessible(page)
        fill(page, *THIRTY, "zzzimab 5 mg", "Ibuprofen 200 mg")
        assert "30 drugs, 435 pairs" in page.locator(".sum").inner_text()
        expect_accessible(page)
        page.get_by_text("Change the list or the patient").click()
        assert page.get_by_label("Medications, one on each line.").input_value().startswith("warfarin 5 mg daily\n")
        expect_accessible(page)
        page.goto("/check")
        assert page.evaluate("document.title").startswith("Check a list")


def test_an_empty_list_is_accessible_too(browser: Browser, server: Server) -> None:
    """The sentence is announced; lines of blanks pass the browser's own check."""
    with page_of(browser, server.base) as watched:
        page = watched.page
        page.goto("/check")
        page.get_by_label("Medications, one on each line.").fill("   ")
        page.get_by_role("button", name="Check the list").click()
        assert "The list is empty" in page.get_by_role("alert").inner_text()
        expect_accessible(page)
        # Chromium notes every answer of 400 and above in the console; there must be no other fault.
        assert all("400" in fault for fault in watched.faults)
        watched.faults.clear()


def test_the_first_column_stays_while_the_matrix_scrolls(browser: Browser, server: Server) -> None:
    """At 360 px the page does not scroll sideways, the matrix does, and the names stay in sight."""
    with page_of(browser, server.base, 360) as watched:
        page = watched.page
        fill(page, *THIRTY)
        matrix = page.get_by_role("region", name="Drugs by drugs")
        name = matrix.get_by_role("rowheader", name="warfarin", exact=True)
        before = name.bounding_box()
        matrix.evaluate("node => { node.scrollLeft = 400 }")
        assert matrix.evaluate("node => node.scrollLeft") == 400
        after = name.bounding_box()
        assert before is not None
        assert after is not None
        assert abs(before["x"] - after["x"]) < 2


def test_from_list_to_card_by_keyboard_alone(browser: Browser, server: Server) -> None:
    """Type the list, send it with Enter on the button, go to a cell, open its card, which has the focus then."""
    with page_of(browser, server.base) as watched:
        page = watched.page
        page.goto("/check")
        tab_to(page, "list")
        page.keyboard.type("gabapentin 300 mg\nbaclofen 10 mg")
        tab_to(page, "Check the list")
        page.keyboard.press("Enter")
        page.locator(".sum").wait_for()
        tab_to(page, "M: major, baclofen with gabapentin")
        page.keyboard.press("Enter")
        page.wait_for_url("**/check#card-1")
        assert page.evaluate("document.activeElement.id") == "card-1"


def tab_to(page: Page, what: str) -> None:
    """Press Tab until the element with this id or text has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if what in page.evaluate("[document.activeElement.id, document.activeElement.textContent.trim()]"):
            return
    raise AssertionError(f"Tab never comes to {what}")
