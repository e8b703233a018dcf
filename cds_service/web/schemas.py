"""JSON Schemas of what goes in and out: the OpenAPI document is made of them and every test holds answers against them.

A request's schema says what a client should send. Less is read as far as it can be: not all that breaks it is refused.
Ids such as CH-099 are rows of the CDS Hooks checklist.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

# --- Answers -----------------------------------------------------------------------------------------

_TEXT: Schema = {"type": "string", "pattern": r"\S"}  # CH-005: not empty, not only spaces
_HTTPS: Schema = {"type": "string", "pattern": r"^https://[^/\s]+(/\S*)?$"}
_RELATIVE: Schema = {"type": "string", "pattern": r"^[A-Z][A-Za-z]+/[^/\s]+$"}  # CH-126, CH-128
_UUID: Schema = {  # CH-099: RFC 4122, lower case; some validators know only versions 1 to 5
    "type": "string",
    "pattern": r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}
_EXTENSION: Schema = {  # CH-183: an object, names in reverse-domain form
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": r"^[a-z0-9-]+(\.[A-Za-z0-9-]+)+$"},
    "additionalProperties": {"type": "object"},
}
_CODING: Schema = {  # CH-106: the CDS Hooks Coding needs a system
    "type": "object",
    "required": ["code", "system"],
    "properties": {"code": _TEXT, "system": _TEXT, "display": _TEXT},
    "additionalProperties": False,
}
_RESOURCE: Schema = {"type": "object", "required": ["resourceType"]}  # CH-008, CH-124, CH-125
_ACTION: Schema = {
    "type": "object",
    "required": ["type", "description"],  # CH-122, CH-123
    "properties": {
        "type": {"enum": ["create", "update", "delete"]},
        "description": _TEXT,
        "resource": _RESOURCE,
        "resourceId": _RELATIVE,
    },
    "additionalProperties": False,
    "if": {"properties": {"type": {"const": "delete"}}},
    "then": {"required": ["resourceId"], "properties": {"resource": False}},  # CH-126, cds-resp-2
    "else": {"required": ["resource"], "properties": {"resourceId": False}},
}
_SUGGESTION: Schema = {
    "type": "object",
    "required": ["label", "uuid", "actions"],  # CH-116, CH-117 (ours always carry actions)
    "properties": {
        "label": {**_TEXT, "maxLength": 80},
        "uuid": _UUID,
        "isRecommended": {"type": "boolean"},  # CH-118
        "actions": {"type": "array", "items": _ACTION, "minItems": 1},
        "extension": _EXTENSION,
    },
    "additionalProperties": False,  # CH-121: no actionSelectionBehavior
}
# A link may lead to this service where it runs on the client's own machine.
_LINKED: Schema = {
    "type": "string",
    "pattern": r"^(https://[^/\s]+|http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?)(/\S*)?$",
}
_LINK: Schema = {
    "type": "object",
    "required": ["label", "url", "type"],  # CH-130
    "properties": {"label": _TEXT, "url": _LINKED, "type": {"const": "absolute"}},  # CH-131
    "additionalProperties": False,  # CH-132, CH-133: no appContext, no autolaunchable
}
_SOURCE: Schema = {
    "type": "object",
    "required": ["label", "topic"],  # CH-103; the topic is our own rule: tests and clients sort by it
    "properties": {"label": _TEXT, "url": _HTTPS, "icon": _HTTPS, "topic": _CODING},
    "additionalProperties": False,
}
_CARD: Schema = {
    "type": "object",
    "required": ["uuid", "summary", "detail", "indicator", "source"],
    "properties": {
        "uuid": _UUID,
        "summary": {**_TEXT, "pattern": r"^[^\r\n\u2028\u2029]*\S[^\r\n\u2028\u2029]*$"},  # CH-100
        "detail": _TEXT,
        "indicator": {"enum": ["info", "warning", "critical"]},  # CH-102
        "source": _SOURCE,
        "suggestions": {"type": "array", "items": _SUGGESTION, "minItems": 1},
        "selectionBehavior": {"enum": ["any", "at-most-one"]},  # CH-108
        "overrideReasons": {
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "items": {**_CODING, "required": ["code", "system", "display"]},  # CH-109
        },
        "links": {"type": "array", "items": _LINK, "minItems": 1},
        "extension": _EXTENSION,
    },
    "additionalProperties": False,
    "dependentRequired": {
        "suggestions": ["selectionBehavior"],  # CH-107
        "selectionBehavior": ["suggestions"],  # CH-108
    },
    # Design: reasons to go on belong to warnings; an info card asks for none.
    "if": {"properties": {"indicator": {"const": "info"}}},
    "then": {"properties": {"overrideReasons": False}},
}
RESPONSE_SCHEMA: Schema = {
    "type": "object",
    "required": ["cards"],  # CH-098
    "properties": {"cards": {"type": "array", "items": _CARD}, "extension": _EXTENSION},
    "additionalProperties": False,  # CH-136: no systemActions
}
_SERVICE: Schema = {
    "type": "object",
    "required": ["hook", "id", "title", "description", "usageRequirements", "prefetch"],  # CH-013 to CH-018
    "properties": {
        "hook": {"enum": ["order-sign", "order-select"]},  # CH-184: standard names only
        "id": {"type": "string", "pattern": r"^[A-Za-z0-9._-]+$"},  # CH-015
        "title": _TEXT,
        "description": _TEXT,
        "usageRequirements": _TEXT,
        "prefetch": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,  # CH-016, CH-019: no name, and no version for strict 2.x clients
}
DISCOVERY_SCHEMA: Schema = {
    "type": "object",
    "required": ["services"],
    "properties": {"services": {"type": "array", "items": _SERVICE}},
    "additionalProperties": False,
}
OUTCOME_SCHEMA: Schema = {  # CH-095
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code", "details"],
                "properties": {
                    "severity": {"const": "error"},
                    "code": {"type": "string", "pattern": r"^[a-z-]+$"},
                    "details": {
                        "type": "object",
                        "required": ["text"],
                        "properties": {"text": _TEXT},
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
HEALTH_SCHEMA: Schema = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "ok"}},
    "additionalProperties": False,
}
_STATE: Schema = {"enum": ["ok", "degraded", "down"]}
READINESS_SCHEMA: Schema = {
    "type": "object",
    "required": ["status", "knowledge", "rules", "silenced", "parts"],
    "properties": {
        "status": _STATE,
        "knowledge": _TEXT,
        "rules": {"type": "integer", "minimum": 0},
        "silenced": {"type": "array", "items": _TEXT},
        "parts": {"type": "object", "additionalProperties": _STATE},
    },
    "additionalProperties": False,
}

# --- Requests ----------------------------------------------------------------------------------------

_ENTRY: Schema = {
    "type": "object",
    "required": ["resource"],
    "properties": {
        "fullUrl": {},
        "resource": {
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"type": "string"}},
        },
    },
}
_DRAFTS: Schema = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "entry": {"type": "array", "items": _ENTRY},
    },
}
_AUTHORIZATION: Schema = {
    "description": "OAuth 2.0 access to fhirServer. Used in this call only, and kept nowhere.",
    "type": "object",
    "properties": {
        "access_token": {"type": "string"},
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer"},
        "scope": {"type": "string"},
        "subject": {"type": "string"},
        "patient": {"type": "string"},
    },
}


def request_schema(hook: str, prefetch: Schema) -> Schema:
    """The body of a call to the service of `hook`; `prefetch` are the schemas of its keys."""
    context: Schema = {
        "userId": {"type": "string"},
        "patientId": _TEXT | {"not": {"pattern": r"^Patient/\s*$"}},
        "encounterId": {"type": "string"},
        "draftOrders": _DRAFTS,
    }
    if hook == "order-select":
        context["selections"] = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"const": hook},
            "hookInstance": _TEXT,
            "fhirServer": {"type": "string"},
            "fhirAuthorization": _AUTHORIZATION,
            "context": {
                "type": "object",
                "required": ["patientId", "draftOrders"],
                "properties": context,
            },
            "prefetch": {"type": "object", "properties": prefetch},
        },
        "dependentRequired": {"fhirAuthorization": ["fhirServer"]},  # cds-r-1
    }


PREFETCH_SCHEMA: Schema = {
    "description": "A FHIR resource, a Bundle, an OperationOutcome, or null where there is nothing.",
    "type": ["object", "null"],
}
_REASON: Schema = {
    "type": "object",
    "required": ["code"],
    "properties": {"code": {"type": "string", "minLength": 1}, "system": {"type": "string"}},
}
_FEEDBACK: Schema = {
    "type": "object",
    "required": ["card", "outcome", "outcomeTimestamp"],
    "properties": {
        "card": {"type": "string", "minLength": 1},
        "outcome": {"enum": ["accepted", "overridden"]},
        "acceptedSuggestions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string", "minLength": 1}},
            },
        },
        "overrideReason": {
            "type": "object",
            "properties": {"reason": _REASON, "userComment": {"type": "string", "maxLength": 4000}},
        },
        "outcomeTimestamp": {"type": "string", "format": "date-time"},
    },
    "if": {"properties": {"outcome": {"const": "accepted"}}, "required": ["outcome"]},
    "then": {"required": ["acceptedSuggestions"]},
}
FEEDBACK_SCHEMA: Schema = {
    "type": "object",
    "required": ["feedback"],
    "properties": {"feedback": {"type": "array", "items": _FEEDBACK, "maxItems": 1000}},
}
