"""The CDS Clients that may call: read from one file, checked as a whole, and frozen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cds_service.errors import ClientsError, Fault, SettingsError
from cds_service.keys import PublicKey, UnusableKey, published_keys, read_key
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.schema import check
from cds_service.settings import Access, base_url

_SCHEMA = Path(__file__).parent / "clients.schema.json"
SANDBOX = "sandbox"
_RESERVED = ("open", SANDBOX)  # what callers without a token, and the public sandbox, are named


@dataclass(frozen=True, slots=True)
class Client:
    """A CDS Client: who it says it is (`iss`), what shows that it is, and what it may do.

    Keys come from `keys` (pinned) and from the set at `jku`. `audience` counts in place of the URL that is called;
    an empty `tenants` allows any.
    """

    id: str
    iss: str
    jku: str = ""
    keys: tuple[PublicKey, ...] = ()
    audience: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = ()
    fhir_servers: frozenset[str] = frozenset()
    max_lifetime: int = 3600


@dataclass(frozen=True, slots=True)
class Clients:
    """All clients, and thumbprints of keys that never count."""

    all: tuple[Client, ...]
    refused_keys: frozenset[str] = frozenset()


def load_clients(access: Access) -> Clients:
    """The clients of the file that `access` names; with CDS_AUTH=sandbox the public sandbox as well.

    Raises ClientsError with every fault of the file.
    """
    found = _read_file(access.clients, access) if access.clients else ()
    if access.mode != SANDBOX:
        return Clients(found, frozenset(known.key.thumbprint for known in published_keys()))
    return Clients((*found, *_sandbox(found, access)))


def _sandbox(found: tuple[Client, ...], access: Access) -> Iterator[Client]:
    """The public sandbox with its published key pinned, unless the file has its own word about it."""
    for known in published_keys():
        if known.signs and all(client.iss != known.iss for client in found):
            yield Client(
                id=SANDBOX,
                iss=known.iss,
                jku=known.jku,
                keys=(known.key,),
                algorithms=access.algorithms,
                fhir_servers=access.fhir_servers,
            )


def _read_file(path: Path, access: Access) -> tuple[Client, ...]:
    faults: list[Fault] = []
    try:
        content = read_yaml(path, path.name, faults)
    except OSError as error:
        raise ClientsError([Fault(path.name, "", f"cannot be read ({error.strerror})")]) from None
    faults = faults or check(content, _SCHEMA, path.name)
    if faults:
        raise ClientsError(faults)
    readers = [_Reader(path, access, f"clients[{n}]", faults) for n in range(len(content["clients"]))]
    clients = tuple(reader.client(entry) for reader, entry in zip(readers, content["clients"], strict=True))
    faults += _house_faults(clients, access.mode, path.name)
    if faults:
        raise ClientsError(faults)
    return clients


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the entry at `where` and notes what is wrong with it."""

    path: Path
    access: Access
    where: str
    faults: list[Fault]

    def client(self, entry: Mapping[str, Any]) -> Client:
        """The client an entry describes, as far as it can be read."""
        algorithms = tuple(entry.get("algorithms", self.access.algorithms))
        if wrong := [name for name in algorithms if name not in self.access.algorithms]:
            allowed = ", ".join(self.access.algorithms)
            self._fault("algorithms", f"{', '.join(wrong)} is not in CDS_JWT_ALGORITHMS. Use some of {allowed}.")
        servers = enumerate(entry.get("fhir_servers", []))
        return Client(
            id=entry["id"],
            iss=entry["iss"],
            jku=self._jku(entry),
            keys=tuple(self._keys(entry.get("keys", []), algorithms)),
            audience=frozenset(entry.get("audience", [])),
            tenants=frozenset(entry.get("tenants", [])),
            algorithms=algorithms,
            fhir_servers=frozenset(self._url(url, f"fhir_servers[{n}]") for n, url in servers),
            max_lifetime=entry.get("max_lifetime", 3600),
        )

    def _jku(self, entry: Mapping[str, Any]) -> str:
        if "jku" not in entry and "keys" not in entry:
            self._fault("", "has neither a jku nor keys; without one no signature can be checked")
        jku = str(entry.get("jku", ""))
        if jku:
            self._url(jku.split("?", 1)[0], "jku")
        return jku

    def _url(self, url: str, where: str) -> str:
        try:
            return base_url(url, "")
        except SettingsError as error:
            self._fault(where, str(error).removeprefix(": "))
            return url

    def _keys(self, given: Any, algorithms: tuple[str, ...]) -> Iterator[PublicKey]:
        """The pinned keys, each of them usable, named once and fit for one of the client's algorithms."""
        where = "keys"
        if isinstance(given, str):
            given, where = self._key_file(given), f"{given}.keys"
        seen: set[str] = set()
        for number, jwk in enumerate(given):
            place = f"{where}[{number}]"
            try:
                key = read_key(jwk)
            except UnusableKey as error:
                self._fault(place, str(error))
                continue
            if key.kid in seen:
                self._fault(place, "has the kid of a key above; each key has its own")
            if not any(key.fits(algorithm) for algorithm in algorithms):
                self._fault(place, f"fits none of this client's algorithms ({', '.join(algorithms)})")
            seen.add(key.kid)
            yield key

    def _key_file(self, name: str) -> list[Any]:
        try:
            document = json.loads((self.path.parent / name).read_text(encoding="utf-8"))
            keys = document["keys"]
        except OSError as error:
            self._fault("keys", f"{name} cannot be read ({error.strerror})")
        except (ValueError, RecursionError, KeyError, TypeError):
            self._fault("keys", f'{name} is not a JSON Web Key Set: an object with a list "keys"')
        else:
            if isinstance(keys, list) and keys:
                return keys
            self._fault("keys", f"{name} holds no key")
        return []

    def _fault(self, where: str, message: str) -> None:
        path = f"{self.where}.{where}" if where else self.where
        self.faults.append(Fault(self.path.name, path, message))


def _house_faults(clients: tuple[Client, ...], mode: str, name: str) -> Iterator[Fault]:
    """What a schema cannot say: no two entries for one caller, nobody whose private key is public."""
    for number, client in enumerate(clients):
        if client.id in _RESERVED:
            yield Fault(name, f"clients[{number}].id", f'"{client.id}" is kept for callers that stand in no file')
        if mode != SANDBOX:
            for part, whose in _published(client):
                yield Fault(
                    name,
                    f"clients[{number}].{part}",
                    f"belongs to {whose}, whose private key everybody can read. It counts with CDS_AUTH=sandbox only.",
                )
    for (_, one), (number, other) in combinations(enumerate(clients), 2):
        if one.id == other.id:
            yield Fault(name, f"clients[{number}].id", f'"{one.id}" stands here twice')
        if one.iss == other.iss and not _are_told_apart(one, other):
            yield Fault(
                name,
                f"clients[{number}].iss",
                f"{one.id} has the same iss. Clients that share one need tenants, each tenant in one of them only.",
            )


def _are_told_apart(one: Client, other: Client) -> bool:
    return bool(one.tenants and other.tenants) and one.tenants.isdisjoint(other.tenants)


def _published(client: Client) -> Iterator[tuple[str, str]]:
    """Parts of a client that are the sandbox's or the specification's: by host of iss and jku, and by the keys."""
    hosts = {_host(known.iss): known.whose for known in reversed(published_keys())}
    for part, url in (("iss", client.iss), ("jku", client.jku)):
        if _host(url) in hosts:
            yield part, hosts[_host(url)]
    thumbprints = {known.key.thumbprint: known.whose for known in published_keys()}
    for key in client.keys:
        if key.thumbprint in thumbprints:
            yield "keys", f"{thumbprints[key.thumbprint]} (kid {key.kid})"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def describe(clients: Clients, public_url: str, services: tuple[str, ...]) -> str:
    """The clients as text a person can read: key thumbprints, and the URLs that a token must name as `aud`."""
    urls = [f"{public_url}/cds-services", *(f"{public_url}/cds-services/{service}" for service in services)]
    blocks = []
    for client in clients.all:
        lines = [client.id, f"  iss: {client.iss}"]
        lines += [f"  jku: {client.jku}"] if client.jku else []
        lines += [f"  key: {key.thumbprint} ({key.kind}, kid {key.kid})" for key in client.keys]
        lines += [f"  aud: {aud}" for aud in (sorted(client.audience) or urls)]
        lines += [f"  tenant: {tenant}" for tenant in sorted(client.tenants)]
        lines += [f"  FHIR server: {server}" for server in sorted(client.fhir_servers)]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
