"""Each active card rests on a primary or official source, and no source is a copy at an upload or answer site."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import yaml

from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder

STRONG_KINDS = {"label", "regulator", "guideline", "trial", "cohort", "review"}

# Only who is answerable for the text itself: the register of a label, a regulator, a library of papers or a journal.
# A copy of a label or a report of a warning may stand beside one of these, but no card rests on it alone.
PRIMARY_HOSTS = {
    "bmj.com",
    "canada.ca",
    "cdc.gov",
    "ch.oddb.org",
    "doi.org",
    "ema.europa.eu",
    "fda.gov",
    "gov.uk",
    "govinfo.gov",
    "jamanetwork.com",
    "link.springer.com",
    "nice.org.uk",
    "nih.gov",
}

# Answer sites and consumer pages, upload sites, test mirrors of a compendium: texts that nobody signs, or that vanish.
UNWANTED_HOSTS = {
    "azurewebsites.net",
    "blogspot.com",
    "coek.info",
    "docsbay.net",
    "docslib.org",
    "droracle.ai",
    "fliphtml5.com",
    "hellopharmacist.com",
    "issuhub.com",
    "medpill.info",
    "mimsdev.com",
    "quizgecko.com",
    "scribd.com",
    "sharecare.com",
    "slideshare.net",
    "uat.mims.com",
    "vdocuments.site",
    "webmd.com",
}

SOURCES = {
    key: source
    for file in sorted((cards_folder() / "evidence").glob("*.yaml"))
    for key, source in yaml.safe_load(file.read_text(encoding="utf-8")).items()
}


def is_at(url: str, hosts: set[str]) -> bool:
    """Whether the address is at one of the hosts or below it."""
    labels = (urlsplit(url).hostname or "").split(".")
    return any(".".join(labels[start:]) in hosts for start in range(len(labels)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://dailymed.nlm.nih.gov/dailymed/drugInfo.cfm", True),
        ("https://doi.org/10.1002/jcph.1345", True),
        ("https://notdoi.org/10.1002/jcph.1345", False),
        ("https://example.com/doi.org", False),
    ],
)
def test_a_host_counts_with_what_is_below_it_and_nothing_else(url: str, expected: bool) -> None:
    """A name that only ends like one of the list, or a path that names it, is not at the host."""
    assert is_at(url, PRIMARY_HOSTS) is expected


def test_every_active_card_rests_on_a_primary_or_official_source(knowledge: Knowledge) -> None:
    """A label, regulator's page, guideline or paper at one of the hosts, whatever else the card cites."""
    active = [rule for rule in knowledge.rules if rule.status == "active"]
    weak = {
        rule.id: [use.url for use in rule.evidence]
        for rule in active
        if not any(use.kind in STRONG_KINDS and is_at(use.url, PRIMARY_HOSTS) for use in rule.evidence)
    }
    assert active
    assert weak == {}


def test_no_source_is_at_an_answer_or_upload_site_or_a_test_mirror() -> None:
    """Also of sources that only a group, a pair or a draft cites."""
    assert SOURCES
    assert {key: source["url"] for key, source in SOURCES.items() if is_at(source["url"], UNWANTED_HOSTS)} == {}
