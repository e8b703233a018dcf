"""What stands in the tables of a page, as text; what only a screen reader says is text too."""

from __future__ import annotations

from html.parser import HTMLParser


class _Reader(HTMLParser):
    """Collects the cells of each table, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """A table, a row or a cell begins."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self._is_inside = True

    def handle_endtag(self, tag: str) -> None:
        """A cell ends."""
        self._is_inside = self._is_inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        """Text inside a cell."""
        if self._is_inside:
            self.tables[-1][-1][-1] += data


def tables_of(page: str) -> list[list[list[str]]]:
    """Each table of a page as rows of cells, the heading too; white space is one space."""
    reader = _Reader()
    reader.feed(page)
    return [[[" ".join(cell.split()) for cell in row] for row in table] for table in reader.tables]
