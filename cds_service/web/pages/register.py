"""Which pages there are, by the settings. A page that is off does not exist."""

from __future__ import annotations

from flask import Flask

from cds_service.web.pages.frame import Frame, files_blueprint
from cds_service.web.pages.knowledge import knowledge_blueprint
from cds_service.web.pages.parts import Parts


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
        pass
    app.jinja_env.globals["frame"] = frame
