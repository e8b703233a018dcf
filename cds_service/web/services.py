"""The CDS Services this deployment offers, as discovery describes them. One service per hook."""

from __future__ import annotations

from typing import Any

from cds_service.core.values import JSON, Knowledge
from cds_service.errors import BadRequest, UnknownService

SERVICES = {"interactions-order-sign": "order-sign", "interactions-order-select": "order-select"}
_WHEN = {"order-sign": "when they are signed", "order-select": "while they are being selected"}


def service_of(body: Any) -> str:
    """The service of this deployment for the hook that a call's body names. Raises BadRequest where there is none."""
    hook = body.get("hook") if isinstance(body, dict) else None
    service = next((name for name, of in SERVICES.items() if of == hook), "")
    if not service:
        raise BadRequest("hook", f"is not one of {', '.join(SERVICES.values())}")
    return service


def known_service(service: str) -> str:
    """The hook of a service of this deployment. Raises UnknownService."""
    if service not in SERVICES:
        raise UnknownService(f"there is no such service. Known are {', '.join(SERVICES)}.")
    return SERVICES[service]


def describe_services(knowledge: Knowledge) -> JSON:
    """The discovery document."""
    return {"services": [_describe(service, hook, knowledge) for service, hook in SERVICES.items()]}


def _describe(service: str, hook: str, knowledge: Knowledge) -> JSON:
    return {
        "id": service,
        "hook": hook,
        "title": f"Drug interactions ({hook})",
        "description": (
            f"Checks draft medication orders {_WHEN[hook]} for interactions with each other, with current "
            "medications and with patient facts (age, kidney function, problems). Allergies are not checked."
        ),
        "usageRequirements": (
            "FHIR R4, R4B, R5, STU3 or DSTU2, told from the resources; nothing is written in DSTU2. "
            "Needs the prefetch keys below; a medication list that is not sent, and any other part of the "
            "chart that a rule about an ordered drug needs, is named on a card. "
            "The content has not been reviewed by a clinician."
        ),
        "prefetch": dict(knowledge.chart_queries),
    }
