"""What the service makes of a hook call, for the page that composed it: what was understood and checked, the day."""

from __future__ import annotations

from datetime import date
from typing import Any

from cds_service.core.evaluate import evaluate
from cds_service.core.values import JSON, Knowledge, Medication
from cds_service.fhir.request import read_hook_request
from cds_service.workbench.timeline import day_of, describe, draw


def look_at(body: Any, hook: str, knowledge: Knowledge, today: date) -> JSON:
    """`scope` (one sentence), `medications` (what each entry was read as) and `day` (SVG and words, or None).

    The body is read by the same code as a hook call, without a FHIR server. Raises BadRequest.
    """
    evaluation = evaluate(read_hook_request(body, hook).request, knowledge, today)
    day = day_of(evaluation, knowledge)
    return {
        "scope": evaluation.scope,
        "medications": [_understood(medication) for medication in evaluation.medications],
        "day": None if day is None else {"svg": draw(day), "text": describe(day), "overlap": bool(day.overlaps)},
    }


def _understood(medication: Medication) -> JSON:
    return {
        "key": medication.entry.key,
        "ingredients": list(medication.ingredients),
        "unread": list(medication.unread),
        "role": medication.role,
        "route": medication.route,
    }
