"""What prefetch leaves out is read from the client's FHIR server: checklist 1.7 and 1.8, through the front door."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.fixtures import fixtures_folder, moved_to, read_fixture
from cds_service.settings import read_settings
from tests.ehr import Ehr, Handler, bundle, send, serving_ehr
from tests.helpers import SIGN, TODAY, answer_of, app_of, hook_call, post, refusal_of
from tests.tls import certificate, server_context

JSON = dict[str, Any]
TOKEN = "canary-token-4711"
PAIR = "gabapentin-baclofen"


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    """The FHIR server of all tests here."""
    with serving_ehr() as server:
        yield server


@contextmanager
def client_of(ehr: Ehr, **more: str) -> Iterator[FlaskClient]:
    """A service that may call `ehr`."""
    settings = {"CDS_AUTH": "off", "CDS_FHIR_SERVERS": ehr.base, "CDS_CHART_SECONDS": "3"} | more
    app = app_of(read_settings(settings))
    yield app.test_client()
    close_app(app)


@pytest.fixture(scope="module")
def client(ehr: Ehr) -> Iterator[FlaskClient]:
    """The service of most tests here: three seconds for a chart, three pages, a hundred kilobytes."""
    with client_of(ehr, CDS_CHART_PAGES="3", CDS_CHART_BYTES="100000") as made:
        yield made


@pytest.fixture(scope="module")
def strict(ehr: Ehr) -> Iterator[FlaskClient]:
    """The same with the specification's answer to a missing medication list."""
    with client_of(ehr, CDS_MISSING_CHART="412") as made:
        yield made


@pytest.fixture(autouse=True)
def forget(ehr: Ehr) -> None:
    """Each test begins with an empty FHIR server."""
    ehr.reset()


def call(knowledge: Knowledge, ehr: Ehr, keep: tuple[str, ...] = (), **more: Any) -> JSON:
    """An order of gabapentin for a patient on baclofen whose chart is on the server but for the keys in `keep`."""
    body = hook_call(knowledge)
    chart = body["prefetch"]
    for key, value in chart.items():
        kind = "Patient" if key == "patient" else key[0].upper() + key[1:-1]
        ehr.answers[kind] = value if value is not None else bundle()
    body["prefetch"] = {key: chart[key] for key in keep}
    body["fhirServer"] = ehr.base
    body["fhirAuthorization"] = {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds",
        "patient": body["context"]["patientId"],
    }
    return body | more


def speaks(answer: JSON) -> bool:
    """Whether the card about gabapentin with baclofen is there: the chart's medications were seen."""
    rules = [r["id"] for c in answer["cards"] for r in c["extension"]["local.cds-service"]["rules"]]
    return any(rule.startswith(PAIR) for rule in rules)


def not_seen(answer: JSON) -> list[str]:
    """The parts of the chart that the answer says were not seen."""
    return list(answer.get("extension", {}).get("local.cds-service", {}).get("notSeen", []))


# --- Prefetch and the server (1.7, CH-080) ---------------------------------------------------------------


def test_ch067_exactly_the_missing_keys_are_fetched(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """With the patient and the problem list sent, the five others are asked for, once each."""
    answer = answer_of(client, call(knowledge, ehr, ("patient", "conditions")))
    assert speaks(answer)
    assert not_seen(answer) == []
    assert ehr.asked() == [
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
    ]


def test_ch068_a_missing_key_is_not_an_empty_one(strict: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Without a server a missing medication list is 412; with one it is fetched (CH-068, CH-092)."""
    body = call(knowledge, ehr)
    assert speaks(answer_of(strict, body))
    del body["fhirServer"], body["fhirAuthorization"]
    assert "medicationRequests" in refusal_of(strict, body, 412)


@pytest.mark.parametrize("value", [None, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": []}], ids=str)
def test_ch069_ch070_ch093_null_and_an_empty_bundle_are_answers(
    strict: FlaskClient, knowledge: Knowledge, ehr: Ehr, value: Any
) -> None:
    """The client looked and has nothing: no call for that key, no 412 (CH-093), no card about what is not there."""
    body = call(knowledge, ehr)
    body["prefetch"]["medicationRequests"] = value
    answer = answer_of(strict, body)
    assert not speaks(answer)
    assert "MedicationRequest" not in ehr.asked()
    assert "medicationRequests" not in not_seen(answer)


def test_ch071_an_operation_outcome_is_a_failure_and_is_not_asked_again(
    client: FlaskClient, strict: FlaskClient, knowledge: Knowledge, ehr: Ehr
) -> None:
    """The client's own query failed: nothing is repeated, the card says so, and with 412 the call is refused."""
    body = call(knowledge, ehr)
    body["prefetch"]["medicationRequests"] = {"resourceType": "OperationOutcome", "issue": []}
    answer = answer_of(client, body)
    assert "MedicationRequest" not in ehr.asked()
    assert not_seen(answer) == ["medicationRequests"]
    assert any("could not be read" in card["summary"] for card in answer["cards"])
    assert "medicationRequests" in refusal_of(strict, body, 412)


def test_ch073_further_pages_of_prefetch_are_read(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Page one came with the request, the interacting drug is on page two."""
    body = call(knowledge, ehr)
    rest = ehr.answers["MedicationRequest"]
    ehr.answers["MedicationRequest?page=2"] = rest
    body["prefetch"]["medicationRequests"] = bundle(next_page=f"{ehr.base}/MedicationRequest?page=2")
    answer = answer_of(client, body)
    assert speaks(answer)
    assert not_seen(answer) == []
    assert [path for path, _ in ehr.seen if "MedicationRequest?" in path] == ["/fhir/MedicationRequest?page=2"]


def test_ch073_pages_without_end_leave_the_list_incomplete(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Only so many pages are read, and never one twice; the card says that the list is not whole."""
    body = call(knowledge, ehr)
    whole = ehr.answers["MedicationRequest"]
    assert isinstance(whole, dict)
    for page in range(1, 20):
        following = f"{ehr.base}/MedicationRequest?page={page + 1}"
        ehr.answers[f"MedicationRequest?page={page}"] = bundle(next_page=following)
    ehr.answers["MedicationRequest"] = {
        **whole,
        "link": [{"relation": "next", "url": f"{ehr.base}/MedicationRequest?page=1"}],
    }
    answer = answer_of(client, body)
    assert speaks(answer)
    assert not_seen(answer) == ["medicationRequests"]
    assert ehr.asked().count("MedicationRequest") == 3


def test_ch073_a_circle_of_pages_ends(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """A page that names itself as the next one is read once."""
    body = call(knowledge, ehr)
    itself = f"{ehr.base}/Condition?again"
    ehr.answers["Condition"] = ehr.answers["Condition?again"] = bundle(next_page=itself)
    assert not_seen(answer_of(client, body)) == ["conditions"]
    assert ehr.asked().count("Condition") == 2


PATIENT = {"resourceType": "Patient", "id": "p1"}


@pytest.mark.parametrize("value", ["123", 7, ["a"], {"a": 1}, "<html>", True, PATIENT, {"resource": PATIENT}], ids=str)
def test_ch074_a_value_that_is_not_the_resource_asked_for_counts_as_missing(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, value: Any
) -> None:
    """Real clients have sent such; the key is fetched like one that is not there."""
    body = call(knowledge, ehr)
    body["prefetch"]["medicationRequests"] = value
    assert speaks(answer_of(client, body))
    assert ehr.asked().count("MedicationRequest") == 1


def test_ch076_what_was_sent_is_not_asked_for_again(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """A complete prefetch makes no call at all, and neither does a form without a drug."""
    body = call(knowledge, ehr, tuple(hook_call(knowledge)["prefetch"]))
    for key in knowledge.chart_queries:
        body["prefetch"].setdefault(key, None)
    whole = answer_of(client, body)
    assert speaks(whole)
    assert answer_of(client, body | {"fhirServer": "https://elsewhere.example.org"}) == whole  # nothing is missing
    empty = call(knowledge, ehr)
    empty["context"]["draftOrders"]["entry"] = []
    assert answer_of(client, empty) == {"cards": []}
    assert ehr.seen == []


def test_ch078_a_chart_of_another_patient_is_not_used(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """The server answers with somebody else's medication: not used, and the list counts as incomplete."""
    body = call(knowledge, ehr)
    listed = json.loads(json.dumps(ehr.answers["MedicationRequest"]))
    for entry in listed["entry"]:
        entry["resource"]["subject"] = {"reference": "Patient/somebody-else"}
    ehr.answers["MedicationRequest"] = listed
    answer = answer_of(client, body)
    assert not speaks(answer)
    assert not_seen(answer) == ["medicationRequests"]


def test_ch080_prefetch_and_server_give_the_same_cards(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """The same chart, sent or fetched, gives the same bytes."""
    fetched = call(knowledge, ehr)
    sent = call(knowledge, ehr, tuple(hook_call(knowledge)["prefetch"]))
    for key in knowledge.chart_queries:
        sent["prefetch"].setdefault(key, bundle())
    del sent["fhirServer"], sent["fhirAuthorization"]
    assert answer_of(client, fetched) == answer_of(client, sent)


def test_ch036_a_medication_reference_is_followed(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """The draft and a chart entry name their drugs by reference, relative and absolute; both are read."""
    body = call(knowledge, ehr)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    taken = ehr.answers["MedicationRequest"]
    assert isinstance(taken, dict)
    chart_entry = taken["entry"][0]["resource"]
    for name, holder, reference in (
        ("ordered", draft, "Medication/ordered"),
        ("taken", chart_entry, f"{ehr.base}/Medication/taken/_history/2"),
    ):
        concept = holder.pop("medicationCodeableConcept")
        holder["medicationReference"] = {"reference": reference}
        ehr.answers[f"Medication/{name}"] = {"resourceType": "Medication", "id": name, "code": concept}
    assert speaks(answer_of(client, body))
    assert ehr.asked().count("Medication") == 2


def test_ch080_a_dstu2_chart_is_asked_for_in_its_own_words(client: FlaskClient, ehr: Ehr) -> None:
    """A draft MedicationOrder: the server is asked for MedicationOrder, without parameters that DSTU2 does not have."""
    fixture = fixtures_folder() / "fhir-dstu2-gabapentin-with-baclofen-72-egfr-38"
    body = json.loads(moved_to(read_fixture(fixture), TODAY))
    ehr.answers["MedicationOrder"] = body["prefetch"].pop("medicationRequests")
    answer = answer_of(client, body | {"fhirServer": ehr.base})
    assert speaks(answer)
    assert "MedicationRequest" not in ehr.asked()
    assert not any("_sort" in path or "status" in path for path, _ in ehr.seen)


def test_ch036_a_medication_that_cannot_be_had_is_named(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """The reference leads nowhere: the order is named as not checked."""
    body = call(knowledge, ehr)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft.pop("medicationCodeableConcept")
    draft["medicationReference"] = {"reference": "Medication/gone", "display": "Xyzzyol 5 MG"}
    ehr.answers["Medication/gone"] = (404, b"")
    assert any("Xyzzyol" in card["summary"] for card in answer_of(client, body)["cards"])


# --- The call (1.8) ----------------------------------------------------------------------------------------


def test_ch081_ch088_each_request_carries_the_token_and_asks_for_fhir(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr
) -> None:
    """Bearer token and Accept on every request; none where no token was given (an open test server)."""
    body = call(knowledge, ehr)
    answer_of(client, body)
    assert len(ehr.seen) == len(knowledge.chart_queries)
    assert {headers["authorization"] for _, headers in ehr.seen} == {f"Bearer {TOKEN}"}
    assert all(headers["accept"].startswith("application/fhir+json, application/json") for _, headers in ehr.seen)
    ehr.seen.clear()
    del body["fhirAuthorization"]
    assert speaks(answer_of(client, body))
    assert all("authorization" not in headers for _, headers in ehr.seen)


def test_ch082_the_token_is_not_kept(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands in no log and no answer, and the next call does not use it."""
    body = call(knowledge, ehr)
    ehr.answers["Observation"] = (500, TOKEN.encode())
    text = post(client, body).get_data(as_text=True)
    assert TOKEN not in text + caplog.text
    ehr.seen.clear()
    del body["fhirAuthorization"]
    answer_of(client, body)
    assert ehr.seen
    assert all(TOKEN not in str(headers) for _, headers in ehr.seen)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("patient/*.read launch", 7),
        ("patient/*.rs", 7),
        ("system/*.cruds openid", 7),
        ("user/Observation.read patient/Patient.r", 2),
        ("patient/MedicationRequest.rs?category=x patient/Condition.write", 1),
        ("launch openid", 7),
        ("", 7),
    ],
)
def test_ch083_what_the_scope_cannot_cover_is_not_asked_for(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, scope: str, asked: int
) -> None:
    """SMART v1 and v2 scopes; without a resource scope nothing is known, so everything is tried."""
    body = call(knowledge, ehr)
    body["fhirAuthorization"]["scope"] = scope
    answer_of(client, body)
    assert len(ehr.seen) == asked


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 201])
def test_ch084_a_refused_part_degrades_that_part_only(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, status: int
) -> None:
    """Results are refused: the cards stay, and the answer says that results were not seen."""
    body = call(knowledge, ehr)
    ehr.answers["Observation"] = (status, b"{}")
    answer = answer_of(client, body)
    assert speaks(answer)
    assert not_seen(answer) == ["observations"]
    assert "laboratory results" in json.dumps(answer["cards"])


@pytest.mark.parametrize(("status", "warns"), [(404, False), (403, True), (500, True)])
def test_ch084_a_server_without_a_source_of_medications_brings_no_warning(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, status: int, warns: bool
) -> None:
    """404 to a search: the server does not know the type. It is named as not seen, as for clients without it."""
    body = call(knowledge, ehr)
    ehr.answers["MedicationDispense"] = (status, b"")
    answer = answer_of(client, body)
    assert speaks(answer)
    assert not_seen(answer) == ["medicationDispenses"]
    assert any("was not seen" in card["summary"] for card in answer["cards"]) is warns
    assert "Not seen: " in json.dumps(answer["cards"])


def test_ch084_ch092_a_refused_medication_list_is_a_card_or_412(
    client: FlaskClient, strict: FlaskClient, knowledge: Knowledge, ehr: Ehr
) -> None:
    """CH-092: also when the call fails."""
    body = call(knowledge, ehr)
    ehr.answers["MedicationRequest"] = (403, b"")
    assert any("could not be read" in card["summary"] for card in answer_of(client, body)["cards"])
    assert "medicationRequests" in refusal_of(strict, body, 412)


def test_ch089_nothing_is_kept_between_calls(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """The chart changes, and so does the answer."""
    body = call(knowledge, ehr)
    assert speaks(answer_of(client, body))
    ehr.answers["MedicationRequest"] = bundle()
    assert not speaks(answer_of(client, body))


def test_ch040_authorization_without_a_server_is_refused(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Invariant cds-r-1."""
    body = call(knowledge, ehr)
    del body["fhirServer"]
    assert "fhirServer" in refusal_of(client, body)


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "two\r\nX-Evil: 1"},
        {"access_token": 5},
        {"token_type": "Basic"},
        {"token_type": None},
        {"patient": "somebody-else"},
    ],
    ids=str,
)
def test_ch041_ch042_an_unusable_authorization_makes_no_call(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, change: JSON
) -> None:
    """A token for another patient, of another type or of a wrong shape: prefetch alone counts, and a note says why."""
    body = call(knowledge, ehr, ("medicationRequests",))
    body["fhirAuthorization"] |= change
    answer = answer_of(client, body)
    assert speaks(answer)
    assert ehr.seen == []
    assert "not called" in str(answer["extension"]["local.cds-service"]["notes"])


def test_ch041_a_lower_case_type_and_a_slash_are_tolerated(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """`bearer`, `expires_in` as text, and a base URL with a slash at its end."""
    body = call(knowledge, ehr)
    body["fhirAuthorization"] |= {"token_type": "bearer", "expires_in": "300"}
    body["fhirServer"] += "/"
    assert speaks(answer_of(client, body))


# --- A server that misbehaves --------------------------------------------------------------------------------


def _hang(handler: Handler) -> None:
    time.sleep(8)


def _drip_headers(handler: Handler) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}":
        handler.wfile.write(bytes([byte]))
        time.sleep(0.2)


def _drip_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(60):
        handler.wfile.write(b" ")
        time.sleep(0.2)


def _huge(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
    for _ in range(800):
        handler.wfile.write(b" " * 65536)


def _packed(handler: Handler) -> None:
    send(handler, 200, b"\x1f\x8b", Content_Encoding="gzip")


def _redirect(handler: Handler) -> None:
    send(handler, 302, b"", Location="http://127.0.0.1:1/elsewhere")


def _cut_off(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
    handler.close_connection = True


MISBEHAVIOUR = {
    "hangs": _hang,
    "drips its headers": _drip_headers,
    "drips its body": _drip_body,
    "sends 50 MB": _huge,
    "sends packed data unasked": _packed,
    "redirects": _redirect,
    "cuts off": _cut_off,
    "sends a page of HTML": (200, b"<html>sorry</html>"),
    "sends NaN": (200, b'{"resourceType": "Bundle", "total": NaN}'),
    "sends deep nesting": (200, b"[" * 5000),
    "sends a list": (200, b"[]"),
    "sends no FHIR": (200, b'{"a": 1}'),
    "sends another resource": (200, b'{"resourceType": "Patient", "id": "x"}'),
}


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_ch087_a_server_that_misbehaves_costs_one_part_and_little_time(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, how: str
) -> None:
    """One search goes wrong: the others are used, the part is named as not seen, and the answer comes in time."""
    body = call(knowledge, ehr)
    ehr.answers["Condition"] = MISBEHAVIOUR[how]
    began = time.monotonic()
    answer = answer_of(client, body)
    assert time.monotonic() - began < 10
    assert speaks(answer)
    assert not_seen(answer) == ["conditions"]


def test_ch087_a_server_that_hangs_altogether_is_named(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Nothing of the chart comes: the drafts are checked with each other, and a warning says so."""
    body = call(knowledge, ehr)
    for kind in list(ehr.answers):
        ehr.answers[kind] = _hang
    began = time.monotonic()
    answer = answer_of(client, body)
    assert time.monotonic() - began < 10
    assert sorted(not_seen(answer)) == sorted(knowledge.chart_queries)
    assert any("nothing was checked against it" in card["summary"] for card in answer["cards"])


# --- Addresses that must not be called (SSRF, CH-086) ---------------------------------------------------------


@contextmanager
def listening() -> Iterator[tuple[int, list[object]]]:
    """A socket of this machine, and the connections that were made to it."""
    made: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    made.append(server.accept()[0].close())
                except OSError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], made
        time.sleep(0.2)
        stop.set()
        thread.join()


WAYS = [
    "http://127.0.0.1:{port}/fhir",
    "https://127.0.0.1:{port}/fhir",
    "http://localhost:{port}/fhir",
    "http://[::ffff:127.0.0.1]:{port}/fhir",
    "http://2130706433:{port}/fhir",
    "http://0x7f000001:{port}/fhir",
    "http://127.1:{port}/fhir",
    "http://user@127.0.0.1:{port}/fhir",
    "http://127.0.0.1:{port}\\@fhir.example.org/fhir",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/x",
    "//127.0.0.1:{port}/fhir",
]


@pytest.mark.parametrize("way", WAYS)
def test_ch086_an_unlisted_fhir_server_is_never_connected(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, way: str
) -> None:
    """Loopback in every spelling, link-local and other schemes: no connection, prefetch alone is used."""
    with listening() as (port, made):
        body = call(knowledge, ehr, ("medicationRequests",), fhirServer=way.format(port=port))
        answer = answer_of(client, body)
    assert made == []
    assert speaks(answer)
    assert "not one that may be called" in str(answer["extension"]["local.cds-service"]["notes"])


@pytest.mark.parametrize("way", WAYS)
def test_ch086_next_links_and_references_elsewhere_are_not_followed(
    client: FlaskClient, knowledge: Knowledge, ehr: Ehr, way: str
) -> None:
    """A page and a Medication that the chart says are elsewhere: no connection; the list counts as incomplete."""
    with listening() as (port, made):
        elsewhere = way.format(port=port)
        body = call(knowledge, ehr)
        body["prefetch"]["medicationRequests"] = bundle(next_page=f"{elsewhere}/MedicationRequest?page=2")
        draft = body["context"]["draftOrders"]["entry"][0]["resource"]
        draft.pop("medicationCodeableConcept")
        draft["medicationReference"] = {"reference": f"{elsewhere}/Medication/1"}
        answer = answer_of(client, body)
    assert made == []
    assert "medicationRequests" in not_seen(answer)


def test_ch086_a_listed_name_that_leads_inside_is_not_connected(knowledge: Knowledge, ehr: Ehr) -> None:
    """A name on the list whose address is this machine (rebinding): refused once the name is resolved."""
    name = socket.gethostname()
    with listening() as (port, made):
        listed = f"https://{name}:{port}/fhir"
        with client_of(ehr, CDS_FHIR_SERVERS=listed) as client:
            answer = answer_of(client, call(knowledge, ehr, fhirServer=listed))
    assert made == []
    assert "medicationRequests" in not_seen(answer)


@pytest.mark.parametrize(
    ("valid_for", "trusted", "reads"),
    [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("10.0.0.1", True, False)],
    ids=["trusted", "of an unknown authority", "for another host"],
)
def test_ch086_https_is_checked(
    knowledge: Knowledge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valid_for: str, trusted: bool, reads: bool
) -> None:
    """A certificate of a trusted authority for this host is needed; else nothing is sent, the token least of all."""
    file = certificate(tmp_path, valid_for)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving_ehr(server_context(file)) as secure, client_of(secure) as client:
        answer = answer_of(client, call(knowledge, secure))
        assert bool(secure.seen) == reads
    assert speaks(answer) == reads


def test_the_answer_never_names_the_server(client: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """Notes say what was not called without repeating the address."""
    body = call(knowledge, ehr, fhirServer="https://secret.example.org/fhir")
    response = client.post(SIGN, json=body)
    assert b"secret.example.org" not in response.get_data()
