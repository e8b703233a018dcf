"""Which pages there are, by the settings. A page that is off does not exist."""

from __future__ import annotations

from flask import Flask

from cds_service.web.pages.check import add_check
from cds_service.web.pages.frame import WORKBENCH, Frame, files_blueprint, for_operators_only, pages_blueprint
from cds_service.web.pages.guard import same_site_only
from cds_service.web.pages.insights import add_insights
from cds_service.web.pages.knowledge import knowledge_blueprint
from cds_service.web.pages.parts import Parts
from cds_service.web.pages.workbench import add_try_it


def register_pages(app: Flask, parts: Parts) -> None:
    """Add the pages that are on to `app`."""
    settings = parts.settings
    if not (settings.workbench or settings.knowledge_pages):
        return
    frame = Frame(parts.knowledge, settings.workbench, settings.knowledge_pages)
    app.register_blueprint(files_blueprint())
    if settings.knowledge_pages:
        app.register_blueprint(knowledge_blueprint(parts, frame))
    if settings.workbench:
        workbench = pages_blueprint(WORKBENCH)
        for_operators_only(workbench, frame, settings.metrics_from)
        same_site_only(workbench, frame)
        add_try_it(workbench, frame, parts)
        add_check(workbench, frame, parts)
        add_insights(workbench, frame, parts)
        app.register_blueprint(workbench)
