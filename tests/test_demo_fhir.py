"""`cds-service demo-fhir`: a FHIR R4 server of the fixture patients, by itself and together with the service."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.core.values import Knowledge
from cds_service.demo_fhir.app import create_demo_app
from cds_service.demo_fhir.parameters import PARAMETERS
from cds_service.demo_fhir.patients import DemoPatient, read_patients
from cds_service.demo_fhir.search import read_query, run_query
from cds_service.fhir.validation import validate
from cds_service.web.json_body import write_json
from tests.browser import chromium, page_of
from tests.commands import COMMAND, ROOT, refusal, run
from tests.helpers import SIGN, TODAY, outcome_text, strict_json
from tests.response_schema import check_response
from tests.servers import GUARD, Answered, Server, ask, free_port, serving, until

JSON = dict[str, Any]
PATIENTS = read_patients()
FHIR_JSON = "application/fhir+json; charset=utf-8"
LOINC = "http://loinc.org"

each_patient = pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.id)


@pytest.fixture(scope="module")
def demo() -> FlaskClient:
    """A client of the server on a fixed day, at http://localhost."""
    return create_demo_app(PATIENTS, lambda: TODAY).test_client()


def read(client: FlaskClient, url: str, status: int = 200) -> JSON:
    """What is at an address: always FHIR JSON that is valid R4."""
    return checked(client.get(url), status)


def checked(response: TestResponse, status: int = 200) -> JSON:
    """The body of an answer, which must be FHIR JSON and valid R4."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == FHIR_JSON
    body: JSON = strict_json(response.get_data())
    assert validate(body) == []
    return body


def found(client: FlaskClient, query: str) -> list[str]:
    """The ids that a search finds, in their order."""
    return [resource["id"] for resource in resources_in(read(client, f"/{query}"))]


def resources_in(bundle: JSON) -> list[JSON]:
    """The resources of a searchset."""
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    return [entry["resource"] for entry in bundle.get("entry", [])]


def everything(client: FlaskClient) -> list[JSON]:
    """Every resource of the server."""
    return [r for kind in PARAMETERS for r in resources_in(read(client, f"/{kind}?_count=1000"))]


# --- Who is there --------------------------------------------------------------------------------------------


def test_every_resource_is_valid_r4_and_is_read_by_its_full_url(demo: FlaskClient) -> None:
    """Each entry's fullUrl answers with that resource, which fhir.resources accepts; ids are never used twice."""
    urls = []
    for kind in PARAMETERS:
        for entry in read(demo, f"/{kind}?_count=1000")["entry"]:
            assert read(demo, entry["fullUrl"]) == entry["resource"]
            assert entry["search"] == {"mode": "match"}
            urls.append(entry["fullUrl"])
    assert len(set(urls)) == len(urls) > 80


def test_every_reference_leads_to_a_resource_of_the_same_patient(demo: FlaskClient) -> None:
    """Nothing refers to what is not there, and no chart refers into another."""
    held = {f"{r['resourceType']}/{r['id']}": r for r in everything(demo)}
    owner = {name: r.get("subject", {}).get("reference", "").partition("/")[2] for name, r in held.items()}
    for name, resource in held.items():
        for target in re.findall(r'"reference":"([^"#]+)"', write_json(resource).decode()):
            assert target in held, f"{name} refers to {target}"
            own_patient = target.startswith("Patient/") and target == f"Patient/{owner[name]}"
            assert own_patient or target.partition("/")[2].startswith(f"{owner[name]}-")


def test_each_patient_is_named_and_nothing_is_a_draft(demo: FlaskClient) -> None:
    """Names say who is who in a menu, as the list printed at start does; orders to try are left to the client."""
    told = {r["id"]: (r["name"][0]["family"], *r["name"][0]["given"]) for r in everything(demo)[: len(PATIENTS)]}
    assert told == {p.id: ("Demo", p.name) for p in PATIENTS}
    assert len({p.name for p in PATIENTS}) == len(PATIENTS) >= 8
    assert not [r["id"] for r in everything(demo) if r.get("status") == "draft"]


def test_charts_have_what_the_sandbox_shows(demo: FlaskClient) -> None:
    """The CDS Hooks Sandbox wants a version like 4.0.1, and conditions with a code, a text and a total."""
    assert read(demo, "/metadata")["fhirVersion"] == "4.0.1"
    bundle = read(demo, "/Condition?patient=baclofen-kidney")
    assert bundle["total"] == len(bundle["entry"]) > 0
    assert all(r["code"]["coding"][0]["code"] and r["code"]["text"] for r in resources_in(bundle))


def test_charts_never_grow_old() -> None:
    """A server that runs for 400 days shows each result as many days ago as on the first day, and ages stay."""
    day = [TODAY]
    client = create_demo_app(PATIENTS, lambda: day[0]).test_client()
    before = [_days_ago(r, day[0]) for r in everything(client)]
    day[0] = TODAY + timedelta(days=400)
    assert [_days_ago(r, day[0]) for r in everything(client)] == before
    assert sum(days is not None for days in before) > 50


def _days_ago(resource: JSON, today: date) -> int | None:
    written = next((resource[n] for n in ("effectiveDateTime", "authoredOn", "birthDate") if n in resource), None)
    return (today - date.fromisoformat(written[:10])).days if written else None


# --- Reading and searching -----------------------------------------------------------------------------------


@each_patient
def test_every_prefetch_query_is_answered_by_get_and_by_post(
    demo: FlaskClient, knowledge: Knowledge, patient: DemoPatient
) -> None:
    """Each query of discovery is 200 with resources of its type and of this patient; POST to _search says the same."""
    for query in knowledge.chart_queries.values():
        url = "/" + query.replace("{{context.patientId}}", patient.id)
        body = read(demo, url)
        if "?" not in url:
            assert (body["resourceType"], body["id"]) == ("Patient", patient.id)
            continue
        path, _, search = url.partition("?")
        posted = checked(demo.post(f"{path}/_search", data=search, content_type="application/x-www-form-urlencoded"))
        assert posted == body
        assert {r["resourceType"] for r in resources_in(body)} <= {path[1:]}
        assert {r["subject"]["reference"] for r in resources_in(body)} <= {f"Patient/{patient.id}"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (f"code={LOINC}|2160-0", ["creatinine"]),
        ("code=2160-0", ["creatinine"]),
        (f"code={LOINC}|2160-0,{LOINC}|2823-3", ["creatinine", "potassium"]),
        ("code=2160-0&code=2823-3", []),
        (f"code={LOINC}|", ["creatinine", "egfr", "potassium"]),
        ("code=|2160-0", []),
        ("code=http://snomed.info/sct|2160-0", []),
        ("code=", []),
        ("status=final&category=laboratory", ["creatinine", "egfr", "potassium"]),
        ("status=preliminary,amended", []),
        ("_id=baclofen-kidney-obs-egfr", ["egfr"]),
    ],
)
def test_tokens_are_matched_as_fhir_has_them(demo: FlaskClient, query: str, ids: list[str]) -> None:
    """With system, without, several by comma (or), repeated (and): https://hl7.org/fhir/R4/search.html#token."""
    search = f"Observation?patient=baclofen-kidney&{query.replace('|', '%7C')}"
    assert found(demo, search) == [f"baclofen-kidney-obs-{own}" for own in ids]


@pytest.mark.parametrize(
    "who",
    [
        "patient=healthy",
        "patient=Patient/healthy",
        "subject=Patient/healthy",
        "subject=http://localhost/Patient/healthy",
    ],
)
def test_a_patient_is_named_in_each_way(demo: FlaskClient, who: str) -> None:
    """By id, by relative and by absolute reference."""
    assert len(found(demo, f"Observation?{who}")) == 3
    assert found(demo, f"Observation?{who.replace('healthy', 'nobody')}") == []


def test_patients_are_found_by_name_and_gender(demo: FlaskClient) -> None:
    """A string matches from its beginning, whatever its case."""
    assert found(demo, "Patient?name=demo") == [p.id for p in PATIENTS]
    assert found(demo, "Patient?given=LONG%20qt") == ["long-qt"]
    assert found(demo, "Patient?gender=male") == ["crcl-40"]
    assert found(demo, "Patient?family=nobody") == []


def test_results_are_sorted(demo: FlaskClient) -> None:
    """Ascending, with a minus descending, by several one after the other; what has no such element comes last."""
    dates = [r["birthDate"] for r in resources_in(read(demo, "/Patient?_sort=birthdate,given"))]
    assert dates == sorted(dates)
    assert len(set(dates)) > 3
    up = found(demo, "Patient?_sort=given")
    assert found(demo, "Patient?_sort=-given") == up[::-1] != up
    orders = resources_in(read(demo, "/MedicationRequest?_sort=-authoredon,_id"))
    written = [r["authoredOn"][:10] for r in orders]
    assert written == sorted(written, reverse=True)


def test_dates_are_sorted_as_instants() -> None:
    """Time zones count, a day begins in UTC, a period by its start; what has no date comes last either way."""
    times = {
        "night": {"effectiveDateTime": "2026-11-03T00:30:00+02:00"},
        "late": {"effectiveDateTime": "2026-11-02T23:00:00Z"},
        "day": {"effectiveDateTime": "2026-11-03"},
        "period": {"effectivePeriod": {"start": "2026-11-04T08:00:00Z"}},
        "none": {},
        "year": {"effectiveDateTime": "2026"},
    }
    resources = [{"resourceType": "Observation", "id": name, **more} for name, more in times.items()]
    for sort, order in (
        ("date", ["night", "late", "day", "period", "none", "year"]),
        ("-date", ["period", "day", "late", "night", "none", "year"]),
    ):
        page = run_query(read_query("Observation", (("_sort", sort),)), resources, "http://localhost")
        assert [r["id"] for r in page.resources] == order


def test_pages_are_followed_to_the_end(demo: FlaskClient) -> None:
    """`next` links lead through everything once, each page with the total; the last page has none."""
    url, seen, pages = "/Patient?_count=5&_sort=-given", [], 0
    while url:
        bundle = read(demo, url)
        assert bundle["total"] == len(PATIENTS)
        assert len(bundle["entry"]) <= 5
        seen += [r["id"] for r in resources_in(bundle)]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert read(demo, links["self"]) == bundle
        url, pages = links.get("next", ""), pages + 1
    assert seen == found(demo, "Patient?_sort=-given")
    assert pages == 3
    counted = read(demo, "/Patient?_count=0")
    assert counted["total"] == len(PATIENTS)
    assert "entry" not in counted
    assert [link["relation"] for link in counted["link"]] == ["self"]


def test_what_the_capability_statement_names_is_there(demo: FlaskClient) -> None:
    """Every type and search parameter of /metadata is answered, and no other type."""
    (rest,) = read(demo, "/metadata")["rest"]
    for resource in rest["resource"]:
        for parameter in resource["searchParam"]:
            assert read(demo, f"/{resource['type']}?{parameter['name']}=x")["total"] == 0
    assert [resource["type"] for resource in rest["resource"]] == list(PARAMETERS)


# --- What is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/Condition?colour=canary", 400, "colour: Condition cannot be searched by it, only by _id, patient, subject"),
        ("/Condition?status=canary", 400, "clinical-status"),
        ("/Observation?subject:Patient=canary", 400, "only by _id, patient, subject"),
        ("/Observation?%3Cb%3Ecanary=1", 400, "a parameter: Observation cannot"),
        ("/Observation?date=gecanary", 400, "cannot be searched by it"),
        ("/Observation?_sort=canary", 400, "date"),
        ("/Observation?_count=canary", 400, "_count: is not a whole number"),
        ("/Observation?_count=-1", 400, "_count: is not a whole number"),
        ("/Observation?_format=canary", 400, "application/fhir+json"),
        ("/Canary", 404, "It has Patient, Condition, Observation"),
        ("/Canary/canary", 404, "It has Patient, Condition, Observation"),
        ("/Patient/canary", 404, "no Patient with this id"),
        ("/", 404, "/metadata"),
        ("/Patient/healthy/_history/1", 404, "/metadata"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(demo: FlaskClient, url: str, status: int, words: str) -> None:
    """An OperationOutcome says what is allowed and repeats nothing that was sent but the name of a parameter."""
    response = demo.get(url)
    checked(response, status)
    told = outcome_text(response)
    assert words in told
    assert "canary" not in told.lower()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["/", "/Patient", "/Patient/healthy", "/metadata", "/Canary/1"])
def test_nothing_can_be_changed(demo: FlaskClient, method: str, path: str) -> None:
    """Methods that write are 405 everywhere, with what is allowed."""
    response = demo.open(path, method=method, json={"resourceType": "Patient"})
    checked(response, 405)
    assert "read-only" in outcome_text(response)
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_search_is_posted_as_a_form(demo: FlaskClient) -> None:
    """JSON is 415; a type that is not there is 404 by POST too; parameters of the address count as well."""
    assert "x-www-form-urlencoded" in outcome_text(demo.post("/Patient/_search", json={"name": "demo"}))
    checked(demo.post("/Patient/_search", json={}), 415)
    checked(demo.post("/Canary/_search", data={}), 404)
    both = checked(demo.post("/Patient/_search?name=demo", data={"gender": "male"}))
    assert [r["id"] for r in resources_in(both)] == ["crcl-40"]
    assert read(demo, both["link"][0]["url"]) == both


def test_browsers_may_ask_from_any_page(demo: FlaskClient) -> None:
    """A preflight to whatever address is let through and names Authorization; answers and refusals are readable."""
    for path in ("/metadata", "/Patient/_search", "/_services/smart/Launch"):
        asked = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": "POST"}
        preflight = demo.options(path, headers=asked)
        assert preflight.status_code == 204
        assert {"Authorization", "Content-Type"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
    for path in ("/metadata", "/Patient?colour=red", "/Canary"):
        assert demo.get(path).headers["Access-Control-Allow-Origin"] == "*"


def test_other_names_of_this_machine_are_refused(demo: FlaskClient) -> None:
    """A page that has its own name lead to 127.0.0.1 gets nothing."""
    response = demo.get("/Patient", base_url="http://rebound.example.org")
    checked(response, 400)
    assert "127.0.0.1 and localhost only" in outcome_text(response)
    checked(demo.get("/Patient", base_url="http://127.0.0.1:8081"))


# --- The command, and the service beside it ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demo:
    """A running `cds-service demo-fhir`."""

    port: int
    printed: Path

    @property
    def base(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Answered:
        """GET a path."""
        return ask(urllib.request.Request(f"{self.base}{path}", headers={"Accept": "application/json+fhir"}))

    def search(self, kind: str, query: str) -> Answered:
        """POST a search, as the sandbox does."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json+fhir"}
        return ask(urllib.request.Request(f"{self.base}/{kind}/_search", query.encode(), sent))


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """The command in a process of its own, on a free port."""
    port, printed = free_port(), folder / "printed"
    command = [*COMMAND, "demo-fhir", "--port", str(port)]
    with printed.open("wb") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        demo = Demo(port, printed)
        try:
            until(lambda: process.poll() is not None or demo.get("/metadata").status == 200, "the demonstration server")
            assert process.poll() is None, printed.read_text(encoding="utf-8")
            yield demo
        finally:
            process.terminate()
            process.wait(timeout=GUARD)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demonstration server for the tests below."""
    with running_demo(tmp_path_factory.mktemp("demo")) as server:
        yield server


@pytest.fixture(scope="module")
def service(running: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real `cds-service serve` that may read the demonstration server."""
    data = tmp_path_factory.mktemp("service") / "data"
    with serving(data, workers=1, CDS_FHIR_SERVERS=running.base, CDS_CHART_SECONDS="3") as server:
        yield server


def test_the_command_says_who_is_there_and_how_to_use_it(running: Demo) -> None:
    """The base URL, each patient with id, name and what to order, and what to type where."""
    told = running.printed.read_text(encoding="utf-8")
    assert told.splitlines()[0].endswith(running.base)
    for patient in PATIENTS:
        assert re.search(rf"^  {patient.id} +{re.escape(patient.name)}$\n +order {patient.order}, ", told, re.M)
    assert f"CDS_FHIR_SERVERS={running.base} make serve" in told
    assert "Change FHIR Server" in told
    assert "http://127.0.0.1:8000/cds-services (whole, no slash at its end)" in told


def test_each_request_is_one_plain_line(running: Demo) -> None:
    """What a client asks for is seen where the server runs."""
    running.get("/Patient/nobody")
    until(lambda: "GET /Patient/nobody 404\n" in running.printed.read_text(encoding="utf-8"), "the line")


def test_nobody_but_this_machine_gets_in(running: Demo) -> None:
    """It listens on 127.0.0.1 and on no other address, and cannot be told to."""
    for address in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"."), socket.create_connection((address, running.port), timeout=GUARD):
            pass
    assert "--host" in refusal(run("demo-fhir", "--host", "0.0.0.0"))


def test_a_port_that_cannot_be_had_is_told_in_a_sentence(running: Demo) -> None:
    """In use, or no port at all: status 2."""
    assert f"port {running.port} is in use" in refusal(run("demo-fhir", "--port", str(running.port)))
    assert "1 to 65535" in refusal(run("demo-fhir", "--port", "70000"))
    assert "whole number" in refusal(run("demo-fhir", "--port", "http"))


def signing(patient: DemoPatient, base: str) -> JSON:
    """An order-sign call as the sandbox sends it: pills, no FHIR token, here without prefetch."""
    quantity = {"value": patient.number, "system": "http://unitsofmeasure.org", "code": "{pill}"}
    repeat = {"frequency": patient.times_a_day, "period": 1, "periodUnit": "d"}
    order = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient.id}"},
        "medicationCodeableConcept": {"text": patient.order},
        "dosageInstruction": [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity}]}],
    }
    return {
        "hook": "order-sign",
        "hookInstance": "7d2f3c2e-27a6-4f0e-9d0a-5b8a3f3f8a11",
        "fhirServer": base,
        "context": {
            "userId": "Practitioner/COREPRACTITIONER1",
            "patientId": patient.id,
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
        },
    }


def answer(service: Server, body: JSON) -> JSON:
    """The answer of the service, whole: nothing of the chart was unseen."""
    response = service.post(write_json(body))
    assert response.status == 200, response.body
    told: JSON = strict_json(response.body)
    check_response(told)
    assert "notSeen" not in told.get("extension", {}).get("local.cds-service", {})
    return told


@each_patient
def test_each_patient_brings_the_card_that_is_announced(running: Demo, service: Server, patient: DemoPatient) -> None:
    """The service reads the chart itself, without prefetch or token, and the loudest card is as printed at start."""
    shown = answer(service, signing(patient, running.base))["cards"]
    assert (shown[0]["indicator"] if shown else "none") == patient.card
    assert (shown[0]["summary"] if shown else "").startswith(patient.about)
    assert bool(shown) == bool(patient.about)


@each_patient
def test_prefetch_from_the_server_gives_the_same_answer(running: Demo, service: Server, patient: DemoPatient) -> None:
    """What the sandbox prefetches with discovery's templates, by POST, holds what the service would read itself."""
    body = signing(patient, running.base)
    templates = next(s for s in service.get("/cds-services").json()["services"] if SIGN.endswith(s["id"]))["prefetch"]
    prefetch = {}
    for key, template in templates.items():
        path, _, query = template.replace("{{context.patientId}}", patient.id).partition("?")
        sent = urlencode(parse_qsl(query))
        response = running.search(path, sent) if query else running.get(f"/{path}")
        assert response.status == 200, response.body
        prefetch[key] = response.json()
    assert answer(service, body | {"prefetch": prefetch}) == answer(service, body)


def test_a_page_of_another_origin_reads_it_in_a_real_browser(running: Demo) -> None:
    """Chromium, on an empty page gets a read with a token (preflighted) and a search by form."""
    ask_both = """async (base) => {
        const sent = {headers: {Authorization: "Bearer x", Accept: "application/json+fhir"}};
        const read = await (await fetch(base + "/Patient/healthy", sent)).json();
        const form = new URLSearchParams({patient: "baclofen-kidney", code: "http://loinc.org|98979-8"});
        const found = await (await fetch(base + "/Observation/_search", {method: "POST", body: form})).json();
        return [read.name[0].family, found.total];
    }"""
    with chromium() as browser, page_of(browser, running.base) as watched:
        assert watched.page.evaluate(ask_both, running.base) == ["Demo", 1]
