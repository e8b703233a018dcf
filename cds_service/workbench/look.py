"""What the service makes of a hook call, for the page that composed it: what was understood and checked, the day."""

from __future__ import annotations

from datetime import date
from typing import Any

from cds_service.core.evaluate import evaluate, scope_of
from cds_service.core.medications import read_medications
from cds_service.core.values import JSON, Knowledge, Medication
from cds_service.fhir.request import read_hook_request
from cds_service.workbench.timeline import day_of, describe, draw


def look_at(body: Any, hook: str, knowledge: Knowledge, today: date) -> JSON:
    """`scope` (one sentence), `medications` (what each entry was read as) and `day` (SVG and words, or None).

    The body is read by the same code as a hook call, without a FHIR server. Raises BadRequest.
    """
    request = read_hook_request(body, hook).request
    medications = read_medications(request, knowledge, today)
    day = day_of(evaluate(request, knowledge, today), knowledge)
    return {
        "scope": scope_of(request, medications, knowledge),
        "medications": [_understood(medication) for medication in medications],
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
