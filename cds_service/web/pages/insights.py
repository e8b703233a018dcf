"""The page that shows how cards fare: counts and reasons, never who, and no text of a comment."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from cds_service.core.values import Knowledge
from cds_service.errors import StoreDown
from cds_service.insights.chart import HEIGHT, SERIES, TOP, draw_chart
from cds_service.insights.weekly import MOST_WEEKS, USUAL_WEEKS, Insights, read_insights
from cds_service.outcomes import FLAG_ABOVE, FLAG_FROM, NO_REASON
from cds_service.web.feedback_body import OTHER
from cds_service.web.pages.frame import Frame
from cds_service.web.pages.parts import Parts

_MOST_DRAWN = 25  # cards with a chart of their own; the table has all
_MOST_REASONS = 10
_FLAG = {"above": f"{FLAG_ABOVE:.0%}".replace("%", " %"), "from": FLAG_FROM}
_CHART = {"series": SERIES, "height": HEIGHT, "top": TOP}


def add_insights(blueprint: Blueprint, frame: Frame, parts: Parts) -> None:
    """The route of the page."""
    reasons = _displays(parts.knowledge)
    ids = (*(rule.id for rule in parts.knowledge.rules), *parts.knowledge.notices)

    constants: dict[str, Any] = {
        "most_weeks": MOST_WEEKS,
        "most_drawn": _MOST_DRAWN,
        "most_reasons": _MOST_REASONS,
        "flag": _FLAG,
        "chart": _CHART,
        "draw": draw_chart,
        "titles": {rule.id: rule.title for rule in parts.knowledge.rules},
    }

    def reason_name(system: str, code: str) -> str:
        return reasons.get((system, code)) or {NO_REASON: "No reason given", OTHER: "Another reason"}.get(code, code)

    def read(weeks: int) -> tuple[Insights | None, str]:
        try:
            return read_insights(parts.store, ids, weeks, parts.today(), parts.settings.timezone), ""
        except StoreDown as error:
            return None, error.reason

    @blueprint.get("/insights")
    def insights() -> Response:
        weeks, is_odd = _weeks(request.args.get("weeks", ""))
        found, fault = read(weeks)
        return frame.show(
            "insights.html",
            found=found,
            fault=fault,
            weeks=weeks,
            is_odd=is_odd,
            reason_name=reason_name,
            **constants,
        )


def _weeks(text: str) -> tuple[int, bool]:
    """(how many weeks, whether that is not what was asked for)."""
    if not text:
        return USUAL_WEEKS, False
    if not (text.isascii() and text.isdigit()):
        return USUAL_WEEKS, True
    asked = int(text[:6])
    weeks = min(max(asked, 1), MOST_WEEKS)
    return weeks, weeks != asked


def _displays(knowledge: Knowledge) -> dict[tuple[str, str], str]:
    """How our reasons read, by system and code."""
    rules = (reason for rule in knowledge.rules for reason in rule.override_reasons)
    notices = (reason for notice in knowledge.notices.values() for reason in notice.override_reasons)
    return {(reason.system, reason.code): reason.display for reason in (*rules, *notices)}
