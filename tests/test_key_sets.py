"""Published key sets over time, and used tokens: cached, bounded, shared between threads. The host is a real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_service.keys import read_key, read_key_set
from cds_service.outgoing import Outgoing
from cds_service.web.key_sets import KeySet
from cds_service.web.replay import MemoryReplayGuard
from tests.jwks import Handler, KeyHost, serving_keys, signer

HOUR, WEEK = 3600.0, 7 * 24 * 3600.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The time it is."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def host() -> Iterator[KeyHost]:
    """Where keys are published."""
    with serving_keys() as serving:
        yield serving


@pytest.fixture
def outgoing() -> Iterator[Outgoing]:
    """The way out."""
    made = Outgoing()
    yield made
    made.close()


@pytest.fixture
def keys(host: KeyHost, outgoing: Outgoing, clock: Clock) -> KeySet:
    """The set at `/keys`, with the key `first` in it."""
    host.publish("keys", signer("first"))
    return KeySet(f"{host.base}/keys", outgoing, frozenset(), clock)


def test_ch157_a_set_is_read_again_after_an_hour(keys: KeySet, host: KeyHost, clock: Clock) -> None:
    """Not before; and then a key that was withdrawn counts no more."""
    for _ in range(3):
        assert keys.find("first")
    clock.now += HOUR - 1
    assert keys.find("first")
    assert host.count("keys") == 1
    host.publish("keys", signer("second"))
    clock.now += 1
    assert not keys.find("first")
    assert keys.find("second")
    assert host.count("keys") == 2


def test_ch157_old_keys_count_for_a_week_while_the_host_is_down(keys: KeySet, host: KeyHost, clock: Clock) -> None:
    """Each quarter of a minute one call tries; once the host is back, its word counts again."""
    assert keys.find("first")
    host.answers["keys"] = (500, b"")
    clock.now += HOUR
    for _ in range(5):
        assert keys.find("first")
        assert not keys.find("second")
    assert keys.is_down
    assert host.count("keys") == 2
    clock.now += 15
    assert keys.find("first")
    assert host.count("keys") == 3
    clock.now += WEEK
    assert not keys.find("first")
    host.publish("keys", signer("second"))
    clock.now += 15
    assert keys.find("second")
    assert not keys.is_down


def test_ch157_a_host_that_is_gone_leaves_the_keys(outgoing: Outgoing, clock: Clock) -> None:
    """Nothing listens any more."""
    with serving_keys() as host:
        host.publish("keys", signer("first"))
        keys = KeySet(f"{host.base}/keys", outgoing, frozenset(), clock)
        assert keys.find("first")
    outgoing.close()
    clock.now += HOUR
    assert keys.find("first")
    assert keys.is_down


def test_ch153_unknown_names_ask_once_in_a_quarter_of_a_minute(keys: KeySet, host: KeyHost, clock: Clock) -> None:
    """The first read is not repeated in the same call; later ones are bounded, and a rotation is found in the end."""
    assert not keys.find("unknown")
    assert host.count("keys") == 1
    assert not keys.find("unknown")
    assert host.count("keys") == 2
    host.publish("keys", signer("second"))
    clock.now += 14
    assert not keys.find("second")
    assert host.count("keys") == 2
    clock.now += 1
    assert keys.find("second")
    assert host.count("keys") == 3


def test_ch157_a_host_that_was_never_up_is_tried_again(keys: KeySet, host: KeyHost, clock: Clock) -> None:
    """Every quarter of a minute, not with every token."""
    whole = host.answers.pop("keys")
    for _ in range(4):
        assert not keys.find("first")
    assert host.count("keys") == 1
    host.answers["keys"] = whole
    clock.now += 15
    assert keys.find("first")


def test_ch157_threads_share_one_request(host: KeyHost, outgoing: Outgoing) -> None:
    """Eight calls at once, at the start and after a rotation: one asks, all get the key."""
    body = b""

    def slowly(handler: Handler) -> None:
        time.sleep(0.3)
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        handler.close_connection = True

    host.answers["slow"] = slowly
    keys = KeySet(f"{host.base}/slow", outgoing, frozenset())
    with ThreadPoolExecutor(8) as pool:
        for number, kid in enumerate(("first", "second"), start=1):
            text = str({"keys": [signer(kid).jwk()]}).replace("'", '"')
            body = text.encode()
            assert all(pool.map(keys.find, [kid] * 8))
            assert host.count("slow") == number


def test_ch157_who_has_a_key_does_not_wait_for_a_refresh(host: KeyHost, outgoing: Outgoing, clock: Clock) -> None:
    """While one thread asks a slow host for an expired set, the others go on with the old keys."""
    host.publish("keys", signer("first"))
    keys = KeySet(f"{host.base}/keys", outgoing, frozenset(), clock)
    assert keys.find("first")
    is_asked = []

    def hang(handler: Handler) -> None:
        is_asked.append(True)
        time.sleep(1)

    host.answers["keys"] = hang
    clock.now += HOUR
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(keys.find, "first")
        for _ in range(500):
            if is_asked:
                break
            time.sleep(0.01)
        assert keys.find("first")
        assert not waiting.done()
        assert waiting.result(timeout=30)


def test_ch157_an_empty_set_withdraws_every_key(keys: KeySet, host: KeyHost, clock: Clock) -> None:
    """It is a word of the client, unlike an error."""
    assert keys.find("first")
    host.answers["keys"] = {"keys": []}
    clock.now += HOUR
    assert not keys.find("first")
    assert not keys.is_down


def test_ch157_a_set_holds_what_can_be_used() -> None:
    """Keys of other kinds beside good ones are passed over, and thumbprints are those of RFC 7638."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    example = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert read_key(example).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    okp = {"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert [key.kid for key in read_key_set({"keys": [okp, example, None, {}]})] == ["2011-04-29"]


def test_ch157_a_thumbprint_is_of_the_key_and_not_of_its_spelling() -> None:
    """Padding and leading zeros do not make another key of it."""
    jwk = signer("first").jwk()
    padded = jwk | {"x": jwk["x"] + "=" * (-len(jwk["x"]) % 4)}
    zeros = jwk | {"y": "AAAA" + jwk["y"]}
    assert read_key(padded).thumbprint == read_key(zeros).thumbprint == read_key(jwk).thumbprint


def test_ch162_a_used_token_is_remembered_until_it_expires() -> None:
    """And then forgotten, so that memory ends."""
    clock = Clock()
    guard = MemoryReplayGuard(now=clock)
    assert guard.is_new("a", "jti", clock.now + 10)
    assert not guard.is_new("a", "jti", clock.now + 10)
    assert guard.is_new("b", "jti", clock.now + 10)
    assert guard.is_new("a", "jti\0", clock.now + 10)
    clock.now += 10
    assert guard.is_new("a", "jti", clock.now + 10)
    assert len(guard) == 1


def test_ch162_memory_is_bounded_and_nobody_is_refused_for_want_of_room() -> None:
    """The ones that expire first go first."""
    clock = Clock()
    guard = MemoryReplayGuard(most=10, now=clock)
    assert guard.is_new("a", "lives long", clock.now + 10_000)
    for number in range(100):
        assert guard.is_new("a", str(number), clock.now + number + 1)
        assert len(guard) <= 10
    assert not guard.is_new("a", "lives long", clock.now + 10_000)
    assert not guard.is_new("a", "99", clock.now + 100)


def test_ch162_of_many_threads_one_gets_through() -> None:
    """A token shown sixteen times at once counts once."""
    guard = MemoryReplayGuard()
    with ThreadPoolExecutor(16) as pool:
        for number in range(200):
            shown = pool.map(lambda _, jti=str(number): guard.is_new("a", jti, time.time() + 60), range(16))
            assert sum(shown) == 1
