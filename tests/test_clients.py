"""The file of CDS Clients and the settings around it: what is wrong stops the start, all at once, in sentences."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.clients import Clients, load_clients
from cds_service.core.values import Knowledge
from cds_service.errors import ClientsError, SettingsError
from cds_service.keys import published_keys
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from tests.commands import ROOT, refusal, run
from tests.helpers import SIGN, hook_call
from tests.jwks import EXAMPLE_PRIVATE, PUBLIC, SANDBOX_PRIVATE, SIGN_AUD, claims, published, serving_keys, signer

JSON = dict[str, Any]


def client(**changes: Any) -> JSON:
    """A good entry, but for what changes; None leaves a member out."""
    entry: JSON = {"id": "north", "iss": "https://north.example.org", "keys": [signer("n1").jwk()]}
    return {name: value for name, value in (entry | changes).items() if value is not None}


def load(folder: Path, *entries: JSON, text: str = "", **settings: str) -> Clients:
    """The clients of a file with these entries, or with this text."""
    file = folder / "clients.yaml"
    file.write_text(text or yaml.safe_dump({"clients": list(entries)}), encoding="utf-8")
    chosen = {"CDS_CLIENTS": str(file), "CDS_PUBLIC_URL": PUBLIC} | settings
    return load_clients(read_settings(chosen).access)


def faults(folder: Path, *entries: JSON, **more: str) -> list[str]:
    """What is wrong with a file, line by line."""
    with pytest.raises(ClientsError) as refused:
        load(folder, *entries, **more)
    return str(refused.value).splitlines()


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Every member, with its default where it is left out."""
    (tmp_path / "south.json").write_text(json.dumps({"keys": [signer("s1", "RS384").jwk()]}), encoding="utf-8")
    north, south = load(
        tmp_path,
        client(jku="https://north.example.org/jwks?v=1", fhir_servers=["https://north.example.org/fhir/"]),
        client(id="south", iss="urn:south", keys="south.json", tenants=["t"], audience=["x"], max_lifetime=300),
    ).all
    assert (north.id, north.iss, north.jku) == (
        "north",
        "https://north.example.org",
        "https://north.example.org/jwks?v=1",
    )
    assert (north.algorithms, north.max_lifetime, north.tenants) == (("ES384", "RS384"), 3600, frozenset())
    assert north.fhir_servers == {"https://north.example.org/fhir"}
    assert [(key.kid, key.kind) for key in south.keys] == [("s1", "RSA")]
    assert (south.tenants, south.audience, south.max_lifetime) == ({"t"}, {"x"}, 300)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("clients:\n  - id: a\n    id: b\n", "line 3: 'id' stands here twice"),
        ("clients: &x []", "anchors"),
        ("clients: []", "clients: "),
        ("clients: no", "clients: is not a list"),
        ("other: 1", '"other" is not allowed here. Use clients.'),
        ("- a", "is not a mapping"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """With the place, and what is allowed there."""
    assert told in "\n".join(faults(tmp_path, text=text or "\n"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": None}, "clients[0]: id is missing"),
        ({"iss": None}, "clients[0]: iss is missing"),
        ({"id": "North Hospital"}, "clients[0].id: "),
        ({"id": "open"}, "clients[0].id: "),
        ({"id": "sandbox"}, "clients[0].id: "),
        ({"iss": "north"}, "clients[0].iss: "),
        ({"iss": 5}, "clients[0].iss: is not text"),
        ({"keys": None}, "clients[0]: has neither a jku nor keys"),
        ({"keys": []}, "clients[0].keys: "),
        ({"keys": "../keys.json"}, "clients[0].keys: "),
        ({"keys": "missing.json"}, "clients[0].keys: missing.json cannot be read (No such file or directory)"),
        ({"jku": "http://north.example.org/jwks"}, "clients[0].jku: "),
        ({"jku": "file:///etc/passwd"}, "clients[0].jku: "),
        ({"jku": "https://user:password@north.example.org/jwks"}, "clients[0].jku: "),
        ({"algorithms": ["HS256"]}, "HS256 is not in CDS_JWT_ALGORITHMS. Use some of ES384, RS384."),
        ({"algorithms": ["none"]}, "none is not in CDS_JWT_ALGORITHMS"),
        ({"algorithms": ["ES256"]}, "ES256 is not in CDS_JWT_ALGORITHMS"),
        ({"algorithms": ["RS384"]}, "clients[0].keys[0]: fits none of this client's algorithms (RS384)"),
        ({"fhir_servers": ["http://north.example.org/fhir"]}, "clients[0].fhir_servers[0]: "),
        ({"fhir_servers": "https://north.example.org"}, "clients[0].fhir_servers: is not a list"),
        ({"max_lifetime": 10}, "clients[0].max_lifetime: "),
        ({"max_lifetime": 100_000}, "clients[0].max_lifetime: "),
        ({"tenants": []}, "clients[0].tenants: "),
        ({"audience": [5]}, "clients[0].audience[0]: is not text"),
        ({"secret": "x"}, '"secret" is not allowed here. Use algorithms, audience, '),
    ],
    ids=str,
)
def test_each_fault_of_an_entry_is_named(tmp_path: Path, changes: JSON, told: str) -> None:
    """File, path, what is wrong."""
    assert any(told in line and line.startswith("clients.yaml") for line in faults(tmp_path, client(**changes)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"d": "AAAA"}, "private half"),
        ({"kty": "oct", "k": "AAAA"}, "secret"),
        ({"kty": "OKP"}, "another kty"),
        ({"crv": "secp256k1"}, "another crv"),
        ({"x": "AAAA"}, "not a point"),
        ({"x": "a b"}, "has no x in base64url"),
        ({"y": 5}, "has no y in base64url"),
        ({"kid": ""}, "no kid"),
        ({"kid": 5}, "no kid"),
        ({"use": "enc"}, "not for signatures"),
        ({"key_ops": ["encrypt"]}, "not for signatures"),
        ({"key_ops": 5}, "not for signatures"),
        ({"alg": "HS384"}, "fits none"),
    ],
    ids=str,
)
def test_each_fault_of_a_pinned_key_is_named(tmp_path: Path, change: JSON, told: str) -> None:
    """Inline and in a file beside; the key itself is not repeated."""
    jwk = signer("n1").jwk() | change
    (line,) = faults(tmp_path, client(keys=[jwk]))
    assert line.startswith("clients.yaml, clients[0].keys[0]: ")
    assert told in line
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [jwk]}), encoding="utf-8")
    (line,) = faults(tmp_path, client(keys="keys.json"))
    assert line.startswith("clients.yaml, clients[0].keys.json.keys[0]: ")
    assert told in line


def test_small_rsa_keys_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    """2,048 bits at least; a kid names one key."""
    small = signer("small", "RS384", 1024).jwk()
    assert "1024 bits; allowed are 2048 to 8192" in faults(tmp_path, client(keys=[small]))[0]
    assert "has the kid of a key above" in faults(tmp_path, client(keys=[signer("n1").jwk(), signer("n1").jwk()]))[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 5}', '{"keys": []}', "[" * 5000, '{"keys": "x"}'])
def test_a_key_file_must_be_a_key_set(tmp_path: Path, text: str) -> None:
    """Anything else is named as such."""
    (tmp_path / "keys.json").write_text(text, encoding="utf-8")
    (line,) = faults(tmp_path, client(keys="keys.json"))
    assert line.startswith("clients.yaml, clients[0].keys: keys.json ")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """Of every entry."""
    two = client(id="south", iss="https://south.example.org", keys=None)
    told = faults(tmp_path, client(jku="ftp://x", fhir_servers=["x", "y"]), two)
    assert len(told) == 4


def test_two_clients_are_told_apart(tmp_path: Path) -> None:
    """By iss; where they share one, by tenants that are in one of them only."""
    assert any('"north" stands here twice' in line for line in faults(tmp_path, client(), client(iss="urn:x")))
    for one, other in (({}, {}), ({"tenants": ["a"]}, {}), ({"tenants": ["a", "b"]}, {"tenants": ["b"]})):
        (line,) = faults(tmp_path, client(**one), client(id="south", **other))
        assert line.startswith("clients.yaml, clients[1].iss: north has the same iss.")
    assert len(load(tmp_path, client(tenants=["a"]), client(id="south", tenants=["b"])).all) == 2


PUBLISHED = [published("mine", SANDBOX_PRIVATE).jwk(), published("mine", EXAMPLE_PRIVATE).jwk()]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"iss": "https://sandbox.cds-hooks.org"}, "iss"),
        ({"iss": "https://SANDBOX.cds-hooks.org/"}, "iss"),
        ({"iss": "http://sandbox.cds-hooks.org:80/x"}, "iss"),
        ({"iss": "https://fhir-ehr.example.com/"}, "iss"),
        ({"iss": "https://fhir-ehr.example.com"}, "iss"),
        ({"jku": "https://sandbox.cds-hooks.org/.well-known/jwks.json"}, "jku"),
        ({"jku": "https://fhir-ehr.example.com/jwk_uri"}, "jku"),
        *(({"keys": [jwk]}, "keys") for jwk in PUBLISHED),
        ({"keys": [PUBLISHED[0] | {"y": "AAAA" + PUBLISHED[0]["y"]}]}, "keys"),
    ],
    ids=str,
)
def test_ch168_published_clients_are_refused_outside_sandbox_mode(tmp_path: Path, changes: JSON, path: str) -> None:
    """By iss and jku in any spelling, and by the key under any name; with CDS_AUTH=sandbox they may be listed."""
    (line,) = faults(tmp_path, client(**changes))
    assert line.startswith(f"clients.yaml, clients[0].{path}: belongs to the ")
    assert "CDS_AUTH=sandbox" in line
    assert load(tmp_path, client(**changes), CDS_AUTH="sandbox").all[0].id == "north"


def test_ch168_the_older_keys_of_the_sandbox_are_known(tmp_path: Path) -> None:
    """Four keys whose private halves were published; thumbprints as RFC 7638 has them."""
    assert {known.key.thumbprint for known in published_keys()} == {
        "s9fOe-KDYD1myZ8YCzleUqJQgrYZL49kVijBxhnZvZc",
        "WUEVfFenRfMtdDhwPUzCCfmqEN45h61hdHclwVoqfes",
        "oinqNI3POUw3TTo_R_BmQFF2EK2jQK8R7cJm3Cw-K6Y",
        "-UtOymI2Z0XB5SZogEZu3s5oMyQ4YaewHtR9huroTQs",
    }
    assert [published("x", half).jwk()["x"] for half in (SANDBOX_PRIVATE, EXAMPLE_PRIVATE)] == [
        "dw_JGR8nB2I6XveNxUOl2qk699ZPLM2nYI5STSdiEl9avAkrm3CkfYMbrrjr8laB",
        "46SDH7Znh821wblCBglA61sNE9ZrHYKKt3qRtRTmSXyOI_FIGBLWrWa0GPUkDCEk",
    ]


def test_ch168_the_sandbox_is_there_in_sandbox_mode(tmp_path: Path) -> None:
    """Without a file, beside a file, and as the file has it where it has it; with the FHIR servers of the setting."""
    settings = {"CDS_AUTH": "sandbox", "CDS_PUBLIC_URL": PUBLIC, "CDS_FHIR_SERVERS": "https://fhir.example.org/r4"}
    (alone,) = load_clients(read_settings(settings).access).all
    assert (alone.id, alone.iss) == ("sandbox", "https://sandbox.cds-hooks.org")
    assert alone.fhir_servers == {"https://fhir.example.org/r4"}
    assert [one.id for one in load(tmp_path, client(), CDS_AUTH="sandbox").all] == ["north", "sandbox"]
    own = client(id="mine", iss="https://sandbox.cds-hooks.org", keys=[PUBLISHED[0]])
    assert [one.id for one in load(tmp_path, own, CDS_AUTH="sandbox").all] == ["mine"]


def test_access_is_closed_unless_somebody_opens_it(tmp_path: Path) -> None:
    """Without settings the service does not start, and says what it needs."""
    for settings, told in (
        ({}, "CDS_CLIENTS and CDS_PUBLIC_URL are not set"),
        ({"CDS_AUTH": "required", "CDS_PUBLIC_URL": PUBLIC}, "CDS_CLIENTS is not set"),
        ({"CDS_AUTH": "sandbox"}, "CDS_PUBLIC_URL is not set"),
        ({"CDS_AUTH": "none"}, "Use required, off or sandbox"),
        ({"CDS_PUBLIC_URL": PUBLIC, "CDS_CLIENTS": str(tmp_path / "nothing")}, "is not a file"),
        ({"CDS_AUTH": "off", "CDS_PUBLIC_URL": "http://cds.example.org"}, "CDS_PUBLIC_URL: "),
        ({"CDS_AUTH": "off", "CDS_JWT_ALGORITHMS": "HS256"}, "CDS_JWT_ALGORITHMS is"),
    ):
        with pytest.raises(SettingsError, match="CDS_") as refused:
            read_settings(settings)
        assert told in str(refused.value)


# --- The command line and real servers ---------------------------------------------------------------------


def test_serve_does_not_start_without_clients(tmp_path: Path) -> None:
    """Neither without settings nor with a faulty file; each is a sentence, not a stack trace."""
    assert "CDS_CLIENTS and CDS_PUBLIC_URL are not set" in refusal(run("serve"))
    file = tmp_path / "clients.yaml"
    file.write_text("clients:\n  - id: north\n", encoding="utf-8")
    command = [sys.executable, "-m", "cds_service.cli", "serve", "--port", "8000", "--workers", "1"]
    settings = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    settings |= {"PYTHONPATH": str(ROOT), "CDS_CLIENTS": str(file), "CDS_PUBLIC_URL": PUBLIC}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "clients.yaml, clients[0]: iss is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_clients_check_prints_who_may_call(tmp_path: Path) -> None:
    """Thumbprints of the keys and the URLs that tokens must name; faults with status 2."""
    file = tmp_path / "clients.yaml"
    file.write_text(yaml.safe_dump({"clients": [client(tenants=["t1"])]}), encoding="utf-8")
    done = run("clients", "check", str(file), CDS_PUBLIC_URL=PUBLIC)
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode()
    (key,) = load(tmp_path, client()).all[0].keys
    for part in ("north", "iss: https://north.example.org", f"key: {key.thumbprint}", f"aud: {SIGN_AUD}", "tenant: t1"):
        assert part in told
    file.write_text(yaml.safe_dump({"clients": [client(id=None, jku="ftp://x")]}), encoding="utf-8")
    assert "id is missing" in refusal(run("clients", "check", CDS_CLIENTS=str(file)))
    assert "CDS_CLIENTS" in refusal(run("clients", "check"))


@contextmanager
def gunicorn(address: str, **settings: str) -> Iterator[str]:
    """The application as anybody's gunicorn runs it, with two workers."""
    with socket.socket() as free:
        free.bind((address, 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "GUNICORN"))}
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", f"{address}:{port}"]
    command += ["--no-control-socket", "--log-level", "warning", "cds_service.app:create_app()"]
    started = environment | {"PYTHONPATH": str(ROOT)} | settings
    with subprocess.Popen(command, cwd=ROOT, env=started) as process:
        try:
            for _ in range(300):
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None
                time.sleep(0.1)
            yield f":{port}"
        finally:
            process.terminate()


def status_of(url: str, body: bytes | None = None, token: str = "") -> int:
    """The status of a call; a refusal must carry its header and its body."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
    try:
        connection.request("POST" if body else "GET", "/" + url.split("/", 3)[3], body, headers)
        response = connection.getresponse()
        told = json.load(response)
    finally:
        connection.close()
    if response.status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert told["resourceType"] == "OperationOutcome"
    return response.status


def test_two_workers_ask_for_tokens(knowledge: Knowledge, tmp_path: Path) -> None:
    """A real gunicorn: each worker reads the key set for itself, big bodies without a token are answered with 401."""
    with serving_keys() as host:
        host.publish("north", signer("north"))
        file = tmp_path / "clients.yaml"
        file.write_text(yaml.safe_dump({"clients": [client(keys=None, jku=f"{host.base}/north")]}), encoding="utf-8")
        body = write_json(hook_call(knowledge))
        with gunicorn("127.0.0.1", CDS_CLIENTS=str(file), CDS_PUBLIC_URL=PUBLIC) as port:
            base = f"http://127.0.0.1{port}"
            assert status_of(f"{base}/cds-services") == 200
            for _ in range(12):
                token = signer("north").token(claims("https://north.example.org"))
                assert status_of(f"{base}{SIGN}", body, token) == 200
                assert status_of(f"{base}{SIGN}", body) == 401
                assert status_of(f"{base}{SIGN}", body, f"{token}, Bearer {token}") == 401
            assert status_of(f"{base}{SIGN}", b" " * 900_000) == 401
            assert 1 <= host.count("north") <= 2


def test_open_access_answers_nobody_else_under_any_server() -> None:
    """CDS_AUTH=off behind a gunicorn that listens everywhere: this machine is answered, its other address is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = probe.getsockname()[0]
    with gunicorn("0.0.0.0", CDS_AUTH="off") as port:
        assert status_of(f"http://127.0.0.1{port}/cds-services") == 200
        assert status_of(f"http://{own}{port}/cds-services") == 401
