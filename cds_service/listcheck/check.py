"""A list of medications -> what was read, found and not checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cds_service.core.evaluate import evaluate
from cds_service.core.values import Card, Finding, Knowledge, Medication
from cds_service.fhir.request import read_hook_request
from cds_service.listcheck.call import HOOK, hook_body, order_key
from cds_service.listcheck.lines import Line, Pasted
from cds_service.listcheck.matrix import Matrix, build_matrix
from cds_service.listcheck.patient import Patient

# A list that is taken already stands in the chart too, so what was not read of it would be told a second time.
_TOLD_ALREADY = "current-drug-not-read"


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was understood: its drugs, and the words that were not."""

    number: int
    text: str
    drugs: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def state(self) -> str:
        """ "read", "part" or "unknown"."""
        return "unknown" if not self.drugs else "part" if self.unread else "read"


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card with its number on the page, and the lines it is about."""

    number: int
    card: Card
    lines: tuple[int, ...]

    @property
    def is_notice(self) -> bool:
        """Whether it is about the check itself, not about drugs."""
        return not self.card.rules[0][2]


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer to a list."""

    lines: tuple[ReadLine, ...]
    left_out: tuple[str, ...]
    matrix: Matrix
    cards: tuple[ShownCard, ...]

    @property
    def unknown(self) -> int:
        """Lines of which nothing was recognised."""
        return sum(line.state == "unknown" for line in self.lines)


def check_list(pasted: Pasted, patient: Patient, knowledge: Knowledge, today: date) -> Checked:
    """Check each drug of the list with each other, and with what is known of the patient."""
    request = read_hook_request(hook_body(pasted.lines, patient, knowledge, today), HOOK).request
    evaluation = evaluate(request, knowledge, today)
    orders = {m.entry.key: m for m in evaluation.medications if m.is_new}
    lines = tuple(_read_line(line, orders[order_key(line)]) for line in pasted.lines)
    kept = [card for card in evaluation.cards if card.rules[0][0] != _TOLD_ALREADY]
    cards = tuple(_shown(number, card, pasted.lines) for number, card in enumerate(kept, 1))
    findings = [(finding, _card_of(finding, cards)) for finding in evaluation.findings]
    return Checked(lines, pasted.left_out, build_matrix((line.drugs for line in lines), findings), cards)


def _read_line(line: Line, order: Medication) -> ReadLine:
    return ReadLine(line.number, line.text, order.ingredients, order.unread)


def _shown(number: int, card: Card, lines: tuple[Line, ...]) -> ShownCard:
    return ShownCard(number, card, tuple(line.number for line in lines if order_key(line) in card.orders))


def _card_of(finding: Finding, cards: tuple[ShownCard, ...]) -> int:
    """The card that tells of a finding: its rule is on it, and all its orders."""
    orders = set(finding.orders)
    return next(
        shown.number
        for shown in cards
        if finding.rule.id in {rule[0] for rule in shown.card.rules} and orders.issubset(shown.card.orders)
    )
