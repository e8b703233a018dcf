"""CDS Clients as their services see them: keys, tokens, and a host on this machine that publishes key sets."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.web_host import serving_http

JSON = dict[str, Any]
Handler = BaseHTTPRequestHandler
Answer = JSON | tuple[int, bytes] | Callable[[Handler], None]
PUBLIC = "https://cds.example.org/base"
DISCOVERY_AUD = f"{PUBLIC}/cds-services"
SIGN_AUD = f"{PUBLIC}/cds-services/interactions-order-sign"
# The private halves that the sandbox's repository and the specification publish (CH-168).
SANDBOX_PRIVATE = "yOcYl9QzMKnBFUiPZKBijDV_lsEtn6oWFVOqtFyXbY_-V63WCBYYdxsLo9Pclr84"
EXAMPLE_PRIVATE = "SeFXUXda8UomZ8GFUl7HH_Oi15rIbfMcsWj9ecIsDR8kLbqsEz2CGNgwy_IcILxy"
_CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64(text: str) -> int:
    """The number that base64url text holds."""
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _number(value: int, size: int = 0) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8))


class Signer:
    """A private key with its name and algorithm."""

    def __init__(self, kid: str, algorithm: str = "ES384", key: Any = None, bits: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key = key or (
            ec.generate_private_key(_CURVES[algorithm]())
            if algorithm in _CURVES
            else rsa.generate_private_key(public_exponent=65537, key_size=bits)
        )

    def jwk(self, **more: Any) -> JSON:
        """The public half as a JSON Web Key."""
        numbers = self.key.public_key().public_numbers()
        named = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(numbers, rsa.RSAPublicNumbers):
            return named | {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)} | more
        size = (self.key.key_size + 7) // 8
        x, y = _number(numbers.x, size), _number(numbers.y, size)
        return named | {"kty": "EC", "crv": f"P-{self.key.key_size}", "x": x, "y": y} | more

    def pem(self) -> bytes:
        """The public half as PEM text."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        """A signature as JWS has it."""
        digest = _HASHES[self.algorithm[2:]]()
        if self.algorithm.startswith("PS"):
            return self.key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        if self.algorithm.startswith("RS"):
            return self.key.sign(data, padding.PKCS1v15(), digest)
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(digest)))
        size = (self.key.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)

    def token(self, claims: JSON, **header: Any) -> str:
        """A signed token; a header or a claim that is None is left out."""
        whole = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | header
        return compact(whole, claims, self.sign)


def signer(kid: str, algorithm: str = "ES384", bits: int = 2048) -> Signer:
    """One key for each name; RSA keys take a while to make."""
    return _made(kid, algorithm, bits)


@cache
def _made(kid: str, algorithm: str, bits: int) -> Signer:
    return Signer(kid, algorithm, bits=bits)


def published(kid: str, private: str) -> Signer:
    """A published private key on P-384."""
    return Signer(kid, "ES384", ec.derive_private_key(from_b64(private), ec.SECP384R1()))


def compact(header: JSON, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A JWS in compact form, however wrong."""
    kept = {name: value for name, value in header.items() if value is not None}
    if isinstance(claims, dict):
        claims = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
    signed = f"{b64(json.dumps(kept).encode())}.{b64(claims)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def claims(iss: str, aud: Any = SIGN_AUD, **more: Any) -> JSON:
    """Claims of a token that was made just now and lives for five minutes."""
    now = int(time.time())
    return {"iss": iss, "aud": aud, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())} | more


class KeyHost:
    """`answers` by path: a key set, (status, body), or a function that writes to the handler; `seen` what was asked."""

    def __init__(self) -> None:
        self.base = ""
        self.answers: dict[str, Answer] = {}
        self.seen: list[str] = []

    def publish(self, path: str, *signers: Signer) -> None:
        """Answer with the public keys of these."""
        self.answers[path] = {"keys": [one.jwk() for one in signers]}

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.seen.count(path)

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        path = handler.path.removeprefix("/")
        self.seen.append(path)
        found = self.answers.get(path, (404, b""))
        if callable(found):
            found(handler)
            return
        status, body = (200, json.dumps(found).encode()) if isinstance(found, dict) else found
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def serving_keys() -> Iterator[KeyHost]:
    """A KeyHost on a free port."""
    host = KeyHost()
    with serving_http(host.answer) as port:
        host.base = f"http://127.0.0.1:{port}"
        yield host
