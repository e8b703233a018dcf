"""A service that knows the released dictionary and only the cards a test writes."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import yaml
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.knowledge import cards_folder
from cds_service.knowledge.folder import CARD_FOLDERS
from cds_service.lint import stamp
from cds_service.settings import read_settings
from tests.helpers import TODAY

JSON = dict[str, Any]

CARD: JSON = {
    "id": "own-card",
    "title": "A card of a test",
    "version": 1,
    "status": "active",
    "topic": "absorption",
    "drugs": {"drug": {"any_of": ["methotrexate"]}},
    "mechanism": {"kind": "unknown", "text": "none, a test"},
    "consequence": "nothing, a test",
    "classification": "inform",
    "frequency": {"exposure": "unknown", "harm": "unknown"},
    "certainty": "a test",
    "card": {
        "severity": "moderate",
        "indicator": "info",
        "summary": "{drugs} in a test",
        "advice": "Do nothing at all, this is a test.",
    },
    "override_reasons": ["will-monitor"],
    "history": [{"version": 1, "date": "2026-11-22", "change": "first version", "content": ""}],
    "evidence": [{"key": "acb-data", "supports": "nothing, a test"}],
    "review": {"written_by": "a test", "reviewed": "none"},
    "examples": [
        {"name": "it fires", "ordering": ["methotrexate"], "expect": {"severity": "moderate", "indicator": "info"}},
        {"name": "it is silent", "ordering": ["amoxicillin"], "expect": "no card"},
    ],
}


def write_cards(folder: Path, *cards: JSON) -> Path:
    """A copy of the released folder that holds `cards` (what each changes of CARD) instead of the released ones."""
    shutil.copytree(cards_folder(), folder)
    for part in CARD_FOLDERS:
        for path in (folder / part).glob("*.yaml"):
            path.unlink()
    for changes in cards:
        card = copy.deepcopy(CARD) | changes
        path = folder / "interactions" / f"{card['id']}.yaml"
        path.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    stamp(folder)
    return folder


def service_with(folder: Path, *cards: JSON, suggestions: str = "") -> FlaskClient:
    """A client of a service with only these cards, and with `suggestions` (YAML) beside the released ones."""
    write_cards(folder, *cards)
    with (folder / "suggestions.yaml").open("a", encoding="utf-8") as file:
        file.write(suggestions)
    return create_app(
        read_settings({"CDS_AUTH": "off", "CDS_RATE": "0", "CDS_CARDS": str(folder)}), lambda: TODAY
    ).test_client()
