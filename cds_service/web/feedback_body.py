"""The body of a feedback call -> what is stored of it. Free text stays outside unless the site keeps comments."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from cds_service.core.identity import read_card_uuid
from cds_service.core.values import JSON
from cds_service.errors import BadRequest
from cds_service.store.feedback import FeedbackItem

MOST_ITEMS = 1000
LONGEST_COMMENT = 4000  # characters
OTHER = "(other)"  # stands for a reason whose code is text rather than a code
_OUTCOMES = ("accepted", "overridden")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/|#+-]{0,63}")
_SYSTEM = re.compile(r"[!-~]{1,200}")
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_feedback(body: Any, keys: tuple[bytes, ...], keep_comments: bool) -> tuple[FeedbackItem, ...]:
    """All items, or BadRequest that names the first one that cannot be read. A card sealed by one of `keys` counts."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise BadRequest("feedback", 'is not an array. Send {"feedback": [...]}')
    if len(items) > MOST_ITEMS:
        raise BadRequest("feedback", f"has more than {MOST_ITEMS:,} items. Send them in several calls")
    return tuple(_item(item, f"feedback[{i}]", keys, keep_comments) for i, item in enumerate(items))


def _item(item: Any, path: str, keys: tuple[bytes, ...], keep_comments: bool) -> FeedbackItem:
    if not isinstance(item, dict):
        raise BadRequest(path, "is not an object")
    card = item.get("card")
    if not isinstance(card, str) or not card:
        raise BadRequest(f"{path}.card", "is missing. It is the uuid of a card")
    outcome = item.get("outcome")
    if outcome not in _OUTCOMES:
        raise BadRequest(f"{path}.outcome", f"is not one of {', '.join(_OUTCOMES)}")
    taken = _suggestions(item, path) if outcome == "accepted" else 0
    system, code, comment = _override(item, path)
    is_override = outcome == "overridden"
    origin = read_card_uuid(card, keys)
    return FeedbackItem(
        card=str(uuid.UUID(card)) if origin else "",
        origin=origin,
        outcome=outcome,
        outcome_at=_moment(item.get("outcomeTimestamp"), f"{path}.outcomeTimestamp"),
        suggestions=taken,
        reason_system=system if is_override else "",
        reason_code=code if is_override else "",
        has_comment=bool(comment),
        comment=comment.replace("\0", "") if comment and keep_comments else None,
    )


def _suggestions(item: JSON, path: str) -> int:
    """How many suggestions were taken."""
    taken = item.get("acceptedSuggestions")
    if not isinstance(taken, list):
        raise BadRequest(f"{path}.acceptedSuggestions", 'is not an array. With accepted, send [{"id": "..."}]')
    for i, suggestion in enumerate(taken):
        if not isinstance(suggestion, dict) or not isinstance(suggestion.get("id"), str) or not suggestion["id"]:
            raise BadRequest(
                f"{path}.acceptedSuggestions[{i}]", 'is not an object with the uuid of a suggestion as "id"'
            )
    return len(taken)


def _override(item: JSON, path: str) -> tuple[str, str, str]:
    """(system of the reason, its code, comment), each "" where there is none."""
    path = f"{path}.overrideReason"
    override = item.get("overrideReason")
    if override is None:
        return "", "", ""
    if not isinstance(override, dict):
        raise BadRequest(path, "is not an object")
    system, code = _reason(override.get("reason"), f"{path}.reason")
    comment = override.get("userComment")
    if comment is not None and not isinstance(comment, str):
        raise BadRequest(f"{path}.userComment", "is not a string")
    if comment and len(comment) > LONGEST_COMMENT:
        raise BadRequest(f"{path}.userComment", f"is too long. At most {LONGEST_COMMENT:,} characters are allowed")
    return system, code, comment or ""


def _reason(reason: Any, path: str) -> tuple[str, str]:
    """(system, code) as far as they look like ones: a client's own codes count, its free text is not kept."""
    if reason is None:
        return "", ""
    if not isinstance(reason, dict):
        raise BadRequest(path, "is not an object")
    code, system = reason.get("code"), reason.get("system")
    if not isinstance(code, str) or not code:
        raise BadRequest(f"{path}.code", "is missing")
    if system is not None and not isinstance(system, str):
        raise BadRequest(f"{path}.system", "is not a string")
    return (system if system and _SYSTEM.fullmatch(system) else ""), (code if _CODE.fullmatch(code) else OTHER)


def _moment(text: Any, path: str) -> datetime:
    """An RFC 3339 date-time in UTC, to the microsecond; a leap second counts as the second before it."""
    found = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        day, minute, second, fraction, zone = found.groups()
        second = "59" if second == "60" else second
        micro = (fraction or ".")[1:7].ljust(6, "0")
        try:
            moment = datetime.fromisoformat(f"{day}T{minute}:{second}.{micro}{zone.upper()}")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise BadRequest(path, "is not a date and time as in RFC 3339, such as 2026-11-22T08:30:00Z")
