"""What the pages are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from cds_service.core.values import Knowledge
from cds_service.settings import Settings
from cds_service.store.database import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an application that pages show or use. `today` is asked once per page."""

    knowledge: Knowledge
    settings: Settings
    store: Store
    today: Callable[[], date]
