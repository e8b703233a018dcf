"""Markdown of cards -> HTML that may stand in a page: CommonMark without raw HTML and images, links to http(s) only."""

from __future__ import annotations

from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup


def as_html(text: str) -> Markup:
    """The text as HTML. Raw HTML in it is shown as text; what a link leads to learns nothing of this page."""
    return Markup(_reader().render(text))  # markdown-it escapes what is not its own


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable(["table"]).disable("image")
    reader.add_render_rule("link_open", _link)
    return reader


def _link(renderer: Any, tokens: Any, at: int, options: Any, _: Any) -> str:
    tokens[at].attrSet("rel", "noreferrer noopener")
    tokens[at].attrSet("target", "_blank")
    return str(renderer.renderToken(tokens, at, options, {}))
