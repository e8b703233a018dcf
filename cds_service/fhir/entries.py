"""How many entries the Bundles of a request have: thousands cost more than one call may, whatever stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.errors import TooMuch
from cds_service.fhir.reading import as_list, as_object


def refuse_too_many_entries(body: Any, most: int) -> None:
    """Raises TooMuch where the draft orders, or one value of prefetch, have more than `most` entries.

    Entries of Bundles inside a Bundle count as well. Anything that is no Bundle is left to who reads it.
    """
    root = as_object(body)
    drafts = as_object(root.get("context")).get("draftOrders")
    prefetch = as_object(root.get("prefetch")).values()
    for path, value in (("context.draftOrders", drafts), *(("prefetch", value) for value in prefetch)):
        if sum(_entries(value)) > most:
            raise TooMuch(path, most, "CDS_MAX_ENTRIES")


def _entries(value: Any) -> Iterator[int]:
    """The lengths of the lists of entries, from the outside in; a Bundle may be wrapped like the entry of another."""
    layer = [value, as_object(value).get("resource")]
    while layer:
        lists = [as_list(as_object(bundle).get("entry")) for bundle in layer]
        yield sum(map(len, lists))
        layer = [as_object(entry).get("resource") for entries in lists for entry in entries]
        layer = [inner for inner in layer if "entry" in as_object(inner)]
