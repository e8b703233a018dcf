"""What a card file says beyond its rule (mechanism, history, examples): read when somebody asks, and kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cds_service.core.values import Rule
from cds_service.errors import Fault
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.folder import CARD_FOLDERS, read_folder
from cds_service.knowledge.load import card_places
from cds_service.knowledge.schema import check


class CardFiles:
    """The card files of a folder. Any thread may ask; each file is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: dict[str, Mapping[str, Any]] = {}

    def content_of(self, rule: Rule) -> Mapping[str, Any]:
        """The file that `rule` was loaded from; empty where it is gone, or is no longer what was loaded."""
        with self._lock:
            if rule.id not in self._read:
                content = self._content(rule)
                if not content:
                    return {}
                self._read[rule.id] = content
            return self._read[rule.id]

    def _content(self, rule: Rule) -> Mapping[str, Any]:
        paths = (self._folder / part / f"{rule.id}.yaml" for part in CARD_FOLDERS)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            return {}
        faults: list[Fault] = []
        content = read_yaml(path, path.name, faults)
        if faults or check(content, self._folder / "card.schema.json", path.name):
            return {}
        return content if _is_of(content, rule) else {}


def ids_in(folder: Path) -> list[str]:
    """The ids of all cards and notices of a folder, taken from names and keys: nothing is checked, and it is quick."""
    faults: list[Fault] = []
    notices = read_yaml(folder / "notices.yaml", "notices.yaml", faults) or ()
    return [*(Path(place).stem for place in card_places(read_folder(folder))), *notices]


def _is_of(content: Mapping[str, Any], rule: Rule) -> bool:
    same = content["id"] == rule.id and content["version"] == rule.version and content["title"] == rule.title
    return same and len(content.get("modifiers", ())) == len(rule.modifiers)
