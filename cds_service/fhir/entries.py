"""How many entries the Bundles of a request have: thousands cost more than one call may, whatever stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.errors import TooMuch
from cds_service.fhir.reading import as_list, as_object


def refuse_too_many_entries(body: Any, most: int) -> None:
    """Raises TooMuch where the draft orders have more than `most` entries, those of Bundles inside counted.

    Of a part of the chart only the first are read, and it counts as incomplete (`fhir.chart`): a refusal would look
    like "no cards".
    """
    drafts = as_object(as_object(body).get("context")).get("draftOrders")
    if sum(_entries(drafts)) > most:
        raise TooMuch("context.draftOrders", most, "CDS_MAX_ENTRIES")


def _entries(value: Any) -> Iterator[int]:
    """The lengths of the lists of entries, from the outside in; a Bundle may be wrapped like the entry of another."""
    layer = [value, as_object(value).get("resource")]
    while layer:
        lists = [as_list(as_object(bundle).get("entry")) for bundle in layer]
        yield sum(map(len, lists))
        layer = [as_object(entry).get("resource") for entries in lists for entry in entries]
        layer = [inner for inner in layer if "entry" in as_object(inner)]
