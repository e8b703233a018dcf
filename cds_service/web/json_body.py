"""JSON in and out, strictly: no NaN, no lone surrogates, decimals exactly as they came."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_service.errors import BadRequest

_LARGEST_EXPONENT = 400  # what the numbers of other programs reach


def _number(text: str) -> Decimal:
    """A number with a fraction or an exponent. One absurdly large takes a library that makes it an integer for ever."""
    number = Decimal(text)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise OverflowError
    return number


_DECODER = msgspec.json.Decoder(float_hook=_number)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DEEPEST = 64
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def read_body() -> bytes:
    """The body of the request that this thread answers, read no further than its limit.

    Raises RequestEntityTooLarge, or BadRequest where it cannot be read, as with chunks that are none: what a server
    raises then is its own.
    """
    try:
        data = request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception:
        raise BadRequest("the request body", "could not be read to its end") from None
    most = request.max_content_length
    if request.content_length is None and most is not None and len(data) >= most:
        raise RequestEntityTooLarge  # a body in chunks is read as far as the limit, and what follows is left out
    return data


def read_json(data: bytes) -> Any:
    """The JSON value of a body; numbers with a fraction are Decimal. Raises BadRequest."""
    try:
        value = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise BadRequest("the request body", f"is not valid JSON ({_where(error)})") from None
    except (RecursionError, ValueError, ArithmeticError):
        raise BadRequest("the request body", "is nested too deeply or holds an impossible number") from None
    if _may_be_deep(data) and _is_deeper(value, _DEEPEST):
        raise BadRequest("the request body", f"is nested deeper than {_DEEPEST} levels")
    return value


def _where(error: msgspec.DecodeError) -> str:
    """The byte position of the fault; the parser's text is kept only as far as it quotes nothing."""
    text = str(error)
    return text[text.rindex("(byte") + 1 : -1] if "(byte" in text else "it ends too early or is not UTF-8"


def _may_be_deep(data: bytes) -> bool:
    """A cheap first look that is never wrong about "no": innermost pairs are taken off, layer by layer.

    Brackets inside strings can make it say "maybe"; then the value itself is looked at.
    """
    left = data.translate(None, _NOT_BRACKETS)
    for _ in range(_DEEPEST):
        shorter = left.replace(b"{}", b"").replace(b"[]", b"")
        if not shorter or len(shorter) == len(left):
            return bool(shorter)
        left = shorter
    return True


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether containers are nested more than `levels` deep."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not layer:
            return False
    return True


def write_json(value: Any) -> bytes:
    """The value as UTF-8 JSON; Decimals keep their digits."""
    return _ENCODER.encode(value)


def json_response(value: Any, status: int = 200) -> Response:
    """A response with this JSON body."""
    return Response(write_json(value), status=status, content_type="application/json; charset=utf-8")
