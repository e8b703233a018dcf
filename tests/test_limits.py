"""Limits: how much one call may hold, how many are answered at a time, and how often one client may call."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from tests.ehr import Ehr, Handler, send, serving_ehr
from tests.helpers import SIGN, answer_of, app_of, hook_call, outcome_text, post, refusal_of
from tests.servers import GUARD, Answered, Server, serving, until

JSON = dict[str, Any]
MEGABYTE = 1024 * 1024


def client_with(cards: str, **settings: str) -> FlaskClient:
    """A client of a service with these cards and settings."""
    settings |= {"CDS_AUTH": "off", "CDS_CARDS": cards}
    return app_of(read_settings(settings)).test_client()


# --- Entries (CH-173) ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten_entries(few_cards: str) -> FlaskClient:
    """A client of a service that takes ten entries a Bundle."""
    return client_with(few_cards, CDS_MAX_ENTRIES="10")


def bundle_of(count: int) -> JSON:
    """A searchset of conditions that matter to nothing."""
    condition = {"resource": {"resourceType": "Condition", "subject": {"reference": "Patient/example"}}}
    return {"resourceType": "Bundle", "type": "searchset", "entry": [condition] * count}


def nested(count: int) -> JSON:
    """The same many in a Bundle inside a Bundle, as a batch answers."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": bundle_of(count)}]}


def test_ch173_more_draft_orders_than_the_limit_are_refused(ten_entries: FlaskClient, knowledge: Knowledge) -> None:
    """413, with the path, the number and the setting; as many as the limit are checked."""
    body = hook_call(knowledge)
    entry = body["context"]["draftOrders"]["entry"]
    body["context"]["draftOrders"]["entry"] = entry * 10
    answer_of(ten_entries, body)
    body["context"]["draftOrders"]["entry"] = entry * 11
    text = refusal_of(ten_entries, body, 413)
    assert "context.draftOrders" in text
    assert "10" in text
    assert "CDS_MAX_ENTRIES" in text


@pytest.mark.parametrize(
    "value",
    [bundle_of(11), nested(11), {"resource": bundle_of(11)}],
    ids=["a Bundle", "a Bundle in a Bundle", "wrapped as an entry"],
)
def test_ch173_more_entries_of_a_chart_than_the_limit_are_not_read(
    ten_entries: FlaskClient, knowledge: Knowledge, value: JSON
) -> None:
    """The part counts as incomplete and the answer says so: a refusal would look like "no cards"."""
    body = hook_call(knowledge)
    body["prefetch"]["conditions"] = value
    assert "conditions" in answer_of(ten_entries, body)["extension"]["local.cds-service"]["notSeen"]


def test_each_bundle_has_the_limit_for_itself(ten_entries: FlaskClient, knowledge: Knowledge) -> None:
    """Ten conditions and ten of what is not read are no more than ten each."""
    body = hook_call(knowledge)
    body["prefetch"] |= {"conditions": bundle_of(10), "other": bundle_of(10)}
    answer_of(ten_entries, body)


def test_ch173_a_hundred_thousand_entries_are_survived(client: FlaskClient, knowledge: Knowledge) -> None:
    """Within the size of a body, with default settings: refused as drafts, read in part as a chart."""
    body = hook_call(knowledge)
    body["prefetch"]["conditions"] = {"resourceType": "Bundle", "entry": [{}] * 100_000}
    assert "conditions" in answer_of(client, body)["extension"]["local.cds-service"]["notSeen"]
    body["context"]["draftOrders"]["entry"] = [{}] * 100_000
    assert "CDS_MAX_ENTRIES" in refusal_of(client, body, 413)


# --- Body size (CH-173) --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory, few_cards: str) -> Iterator[Server]:
    """A real server with one worker."""
    with serving(tmp_path_factory.mktemp("limits") / "data", workers=1, CDS_CARDS=few_cards) as server:
        yield server


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_fifty_megabytes_are_refused_without_being_kept(one_worker: Server, chunked: bool) -> None:
    """CH-173: 413 with an OperationOutcome, however the body is sent, and the worker's memory hardly grows."""
    (worker,) = one_worker.workers()
    before = peak_memory(worker)
    status, body = send_megabytes(one_worker, 50, chunked)
    assert status == 413, body
    assert body["resourceType"] == "OperationOutcome"
    assert peak_memory(worker) - before < 10 * MEGABYTE
    assert one_worker.get("/healthz").status == 200


def send_megabytes(server: Server, count: int, chunked: bool) -> tuple[int, JSON]:
    """Send a body as far as the server takes it, then read the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=GUARD)
    connection.putrequest("POST", SIGN)
    connection.putheader("Content-Type", "application/json")
    if chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(count * MEGABYTE))
    connection.endheaders()
    chunk = b" " * MEGABYTE
    try:
        for _ in range(count):
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
    except OSError:
        pass  # the server has answered and reads no further
    with connection.getresponse() as response:
        answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def peak_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.parametrize("chunk", [b"zz\r\nno number\r\n", b"5\r\nab"], ids=["no number", "cut off"])
def test_chunks_that_are_none_are_a_bad_request(one_worker: Server, chunk: bytes) -> None:
    """CH-094: 400 and not 500; the fault is the client's."""
    connection = http.client.HTTPConnection("127.0.0.1", one_worker.port, timeout=GUARD)
    connection.putrequest("POST", SIGN)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(chunk)
    assert connection.sock is not None
    connection.sock.shutdown(1)
    with connection.getresponse() as response:
        assert response.status == 400
        assert json.loads(response.read())["resourceType"] == "OperationOutcome"
    connection.close()


# --- Rate (CH-094) -------------------------------------------------------------------------------------------


def test_a_client_that_calls_too_often_is_told_when_to_come_again(knowledge: Knowledge, few_cards: str) -> None:
    """CH-094: 429 with Retry-After in seconds, once the calls of the minute are used up."""
    client, body = client_with(few_cards, CDS_RATE="3"), hook_call(knowledge)
    for _ in range(3):
        answer_of(client, body)
    response = post(client, body)
    assert response.status_code == 429
    assert "3 calls a minute" in outcome_text(response)
    assert 1 <= int(response.headers["Retry-After"]) <= 120


def test_where_access_is_open_each_address_has_its_own_rate(knowledge: Knowledge, few_cards: str) -> None:
    """A busy neighbour does not use up another's calls."""
    client, data = client_with(few_cards, CDS_RATE="1"), write_json(hook_call(knowledge))
    statuses = [
        client.post(SIGN, data=data, environ_base={"REMOTE_ADDR": address}).status_code
        for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2")
    ]
    assert statuses == [200, 429, 200, 429]


def test_looking_is_not_limited(knowledge: Knowledge, few_cards: str) -> None:
    """Discovery and the routes of operations do not count as calls, and are answered when those are used up."""
    client = client_with(few_cards, CDS_RATE="1")
    for _ in range(3):
        assert client.get("/cds-services").status_code == 200
    answer_of(client, hook_call(knowledge))
    assert post(client, hook_call(knowledge)).status_code == 429
    for address in ("/cds-services", "/healthz", "/readyz", "/metrics"):
        assert client.get(address).status_code == 200


def test_the_rate_can_be_left_to_a_proxy(few_cards: str) -> None:
    """CDS_RATE=0 is no limit."""
    client = client_with(few_cards, CDS_RATE="0")
    assert {client.post(SIGN, data=b"{}").status_code for _ in range(700)} == {400}


# --- Calls in flight -----------------------------------------------------------------------------------------


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    """A FHIR server."""
    with serving_ehr() as running:
        yield running


class Held:
    """An answer of a FHIR server that does not come before `let_go`."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self._gate = threading.Event()

    def __call__(self, handler: Handler) -> None:
        """Wait, then answer with nothing found."""
        self.asked.release()
        self._gate.wait(GUARD)
        send(handler, 200, b'{"resourceType": "Bundle", "type": "searchset"}')

    def let_go(self) -> None:
        """Answer from now on."""
        self._gate.set()


def call_that_asks(knowledge: Knowledge, ehr: Ehr) -> bytes:
    """A hook call whose problems must be asked for."""
    body = hook_call(knowledge) | {"fhirServer": ehr.base}
    del body["prefetch"]["conditions"]
    return write_json(body)


def two_places(ehr: Ehr, few_cards: str) -> dict[str, str]:
    """Settings of a service that answers two calls at a time, and reads charts from `ehr`."""
    called = {"CDS_CHART_SECONDS": "3", "CDS_FHIR_SERVERS": ehr.base}
    return {"CDS_MAX_IN_FLIGHT": "2", "CDS_CARDS": few_cards} | called


def test_what_is_too_much_at_a_time_is_refused_at_once(
    tmp_path: Path, knowledge: Knowledge, ehr: Ehr, few_cards: str
) -> None:
    """CH-094: while two calls wait for a FHIR server that hangs, the third gets 503 and health answers.

    The two are not lost, and afterwards there is room again.
    """
    held = ehr.answers["Condition"] = Held()
    data = call_that_asks(knowledge, ehr)
    with serving(tmp_path / "data", workers=1, **two_places(ehr, few_cards)) as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.post, data) for _ in range(2)]
        for _ in waiting:
            assert held.asked.acquire(timeout=GUARD)
        refused = server.post(data)
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["issue"][0]["code"] == "transient"
        assert server.get("/healthz").status == 200
        assert server.metric("cds_in_flight") == 2
        assert not any(call.done() for call in waiting)
        held.let_go()
        assert [call.result(GUARD).status for call in waiting] == [200, 200]
        assert until(lambda: server.post(data).status == 200, "room for another call")
        assert until(lambda: server.metric("cds_in_flight") == 0, "nothing in flight")


def test_a_crowd_is_answered_or_refused_but_never_kept_waiting(
    tmp_path: Path, knowledge: Knowledge, ehr: Ehr, few_cards: str
) -> None:
    """Forty callers at once on two places: the refusals come while the two still hang, and nobody goes without."""
    held = ehr.answers["Condition"] = Held()
    data = call_that_asks(knowledge, ehr)
    with serving(tmp_path / "data", workers=1, **two_places(ehr, few_cards)) as server, ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(server.post, data) for _ in range(40)]
        first = _first(calls, 30)
        assert {call.result().status for call in first} <= {200, 503}
        held.let_go()
        statuses = [call.result(GUARD).status for call in calls]
    assert set(statuses) == {200, 503}


def _first(calls: list[Future[Answered]], count: int) -> set[Future[Answered]]:
    """The calls that are answered first, at least `count` of them."""
    left, done = set(calls), set[Future[Answered]]()
    while len(done) < count:
        ended, left = wait(left, GUARD, FIRST_COMPLETED)
        assert ended
        done |= ended
    return done


def test_a_worker_that_is_killed_takes_its_calls_out_of_the_figures(
    tmp_path: Path, knowledge: Knowledge, ehr: Ehr, few_cards: str
) -> None:
    """SIGKILL in the middle of a call: that call is lost, nothing is in flight any more, and the next is answered."""
    held = ehr.answers["Condition"] = Held()
    settings = {"CDS_CHART_SECONDS": "3", "CDS_FHIR_SERVERS": ehr.base, "CDS_CARDS": few_cards}
    data = call_that_asks(knowledge, ehr)
    with serving(tmp_path / "data", workers=1, **settings) as server, ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.post, data)
        assert held.asked.acquire(timeout=GUARD)
        assert server.metric("cds_in_flight") == 1
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        assert isinstance(call.exception(GUARD), OSError)
        held.let_go()
        assert until(lambda: server.post(data).status == 200, "a new worker")
        assert until(lambda: server.metric("cds_in_flight") == 0, "nothing in flight")


def test_a_place_is_given_back_however_the_call_ends(knowledge: Knowledge, few_cards: str) -> None:
    """Answers, refusals and unknown services leave no place taken."""
    client = client_with(few_cards, CDS_MAX_IN_FLIGHT="1")
    for _ in range(3):
        answer_of(client, hook_call(knowledge))
        assert client.post(SIGN, data=b"{").status_code == 400
        assert client.post("/cds-services/nothing", data=b"{}").status_code == 404
        assert client.post("/nothing", data=b"{}").status_code == 404
        assert client.post(SIGN, data=b"{}", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 401
        assert client.put(SIGN, data=b"{}").status_code == 405
    answer_of(client, hook_call(knowledge))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDS_MAX_ENTRIES", "0"),
        ("CDS_MAX_IN_FLIGHT", "0"),
        ("CDS_MAX_IN_FLIGHT", "many"),
        ("CDS_RATE", "-1"),
        ("CDS_METRICS_FROM", "everybody"),
    ],
)
def test_a_wrong_limit_stops_the_start(name: str, value: str) -> None:
    """With the name of the setting and what is allowed."""
    with pytest.raises(Exception, match=name):
        read_settings({"CDS_AUTH": "off", name: value})
