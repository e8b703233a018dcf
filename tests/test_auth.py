"""Who may call: the checklist's rows on JSON Web Tokens (1.13), through the front door, with real keys."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.keys import published_keys
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from cds_service.web.record import current_record
from cds_service.web.tokens import REASONS
from tests.helpers import SIGN, app_of, hook_call, outcome_text
from tests.jwks import (
    DISCOVERY_AUD,
    EXAMPLE_PRIVATE,
    PUBLIC,
    SANDBOX_PRIVATE,
    SIGN_AUD,
    Handler,
    KeyHost,
    b64,
    claims,
    compact,
    published,
    serving_keys,
    signer,
)
from tests.test_chart_fetching import WAYS, listening

JSON = dict[str, Any]
ISS = "https://pinned.example.org/fhir"
ODD_KID = "dGhpcyBpcw+/aw=="
# The complete tokens that the specification shows: 2.0, 1.0, and the draft before it (HS256).
SPECIFICATION_TOKENS = {
    "2.0": "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVoci5leGFtcGxlLm"
    "NvbS9qd2tfdXJpIn0.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6Imh0dHBzOi8vY2RzLmV4YW1wbGUub3JnL2N"
    "kcy1zZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpIjoiZWUyMmIwMjEtZTFiNy00NjE"
    "xLWJhNWItOGVlYzZhMzNhYzFlIiwidGVuYW50IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEyIn0.d1WfLjGRKlcWB94l9do4"
    "cM8REXeYJLL6SGUBO8VHZhfM8mwKYP70EMxJ67War4TQblEpaQrp11wx5p7oPFm2ETYgCicS84vXWEIYTdjooZdooCSDf2L8-i4awdoUwiEb",
    "1.0": "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVoci5leGFtcGxlLm"
    "NvbS9qd2tfdXJpIn0.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsInN1YiI6ImNsaWVudF9pZCIsImF1ZCI6Imh0dHBzOi8"
    "vY2RzLmV4YW1wbGUub3JnL2Nkcy1zZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpIjoi"
    "ZWUyMmIwMjEtZTFiNy00NjExLWJhNWItOGVlYzZhMzNhYzFlIiwidGVuYW50IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEy"
    "In0.CUFPkplnWd6YGIvzoHolWCQBDsCL8QtTWKGg_QFpS169WrqDGzktRi-_we6-6rVzbjerU27ZKww_SW0-b9RTz-dPJNcqsueMio8r6EqXUXhb"
    "Lm_ch3XFSbDlGHDl_tqo",
    "draft": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6Imh0dHBz"
    "Oi8vY2RzLmV4YW1wbGUub3JnL2Nkcy1zZXJ2aWNlcy9zb21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpI"
    "joiZWUyMmIwMjEtZTFiNy00NjExLWJhNWItOGVlYzZhMzNhYzFlIn0.Gwl3s301OMWpdEVAVj_T3JZV8bs7N5-V7QNNG7TQ33o",
}


def note_refusals(app: Flask, reasons: list[str]) -> None:
    """Collect why callers were not let in: what the log line and the metric say, and the answer never does."""

    @app.after_request
    def note(response: Response) -> Response:
        if response.status_code == 401:
            reasons.append(current_record().refused)
        return response


class Door:
    """A service that asks for tokens, what it said to those it did not let in, and why."""

    def __init__(self, client: FlaskClient, reasons: list[str], body: bytes) -> None:
        self.client = client
        self.reasons = reasons
        self.body = body

    def call(self, token: str | None, url: str = SIGN, **headers: str) -> TestResponse:
        """A hook call (for discovery's address a GET) with this token."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if url.split("?")[0] == "/cds-services":
            return self.client.get(url, headers=headers)
        return self.client.post(url, data=self.body, content_type="application/json", headers=headers)

    def admits(self, token: str | None, url: str = SIGN, **headers: str) -> None:
        """The call is answered with 200."""
        response = self.call(token, url, **headers)
        assert response.status_code == 200, (self.reasons, response.get_data(as_text=True))

    def refuses(self, token: str | None, reason: str, url: str = SIGN, **headers: str) -> TestResponse:
        """The call gets the one answer to all refusals, and this reason is counted."""
        self.reasons.clear()
        response = self.call(token, url, **headers)
        check_refusal(response)
        assert self.reasons == [reason]
        return response


def check_refusal(response: TestResponse) -> None:
    """401 without a word about why (CH-166), readable by a page (CH-170)."""
    assert response.status_code == 401, response.get_data(as_text=True)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert outcome_text(response) == "the caller could not be authenticated."
    assert response.get_data() == (
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login",'
        b'"details":{"text":"the caller could not be authenticated."}}]}'
    )


@contextmanager
def door_of(knowledge: Knowledge, folder: Path, entries: list[JSON], **settings: str) -> Iterator[Door]:
    """A service for the clients of these entries."""
    file = folder / "clients.yaml"
    file.write_text(yaml.safe_dump({"clients": entries}), encoding="utf-8")
    chosen = {"CDS_CLIENTS": str(file), "CDS_PUBLIC_URL": PUBLIC} | settings
    reasons: list[str] = []
    app = app_of(read_settings(chosen))
    note_refusals(app, reasons)
    yield Door(app.test_client(), reasons, write_json(hook_call(knowledge)))
    close_app(app)


@pytest.fixture(scope="module")
def host() -> Iterator[KeyHost]:
    """Where clients publish their keys."""
    with serving_keys() as serving:
        yield serving


@pytest.fixture(scope="module")
def inside() -> Iterator[tuple[int, list[object]]]:
    """A socket of this machine that nobody may connect to, and the connections made to it."""
    with listening() as found:
        yield found


HOSTED = ("steady", "rotates", "invents", "falls", "redirects", "huge", "drips", "html", "mixed", "published", "odd")


def entries_of(host: KeyHost, inside_port: int) -> list[JSON]:
    """The clients of most tests here."""
    hosted = [
        {
            "id": name,
            "iss": f"https://{name}.example.org",
            "jku": f"{host.base}/{name}",
            "algorithms": ["ES384", "RS384"],
        }
        for name in HOSTED
    ]
    meld = {"audience": ["sand_man", DISCOVERY_AUD], "keys": [signer("meld").jwk()]}
    shared = {"iss": "https://shared.example.org"}
    return [
        *hosted,
        {"id": "pinned", "iss": ISS, "keys": "pinned.json", "algorithms": ["ES384", "RS384"]},
        {"id": "wide", "iss": "https://wide.example.org", "keys": "wide.json"},
        {
            "id": "inside",
            "iss": "https://inside.example.org",
            "jku": f"https://{socket.gethostname()}:{inside_port}/jwks",
        },
        {"id": "meld", "iss": "https://meld.example.org", **meld},
        {"id": "one", **shared, "tenants": ["t1", "t2"], "keys": [signer("one").jwk()]},
        {"id": "two", **shared, "tenants": ["t3"], "keys": [signer("two").jwk()]},
        {"id": "narrow", "iss": "https://narrow.example.org", "keys": [signer("narrow").jwk()], "max_lifetime": 120},
        {
            "id": "single",
            "iss": "https://single.example.org",
            "keys": [signer("single").jwk()],
            "algorithms": ["ES384"],
        },
    ]


WIDE = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@pytest.fixture(scope="module")
def door(
    knowledge: Knowledge, host: KeyHost, inside: tuple[int, list[object]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """The service of most tests here: every algorithm is allowed, most clients keep to the two recommended ones."""
    folder = tmp_path_factory.mktemp("clients")
    pinned = [signer("p1").jwk(), signer("p2", "RS384").jwk(), signer(ODD_KID).jwk()]
    (folder / "pinned.json").write_text(json.dumps({"keys": pinned}), encoding="utf-8")
    wide = [signer(f"w-{name}", name).jwk() for name in WIDE]
    (folder / "wide.json").write_text(json.dumps({"keys": wide}), encoding="utf-8")
    settings = {"CDS_JWT_ALGORITHMS": " ".join(WIDE)}
    with door_of(knowledge, folder, entries_of(host, inside[0]), **settings) as made:
        yield made


def good(kid: str = "p1", algorithm: str = "ES384", iss: str = ISS, aud: Any = SIGN_AUD, **more: Any) -> str:
    """A good token of a pinned client, but for what `more` changes in its claims."""
    return signer(kid, algorithm).token(claims(iss, aud, **more))


def hosted(name: str, kid: str = "", **header: Any) -> str:
    """A token of a client that publishes its keys."""
    return signer(kid or name).token(claims(f"https://{name}.example.org"), **header)


# --- A token is needed (CH-150, CH-151) ------------------------------------------------------------------


def test_ch150_without_a_token_nothing_is_answered(door: Door) -> None:
    """A hook call, feedback and an address that does not exist: 401, whatever is behind it."""
    for url in (SIGN, f"{SIGN}/feedback", "/cds-services/nothing", "/nothing"):
        door.refuses(None, "no-token", url)


def test_ch151_a_token_is_taken_on_every_call_and_the_scheme_in_any_case(door: Door) -> None:
    """Discovery and the service; `Bearer`, `bearer`, `BEARER` and two spaces."""
    door.admits(good(aud=DISCOVERY_AUD), "/cds-services")
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR "):
        door.admits(None, Authorization=f"{scheme} {good()}")


@pytest.mark.parametrize(
    "shown", ["Basic {basic}", "{token}", "Bearer", "Bearer {token} {token}", "Token {token}", "Bearer,"]
)
def test_ch151_other_credentials_do_not_count(door: Door, shown: str) -> None:
    """Basic, no scheme, no token, two tokens, another scheme."""
    text = shown.format(basic=b64(b"user:password"), token=good())
    door.refuses(None, "malformed", Authorization=text)


def test_ch151_two_authorization_headers_do_not_count(door: Door) -> None:
    """Neither of two good tokens counts, in whichever order."""
    door.reasons.clear()
    headers = [("Authorization", f"Bearer {good()}"), ("Authorization", f"Bearer {good()}")]
    check_refusal(door.client.post(SIGN, data=door.body, content_type="application/json", headers=headers))
    assert door.reasons == ["malformed"]
    door.refuses(None, "malformed", Authorization=f"Bearer {good()}, Bearer {good()}")


def test_ch151_a_token_in_the_address_or_the_body_does_not_count(door: Door) -> None:
    """A token belongs into the header alone."""
    door.refuses(None, "no-token", f"{SIGN}?access_token={good()}")
    door.reasons.clear()
    check_refusal(door.client.post(SIGN, data={"access_token": good()}))
    assert door.reasons == ["no-token"]


@pytest.mark.parametrize(
    "text", ["a.b", "a.b.c.d", "....", "a..c", "%61.b.c", "e30.e30.", "e30=.e30=.AA", "W10.W10.AA", "a" * 20_000]
)
def test_ch151_what_is_no_compact_jws_does_not_count(door: Door, text: str) -> None:
    """Too few and too many parts, padding, other characters, other JSON than objects, no end."""
    door.refuses(text, "malformed")


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{", b'{"exp": NaN}', b"\xff", b"[" * 3000, b'{"a":' * 3000])
def test_ch151_claims_must_be_a_json_object(door: Door, payload: bytes) -> None:
    """A good signature over anything else does not help."""
    one = signer("p1")
    door.refuses(compact({"alg": "ES384", "typ": "JWT", "kid": "p1"}, payload, one.sign), "malformed")


def test_ch024_discovery_answers_without_a_token_but_not_with_a_bad_one(door: Door) -> None:
    """It is a public document; whoever shows a token is told whether it is good, so that registration can be tried."""
    door.admits(None, "/cds-services")
    door.admits(good(aud=DISCOVERY_AUD), "/cds-services")
    door.refuses(good(aud=SIGN_AUD), "audience", "/cds-services")
    door.refuses(None, "malformed", "/cds-services", Authorization="Basic abc")
    door.refuses(None, "no-token", "/cds-services", Authorization="")


# --- Algorithms (CH-152) ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("kid", "algorithm"), [("p1", "ES384"), ("p2", "RS384")])
def test_ch152_the_recommended_algorithms_count(door: Door, kid: str, algorithm: str) -> None:
    """ES384 and RS384."""
    door.admits(good(kid, algorithm))


@pytest.mark.parametrize("algorithm", WIDE)
def test_ch152_others_count_where_the_setting_names_them(door: Door, algorithm: str) -> None:
    """Each algorithm a setting can name is checked by its own rules; for a client that keeps to two, it is refused."""
    door.admits(good(f"w-{algorithm}", algorithm, "https://wide.example.org"))
    if algorithm not in ("ES384", "RS384"):
        door.refuses(good("p1" if algorithm[0] == "E" else "p2", algorithm), "algorithm")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 5, ["ES384"], "ES256K", "EdDSA", "es384"])
def test_ch152_none_and_unknown_algorithms_are_refused(door: Door, name: Any) -> None:
    """However it is spelled, with and without a signature."""
    header = {"alg": name, "typ": "JWT", "kid": "p1"}
    door.refuses(compact(header, claims(ISS), signer("p1").sign), "algorithm")
    unsigned = compact(header, claims(ISS), lambda _: b"")
    door.refuses(unsigned, "malformed")


@pytest.mark.parametrize("size", ["256", "384", "512"])
@pytest.mark.parametrize("kid", ["p1", "p2"])
def test_ch152_hmac_with_the_public_key_is_refused(door: Door, size: str, kid: str) -> None:
    """The confusion attack: the public key, in any form, as the secret of an HMAC."""
    one = signer(kid, "ES384" if kid == "p1" else "RS384")
    for secret in (one.pem(), one.pem().strip(), json.dumps(one.jwk()).encode(), b""):
        header = {"alg": f"HS{size}", "typ": "JWT", "kid": kid}
        token = compact(header, claims(ISS), lambda data, key=secret: hmac.digest(key, data, f"sha{size}"))
        door.refuses(token, "algorithm")


@pytest.mark.parametrize("names", ["HS256", "none", "ES384 HS384"])
def test_ch152_no_setting_allows_none_or_hmac(names: str, tmp_path: Path) -> None:
    """The start is refused."""
    with pytest.raises(Exception, match="CDS_JWT_ALGORITHMS"):
        read_settings({"CDS_AUTH": "off", "CDS_JWT_ALGORITHMS": names})


def test_ch152_the_key_must_fit_the_algorithm(door: Door) -> None:
    """RS384 with an EC key, the other way round, another curve, and PS384 with a key that is for RS384."""
    iss = "https://wide.example.org"
    for kid, algorithm in (("w-ES384", "RS384"), ("w-RS384", "ES384"), ("w-ES256", "ES384"), ("w-RS384", "PS384")):
        token = signer(kid, kid[2:]).token(claims(iss), alg=algorithm)
        door.refuses(token, "unfit-key")


def test_ch152_the_algorithm_is_never_taken_from_the_key(door: Door, host: KeyHost) -> None:
    """A key set may call a key whatever it likes: HMAC secrets and keys for other algorithms are not used."""
    secret = {"kty": "oct", "kid": "oct", "alg": "HS384", "k": b64(b"0" * 48)}
    host.answers["odd"] = {
        "keys": [
            secret,
            signer("odd").jwk(alg="HS384"),
            signer("enc").jwk(use="enc"),
            signer("ops").jwk(key_ops=["encrypt"]),
            signer("small", "RS384", 1024).jwk(),
            signer("leaked").jwk(d=b64(b"0" * 48)),
            signer("off-curve").jwk(y=b64(b"1" * 48)),
            "no key",
            {"kid": "nothing"},
        ]
    }
    iss = "https://odd.example.org"
    forged = {"alg": "HS384", "typ": "JWT", "kid": "oct"}
    door.refuses(compact(forged, claims(iss), lambda data: hmac.digest(b"0" * 48, data, hashlib.sha384)), "algorithm")
    door.refuses(hosted("odd"), "unfit-key")
    for kid in ("enc", "ops", "leaked", "off-curve", "nothing", "oct"):
        door.refuses(hosted("odd", kid), "unknown-key")
    door.refuses(signer("small", "RS384", 1024).token(claims(iss)), "unknown-key")


# --- Keys (CH-153 to CH-157) -------------------------------------------------------------------------------


def test_ch153_kid_is_needed_and_opaque(door: Door) -> None:
    """Base64 with padding is a name like any other; none, an empty one, a number and an unknown one are refused."""
    door.admits(good(ODD_KID))
    for kid, reason in ((None, "malformed"), ("", "malformed"), (5, "malformed"), (ODD_KID[:-1], "unknown-key")):
        door.refuses(signer("p1").token(claims(ISS), kid=kid), reason)
    door.refuses(signer("p1").token(claims(ISS), kid="../../etc/passwd"), "unknown-key")
    door.refuses(signer("p1").token(claims(ISS), kid="p1' OR '1'='1"), "unknown-key")


def test_ch153_an_unknown_kid_reads_the_set_once_more(door: Door, host: KeyHost) -> None:
    """Once, not once for each invented name."""
    host.publish("invents", signer("invents"))
    door.admits(hosted("invents"))
    assert host.count("invents") == 1
    for number in range(5):
        door.refuses(hosted("invents", f"invented-{number}"), "unknown-key")
    assert host.count("invents") == 2
    door.admits(hosted("invents"))


@pytest.mark.parametrize("kind", [None, "", "JOSE", "at+jwt", "jwt", 1])
def test_ch154_typ_is_jwt(door: Door, kind: Any) -> None:
    """A token without it, or of another type, may have been signed for another purpose."""
    door.refuses(signer("p1").token(claims(ISS), typ=kind), "malformed")


def test_ch155_jku_may_be_left_out(door: Door, host: KeyHost) -> None:
    """With keys exchanged out of band, and with a listed set that the token does not name."""
    host.publish("steady", signer("steady"))
    door.admits(good())
    door.admits(hosted("steady"))
    door.admits(hosted("steady", jku=f"{host.base}/steady"))


def test_ch156_another_jku_is_refused_and_never_asked(door: Door, host: KeyHost) -> None:
    """The attacker's own set, one of another client, a near miss, and no address at all."""
    attacker = signer("attacker")
    host.publish("attacker", attacker)
    token = attacker.token(claims("https://steady.example.org"), jku=f"{host.base}/attacker")
    door.refuses(token, "key-address")
    for jku in (
        f"{host.base}/rotates",
        f"{host.base}/steady/",
        f"{host.base}/steady#x",
        "",
        5,
        [f"{host.base}/steady"],
        {},
    ):
        door.refuses(hosted("steady", jku=jku), "key-address")
    door.refuses(signer("p1").token(claims(ISS), jku=f"{host.base}/steady"), "key-address")
    assert host.count("attacker") == host.count("steady/") == 0


@pytest.mark.parametrize("way", WAYS)
def test_ch156_jku_makes_no_connection_into_the_network(door: Door, inside: tuple[int, list[object]], way: str) -> None:
    """Loopback in every spelling, link-local and other schemes: asserted on a listening socket."""
    port, made = inside
    for field in ("jku", "x5u"):
        token = hosted("steady", "attacker", **{field: way.format(port=port)})
        door.refuses(token, "key-address" if field == "jku" else "unknown-key")
    time.sleep(0.05)
    assert made == []


def test_ch156_a_listed_name_that_leads_inside_is_not_connected(door: Door, inside: tuple[int, list[object]]) -> None:
    """A name on the list whose address is this machine (rebinding) is refused once the name is resolved."""
    door.refuses(hosted("inside"), "unreachable-key")
    time.sleep(0.2)
    assert inside[1] == []


def test_ch156_keys_inside_a_token_are_not_looked_at(door: Door) -> None:
    """A self-signed token that brings its own key (`jwk`, `x5c`)."""
    attacker = signer("attacker")
    header = {"jwk": attacker.jwk(kid="p1"), "x5c": [b64(attacker.pem())]}
    door.refuses(attacker.token(claims(ISS), kid="p1", **header), "signature")


def test_ch157_rotation_is_followed_at_once(door: Door, host: KeyHost) -> None:
    """A new key counts with the next call, the withdrawn one no more."""
    host.publish("rotates", signer("rotates"))
    door.admits(hosted("rotates"))
    host.publish("rotates", signer("rotated"))
    door.admits(hosted("rotates", "rotated"))
    door.refuses(hosted("rotates"), "unknown-key")


def test_ch157_cached_keys_count_while_the_host_is_down(door: Door, host: KeyHost) -> None:
    """What was read stays; what was not read is not invented."""
    host.publish("falls", signer("falls"))
    door.admits(hosted("falls"))
    for answer in ((503, b""), (200, b"<html>"), (200, b'{"keys": 5}'), (404, b"")):
        host.answers["falls"] = answer
        door.admits(hosted("falls"))
        door.refuses(hosted("falls", "unheard-of"), "unreachable-key")


def _huge(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 52428800\r\n\r\n")
    for _ in range(800):
        handler.wfile.write(b" " * 65536)


def _drip(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.2)


def test_ch157_a_host_that_misbehaves_costs_little(door: Door, host: KeyHost, inside: tuple[int, list[object]]) -> None:
    """50 MB, a drip, a redirect and a page of HTML: refused within bounds, other clients go on, nothing is followed."""

    def redirect(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"http://127.0.0.1:{inside[0]}/jwks")
        handler.end_headers()

    host.answers |= {"huge": _huge, "drips": _drip, "redirects": redirect, "html": (200, b"<html>sorry</html>")}
    began = time.monotonic()
    for name in ("huge", "drips", "redirects", "html"):
        door.refuses(hosted(name), "unreachable-key")
        door.refuses(hosted(name), "unreachable-key")
        assert host.count(name) == 1
        door.admits(good())
    assert time.monotonic() - began < 30
    time.sleep(0.1)
    assert inside[1] == []


# --- Claims (CH-158 to CH-164) ------------------------------------------------------------------------------


@pytest.mark.parametrize("iss", [None, "https://stranger.example.org", f"{ISS}/", ISS.upper(), "", 5, [ISS], {}])
def test_ch158_only_listed_issuers(door: Door, iss: Any) -> None:
    """Exactly as listed; a good signature of a listed client does not help."""
    door.refuses(good(iss=iss), "issuer")


def test_ch158_one_client_cannot_speak_for_another(door: Door) -> None:
    """A key of one client under the issuer of another, by that key's name and by the other's."""
    door.refuses(signer("narrow").token(claims(ISS)), "unknown-key")
    door.refuses(signer("narrow").token(claims(ISS), kid="p1"), "signature")


@pytest.mark.parametrize("aud", [SIGN_AUD, [SIGN_AUD], ["https://other.example.org", SIGN_AUD, "x"]], ids=str)
def test_ch159_aud_is_the_public_url_of_the_endpoint(door: Door, aud: Any) -> None:
    """A text, a list, and a list with others in it."""
    door.admits(good(aud=aud))


@pytest.mark.parametrize(
    ("aud", "reason"),
    [
        (SIGN_AUD.replace("sign", "select"), "audience"),
        (SIGN_AUD.replace("https", "http"), "audience"),
        (SIGN_AUD.replace("https://cds.example.org/base", "http://localhost"), "audience"),
        (f"{SIGN_AUD}/", "audience"),
        (f"{SIGN_AUD}?x", "audience"),
        (f"{SIGN_AUD}/feedback", "audience"),
        (PUBLIC, "audience"),
        (DISCOVERY_AUD, "audience"),
        ("sand_man", "audience"),
        ("", "audience"),
        ([], "audience"),
        (None, "claims"),
        (5, "claims"),
        ([SIGN_AUD, 5], "claims"),
        ({"a": SIGN_AUD}, "claims"),
    ],
    ids=str,
)
def test_ch159_another_aud_is_refused(door: Door, aud: Any, reason: str) -> None:
    """Another service, http, the address behind the proxy, a slash too many, nothing, another type."""
    door.refuses(good(aud=aud), reason)


def test_ch159_the_host_header_decides_nothing(door: Door) -> None:
    """Behind a proxy it is anybody's word."""
    door.admits(good(), Host="attacker.example.org")
    door.refuses(good(aud=f"http://attacker.example.org{SIGN}"), "audience", Host="attacker.example.org")
    forwarded = {"X-Forwarded-Host": "attacker.example.org", "X-Forwarded-Proto": "https"}
    door.refuses(good(aud=f"https://attacker.example.org{SIGN}"), "audience", **forwarded)


def test_ch159_a_client_may_have_an_audience_of_its_own(door: Door) -> None:
    """Meld's `sand_man`: what is listed counts in place of the URL, for that client alone."""
    iss = "https://meld.example.org"
    door.admits(good("meld", iss=iss, aud="sand_man"))
    door.admits(good("meld", iss=iss, aud=DISCOVERY_AUD), "/cds-services")
    door.refuses(good("meld", iss=iss, aud=SIGN_AUD), "audience")


def test_ch147_feedback_takes_its_own_url_and_that_of_its_service(door: Door) -> None:
    """Both get past the door; the URL of another service does not."""
    url = f"{SIGN}/feedback"
    for aud in (f"{SIGN_AUD}/feedback", SIGN_AUD):
        assert door.call(good(aud=aud), url).status_code != 401
    door.refuses(good(aud=SIGN_AUD.replace("sign", "select")), "audience", url)
    door.refuses(good(aud=DISCOVERY_AUD), "audience", url)


@pytest.mark.parametrize(
    ("exp", "reason"),
    [(-3600, "expired"), (-61, "expired"), (-40, None), (None, "claims"), ("text", "claims"), (True, "claims")],
)
def test_ch160_exp_is_needed_and_counts(door: Door, exp: Any, reason: str | None) -> None:
    """Expired, within a minute of it, missing, as text."""
    now = time.time()
    value = str(int(now) + 300) if exp == "text" else now + exp if type(exp) is int else exp
    token = good(exp=value, iat=int(now) - 200)
    door.refuses(token, reason) if reason else door.admits(token)


@pytest.mark.parametrize("version", SPECIFICATION_TOKENS)
def test_ch160_the_tokens_of_the_specification_are_refused(
    door: Door, knowledge: Knowledge, tmp_path: Path, version: str
) -> None:
    """By a service that never heard of them, and by one that lists their key in sandbox mode: they expired in 2015."""
    token = SPECIFICATION_TOKENS[version]
    door.refuses(token, "algorithm" if version == "draft" else "issuer")
    example = next(known for known in published_keys() if known.key.kid == "example-kid")
    listed = {
        "id": "example",
        "iss": example.iss,
        "jku": example.jku,
        "keys": [published("example-kid", EXAMPLE_PRIVATE).jwk()],
        "audience": ["https://cds.example.org/cds-services/some-service"],
    }
    with door_of(knowledge, tmp_path, [listed], CDS_AUTH="sandbox") as lenient:
        lenient.refuses(token, "algorithm" if version == "draft" else "expired")


@pytest.mark.parametrize(
    ("iat", "life", "reason"),
    [
        (0, 3600, None),
        (0, 3601, "lifetime"),
        (-110_000_000, 110_000_300, "lifetime"),
        (40, 300, None),
        (120, 300, "not-yet"),
        (40, 0, "lifetime"),
        (0, 10**14, "claims"),
    ],
)
def test_ch161_iat_and_the_lifetime_are_bounded(door: Door, iat: int, life: int, reason: str | None) -> None:
    """An hour at the most from iat to exp; an iat in the future counts within a minute."""
    begin = int(time.time()) + iat
    token = good(iat=begin, exp=begin + life)
    door.refuses(token, reason) if reason else door.admits(token)


@pytest.mark.parametrize("iat", [None, "1", True, [1], -1, 10**400], ids=str)
def test_ch161_iat_is_needed_and_a_number(door: Door, iat: Any) -> None:
    """Missing, text, true, a list, before 1970, beyond everything."""
    door.refuses(good(iat=iat), "claims")


def test_ch161_a_client_may_have_a_shorter_lifetime(door: Door) -> None:
    """`max_lifetime: 120`."""
    now = int(time.time())
    door.admits(good("narrow", iss="https://narrow.example.org", exp=now + 100))
    door.refuses(good("narrow", iss="https://narrow.example.org"), "lifetime")


def test_ch160_dates_may_have_fractions(door: Door) -> None:
    """A NumericDate is a number (RFC 7519), and some clients send milliseconds as a fraction."""
    now = time.time()
    door.admits(good(iat=now, exp=now + 299.5))


def test_ch162_a_token_counts_once(door: Door) -> None:
    """The same token again, and another with the same jti; the jti of another client is another."""
    jti = str(uuid.uuid4())
    token = good(jti=jti)
    door.admits(token)
    door.refuses(token, "replayed")
    door.refuses(good(jti=jti, aud=DISCOVERY_AUD), "replayed", "/cds-services")
    door.admits(signer("single").token(claims("https://single.example.org", jti=jti)))


@pytest.mark.parametrize("jti", [None, "", 5, ["a"], {}], ids=str)
def test_ch162_jti_is_needed(door: Door, jti: Any) -> None:
    """Missing, empty, and of other types."""
    door.refuses(good(jti=jti), "claims")


def test_ch162_a_jti_is_kept_only_when_all_else_is_good(door: Door) -> None:
    """Nobody can use up a jti with a forged, a wrong or an expired token (CH-165: it is last)."""
    jti = str(uuid.uuid4())
    door.refuses(signer("attacker").token(claims(ISS, jti=jti), kid="p1"), "signature")
    door.refuses(good(jti=jti, aud="elsewhere"), "audience")
    door.refuses(good(jti=jti, exp=1), "expired")
    door.refuses(good("one", iss="https://shared.example.org", tenant="t9", jti=jti), "tenant")
    door.admits(good(jti=jti))


def test_ch163_tenants_are_listed_where_they_are_used(door: Door) -> None:
    """Listed ones may call, others may not; a client without a list takes any; an issuer's clients are told apart."""
    iss = "https://shared.example.org"
    door.admits(good("one", iss=iss, tenant="t1"))
    door.admits(good("one", iss=iss, tenant="t2"))
    door.admits(good("two", iss=iss, tenant="t3"))
    door.admits(good(tenant="anything"))
    for tenant in ("t4", None, "", 5):
        door.refuses(good("one", iss=iss, tenant=tenant), "tenant")
    door.refuses(good(tenant=5), "claims")
    door.refuses(good("one", iss=iss, tenant="t3"), "unknown-key")


def test_ch163_a_single_client_with_tenants_is_held_to_them(knowledge: Knowledge, tmp_path: Path) -> None:
    """Also where nobody shares its issuer."""
    entry = {"id": "only", "iss": ISS, "keys": [signer("p1").jwk()], "tenants": ["t1"]}
    with door_of(knowledge, tmp_path, [entry]) as strict:
        strict.admits(good(tenant="t1"))
        for tenant in ("t2", None, ""):
            strict.refuses(good(tenant=tenant), "tenant")


def test_ch164_unknown_claims_are_accepted_and_nbf_is_honoured(door: Door) -> None:
    """Epic sends sub and nbf; nbf in the future is refused, in the past or within a minute it is not."""
    now = int(time.time())
    door.admits(good(sub="app", nbf=now - 100, extra={"deep": [1, None]}))
    door.admits(good(nbf=now + 30))
    door.refuses(good(nbf=now + 120), "not-yet")
    door.refuses(good(nbf="tomorrow"), "claims")


def test_ch164_unknown_headers_are_accepted_but_not_critical_ones(door: Door) -> None:
    """RFC 7515: what is marked critical must be understood."""
    door.admits(signer("p1").token(claims(ISS), cty="x", note="y"))
    door.refuses(signer("p1").token(claims(ISS), crit=["exp2"], exp2=1), "malformed")
    door.refuses(signer("p1").token(claims(ISS), crit=["b64"], b64=False), "malformed")


# --- Order, answer, secrecy (CH-165 to CH-168) ----------------------------------------------------------------


def test_ch165_checks_come_in_order(door: Door) -> None:
    """A token that is wrong in every way is mended step by step, and each time the next reason is counted."""
    header: JSON = {"alg": "HS256", "typ": "X", "kid": "unknown", "jku": "https://evil.example.org/"}
    wrong = claims("https://stranger.example.org", "elsewhere", exp=1, tenant=5)
    forger, steps = signer("attacker"), []
    mending: list[tuple[JSON, JSON]] = [
        ({}, {}),
        ({"typ": "JWT"}, {}),
        ({"alg": "ES384"}, {}),
        ({}, {"iss": ISS}),
        ({"jku": None}, {}),
        ({"kid": "p1"}, {}),
        ({"real": True}, {}),
        ({}, {"aud": SIGN_AUD}),
        ({}, {"exp": int(time.time()) + 300}),
        ({}, {"tenant": "t1", "jti": None}),
        ({}, {"jti": "the-last-step"}),
    ]
    for more_header, more_claims in mending:
        header, wrong = header | more_header, wrong | more_claims
        shown = {name: value for name, value in header.items() if name != "real"}
        door.reasons.clear()
        door.call(compact(shown, wrong, (signer("p1") if "real" in header else forger).sign))
        steps += door.reasons
    assert steps == [
        "malformed",
        "algorithm",
        "issuer",
        "key-address",
        "unknown-key",
        "signature",
        "audience",
        "expired",
        "claims",
        "claims",
    ]


def test_ch165_a_changed_token_is_refused(door: Door) -> None:
    """Each part of a good token with one character changed, the parts of two tokens mixed, and no signature."""
    first, second = good().split("."), good().split(".")
    for part in range(3):
        middle = len(first[part]) // 2
        swapped = "A" if first[part][middle] != "A" else "B"
        changed = [*first]
        changed[part] = first[part][:middle] + swapped + first[part][middle + 1 :]
        assert door.call(".".join(changed)).status_code == 401
    door.refuses(".".join([first[0], second[1], first[2]]), "signature")
    door.refuses(".".join([*first[:2], b64(b"\0" * 96)]), "signature")
    door.refuses(".".join([*first[:2], b64(b"\0")]), "signature")


def test_ch166_every_refusal_has_one_body(door: Door) -> None:
    """Byte for byte, and the same headers; the reason is counted, from a short list."""
    seen = set()
    for token, reason in (
        (None, "no-token"),
        ("x", "malformed"),
        (good(iss="https://stranger.example.org"), "issuer"),
        (good(exp=1), "expired"),
        (good(aud="elsewhere"), "audience"),
        (signer("attacker").token(claims(ISS), kid="p1"), "signature"),
    ):
        response = door.refuses(token, reason)
        assert reason in REASONS
        own = {name: value for name, value in response.headers.items() if name != "X-Request-ID"}
        seen.add((response.get_data(), tuple(own.items())))
    assert len(seen) == 1


def test_ch166_a_head_request_is_refused_alike(door: Door) -> None:
    """The methods of an address are not told to strangers."""
    for method in ("HEAD", "GET", "PUT", "DELETE", "PATCH"):
        response = door.client.open(SIGN, method=method)
        assert response.status_code == 401
        assert "Allow" not in response.headers


@pytest.mark.parametrize("url", ["/cds-services", SIGN, f"{SIGN}/feedback"])
def test_ch170_a_preflight_needs_no_token(door: Door, url: str) -> None:
    """A browser sends none."""
    asked = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": "POST"}
    assert door.client.options(url, headers=asked).headers["Access-Control-Allow-Origin"] == "*"
    assert door.client.options(url, headers=asked).status_code != 401


def test_ch167_nothing_of_a_token_is_logged_or_answered(
    door: Door, host: KeyHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Let in or not: no token, no part of one, and no text that somebody put into one."""
    caplog.set_level(logging.DEBUG)
    secret = "Erika-Mustermann-4711"
    tokens = [
        good(sub=secret, tenant=secret),
        good(iss=f"https://stranger.example.org/{secret}"),
        good(iss=secret),
        good(aud=secret),
        good(exp=1, sub=secret),
        signer("attacker").token(claims(ISS, sub=secret), kid=secret),
        hosted("steady", jku=f"{host.base}/{secret}"),
        f"{secret}.{secret}.{secret}",
    ]
    told = ""
    for token in tokens:
        told += door.call(token).get_data(as_text=True)
    told += caplog.text
    assert secret not in told
    assert all(part not in told for token in tokens for part in token.split("."))
    assert "'reason': 'issuer', 'who': 'https://stranger.example.org:443'" in caplog.text
    assert "'reason': 'audience', 'who': 'pinned'" in caplog.text


def sandbox_token(aud: str, **header: Any) -> str:
    """What the public sandbox sends: its header and claims, signed with its published key."""
    known = next(known for known in published_keys() if known.signs)
    now = round(time.time())
    body = {"iss": known.iss, "aud": aud, "exp": now + 300, "iat": now, "jti": str(uuid.uuid4())}
    return published(known.key.kid, SANDBOX_PRIVATE).token(body, jku=known.jku, **header)


def test_ch168_the_sandbox_may_call_in_sandbox_mode_only(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """There out of the box, on every endpoint and without its host being asked; elsewhere it is a stranger."""
    door.refuses(sandbox_token(SIGN_AUD), "issuer")
    settings = read_settings({"CDS_AUTH": "sandbox", "CDS_PUBLIC_URL": "http://127.0.0.1:8000"})
    reasons: list[str] = []
    app = app_of(settings)
    note_refusals(app, reasons)
    assert "anybody can sign as the public sandbox" in caplog.text
    lenient = Door(app.test_client(), reasons, door.body)
    lenient.admits(sandbox_token("http://127.0.0.1:8000/cds-services"), "/cds-services")
    lenient.admits(sandbox_token(f"http://127.0.0.1:8000{SIGN}"))
    feedback = lenient.call(sandbox_token(f"http://127.0.0.1:8000{SIGN}/feedback"), f"{SIGN}/feedback")
    assert feedback.status_code != 401
    lenient.refuses(sandbox_token(SIGN_AUD), "audience")
    lenient.refuses(None, "no-token")
    lenient.refuses(good(), "issuer")
    close_app(app)


def test_ch168_published_keys_in_a_key_set_are_not_used(door: Door, host: KeyHost) -> None:
    """A client that publishes the sandbox's key as its own, by mistake or not, is not let in with it."""
    taken = published("taken", SANDBOX_PRIVATE)
    host.publish("published", taken, signer("own"))
    door.refuses(taken.token(claims("https://published.example.org")), "unknown-key")
    door.admits(hosted("published", "own"))


# --- Access without tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "", "127.0.0.1.example.org"]
)
def test_open_access_is_for_this_machine(client: FlaskClient, knowledge: Knowledge, peer: str) -> None:
    """CDS_AUTH=off answers loopback peers alone, whatever server runs the application."""
    body = write_json(hook_call(knowledge))
    for response in (
        client.post(SIGN, data=body, content_type="application/json", environ_overrides={"REMOTE_ADDR": peer}),
        client.get("/cds-services", environ_overrides={"REMOTE_ADDR": peer}),
    ):
        check_refusal(response)
    forged = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1"}
    check_refusal(client.get("/cds-services", headers=forged, environ_overrides={"REMOTE_ADDR": peer}))


def test_monitoring_needs_no_token(door: Door) -> None:
    """The addresses that ask for none get past the door, with any credentials or none."""
    for url in ("/healthz", "/readyz", "/metrics"):
        assert door.client.get(url).status_code != 401
        assert door.client.get(url, headers={"Authorization": "Basic abc"}).status_code != 401
    for url in ("/healthz/", "//healthz", "/healthz/x", "/Healthz"):
        assert door.client.get(url).status_code == 401
