"""Operations: health, metrics, the log, loading anew, stopping, switching cards off, and the probe."""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.errors import SettingsError
from cds_service.lint import stamp
from cds_service.logs import JsonLines
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from cds_service.web.operations import add_health
from tests.commands import ROOT, refusal, run
from tests.ehr import Handler, send, serving_ehr
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    SIGN,
    answer_of,
    app_of,
    cns_card,
    hook_call,
    notices_of,
    orders_in,
    outcome_text,
    post,
    rules_of,
)
from tests.own_cards import write_cards
from tests.servers import GUARD, Server, free_port, serving, until

JSON = dict[str, Any]
OXYCODONE = {"drug": "oxycodone hydrochloride 5 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 3}
PAIR = "gabapentin-baclofen-cns-depression"
FIELDS = [
    "time",
    "level",
    "event",
    "request_id",
    "service",
    "status",
    "ms",
    "client",
    "orders",
    "cards",
    "silent",
    "silenced",
    "invalid",
    "not_seen",
    "fhir_calls",
    "notes",
    "refused",
    "error",
    "knowledge",
]


def app_with(**settings: str) -> Flask:
    """A service with these settings, which has counted nothing yet."""
    return app_of(read_settings({"CDS_AUTH": "off", **settings}))


def figure(client: FlaskClient, sample: str) -> float:
    """One figure of /metrics, 0 where it is not there."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", client.get("/metrics").get_data(as_text=True), re.M)
    return float(found.group(1)) if found else 0.0


# --- Health and readiness ------------------------------------------------------------------------------------


def test_the_process_says_that_it_answers(client: FlaskClient) -> None:
    """/healthz asks for nothing, from wherever it is asked: a load balancer is another machine."""
    response = client.get("/healthz", environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert response.status_code == 200
    assert response.get_json() == {"status": "ok"}


def test_readiness_names_the_knowledge(knowledge: Knowledge, tmp_path: Path) -> None:
    """/readyz says which card files answer, how many rules they hold, and that none is switched off."""
    app = app_with(CDS_DATA=str(tmp_path))
    response = app.test_client().get("/readyz", environ_base={"REMOTE_ADDR": "10.0.0.9"})
    close_app(app)
    told = response.get_json()
    assert response.status_code == 200
    assert (told["status"], told["silenced"]) == ("ok", [])
    assert (told["knowledge"], told["rules"]) == (knowledge.version, len(knowledge.rules))


@pytest.mark.parametrize(("state", "status", "number"), [("ok", 200, 0), ("degraded", 200, 1), ("down", 503, 2)])
def test_readiness_is_that_of_the_worst_part(
    state: str, status: int, number: int, few_cards: str, tmp_path: Path
) -> None:
    """A part without which answers still come is degraded, with 200; only one they need takes the machine out."""
    app = app_with(CDS_CARDS=few_cards, CDS_DATA=str(tmp_path))
    add_health(app, lambda: ("one", state))
    add_health(app, lambda: ("another", "ok"))
    client = app.test_client()
    response = client.get("/readyz")
    assert response.status_code == status
    assert response.get_json()["status"] == state
    assert response.get_json()["parts"] == {"reload": "ok", "database": "ok", "one": state, "another": "ok"}
    assert figure(client, 'cds_part_state{part="one"}') == number
    close_app(app)


def test_a_part_that_cannot_be_asked_is_degraded(few_cards: str) -> None:
    """A fault in looking neither stops the answers nor breaks the metrics."""
    app = app_with(CDS_CARDS=few_cards)

    def broken() -> tuple[str, str]:
        raise OSError("no such host")

    add_health(app, broken)
    response = app.test_client().get("/readyz")
    assert (response.status_code, response.get_json()["status"]) == (200, "degraded")
    assert app.test_client().get("/metrics").status_code == 200


# --- Metrics -------------------------------------------------------------------------------------------------


def test_what_was_said_is_counted(knowledge: Knowledge) -> None:
    """Latency by service and status, cards by lead rule and indicator, orders that were not read by reason."""
    client = app_with().test_client()
    answer = answer_of(client, hook_call(knowledge))
    card = rules_of(cns_card(answer))[0]
    assert figure(client, f'cds_cards_total{{id="{card["id"]}",indicator="{card["indicator"]}"}}') == 1
    label = 'service="interactions-order-sign",status="200"'
    assert figure(client, f"cds_request_seconds_count{{{label}}}") == 1
    assert figure(client, f'cds_request_seconds_bucket{{le="+Inf",{label}}}') == 1
    answer_of(client, hook_call(knowledge, ordering=[{"drug": "xyzzyol 5 MG Oral Tablet"}]))
    assert figure(client, 'cds_orders_not_checked_total{reason="unknown"}') == 1
    answer_of(client, hook_call(knowledge, ordering=[{"drug": "gabapentin 300 MG / xyzzyol 5 MG Oral Tablet"}]))
    assert figure(client, 'cds_orders_not_checked_total{reason="in-part"}') == 1
    assert figure(client, "cds_in_flight") == 0


def test_what_prefetch_left_out_is_counted_by_key(knowledge: Knowledge, few_cards: str) -> None:
    """A key that is missing is a miss and not seen; one that is null is neither."""
    client, body = app_with(CDS_CARDS=few_cards).test_client(), hook_call(knowledge)
    del body["prefetch"]["conditions"]
    body["prefetch"]["medicationRequests"] = None
    answer_of(client, body)
    assert figure(client, 'cds_prefetch_misses_total{key="conditions"}') == 1
    assert figure(client, 'cds_chart_not_seen_total{part="conditions"}') == 1
    assert figure(client, 'cds_prefetch_misses_total{key="medicationRequests"}') == 0
    assert figure(client, 'cds_chart_not_seen_total{part="medicationRequests"}') == 0


def test_calls_of_fhir_servers_are_counted_by_part_and_outcome(knowledge: Knowledge, few_cards: str) -> None:
    """What was asked for and how it ended; of an odd status only the first digit becomes a label."""
    with serving_ehr() as ehr:
        app = app_with(CDS_CARDS=few_cards, CDS_FHIR_SERVERS=ehr.base)
        client = app.test_client()
        body = hook_call(knowledge) | {"fhirServer": ehr.base}
        del body["prefetch"]["conditions"]
        for status in (200, 404, 418):
            ehr.answers["Condition"] = (status, b'{"resourceType": "Bundle", "type": "searchset"}')
            answer_of(client, body)
        close_app(app)
    for outcome in ("200", "404", "4xx"):
        assert figure(client, f'cds_fhir_calls_total{{outcome="{outcome}",part="conditions"}}') == 1
    assert figure(client, "cds_fhir_call_seconds_count") == 3


def test_callers_that_are_not_let_in_are_counted_by_reason(few_cards: str) -> None:
    """The reason is in metrics and log only; the answer has one text for all."""
    client = app_with(CDS_CARDS=few_cards).test_client()
    response = client.post(SIGN, data=b"{}", environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert response.status_code == 401
    assert "machine" not in outcome_text(response)
    assert figure(client, 'cds_auth_failures_total{reason="not-local"}') == 1


def test_no_label_comes_from_a_request(knowledge: Knowledge, few_cards: str) -> None:
    """CH-174: whatever is in addresses, headers and bodies, the metrics hold words of ours only."""
    client = app_with(CDS_CARDS=few_cards).test_client()
    body = json.loads(json.dumps(hook_call(knowledge)).replace("example", "Zzcanary"))
    body["prefetch"]["zzcanary"] = None
    orders_in(body)[0]["medicationCodeableConcept"] = {"text": "Zzcanary"}
    client.post(f"{SIGN}?zzcanary=1", data=write_json(body), headers={"X-Request-ID": "zzcanary"})
    for address in ("/cds-services/zzcanary", "/zzcanary", "/cds-services/zzcanary/zzcanary"):
        client.post(address, data=b"zzcanary")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'service="unknown",status="404"' in text
    assert "zzcanary" not in text.lower()


@pytest.mark.parametrize(
    ("networks", "peer", "headers", "status"),
    [
        ("", "127.0.0.1", {}, 200),
        ("", "::1", {}, 200),
        ("", "10.20.0.5", {}, 403),
        ("", "127.0.0.1", {"X-Forwarded-For": "10.20.0.5"}, 403),
        ("", "127.0.0.1", {"Forwarded": "for=10.20.0.5"}, 403),
        ("10.20.0.0/16", "10.20.0.5", {}, 200),
        ("10.20.0.0/16", "::ffff:10.20.0.5", {}, 200),
        ("10.20.0.0/16", "10.21.0.5", {}, 403),
        ("10.20.0.0/16", "127.0.0.1", {}, 403),
        ("10.20.0.0/16", "10.20.0.5", {"X-Forwarded-For": "10.20.0.6"}, 403),
        ("127.0.0.0/8 10.20.0.0/16", "127.0.0.1", {}, 200),
    ],
)
def test_metrics_are_for_those_who_are_listed(
    networks: str, peer: str, headers: dict[str, str], status: int, few_cards: str
) -> None:
    """By default this machine, else the networks of CDS_METRICS_FROM; never what a proxy passes on."""
    client = app_with(CDS_CARDS=few_cards, CDS_METRICS_FROM=networks).test_client()
    response = client.get("/metrics", environ_base={"REMOTE_ADDR": peer}, headers=headers)
    assert response.status_code == status
    if status != 200:
        assert "CDS_METRICS_FROM" in outcome_text(response)


def test_metrics_add_up_over_workers_and_outlive_them(tmp_path: Path, knowledge: Knowledge, few_cards: str) -> None:
    """Whichever worker is asked tells the sum of all; a worker that is killed takes nothing with it."""
    data, sample = write_json(hook_call(knowledge)), "cds_request_seconds_count"
    sample += '{service="interactions-order-sign",status="200"}'
    with serving(tmp_path / "data", workers=2, CDS_CARDS=few_cards) as server:
        with ThreadPoolExecutor(8) as pool:
            assert {a.status for a in pool.map(lambda _: server.post(data), range(24))} == {200}
        answering = {pid for name in (tmp_path / "data").glob("run-*/histogram_*.db") for pid in [_pid_of(name)]}
        assert len(answering & set(server.workers())) == 2, "both workers answered"
        assert {server.metric(sample) for _ in range(6)} == {24.0}
        os.kill(server.workers()[0], signal.SIGKILL)
        until(lambda: len(server.workers()) == 2 and server.get("/healthz"), "a new worker")
        assert until(lambda: server.post(data).status == 200, "an answer")
        assert server.metric(sample) == 25
        assert server.metric("cds_in_flight") == 0
    assert list((tmp_path / "data").glob("run-*")) == [], "the folder of the server is gone with it"


def _pid_of(path: Path) -> int:
    return int(path.stem.split("_")[-1])


def test_what_a_killed_server_left_is_swept_at_the_next_start(tmp_path: Path, few_cards: str) -> None:
    """And what belongs to a server that runs is left alone, though they share CDS_DATA."""
    data = tmp_path / "data"
    left = data / "run-left-behind"
    left.mkdir(parents=True)
    (left / "counter_1.db").write_bytes(b"old figures")
    with serving(data, workers=1, CDS_CARDS=few_cards) as one:
        assert not left.exists()
        with serving(data, workers=1, CDS_CARDS=few_cards) as two:
            assert len(list(data.glob("run-*"))) == 2
            assert one.get("/metrics").status == two.get("/metrics").status == 200


# --- The log -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with two workers."""
    with serving(tmp_path_factory.mktemp("operations") / "data") as running:
        yield running


def line_of(server: Server, request_id: str) -> JSON:
    """The line of one request."""
    return until(lambda: [line for line in server.lines("request") if line["request_id"] == request_id], "its line")[0]


def test_each_request_is_one_line_with_constant_fields(server: Server, knowledge: Knowledge) -> None:
    """A check, a refusal and an unknown address have the same fields in the same order, and nothing of a patient."""
    body = json.loads(json.dumps(hook_call(knowledge)).replace("example", "Zzcanary"))
    server.post(write_json(body), **{"X-Request-ID": "a-check"})
    server.post(b"{", **{"X-Request-ID": "a-refusal"})
    server.post(b"{}", "/cds-services/zzcanary", **{"X-Request-ID": "nothing-there"})
    check = line_of(server, "a-check")
    assert list(check) == list(line_of(server, "a-refusal")) == list(line_of(server, "nothing-there")) == FIELDS
    assert check["cards"] == [f"{PAIR}:info"]
    assert (check["service"], check["status"], check["orders"]) == ("interactions-order-sign", 200, 1)
    assert (check["client"], check["knowledge"]) == ("open", knowledge.version)
    assert (line_of(server, "a-refusal")["status"], line_of(server, "a-refusal")["refused"]) == (400, "BadRequest")
    assert (line_of(server, "nothing-there")["service"], line_of(server, "nothing-there")["status"]) == ("unknown", 404)
    assert "zzcanary" not in server.log.read_text(encoding="utf-8").lower()


def test_looking_leaves_no_line(server: Server) -> None:
    """Health and metrics are asked every few seconds; their lines would bury the others."""
    for address in ("/healthz", "/readyz", "/metrics"):
        assert server.get(address, **{"X-Request-ID": "looking"}).status == 200
    server.get("/cds-services", **{"X-Request-ID": "after-looking"})
    line_of(server, "after-looking")
    assert "looking" not in [line["request_id"] for line in server.lines("request")]


def test_what_is_no_http_is_answered_and_logged_without_its_words(server: Server) -> None:
    """An OperationOutcome, and a line that says what kind of fault it was."""
    port = server.port
    sent = b"GET /zzwords zzwords zzwords HTTP/9.9\r\nZzwords: zzwords\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=GUARD) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert until(lambda: server.lines("unreadable request"), "its line")[0]["status"] == 400
    assert b"zzwords" not in answer.lower() + server.log.read_bytes().lower()


def test_of_an_exception_only_type_and_place_are_logged() -> None:
    """Its text may quote a request."""
    try:
        int("Zzcanary")
    except ValueError:
        record = logging.LogRecord("a library", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    line = json.loads(JsonLines().format(record))
    assert line["error"] == "ValueError"
    assert line["at"].startswith("test_operations.py:")
    assert "Zzcanary" not in json.dumps(line)


@pytest.mark.parametrize("given", ["a", "3f2c.A_b-9", "x" * 64])
def test_a_request_id_is_taken_and_given_back(client: FlaskClient, given: str) -> None:
    """What the client calls its request is what we call it."""
    assert client.get("/cds-services", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "<script>", "ä", "a,b", 'a"b'])
def test_a_request_id_that_is_none_is_replaced(client: FlaskClient, given: str) -> None:
    """It would stand in the log as it came, so it must be short and plain."""
    told = client.get("/cds-services", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert told != given
    assert re.fullmatch(r"[0-9a-f-]{36}", told)


@pytest.mark.parametrize(("address", "status"), [(SIGN, 400), ("/nothing", 404), ("/cds-services/nothing", 404)])
def test_errors_have_a_request_id_that_a_page_can_read(client: FlaskClient, address: str, status: int) -> None:
    """For the user who reports it; CORS exposes the header."""
    response = client.post(address, data=b"{}", headers={"X-Request-ID": "mine"})
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == "mine"
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]


# --- Stopping and loading anew -------------------------------------------------------------------------------


def test_a_server_that_is_stopped_finishes_what_it_has_begun(
    tmp_path: Path, knowledge: Knowledge, few_cards: str
) -> None:
    """SIGTERM while a call waits for a FHIR server: the call is answered in full, then the process ends well."""
    asked, gate = threading.Event(), threading.Event()

    def wait(handler: Handler) -> None:
        asked.set()
        gate.wait(GUARD)
        send(handler, 200, b'{"resourceType": "Bundle", "type": "searchset"}')

    with serving_ehr() as ehr, ThreadPoolExecutor(1) as pool:
        ehr.answers["Condition"] = wait
        body = hook_call(knowledge) | {"fhirServer": ehr.base}
        del body["prefetch"]["conditions"]
        settings = {"CDS_FHIR_SERVERS": ehr.base, "CDS_CHART_SECONDS": "3"}
        with serving(tmp_path / "data", workers=1, CDS_CARDS=few_cards, **settings) as running:
            call = pool.submit(running.post, write_json(body))
            assert asked.wait(GUARD)
            kept = http.client.HTTPConnection("127.0.0.1", running.port, timeout=GUARD)
            assert not _is_last(kept)
            running.process.send_signal(signal.SIGTERM)
            until(lambda: _is_last(kept), "the beginning of the end")
            gate.set()
            assert call.result(GUARD).status == 200
            assert call.result().json() == {"cards": []}, "the whole chart was seen"
            kept.close()
            assert running.process.wait(GUARD) == 0


def _is_last(connection: http.client.HTTPConnection) -> bool:
    """Whether the server answers on a connection and then closes it, as one does that is about to stop."""
    connection.request("GET", "/healthz")
    with connection.getresponse() as response:
        response.read()
        return response.getheader("Connection") == "close"


def own_card(summary: str) -> JSON:
    """A card about one drug that says `summary`."""
    card = {"severity": "moderate", "indicator": "info", "summary": summary, "advice": "Do nothing at all, a test."}
    return {"id": "own-card", "card": card}


def write_card(folder: Path, summary: str) -> None:
    """Change the one card of `folder`."""
    path = folder / "interactions" / "own-card.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["card"] = own_card(summary)["card"]
    content["history"][0]["content"] = ""
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    stamp(folder)


def test_sighup_takes_up_new_cards_and_leaves_faulty_ones(tmp_path: Path, knowledge: Knowledge) -> None:
    """A card that is changed speaks anew; one that is broken changes nothing but the log and readiness.

    Not one call fails meanwhile.
    """
    folder = write_cards(tmp_path / "cards", own_card("{drugs} the first time"))
    data = write_json(hook_call(knowledge, ordering=["methotrexate 2.5 MG Oral Tablet"], taking=[]))
    with serving(tmp_path / "data", CDS_CARDS=str(folder)) as running, calling(running, data) as statuses:
        assert _says(running, data, "the first time")
        before = running.get("/readyz").json()["knowledge"]
        write_card(folder, "{drugs} the second time")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: _everywhere(running, "knowledge", before, False), "new knowledge")
        assert _says(running, data, "the second time")
        (folder / "interactions" / "own-card.yaml").write_text("id: own-card\nstatus: [\n", encoding="utf-8")
        running.process.send_signal(signal.SIGHUP)
        (refused,) = until(lambda: running.lines("reload refused"), "the refusal")
        assert any("own-card.yaml" in fault for fault in refused["faults"])
        until(lambda: _everywhere(running, "status", "degraded", True), "the state")
        assert running.get("/readyz").status == 200
        assert _says(running, data, "the second time")
        shutil.rmtree(folder)
        write_cards(folder, own_card("{drugs} the third time"))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: _everywhere(running, "status", "ok", True), "the end of the state")
        assert _says(running, data, "the third time")
    assert set(statuses) == {200}


def _everywhere(server: Server, field: str, value: str, equal: bool) -> bool:
    """Whether readiness says so (or not) whichever worker is asked; asked often enough to meet both."""
    told = {server.get("/readyz").json()[field] for _ in range(8)}
    return told == {value} if equal else len(told) == 1 and value not in told


def _says(server: Server, data: bytes, words: str) -> bool:
    """Whether every worker's card has these words."""
    return all(words in server.post(data).json()["cards"][0]["summary"] for _ in range(6))


@contextmanager
def calling(server: Server, data: bytes) -> Iterator[list[int]]:
    """One call after the other for as long as the block runs; yields the statuses."""
    statuses: list[int] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.wait(0.05):
            statuses.append(_status(server, data))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join(GUARD)


def _status(server: Server, data: bytes) -> int:
    try:
        return server.post(data).status
    except OSError:
        return 0


# --- Cards that are switched off -----------------------------------------------------------------------------


def test_a_card_that_is_switched_off_is_never_a_silent_all_clear(knowledge: Knowledge) -> None:
    """It does not show; a notice says that it would have, the answer names it, and log and metrics count it."""
    app = app_with(CDS_SILENCE=PAIR)
    client = app.test_client()
    answer = answer_of(client, hook_call(knowledge))
    assert notices_of(answer) == ["check-switched-off"]
    (notice,) = answer["cards"]
    assert notice["indicator"] == "info"
    title = next(rule.title for rule in knowledge.rules if rule.id == PAIR)
    assert title.split(":")[0].split(" ")[0] in notice["summary"]
    assert answer["extension"]["local.cds-service"]["silenced"] == [PAIR]
    assert figure(client, f'cds_silent_findings_total{{id="{PAIR}"}}') == 1
    assert figure(client, f'cds_silenced{{id="{PAIR}"}}') == 1
    assert client.get("/readyz").get_json()["silenced"] == [PAIR]


def test_a_card_that_is_switched_off_and_would_not_have_spoken_is_not_told(knowledge: Knowledge) -> None:
    """Other answers are as they were, byte for byte."""
    body = hook_call(knowledge, ordering=["amoxicillin 500 MG Oral Capsule"])
    plain = post(app_with().test_client(), body).get_data()
    assert post(app_with(CDS_SILENCE=PAIR).test_client(), body).get_data() == plain


def test_a_card_that_is_switched_off_hides_no_other(knowledge: Knowledge) -> None:
    """On a card merged of several rules the others stay, as loud as they are by themselves."""
    body = hook_call(knowledge, ordering=[GABAPENTIN], taking=[BACLOFEN, OXYCODONE])
    rules = [rule["id"] for rule in rules_of(cns_card(answer_of(app_with().test_client(), body)))]
    assert len(rules) > 1
    for off in (rules[0], rules[-1]):
        answer = answer_of(app_with(CDS_SILENCE=off).test_client(), body)
        assert [rule["id"] for rule in rules_of(cns_card(answer))] == [rule for rule in rules if rule != off]
        assert "check-switched-off" in notices_of(answer)


def test_several_cards_can_be_switched_off(knowledge: Knowledge) -> None:
    """Ids are separated by commas; spaces do not matter."""
    body = hook_call(knowledge, ordering=[GABAPENTIN], taking=[BACLOFEN, OXYCODONE])
    rules = [rule["id"] for rule in rules_of(cns_card(answer_of(app_with().test_client(), body)))]
    client = app_with(CDS_SILENCE=", ".join(rules)).test_client()
    answer = answer_of(client, body)
    assert notices_of(answer) == ["check-switched-off"]
    assert answer["extension"]["local.cds-service"]["silenced"] == sorted(rules)


def test_an_id_that_is_no_cards_stops_the_start(tmp_path: Path) -> None:
    """A typing error would leave the card on, with everybody believing it is off."""
    with pytest.raises(SettingsError, match="CDS_SILENCE: gabapentin-baclofen is no id of a card"):
        app_with(CDS_SILENCE=f"{PAIR},gabapentin-baclofen")
    command = ("serve", "--port", str(free_port()))
    done = run(*command, CDS_AUTH="off", CDS_SILENCE="gabapentin-baclofen", CDS_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "CDS_SILENCE" in done.stderr.decode()
    assert list(tmp_path.glob("run-*")) == []


def test_the_log_says_at_start_what_is_switched_off(tmp_path: Path) -> None:
    """As a warning, with the ids."""
    with serving(tmp_path / "data", workers=1, CDS_SILENCE=PAIR) as running:
        (line,) = running.lines("cards switched off")
    assert (line["level"], line["silenced"]) == ("warning", [PAIR])


# --- The probe -----------------------------------------------------------------------------------------------


def test_the_probe_sees_the_card(server: Server) -> None:
    """A critical card comes back through the front door, on whatever day it is."""
    for url in (server.base, f"{server.base}/", f"{server.base}/cds-services"):
        done = run("probe", url)
        assert done.returncode == 0, done.stderr
        assert re.search(r"critical card came back in \d+ ms", done.stdout.decode())


def test_the_probe_fails_where_the_card_is_switched_off(tmp_path: Path, knowledge: Knowledge) -> None:
    """Its card does not come, though a notice does."""
    off = "ssri-snri-mao-inhibitor"
    with serving(tmp_path / "data", workers=1, CDS_SILENCE=off) as running:
        assert "without its critical card" in failure(run("probe", running.base))


def empty(handler: Handler) -> None:
    """An answer that looks like an all clear."""
    send(handler, 200, b'{"cards": []}')


def without_json(handler: Handler) -> None:
    """A page of a proxy."""
    send(handler, 200, b"<html>Service restored</html>")


def other_json(handler: Handler) -> None:
    """JSON that is no response."""
    send(handler, 200, b'[{"cards": 1}]')


def failing(handler: Handler) -> None:
    """An error that says why."""
    send(handler, 500, b'{"resourceType": "OperationOutcome", "issue": [{"details": {"text": "it failed"}}]}')


def moved(handler: Handler) -> None:
    """A redirect, which no client of a hook follows."""
    send(handler, 302, b"", Location="https://elsewhere.example/")


def hanging(handler: Handler) -> None:
    """Nothing for long."""
    threading.Event().wait(5)


def dripping(handler: Handler) -> None:
    """A byte now and then."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (empty, "without its critical card"),
        (without_json, "no CDS Hooks response"),
        (other_json, "no CDS Hooks response"),
        (failing, "status 500 (it failed)"),
        (moved, "status 302"),
        (hanging, "did not answer within 1 seconds"),
        (dripping, "did not answer within 1 seconds"),
    ],
)
def test_the_probe_fails_loudly(answer: Callable[[Handler], None], words: str) -> None:
    """Status 1 and a sentence, whatever comes back instead of the card."""
    with answering(answer) as base:
        assert words in failure(run("probe", base, "--seconds", "1"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://no-such-host.invalid", "nonsense", ""])
def test_the_probe_fails_where_nothing_answers(url: str) -> None:
    """An address that is wrong or dead is a sentence too."""
    assert "cannot be reached" in failure(run("probe", url, "--seconds", "5"))


def test_the_probe_shows_its_token(tmp_path: Path) -> None:
    """From a file, so that it stands in no list of processes; the sentence does not repeat it."""
    token, seen = tmp_path / "token", list[str]()
    token.write_text("zz-token-4711\n")

    def remember(handler: Handler) -> None:
        seen.append(handler.headers["Authorization"])
        empty(handler)

    with answering(remember) as base:
        assert "zz-token" not in failure(run("probe", base, "--token-file", str(token)))
    assert seen == ["Bearer zz-token-4711"]
    assert "cannot be read" in refusal(run("probe", "http://127.0.0.1:1", "--token-file", str(tmp_path / "none")))


def failure(done: subprocess.CompletedProcess[bytes]) -> str:
    """The sentence of a probe that failed."""
    told = done.stderr.decode()
    assert done.returncode == 1, told
    assert "Traceback" not in told
    assert done.stdout == b""
    return told


@contextmanager
def answering(answer: Callable[[Handler], None]) -> Iterator[str]:
    """A server in the place of the service that answers every POST like this."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.daemon_threads, running.block_on_close = True, False
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()


# --- Little to write on, little to be ------------------------------------------------------------------------

# A mount namespace in which everything that can be is read-only but the data folder; then a user that owns nothing.
# It may read all files (the interpreter may stand in a home that others cannot look into), and write by permission.
SANDBOX = """
mount --make-rprivate / && mount --bind "$DATA" "$DATA" || exit 97
while read -r _ where _; do
    case "$where" in "$DATA"|/proc|/proc/*) ;; *) mount -o remount,bind,ro "$where" 2>/dev/null ;; esac
done < /proc/self/mounts
exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \\
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search \\
    env -u HOME -u XDG_STATE_HOME "TMPDIR=$DATA" "$@"
"""


@pytest.fixture
def sandbox() -> Iterator[tuple[Path, list[str]]]:
    """A data folder of user 65534, and the command that runs another in the sandbox around it."""
    outside = Path(tempfile.mkdtemp(prefix="cds-sandbox-"))
    outside.chmod(0o755)
    data = outside / "data"
    data.mkdir(mode=0o700)
    wrapper = ["unshare", "--mount", "env", f"DATA={data}", "sh", "-c", SANDBOX, "sandbox"]
    try:
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        os.chown(data, 65534, 65534)
        if shutil.which("setpriv") is None or _in_sandbox(wrapper, "true").returncode != 0:
            pytest.skip("this machine does not allow a mount namespace of one's own (unshare --mount, setpriv)")
        yield data, wrapper
    finally:
        shutil.rmtree(outside)


def _in_sandbox(wrapper: list[str], *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*wrapper, *command], capture_output=True, timeout=GUARD, check=False)


def test_it_runs_as_nobody_where_only_its_data_folder_can_be_written(
    sandbox: tuple[Path, list[str]], knowledge: Knowledge, few_cards: str
) -> None:
    """No home, no root, nothing else to write on: the service starts, answers, counts, loads anew and stops."""
    data, wrapper = sandbox
    for place in ("/tmp/zz", "/var/tmp/zz", "/dev/shm/zz", str(ROOT / "zz"), "/zz", "/run/zz"):
        assert _in_sandbox(wrapper, "touch", place).returncode != 0, place
    assert _in_sandbox(wrapper, "touch", f"{data}/zz").returncode == 0
    with serving(data, wrapper=wrapper, cwd=Path("/"), CDS_CARDS=few_cards) as running:
        status = Path(f"/proc/{running.workers()[0]}/status").read_text()
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M)
        assert running.post(write_json(hook_call(knowledge))).status == 200
        assert running.metric('cds_request_seconds_count{service="interactions-order-sign",status="200"}') == 1
        running.process.send_signal(signal.SIGHUP)
        until(lambda: running.lines("reloaded"), "the new application")
        assert until(lambda: running.post(write_json(hook_call(knowledge))).status == 200, "an answer")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(GUARD) == 0
    assert {path.name for path in data.iterdir()} == {"zz", "lock", "cds-service.sqlite3"}


def test_a_data_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """It is needed for the figures of the workers, so the start stops and says what to set."""
    (tmp_path / "file").write_text("not a folder")
    told = run("serve", "--port", str(free_port()), CDS_AUTH="off", CDS_DATA=str(tmp_path / "file" / "data"))
    assert told.returncode == 2
    assert "CDS_DATA" in told.stderr.decode()
    assert "Traceback" not in told.stderr.decode()


def test_the_data_folder_follows_the_environment() -> None:
    """CDS_DATA, else below XDG_STATE_HOME, else below the home folder."""
    base = {"CDS_AUTH": "off", "HOME": "/somewhere"}
    assert read_settings(base).storage.data == Path("/somewhere/.local/state/cds-service")
    assert read_settings(base | {"XDG_STATE_HOME": "/state"}).storage.data == Path("/state/cds-service")
    assert read_settings(base | {"XDG_STATE_HOME": "/state", "CDS_DATA": "/data"}).storage.data == Path("/data")
