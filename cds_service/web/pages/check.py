"""The page where a list of medications is pasted and checked. Nothing of it is stored, counted or in an address."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from cds_service.errors import Busy, ServiceError, TooOften
from cds_service.listcheck.check import check_list
from cds_service.listcheck.lines import LONGEST_LINE, MOST_LINES, read_list
from cds_service.listcheck.patient import HIGHEST_EGFR, OLDEST, SEXES, read_patient
from cds_service.web.pages.frame import Frame
from cds_service.web.pages.markdown import as_html
from cds_service.web.pages.parts import Parts
from cds_service.web.record import current_record

# The first letter, or the second where the first stands for worse; different to the eye, and the legend has the words.
LETTERS = {"contraindicated": "C", "major": "M", "moderate": "o", "minor": "i"}
_LIMITS = {
    "lines": MOST_LINES,
    "characters": LONGEST_LINE,
    "oldest": OLDEST,
    "highest_egfr": HIGHEST_EGFR,
    "sexes": SEXES,
}
_NOT_DONE = "Not done"
_GO_BACK = "Go back to change what was sent; it is still in the form."
_TOO_LARGE = "The list is larger than this service accepts. Nothing was checked."


def add_check(blueprint: Blueprint, frame: Frame, parts: Parts) -> None:
    """Routes of the page: the form, and what it answers."""

    def page(form: Mapping[str, str], status: int = 200, **values: object) -> Response:
        return frame.show("check.html", status, form=form, limits=_LIMITS, letters=LETTERS, as_html=as_html, **values)

    @blueprint.get("/check")
    def check_form() -> Response:
        return page({})

    @blueprint.post("/check")
    def check() -> Response:
        form = request.form
        pasted = read_list(form.get("list", ""))
        patient, problems = read_patient(form)
        if not pasted.lines:
            problems = (*problems, "The list is empty. Write one medication on each line.")
        if problems:
            return page(form, 400, problems=problems)
        return page(form, checked=check_list(pasted, patient, parts.knowledge, parts.today()), patient=patient)

    _tell_refusals(blueprint, frame)


def _tell_refusals(blueprint: Blueprint, frame: Frame) -> None:
    """What is refused before it is read, said on a page."""

    def not_now(error: ServiceError) -> Response:
        current_record().refused = type(error).__name__
        why = str(error)
        response = frame.say(error.status, _NOT_DONE, why[:1].upper() + why[1:], _GO_BACK)
        response.headers["Retry-After"] = str(error.retry_after)
        return response

    def too_large(_: RequestEntityTooLarge) -> Response:
        return frame.say(413, _NOT_DONE, _TOO_LARGE, _GO_BACK)

    blueprint.register_error_handler(Busy, not_now)
    blueprint.register_error_handler(TooOften, not_now)
    blueprint.register_error_handler(RequestEntityTooLarge, too_large)
