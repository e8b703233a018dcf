"""Settings from the environment, read once. A wrong one stops the start with a sentence."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cds_service.errors import SettingsError
from cds_service.knowledge import cards_folder
from cds_service.outgoing import IPNetwork, is_loopback, origin_of

# Every setting with its meaning; the README's table is tested against this.
SETTINGS = {
    "CDS_AUTH": "required (default): every caller shows a signed token; off: open, loopback only; "
    "sandbox: required, and the public sandbox's published key counts",
    "CDS_CLIENTS": "file of the CDS Clients that may call (needed with required)",
    "CDS_PUBLIC_URL": "public base URL; discovery is at /cds-services below it (needed with required and sandbox; "
    "with off, cds-service serve takes the address it listens on)",
    "CDS_JWT_ALGORITHMS": "signatures that count (default ES384 RS384; also ES/RS 256 and 512, PS 256, 384 and 512)",
    "CDS_FHIR_SERVERS": "FHIR base URLs that may be called when access is open, and for the public sandbox, "
    "separated by spaces",
    "CDS_PRIVATE_NETWORKS": "private networks that may be called, such as 10.20.0.0/16, separated by spaces",
    "CDS_CHART_SECONDS": "time for reading the chart, within one call (default 2)",
    "CDS_CHART_PAGES": "pages that are read of one search (default 5)",
    "CDS_CHART_BYTES": "bytes that are read of the chart, within one call (default 5242880)",
    "CDS_MISSING_CHART": "card (default): say on a card that the medication list was not seen; 412: refuse the call",
    "CDS_CARDS": "folder of the card files (default: the ones that come with the service)",
    "CDS_TIMEZONE": "time zone whose date is today (default UTC)",
    "CDS_DATA": "folder for what the service writes (default $XDG_STATE_HOME/cds-service, else "
    "~/.local/state/cds-service)",
    "CDS_DATABASE_URL": "PostgreSQL instead of SQLite: postgresql://user:password@host:5432/name",
    "CDS_FEEDBACK_COMMENTS": "discard (default): of a comment in feedback only that there was one is kept; "
    "store: its text too",
    "CDS_CARD_KEY": "secret that seals the uuids of cards, the same on every machine; several separated by spaces: "
    "the first seals, all count (default: a published constant)",
    "CDS_MAX_BODY": "largest request body in bytes (default 1048576)",
    "CDS_MAX_ENTRIES": "most entries of the draft orders (more are refused) and of each part of the chart "
    "(more are not read), default 1000",
    "CDS_MAX_IN_FLIGHT": "calls that each worker answers at a time; more get 503 at once (default 8)",
    "CDS_RATE": "calls a minute that each worker takes of one client; more get 429 (default 600; 0: no limit)",
    "CDS_SILENCE": "ids of cards that are switched off for now, separated by commas",
    "CDS_METRICS_FROM": "networks that may read /metrics and see the workbench, separated by spaces "
    "(default: this machine only)",
    "CDS_WORKBENCH": "on or off: the pages to try and check orders and to see how cards fare "
    "(default: on with CDS_AUTH=off, else off)",
    "CDS_KNOWLEDGE_PAGES": "on (default) or off: the pages that show each card, its logic and its sources",
}
# Stands in the source for everybody to read: it keeps nobody from inventing cards, only cards apart by accident.
PUBLISHED_CARD_KEY = b"cds-service: this key is published"
_SHORTEST_KEY = 16
AUTH_MODES = ("required", "off", "sandbox")
ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True, slots=True)
class ChartLimits:
    """How much of a chart one call may read from a FHIR server."""

    seconds: float = 2.0
    pages: int = 5
    total_bytes: int = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call, and where this service is for them."""

    mode: str = "off"
    clients: Path | None = None
    public_url: str = ""
    algorithms: tuple[str, ...] = ("ES384", "RS384")
    fhir_servers: frozenset[str] = frozenset()
    private: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class Storage:
    """What is kept, and where. Without a `database` nothing is."""

    data: Path | None = None
    database: str = field(default="", repr=False)
    keeps_comments: bool = False
    card_keys: tuple[bytes, ...] = field(default=(PUBLISHED_CARD_KEY,), repr=False)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much callers may ask. `in_flight` and `rate` (calls a minute of one client) count in each worker."""

    entries: int = 1000
    in_flight: int = 8
    rate: int = 600


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service is told from outside."""

    cards: Path
    timezone: ZoneInfo
    access: Access = Access()
    chart: ChartLimits = ChartLimits()
    storage: Storage = Storage()
    missing_chart: str = "card"
    max_body: int = 1024 * 1024
    limits: CallLimits = CallLimits()
    silence: frozenset[str] = frozenset()
    workbench: bool = False
    knowledge_pages: bool = True
    metrics_from: tuple[IPNetwork, ...] = ()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from an environment. Raises SettingsError that names the setting and what is allowed."""
    unknown = sorted(n for n in environment if n.startswith("CDS_") and n not in SETTINGS)
    if unknown:
        raise SettingsError(f"{', '.join(unknown)} is no setting. Known are {', '.join(SETTINGS)}.")
    cards = Path(environment.get("CDS_CARDS") or cards_folder())
    if not cards.is_dir():
        raise SettingsError(f"CDS_CARDS: {cards} is not a folder. It must hold the card files.")
    return Settings(
        cards=cards,
        timezone=_timezone(environment.get("CDS_TIMEZONE") or "UTC"),
        access=_access(environment),
        chart=ChartLimits(
            seconds=_number(environment, "CDS_CHART_SECONDS", 2, 1, 3),
            pages=_number(environment, "CDS_CHART_PAGES", 5, 1, 100),
            total_bytes=_number(environment, "CDS_CHART_BYTES", 5 * 1024 * 1024, 1024),
        ),
        storage=_storage(environment),
        missing_chart=_one_of(environment, "CDS_MISSING_CHART", ("card", "412")),
        max_body=_number(environment, "CDS_MAX_BODY", 1024 * 1024, 1024),
        limits=CallLimits(
            entries=_number(environment, "CDS_MAX_ENTRIES", 1000, 1),
            in_flight=_number(environment, "CDS_MAX_IN_FLIGHT", 8, 1, 256),
            rate=_number(environment, "CDS_RATE", 600, 0),
        ),
        silence=frozenset(environment.get("CDS_SILENCE", "").replace(",", " ").split()),
        workbench=_switch(environment, "CDS_WORKBENCH", environment.get("CDS_AUTH") == "off"),
        knowledge_pages=_switch(environment, "CDS_KNOWLEDGE_PAGES", True),
        metrics_from=_networks(environment, "CDS_METRICS_FROM"),
    )


def read_open_settings(environment: Mapping[str, str]) -> Settings:
    """Settings for a tool that answers nobody but its user: without authentication or rate, and nothing is kept."""
    settings = read_settings({**environment, "CDS_AUTH": "off", "CDS_RATE": "0"})
    return replace(settings, storage=replace(settings.storage, data=None, database=""))


def read_store_settings(environment: Mapping[str, str]) -> Settings:
    """Settings for a tool that reads what the service keeps: without authentication."""
    return read_settings({**environment, "CDS_AUTH": "off"})


def base_url(text: str, name: str) -> str:
    """A base URL without a slash at the end: https, or http on this machine. Raises SettingsError naming `name`."""
    origin = origin_of(text)
    is_plain = origin.startswith("http://")
    if not origin or "?" in text or "#" in text or (is_plain and not is_loopback(_host(origin))):
        raise SettingsError(f'{name}: "{text}" is no base URL. Use https://host/path (http only on this machine).')
    return text.rstrip("/")


def _host(origin: str) -> str:
    return origin.split("://", 1)[1].rsplit(":", 1)[0]


def _access(environment: Mapping[str, str]) -> Access:
    mode = _one_of(environment, "CDS_AUTH", AUTH_MODES)
    clients, public = environment.get("CDS_CLIENTS", ""), environment.get("CDS_PUBLIC_URL", "")
    _refuse_missing(mode, {"CDS_CLIENTS": clients, "CDS_PUBLIC_URL": public})
    if clients and not Path(clients).is_file():
        raise SettingsError(f"CDS_CLIENTS: {clients} is not a file. It must hold the CDS Clients.")
    return Access(
        mode=mode,
        clients=Path(clients) if clients else None,
        public_url=base_url(public, "CDS_PUBLIC_URL") if public else "",
        algorithms=_algorithms(environment.get("CDS_JWT_ALGORITHMS") or "ES384 RS384"),
        fhir_servers=frozenset(
            base_url(url, "CDS_FHIR_SERVERS") for url in environment.get("CDS_FHIR_SERVERS", "").split()
        ),
        private=_networks(environment, "CDS_PRIVATE_NETWORKS"),
    )


def _refuse_missing(mode: str, given: Mapping[str, str]) -> None:
    """What each mode cannot do without; the sandbox is a client that needs no file."""
    needed = {"required": ("CDS_CLIENTS", "CDS_PUBLIC_URL"), "sandbox": ("CDS_PUBLIC_URL",), "off": ()}[mode]
    missing = [name for name in needed if not given[name]]
    if missing:
        raise SettingsError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set. With CDS_AUTH={mode} the "
            f"service needs {'the file of its CDS Clients and ' if len(needed) == 2 else ''}its public base URL; "
            "CDS_AUTH=off opens it to programs on this machine only."
        )


def _storage(environment: Mapping[str, str]) -> Storage:
    data = _data_folder(environment)
    in_data = f"sqlite:///{(data / 'cds-service.sqlite3').absolute()}" if data else ""
    return Storage(
        data=data,
        database=environment.get("CDS_DATABASE_URL") or in_data,
        keeps_comments=_one_of(environment, "CDS_FEEDBACK_COMMENTS", ("discard", "store")) == "store",
        card_keys=_card_keys(environment.get("CDS_CARD_KEY", "")) or (PUBLISHED_CARD_KEY,),
    )


def _data_folder(environment: Mapping[str, str]) -> Path | None:
    """Where programs keep their state (XDG Base Directory Specification), unless the setting says where."""
    if environment.get("CDS_DATA"):
        return Path(environment["CDS_DATA"]).absolute()
    if environment.get("XDG_STATE_HOME"):
        return Path(environment["XDG_STATE_HOME"]) / "cds-service"
    return Path(environment["HOME"]) / ".local/state/cds-service" if environment.get("HOME") else None


def _card_keys(text: str) -> tuple[bytes, ...]:
    keys = tuple(key.encode("utf-8", "surrogateescape") for key in text.split())
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise SettingsError(f"CDS_CARD_KEY is too short. Use at least {_SHORTEST_KEY} random characters.")
    return keys


def _algorithms(text: str) -> tuple[str, ...]:
    chosen = tuple(text.replace(",", " ").split())
    wrong = [name for name in chosen if name not in ALGORITHMS]
    if wrong or not chosen:
        raise SettingsError(f'CDS_JWT_ALGORITHMS is "{text}". Use some of {", ".join(ALGORITHMS)}.')
    return chosen


def _networks(environment: Mapping[str, str], name: str) -> tuple[IPNetwork, ...]:
    return tuple(_network(text, name) for text in environment.get(name, "").split())


def _network(text: str, name: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise SettingsError(f'{name}: "{text}" is no network. Use one such as 10.20.0.0/16.') from None


def _one_of(environment: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = environment.get(name) or allowed[0]
    if value not in allowed:
        raise SettingsError(f'{name} is "{value}". Use {", ".join(allowed[:-1])} or {allowed[-1]}.')
    return value


def _switch(environment: Mapping[str, str], name: str, default: bool) -> bool:
    return _one_of(environment, name, ("on", "off") if default else ("off", "on")) == "on"


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int | None = None) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit()) or int(text) < least or (most is not None and int(text) > most):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        raise SettingsError(f'{name} is "{text}". Use a whole number, {allowed}.')
    return int(text)


def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f'CDS_TIMEZONE is "{name}", which is no time zone. Use a name such as Europe/Berlin or UTC.'
        ) from error
