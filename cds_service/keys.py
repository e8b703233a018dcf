"""Public keys of CDS Clients: JSON Web Keys (RFC 7517), read strictly, named by their thumbprint (RFC 7638).

What a key says about itself only ever narrows its use; which algorithms count is the configuration's decision.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

_PUBLISHED = Path(__file__).parent / "published_keys.json"
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
_KIND_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}  # all others that a setting can name: RSA
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_RSA_BITS = (2048, 8192)  # below, it can be broken; above, one check takes too long
_RSA_EXPONENT_BITS = 64


class UnusableKey(Exception):
    """A key, or a set of keys, that cannot be used; the text says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with. `kind` is a curve or RSA; `algorithm`, if any, the only one it is for."""

    kid: str
    kind: str
    algorithm: str
    thumbprint: str
    material: ec.EllipticCurvePublicKey | rsa.RSAPublicKey = field(repr=False, compare=False)

    def fits(self, algorithm: str) -> bool:
        """Whether a signature of this algorithm may be checked with this key."""
        return self.kind == _KIND_OF.get(algorithm, "RSA") and self.algorithm in ("", algorithm)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key whose private half everybody can read. `signs`: its owner signs with it today."""

    whose: str
    iss: str
    jku: str
    signs: bool
    key: PublicKey


def read_key(jwk: Any) -> PublicKey:
    """The public key that a JSON Web Key holds. Raises UnusableKey."""
    if not isinstance(jwk, dict):
        raise UnusableKey("is not a JSON Web Key")
    if any(name in jwk for name in _PRIVATE):
        raise UnusableKey("holds a secret or the private half of a key; only the public half may be shared")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        raise UnusableKey("has no kid that is text")
    uses = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        raise UnusableKey("is not for signatures (use, key_ops)")
    kind, material, thumbprint = _ec_key(jwk) if jwk.get("kty") == "EC" else _rsa_key(jwk)
    return PublicKey(kid, kind, str(jwk.get("alg") or ""), thumbprint, material)


def read_key_set(document: Any) -> tuple[PublicKey, ...]:
    """The usable keys of a JSON Web Key Set; others in it are passed over. Raises UnusableKey where it is no set."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise UnusableKey('is not a JSON Web Key Set: an object with a list "keys"')
    usable = []
    for jwk in keys:
        try:
            usable.append(read_key(jwk))
        except UnusableKey:
            continue
    return tuple(usable)


@cache
def published_keys() -> tuple[PublishedKey, ...]:
    """The keys that come with the sandbox and the specification, private halves and all (CH-168)."""
    entries = json.loads(_PUBLISHED.read_text(encoding="utf-8"))
    return tuple(PublishedKey(e["whose"], e["iss"], e["jku"], e["signs"], read_key(e["key"])) for e in entries)


def _ec_key(jwk: Mapping[str, Any]) -> tuple[str, ec.EllipticCurvePublicKey, str]:
    curve = jwk.get("crv")
    if not isinstance(curve, str) or curve not in _CURVES:
        raise UnusableKey(f"has another crv than {', '.join(_CURVES)}")
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), _CURVES[curve]())
    try:
        material = numbers.public_key()
    except ValueError:
        raise UnusableKey("is not a point on its curve (x, y)") from None
    size = (material.key_size + 7) // 8
    members = {"crv": curve, "kty": "EC", "x": _text(numbers.x, size), "y": _text(numbers.y, size)}
    return curve, material, _thumbprint(members)


def _rsa_key(jwk: Mapping[str, Any]) -> tuple[str, rsa.RSAPublicKey, str]:
    if jwk.get("kty") != "RSA":
        raise UnusableKey("has another kty than EC or RSA")
    modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
    least, most = _RSA_BITS
    if not least <= modulus.bit_length() <= most or exponent.bit_length() > _RSA_EXPONENT_BITS:
        raise UnusableKey(f"is an RSA key of {modulus.bit_length()} bits; allowed are {least} to {most}")
    try:
        material = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise UnusableKey("is no RSA key (n, e)") from None
    members = {"e": _text(exponent), "kty": "RSA", "n": _text(modulus)}
    return "RSA", material, _thumbprint(members)


def _number(jwk: Mapping[str, Any], name: str) -> int:
    text = jwk.get(name)
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise UnusableKey(f"has no {name} in base64url")
    bare = text.rstrip("=")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)))
    except ValueError:
        raise UnusableKey(f"has no {name} in base64url") from None


def _text(number: int, size: int = 0) -> str:
    data = number.to_bytes(size or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638 section 3: SHA-256 over the required members in alphabetical order, without white space."""
    canonical = json.dumps(dict(sorted(members.items())), separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
