"""What an attacker tries on the way out and on the way in. SECURITY.md lists each attack with its test."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.outgoing import Budget, Outgoing, OutgoingError, origin_of
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from tests.ehr import Ehr, Handler, bundle, send, serving_ehr
from tests.helpers import SIGN, answer_of, app_of, hook_call, post
from tests.servers import serving

JSON = dict[str, Any]
NAME = "ehr.example.test"
Lookup = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    """A FHIR server that the service may call."""
    with serving_ehr() as server:
        yield server


@contextmanager
def client_of(*servers: str, **more: str) -> Iterator[FlaskClient]:
    """A service that may call these servers, for a second."""
    settings = {
        "CDS_AUTH": "off",
        "CDS_FHIR_SERVERS": " ".join(servers),
        "CDS_CHART_SECONDS": "1",
        "CDS_MAX_IN_FLIGHT": "64",
    }
    settings |= more
    app = app_of(read_settings(settings))
    yield app.test_client()
    close_app(app)


@pytest.fixture(scope="module")
def reader(ehr: Ehr) -> Iterator[FlaskClient]:
    """A service that may call `ehr`."""
    with client_of(ehr.base) as made:
        yield made


@contextmanager
def dns(monkeypatch: pytest.MonkeyPatch, lookup: Lookup) -> Iterator[None]:
    """The machine's names come from `lookup`, addresses for a name, but for names that are addresses already."""
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != NAME:
            return real(host, port, *args, **more)
        return [found for text in lookup(name) for found in real(text, port, type=socket.SOCK_STREAM)]

    with monkeypatch.context() as changed:
        changed.setattr(socket, "getaddrinfo", answer)
        yield


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine on all its loopback addresses, and the addresses that connections were made to."""
    made: list[str] = []
    stop = threading.Event()
    with socket.create_server(("", 0)) as server:
        server.settimeout(0.05)

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    continue
                made.append(connection.getsockname()[0])
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], made
        finally:
            time.sleep(0.2)
            stop.set()
            thread.join()


def asking(body: JSON, server: str) -> JSON:
    """The call without a chart, to be answered from `server`."""
    return body | {"prefetch": {}, "fhirServer": server}


def not_seen(answer: JSON) -> list[str]:
    """The parts of the chart that the answer says were not seen."""
    return list(answer.get("extension", {}).get("local.cds-service", {}).get("notSeen", []))


def reason_of(url: str, private: str = "") -> str:
    """Why a call to a listed address is not made or fails."""
    settings = read_settings({"CDS_AUTH": "off", "CDS_PRIVATE_NETWORKS": private})
    outgoing = Outgoing(settings.access.private)
    with pytest.raises(OutgoingError) as failed:
        outgoing.get(url, [origin_of(url)], {}, time.monotonic() + 2, Budget(1000))
    outgoing.close()
    return failed.value.reason


# --- Where a listed name leads (SSRF) -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001:0:7f00:1::1",
        "2002:7f00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_ch086_a_name_that_leads_to_an_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Loopback, private, link-local, site-local and reserved blocks, and IPv4 inside IPv6 in every form."""
    with dns(monkeypatch, lambda _: [address]):
        assert reason_of(f"https://{NAME}/fhir") == "refused"


def test_ch086_one_inner_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a good and a bad address is refused whole, whichever comes first."""
    with listening() as (port, made):
        for addresses in (["127.0.0.2", "10.0.0.1"], ["10.0.0.1", "127.0.0.2"]):
            with dns(monkeypatch, lambda _, found=addresses: found):
                assert reason_of(f"https://{NAME}:{port}/", private="127.0.0.2/32") == "refused"
    assert made == []


def test_ch086_a_name_that_changes_its_address_is_judged_and_connected_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: what was judged is what is connected, so the second answer of the name leads nowhere."""
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])
    with listening() as (port, made), dns(monkeypatch, lambda _: next(answers)):
        assert reason_of(f"https://{NAME}:{port}/", private="127.0.0.2/32") == "unreachable"
    assert made == ["127.0.0.2"]


def test_a_name_with_a_dead_address_is_reached_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose first address does not answer is no outage (localhost is ::1 first on many machines)."""
    with listening() as (port, made), dns(monkeypatch, lambda _: ["::1", "127.0.0.2"]):
        reason_of(f"https://{NAME}:{port}/", private="127.0.0.2/32 ::1/128")
    assert made == ["127.0.0.2"]


def test_a_name_server_that_hangs_leaves_threads_for_others(
    monkeypatch: pytest.MonkeyPatch, knowledge: Knowledge, ehr: Ehr
) -> None:
    """Looking up a name cannot be ended; however many calls wait for it, only one thread is held by it."""
    over, hanging = threading.Event(), f"https://{NAME}/fhir"

    def hang(_: str) -> list[str]:
        over.wait(60)
        return ["127.0.0.1"]

    body = hook_call(knowledge)
    with client_of(ehr.base, hanging) as client, dns(monkeypatch, hang):
        try:
            with ThreadPoolExecutor(12) as callers:
                answers = list(callers.map(lambda _: answer_of(client, asking(body, hanging)), range(12)))
            assert all(len(not_seen(answer)) == len(knowledge.chart_queries) for answer in answers)
            ehr.reset()
            assert not_seen(answer_of(client, asking(body, ehr.base))) == []
        finally:
            over.set()


def test_a_server_that_hangs_does_not_hold_up_the_patients_of_another(knowledge: Knowledge, ehr: Ehr) -> None:
    """Seven calls wait for a server that never answers; the eighth, to another server, is not behind them."""
    over, body = threading.Event(), hook_call(knowledge)

    def hang(handler: Handler) -> None:
        over.wait(60)

    with serving_ehr() as slow, client_of(ehr.base, slow.base, CDS_CHART_SECONDS="3") as client:
        ehr.reset()
        for part in knowledge.chart_queries.values():
            slow.answers[part.split("?")[0].split("/")[0]] = hang
        try:
            with ThreadPoolExecutor(8) as callers:
                waiting = [callers.submit(answer_of, client, asking(body, slow.base)) for _ in range(7)]
                while len(slow.seen) < 32 and not any(call.done() for call in waiting):
                    time.sleep(0.01)
                assert not_seen(callers.submit(answer_of, client, asking(body, ehr.base)).result()) == []
                assert not any(call.done() for call in waiting)
        finally:
            over.set()


# --- What is sent, and what is kept ---------------------------------------------------------------------------


def test_ch082_cookies_of_a_fhir_server_are_not_kept(reader: FlaskClient, knowledge: Knowledge, ehr: Ehr) -> None:
    """A session that the server opens for one token is never shown with the next one."""
    body = asking(hook_call(knowledge), ehr.base)

    def with_cookie(handler: Handler) -> None:
        send(handler, 200, json.dumps(bundle()).encode(), Set_Cookie="session=canary-4711; Path=/")

    ehr.reset()
    ehr.answers |= {part.split("?")[0]: with_cookie for part in knowledge.chart_queries.values()}
    for token in ("one", "two"):
        body["fhirAuthorization"] = {"access_token": token, "token_type": "Bearer"}
        answer_of(reader, body)
    assert len(ehr.seen) == 2 * len(knowledge.chart_queries)
    assert not any("cookie" in headers for _, headers in ehr.seen)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, ehr: Ehr, variable: str) -> None:
    """A proxy would make the call elsewhere, and past every check of the address."""
    with listening() as (port, made):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        ehr.reset()
        outgoing, url = Outgoing(), f"{ehr.base}/Patient/1"
        assert outgoing.get(url, [origin_of(url)], {}, time.monotonic() + 10, Budget(10_000)).status == 200
        outgoing.close()
    assert made == []
    assert ehr.seen


@pytest.mark.parametrize(
    "patient",
    [
        "..",
        ".",
        "../Observation/1",
        "..%2f..%2fmetadata",
        "1?_include=*",
        "1#x",
        "1,2",
        "1|2",
        "1&_count=9",
        "1\r\nX-Evil: 1",
        "https://evil.example/Patient/1",
        "ä",
        "1" * 129,
    ],
)
def test_ch086_a_patient_id_cannot_lead_elsewhere_on_the_server(
    reader: FlaskClient, knowledge: Knowledge, ehr: Ehr, patient: str
) -> None:
    """The id goes into paths and queries; one that is no id makes no call, and a note says so."""
    body = json.loads(json.dumps(hook_call(knowledge)).replace('"Patient/example"', '"#"'))
    body["context"]["patientId"] = patient
    ehr.reset()
    answer = answer_of(reader, asking(body, ehr.base))
    assert ehr.seen == []
    assert "is no FHIR id" in str(answer["extension"])


@pytest.mark.parametrize("own_id", ["..", ".", "../Patient/1", "1?_format=x", "1#x", "1%2f..", "1/$graph", "", "a b"])
def test_ch086_a_reference_cannot_lead_elsewhere_on_the_server(
    reader: FlaskClient, knowledge: Knowledge, ehr: Ehr, own_id: str
) -> None:
    """Only `Medication/` and an id is read; anything else makes no call."""
    body = hook_call(knowledge)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    del draft["medicationCodeableConcept"]
    draft["medicationReference"] = {"reference": f"{ehr.base}/Medication/{own_id}"}
    ehr.reset()
    answer_of(reader, body | {"prefetch": dict.fromkeys(knowledge.chart_queries), "fhirServer": ehr.base})
    assert ehr.seen == []


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a b", "ä", "a\x00b", "a" * 16_385])
def test_ch041_a_token_cannot_bring_a_header_of_its_own(
    reader: FlaskClient, knowledge: Knowledge, ehr: Ehr, token: str
) -> None:
    """Line ends, spaces, signs beyond ASCII and endless tokens are no token; nothing is called."""
    body = asking(hook_call(knowledge), ehr.base)
    body["fhirAuthorization"] = {"access_token": token, "token_type": "Bearer"}
    ehr.reset()
    answer_of(reader, body)
    assert ehr.seen == []


_PIECES = [
    *["http", "https", "HTTP", ":", "//", "/", "\\", "@", "[", "]", "?", "#", "%", ".", "\t", "\n", "\r", " ", "\x00"],
    *["127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", ":80", ":443", ":0", ":8080", "ehr.example.org", "EHR"],
    *["evil.example", "%2e", "%31", "\uff45\uff48\uff52", "ß", "\u212a", "\u3002", "\u200b", "user", "localhost"],
]


@given(url=st.one_of(st.text(), st.lists(st.sampled_from(_PIECES)).map("".join)).map(lambda tail: f"http://{tail}"))
def test_ch086_the_address_that_is_judged_is_the_one_that_is_called(url: str) -> None:
    """Two readers of URLs that see different hosts are how lists of addresses are passed by; ours agree."""
    judged = origin_of(url)
    if not judged:
        return
    try:
        called = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return
    host = f"[{called.host}]" if ":" in called.host else called.host
    port = {"http": 80, "https": 443}[called.scheme] if called.port is None else called.port
    if port:
        assert httpx.URL(judged).host == called.host, (judged, host)
        assert judged.rsplit(":", 1)[1] == str(port)
    assert not called.userinfo


# --- What makes it work for nothing ---------------------------------------------------------------------------


def test_a_field_of_a_megabyte_is_read_quickly(client: FlaskClient, knowledge: Knowledge) -> None:
    """A result of white space alone once took hours; half a minute is a guard against hanging."""
    body = hook_call(knowledge)
    result = body["prefetch"]["observations"]["entry"][0]["resource"]
    del result["valueQuantity"]
    for text in (" " * 900_000, "<" + " " * 900_000 + "x", "9" * 900_000, "9." * 450_000, " 9" * 450_000):
        result["valueString"] = text
        began = time.monotonic()
        assert post(client, write_json(body), SIGN).status_code == 200
        assert time.monotonic() - began < 30


# --- What a proxy in front may be told to pass on --------------------------------------------------------------


def test_headers_of_proxies_do_not_move_addresses(tmp_path: Path) -> None:
    """With SCRIPT_NAME anybody could ask for /metrics under an address that the proxy in front lets pass."""
    with serving(tmp_path / "data") as server:
        moved = urllib.request.Request(f"{server.base}/cds-services/x/cds-services")
        for name, value in (("SCRIPT_NAME", "/cds-services/x"), ("PATH_INFO", "/cds-services")):
            moved.headers = {name: value}
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(moved, timeout=60)
            with refused.value as error:
                assert error.code in (400, 401, 404, 405)


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_open_access_is_not_for_who_comes_through_a_proxy_on_this_machine(reader: FlaskClient, header: str) -> None:
    """A tunnel or proxy beside the service would open it to the world; what it passes on is refused."""
    assert reader.get("/cds-services").status_code == 200
    assert reader.get("/cds-services", headers={header: "127.0.0.1"}).status_code == 401
