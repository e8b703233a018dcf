"""Markdown of cards -> HTML. HTML in it stays text, as do pictures and headings; links do not tell where they were."""

from __future__ import annotations

from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

# A heading inside a card would break the outline of the page it stands on.
_READER = MarkdownIt("commonmark", {"html": False}).disable(["image", "heading", "lheading"])
_ALONE = "noreferrer noopener"


def as_html(text: str) -> Markup:
    """`text` as HTML that is safe in a page."""
    tokens = _READER.parse(text)
    _guard_links(tokens)
    return Markup(_READER.renderer.render(tokens, _READER.options, {}))


def _guard_links(tokens: Iterable[Token]) -> None:
    for token in tokens:
        if token.type == "link_open":
            token.attrSet("rel", _ALONE)
        _guard_links(token.children or ())
