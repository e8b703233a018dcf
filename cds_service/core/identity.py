"""Computed card uuids: the same answer has the same ids, and an id leads back to its rule.

Layout (RFC 4122 version 4 shape, because some validators know only versions 1 to 5): 40 bits of the rule id's
SHA-256, 8 bits of the rule's version, 2 bits of the indicator, 48 bits of a hash of the call, and in the last
24 bits a keyed checksum of all of that (BLAKE2 with a key, RFC 7693). Who does not have the key hits a checksum once
in 16 million tries, so feedback about an invented card is told apart without keeping a list of the cards shown.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from functools import cache

from cds_service.core.values import INDICATORS, CardOrigin

_SEALED = 13  # bytes before the checksum
_KEY = 32  # bytes, the longest key of BLAKE2s


@cache
def rule_bits(rule_id: str) -> bytes:
    """The five bytes that stand for a rule in every uuid of its cards."""
    return hashlib.sha256(rule_id.encode()).digest()[:5]


def card_key(secret: bytes, client: str, tenant: str) -> bytes:
    """The key for the cards of one client and tenant: a card shown to one of them is no card of another."""
    whole = hashlib.blake2b(secret).digest()  # a secret may be longer than a key of BLAKE2
    return hashlib.blake2b("\x1f".join((client, tenant)).encode(), key=whole, digest_size=_KEY).digest()


def card_uuid(key: bytes, hook_instance: str, origin: CardOrigin, about: tuple[str, ...]) -> str:
    """The uuid of the card that `origin` leads in this hook instance, about these orders and drugs."""
    named = "\x1f".join((hook_instance, origin.rule, *about))
    call = hashlib.blake2s(named.encode()).digest()
    raw = bytearray(rule_bits(origin.rule) + bytes([origin.version & 0xFF]) + call[:7])
    raw[6] = 0x40 | INDICATORS.index(origin.indicator) << 2 | (raw[6] & 0x03)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return str(uuid.UUID(bytes=bytes(raw) + _checksum(key, bytes(raw))))


def suggestion_uuid(card: str, suggestion_id: str, orders: tuple[str, ...]) -> str:
    """The uuid of one suggestion of a card."""
    return str(uuid.uuid5(uuid.UUID(card), "\x1f".join((suggestion_id, *orders))))


def read_card_uuid(text: str, keys: tuple[bytes, ...]) -> CardOrigin | None:
    """What a card came from, its rule as the 10 hexadecimal digits of its bits; None if no key has made this uuid."""
    try:
        raw = uuid.UUID(text).bytes
    except ValueError:
        return None
    position = raw[6] >> 2 & 0x03
    if raw[6] >> 4 != 4 or raw[8] >> 6 != 2 or position >= len(INDICATORS):
        return None
    if not any(hmac.compare_digest(_checksum(key, raw[:_SEALED]), raw[_SEALED:]) for key in keys):
        return None
    return CardOrigin(raw[:5].hex(), raw[5], INDICATORS[position])


def _checksum(key: bytes, sealed: bytes) -> bytes:
    return hashlib.blake2s(sealed, key=key).digest()[:3]
