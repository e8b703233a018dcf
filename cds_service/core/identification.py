"""Which drug an entry names: codes first, then the text; and by which route it acts.

Where code and text name different drugs, both are kept and the disagreement is reported.
"""

from __future__ import annotations

from dataclasses import replace

from cds_service.core.naming import read_name
from cds_service.core.values import Coding, Dosage, Knowledge, MedicationEntry, Product, Strength

_SWALLOWED = ("tablet", "capsule")
Understood = tuple[Product | None, tuple[str, ...], bool]


def identify_drug(entry: MedicationEntry, knowledge: Knowledge) -> Understood:
    """(product, words or parts that were not understood, whether code and text name different drugs)."""
    if not entry.readable:
        return None, (), False
    if entry.ingredient_texts:
        return _from_ingredients(entry, knowledge)
    coded = _from_codes(entry.codings, knowledge)
    written = _from_texts(entry, knowledge)
    if coded is not None:
        return _reconciled(coded, written)
    if written is None or not written.ingredients:
        return None, written.unread if written else (), False
    return written, written.unread, written.contradicts


def _reconciled(coded: Product, written: Product | None) -> Understood:
    """The code decides; a text that names another drug is a disagreement, and both are kept.

    Of a text's unknown words only those that stand as a further drug are reported: the code has named it.
    """
    if written is None or not written.ingredients:
        return coded, (), False
    if set(written.ingredients) <= set(coded.ingredients):
        return _richer(coded, written), written.unread_drugs, False
    return _joined(coded, written), written.unread, True


def _from_codes(codings: tuple[Coding, ...], knowledge: Knowledge) -> Product | None:
    best: Product | None = None
    for coding in codings:
        found = _from_code(coding, knowledge)
        if found is None:
            continue
        best = found if best is None else _joined(best, found)
    return best


def _from_code(coding: Coding, knowledge: Knowledge) -> Product | None:
    vocabulary = knowledge.vocabulary
    if coding.system == "rxnorm" and coding.code in vocabulary.products:
        return read_name(vocabulary.products[coding.code], vocabulary)
    ingredients = vocabulary.codes.get((coding.system, coding.code))
    if ingredients is None:
        return None
    return Product(ingredients, {}, "", "", "", "")


def _from_texts(entry: MedicationEntry, knowledge: Knowledge) -> Product | None:
    """The best understood of the texts and displays; drugs that only another of them names are added."""
    texts = [t for t in (*entry.texts, *(c.display for c in entry.codings)) if t.strip()]
    products = [read_name(text, knowledge.vocabulary) for text in dict.fromkeys(texts)]
    if not products:
        return None
    best = max(products, key=_understood)
    for other in products:
        if other.ingredients and not set(other.ingredients) <= set(best.ingredients):
            best = replace(_joined(best, other), unread=best.unread, contradicts=True)
        more = [word for word in other.unread_drugs if word not in best.unread]
        best = replace(best, unread=(*best.unread, *more)) if more else best
    return best


def _understood(product: Product) -> tuple[bool, bool, int]:
    return (
        bool(product.ingredients) and not product.unread,
        bool(product.ingredients),
        len(product.strengths),
    )


def _from_ingredients(entry: MedicationEntry, knowledge: Knowledge) -> tuple[Product | None, tuple[str, ...], bool]:
    """A contained Medication that lists its ingredients: all of them, and its own name."""
    names: set[str] = set()
    unread: list[str] = []
    for codings, text in entry.ingredient_texts:
        found = _from_codes(codings, knowledge)
        if found is None:
            written = read_name(text or next((c.display for c in codings if c.display), ""), knowledge.vocabulary)
            unread += written.unread or (() if written.ingredients else (text or "an ingredient without a name",))
            found = written
        names.update(found.ingredients)
    own = _from_codes(entry.codings, knowledge) or _from_texts(entry, knowledge)
    if own is not None and own.ingredients:
        names.update(own.ingredients)
        return _joined(own, Product(tuple(sorted(names)), {}, "", "", "", "")), tuple(unread), False
    if own is not None and not names:
        return None, own.unread, False
    product = Product(tuple(sorted(names)), {}, "", "", "", "") if names else None
    return product, tuple(unread), False


def _richer(coded: Product, written: Product) -> Product:
    """The code decides the drug; the text may add the strength, form and brand the code lacks.

    Of two strengths the higher counts: where one of them is wrong, a dose is rather called too high than missed.
    """
    return Product(
        ingredients=coded.ingredients,
        strengths={**written.strengths, **_higher(coded, written)},
        form=coded.form or written.form,
        route=coded.route or written.route,
        unit=coded.unit or written.unit,
        brand=coded.brand or written.brand,
        extended_release=coded.extended_release or written.extended_release,
    )


def _higher(coded: Product, written: Product) -> dict[str, Strength]:
    found = dict(coded.strengths)
    for name, strength in written.strengths.items():
        own = found.get(name)
        if own is not None and (own.unit, own.per) == (strength.unit, strength.per) and own.value < strength.value:
            found[name] = strength
    return found


def _joined(first: Product, second: Product) -> Product:
    both = tuple(sorted({*first.ingredients, *second.ingredients}))
    return replace(_richer(first, second), ingredients=both)


def route_of(entry: MedicationEntry, product: Product | None, knowledge: Knowledge) -> str:
    """systemic, local, variable or central: from the order, else from the dose form; unknown is systemic.

    Of several instructions the most systemic counts, and what is swallowed in pieces is not local.
    """
    form = (product.route if product else "") or "systemic"
    piece = product is not None and product.unit in _SWALLOWED
    routes = {_stated_route(dosage, knowledge) or form for dosage in entry.dosages} or {form}
    if piece and form == "systemic" and "local" in routes:
        return "systemic"
    return next(route for route in ("systemic", "central", "variable", "local") if route in routes)


def _stated_route(dosage: Dosage, knowledge: Knowledge) -> str:
    vocabulary = knowledge.vocabulary
    for coding in dosage.route_codings:
        if coding.system == "snomed" and coding.code in vocabulary.routes:
            return vocabulary.routes[coding.code]
    texts = (dosage.route_text, *(c.display for c in dosage.route_codings))
    known = (vocabulary.route_words.get(text.strip().lower(), "") for text in texts)
    return next((route for route in known if route), "")
