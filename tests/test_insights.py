"""How cards fare, week by week: the counts over both kinds of database, and the page that shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import insert

from cds_service.app import close_app
from cds_service.core.identity import rule_bits
from cds_service.core.values import CardOrigin
from cds_service.insights.weekly import read_insights
from cds_service.outcomes import FLAG_FROM
from cds_service.store.database import Store
from cds_service.store.feedback import FeedbackItem, save_feedback
from cds_service.store.report import Beginning, read_counts, read_week_counts
from cds_service.store.tables import shown
from tests.browser import LOOKS, expect_accessible, page_of
from tests.feedback import accepted, app_with, invented, overridden, send
from tests.helpers import TODAY
from tests.servers import Server, serving
from tests.tables import tables_of

RULE = "gabapentin-baclofen-cns-depression"
OTHER = "baclofen-opioid"
MONDAY = date(2026, 11, 16)  # of the week that TODAY is in
NOWHERE = "postgresql://cds:canary-database-password@127.0.0.1:1/cds"


@pytest.fixture
def client(database: str) -> Iterator[FlaskClient]:
    """A client of a service with an empty database."""
    app = app_with(database)
    yield app.test_client()
    close_app(app)


def show(database: str, *cards: tuple[str, date, int], version: int = 1) -> None:
    """Write how often cards were shown: rule, day, times."""
    store = Store(database)
    rows = [
        {"day": day, "client": f"c{n}", "rule": rule, "version": version, "indicator": "warning", "times": times}
        for n, (rule, day, times) in enumerate(cards)
    ]
    with store.writing() as connection:
        connection.execute(insert(shown), rows)
    store.close()


def at(moment: str) -> dict[str, str]:
    """When an outcome happened."""
    return {"outcomeTimestamp": moment}


def page_of_insights(client: FlaskClient, query: str = "") -> str:
    """The page; it always answers."""
    response = client.get(f"/insights{query}")
    assert response.status_code == 200
    return response.get_data(as_text=True)


def weeks_of(page: str, table: int = 0) -> dict[str, tuple[int, int, int]]:
    """First day of a week -> shown, accepted, overridden, of weeks with any. Table 0 is of all cards."""
    tables = [rows for rows in tables_of(page) if rows[0][0] == "Week from"]
    found = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in tables[table][1:]}
    return {week: counts for week, counts in found.items() if any(counts)}


def cards_of(page: str) -> list[list[str]]:
    """The rows of the table of cards."""
    return next(rows[1:] for rows in tables_of(page) if rows[0][0] == "Card")


# --- Counts --------------------------------------------------------------------------------------------


def test_cards_and_outcomes_stand_in_their_week(client: FlaskClient, database: str) -> None:
    """A week begins on Monday; shown counts by the day, outcomes by when they happened, not by when they came."""
    show(database, (RULE, MONDAY, 5), (RULE, MONDAY - timedelta(1), 3), (OTHER, MONDAY - timedelta(7), 2))
    send(client, accepted(invented(RULE, "a"), "s", **at("2026-11-16T00:00:00Z")))
    send(client, overridden(invented(RULE, "b"), **at("2026-11-15T23:59:59Z")))
    page = page_of_insights(client)
    assert weeks_of(page) == {"2026-11-16": (5, 1, 0), "2026-11-09": (5, 0, 1)}
    assert weeks_of(page, 1) == {"2026-11-16": (5, 1, 0), "2026-11-09": (3, 0, 1)}
    assert [row[:4] for row in cards_of(page)] == [[f"{RULE} v1", "8", "1", "1"], [f"{OTHER} v1", "2", "0", "0"]]


def test_a_week_begins_at_midnight_of_the_service(database: str) -> None:
    """Half an hour before midnight in UTC is Monday already in Berlin."""
    app = app_with(database, CDS_TIMEZONE="Europe/Berlin")
    send(app.test_client(), overridden(invented(RULE, "a"), **at("2026-11-15T23:30:00Z")))
    assert weeks_of(page_of_insights(app.test_client())) == {"2026-11-16": (0, 0, 1)}
    close_app(app)


def test_the_last_outcome_of_a_card_counts_in_its_week(client: FlaskClient) -> None:
    """First overridden, a week later accepted; the first told again afterwards."""
    early = overridden(invented(RULE, "a"), "will-monitor", **at("2026-11-10T08:00:00Z"))
    late = accepted(invented(RULE, "a"), "s", **at("2026-11-17T08:00:00Z"))
    send(client, early)
    send(client, late)
    send(client, early)
    page = page_of_insights(client)
    assert weeks_of(page) == {"2026-11-16": (0, 1, 0)}
    assert "No card was overridden." in page


def test_weeks_add_up_to_the_report_of_the_command_line(database: str, client: FlaskClient) -> None:
    """The same tables, cut into weeks: nothing twice, nothing lost, reasons and versions included."""
    show(database, *((RULE, MONDAY - timedelta(9 * n), n + 1) for n in range(6)))
    show(database, (OTHER, TODAY, 4), version=2)
    for n in range(12):
        when = (datetime(2026, 11, 21, 12, tzinfo=UTC) - timedelta(days=5 * n)).isoformat()
        send(client, overridden(invented(RULE, str(n)), "will-monitor" if n % 2 else "", **at(when)))
    store = Store(database)
    beginnings = [MONDAY - timedelta(weeks=n) for n in reversed(range(12))]
    weeks = [Beginning(day, datetime.combine(day, datetime.min.time(), UTC)) for day in beginnings]
    by_week, whole = read_week_counts(store, weeks), read_counts(store, None, None)
    store.close()
    assert sum(one.times for _, one in by_week.shown) == sum(one.times for one in whole.shown) == 25
    assert sum(one.cards for _, one in by_week.outcomes) == sum(one.cards for one in whole.outcomes) == 12
    assert {one.reason_code for _, one in by_week.outcomes} == {one.reason_code for one in whole.outcomes}
    assert len({week for week, _ in by_week.outcomes}) > 6


@pytest.mark.parametrize("weeks", [1, 2, 52])
def test_any_number_of_weeks_can_be_read(database: str, weeks: int) -> None:
    """What is dated after today, by a client's clock, counts in this week; what is before the first does not."""
    show(database, (RULE, TODAY + timedelta(3), 1), (RULE, MONDAY - timedelta(weeks=60), 7))
    store = Store(database)
    found = read_insights(store, [RULE], weeks, TODAY, ZoneInfo("UTC"))
    store.close()
    assert len(found.all_cards) == weeks
    assert found.all_cards[-1].begins == MONDAY
    assert [week.shown for week in found.all_cards if week.shown] == [1]


# --- The page ------------------------------------------------------------------------------------------


def test_without_data_the_page_says_so(client: FlaskClient) -> None:
    """In a sentence, without an empty chart."""
    page = page_of_insights(client)
    assert "No card was shown or answered in these 12 weeks." in page
    assert "<svg" not in page


def test_without_a_database_the_page_says_so() -> None:
    """And that orders are checked all the same; neither an address nor a password."""
    app = app_with(NOWHERE)
    page = page_of_insights(app.test_client())
    assert "The database does not answer now" in page
    assert "Orders are checked all the same" in page
    assert "canary" not in page
    close_app(app)


def test_cards_that_are_almost_always_overridden_come_first(client: FlaskClient, database: str) -> None:
    """Above 90 % of at least 20 answers, however seldom they are shown; on the limit they are not."""
    show(database, (OTHER, TODAY, 500), (RULE, TODAY, 20))
    for rule, no, yes in ((RULE, 19, 1), (OTHER, 18, 2)):
        send(client, *(overridden(invented(rule, f"n{i}")) for i in range(no)))
        send(client, *(accepted(invented(rule, f"y{i}"), "s") for i in range(yes)))
    page = page_of_insights(client)
    first, second = cards_of(page)
    assert first == [f"{RULE} v1 almost always overridden", "20", "1", "19", "95 %", "No reason given 19"]
    assert second[0] == f"{OTHER} v1"
    assert second[4] == "90 %"
    assert f"more than 90 % of at least {FLAG_FROM} answered cards" in page


def test_reasons_read_as_on_the_button_most_frequent_first(client: FlaskClient) -> None:
    """Ours by their displays, a client's own by code and system, never as markup."""
    items = [overridden(invented(RULE, str(n)), "will-monitor") for n in range(3)]
    items += [overridden(invented(RULE, f"o{n}"), "own-7", "https://ehr.example.org/<b>") for n in range(2)]
    items += [overridden(invented(RULE, "none"))]
    send(client, *items)
    page = page_of_insights(client)
    (listed,) = re.findall(r'<ol class="reasons">(.*?)</ol>', page, re.S)
    told = [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in re.findall(r"<li>(.*?)</li>", listed, re.S)]
    assert told[0] == "Monitoring is arranged: 3"
    assert told[1].startswith("own-7: 2")
    assert told[2] == "No reason given: 1"
    assert "<b>" not in page


def test_no_comment_is_shown(database: str) -> None:
    """Not even where they are kept."""
    app = app_with(database, CDS_FEEDBACK_COMMENTS="store")
    send(app.test_client(), overridden(invented(RULE, "a"), "will-monitor", comment="canary of a comment"))
    page = page_of_insights(app.test_client())
    assert "Monitoring is arranged: 1" in page
    assert "canary" not in page
    close_app(app)


@pytest.mark.parametrize(
    ("query", "weeks", "is_told"),
    [("", 12, False), ("?weeks=4", 4, False), ("?weeks=0", 1, True), ("?weeks=999999999999", 52, True),
     ("?weeks=-1", 12, True), ("?weeks=four", 12, True), ("?weeks=٤", 12, True)],
)  # fmt: skip
def test_the_range_is_bounded(client: FlaskClient, database: str, query: str, weeks: int, is_told: bool) -> None:
    """One week to a year; what is not that is said."""
    show(database, (RULE, TODAY, 1))
    page = page_of_insights(client, query)
    assert len(next(rows for rows in tables_of(page) if rows[0][0] == "Week from")) == weeks + 1
    assert ("Weeks are a number from 1 to 52" in page) == is_told


def test_each_chart_has_its_figures_in_words(client: FlaskClient, database: str) -> None:
    """A name with the sums, and a table; bars only where there is something."""
    show(database, (RULE, TODAY, 7))
    send(client, overridden(invented(RULE, "a")))
    page = page_of_insights(client)
    charts = re.findall(r'<svg class="chart".*?role="img" aria-labelledby="([^"]+)">(.*?)</svg>', page, re.S)
    assert len(charts) == 2
    for name, inside in charts:
        assert f'<title id="{name}">' in inside
        assert "shown 7, accepted 0, overridden 1 in 12 weeks" in inside
        assert len(re.findall(r'<rect class="bar', inside)) == 2
    assert len([rows for rows in tables_of(page) if rows[0][0] == "Week from"]) == 2


def test_a_rule_that_no_file_has_is_named_by_its_hash(client: FlaskClient) -> None:
    """As in the report of the command line."""
    send(client, overridden(invented("gone-rule", "a")))
    (row,) = cards_of(page_of_insights(client))
    assert row[0] == f"#{rule_bits('gone-rule').hex()} v1"


def test_the_page_is_for_operators_alone(client: FlaskClient) -> None:
    """As /metrics is, not through a proxy."""
    assert client.get("/insights", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 403


# --- In a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, few_cards: str) -> Iterator[Server]:
    """A service that has shown and been answered, up to today."""
    data: Path = tmp_path_factory.mktemp("insights") / "data"
    url, now = f"sqlite:///{data / 'cds-service.sqlite3'}", datetime.now(UTC)
    data.mkdir()
    Store(url).upgrade()
    show(url, *((rule, now.date() - timedelta(7 * n), 5 + n) for n in range(10) for rule in (RULE, OTHER)))
    origins = [CardOrigin(rule_bits(rule).hex(), 1, "warning") for rule in (RULE, OTHER)]
    items = [
        FeedbackItem(f"{n}", origins[n % 2], "accepted" if n % 6 == 1 else "overridden", now - timedelta(days=n))
        for n in range(60)
    ]
    store = Store(url)
    save_feedback(store, "open", tuple(items))
    store.close()
    with serving(data, workers=1, CDS_CARDS=few_cards) as started:
        yield started


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_is_accessible(browser: Browser, server: Server, width: int, scheme: str) -> None:
    """With charts and with all their tables open, and over a year."""
    with page_of(browser, server.base, width, scheme) as watched:
        page = watched.page
        page.goto("/insights")
        assert page.get_by_role("img").count() == 3
        assert "almost always overridden" in page.get_by_role("row").filter(has_text=RULE).first.inner_text()
        expect_accessible(page)
        for summary in page.locator("summary").all():
            summary.click()
        expect_accessible(page)
        page.get_by_label("Weeks up to this one").fill("52")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/insights?weeks=52")
        expect_accessible(page)
