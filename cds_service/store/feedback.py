"""Feedback as it is stored: what became of a card, without patient data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert

from cds_service.core.values import CardOrigin
from cds_service.store.database import Store
from cds_service.store.tables import feedback

_NOT_OURS = CardOrigin("", 0, "")


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What a prescriber did with one card. `origin` is None where the card is not one shown to this client."""

    card: str
    origin: CardOrigin | None
    outcome: str
    outcome_at: datetime
    suggestions: int = 0
    reason_system: str = ""
    reason_code: str = ""
    has_comment: bool = False
    comment: str | None = None


def save_feedback(store: Store, client: str, items: tuple[FeedbackItem, ...]) -> None:
    """Store all of `items` for good, or raise StoreDown and store none of them."""
    if not items:
        return
    now = datetime.now(UTC)
    with store.writing() as connection:
        connection.execute(insert(feedback), [_row(item, client, now) for item in items])


def _row(item: FeedbackItem, client: str, now: datetime) -> dict[str, object]:
    origin = item.origin or _NOT_OURS
    return {
        "received_at": now,
        "client": client,
        "card": item.card if item.origin else "",
        "rule": origin.rule,
        "version": origin.version,
        "indicator": origin.indicator,
        "outcome": item.outcome,
        "outcome_at": item.outcome_at,
        "suggestions": item.suggestions,
        "reason_system": item.reason_system,
        "reason_code": item.reason_code,
        "has_comment": item.has_comment,
        "comment": item.comment if item.origin else None,
    }
