"""What prefetch left out, from the client's FHIR server: in parallel, bounded, and only where it is allowed.

A key that is missing is asked for; one that is `null`, empty or an OperationOutcome is not (the client has
looked: checklist CH-069 to CH-071). A search that came in part is read on from its `next` link. Whatever
goes wrong makes one part of the chart unseen, never the whole check. The access token lives as long as the
call: it is not kept, logged or used again (CH-082).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from cds_service.core.values import JSON
from cds_service.errors import BadRequest
from cds_service.fhir.chart import fits_part
from cds_service.fhir.reading import as_list, as_object, as_text, resource_of
from cds_service.outgoing import Budget, Outgoing, OutgoingError, origin_of
from cds_service.settings import ChartLimits

_ACCEPT = "application/fhir+json, application/json;q=0.9, application/json+fhir;q=0.8"
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}\Z")
_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9.\-]{1,64}\Z")  # what is all dots would lead up in a path
_PATIENT_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9.\-_~]{1,128}\Z")  # FHIR's ids and what some servers add to them
_SCOPE = re.compile(r"(?:patient|user|system)/(\*|[A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(?:\?.*)?\Z")
_AT_ONCE = 8  # requests of one hook call; with as many threads for each call none waits for another caller's server
_MOST_REFERENCES = 40
_NAMES_MEDICATION = ("medicationReference", "medication")
_ENDED = 0.05  # seconds that a thread may need to notice that its time is over

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was made: what for, how it ended ("200", "timeout", …) and how long it took (seconds)."""

    part: str
    outcome: str
    seconds: float


@dataclass(slots=True)
class Fetched:
    """Prefetch with what was added to it, Medications that references lead to, and the calls made."""

    prefetch: JSON
    medications: list[JSON] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Server:
    """The FHIR server of one hook call. `may_read` tells whether the token's scope covers a resource type."""

    base: str
    headers: Mapping[str, str]
    may_read: Callable[[str], bool]


def refuse_token_without_server(root: JSON) -> None:
    """Raises BadRequest where `fhirAuthorization` comes without `fhirServer` (invariant cds-r-1)."""
    if root.get("fhirServer") is None and root.get("fhirAuthorization") is not None:
        raise BadRequest("fhirServer", "is missing; it is required with fhirAuthorization")


def server_of(root: JSON, patient_id: str, allowed: frozenset[str], note: Note) -> Server | None:
    """The server that this hook call may be answered from, or None; why not goes to `note`."""
    base, authorization = root.get("fhirServer"), root.get("fhirAuthorization")
    if base is None:
        return None
    given = as_object(authorization)
    if why := _not_called(base, patient_id, allowed) or (
        _unusable(given, patient_id) if authorization is not None else ""
    ):
        note(why)
        return None
    if authorization is None:
        return Server(base.rstrip("/"), {"Accept": _ACCEPT}, lambda _: True)
    headers = {"Accept": _ACCEPT, "Authorization": f"Bearer {given['access_token']}"}
    return Server(base.rstrip("/"), headers, _readable_types(as_text(given.get("scope"))))


def _not_called(base: Any, patient_id: str, allowed: frozenset[str]) -> str:
    if not isinstance(base, str) or base.rstrip("/") not in allowed:
        return "fhirServer is not one that may be called for this client; it was not called"
    return "" if _PATIENT_ID.match(patient_id) else "context.patientId is no FHIR id; the FHIR server was not called"


def _unusable(authorization: JSON, patient_id: str) -> str:
    token, kind = as_text(authorization.get("access_token")), as_text(authorization.get("token_type"))
    if not _TOKEN.match(token) or kind.lower() != "bearer":
        return "fhirAuthorization holds no usable Bearer token; the FHIR server was not called"
    if as_text(authorization.get("patient")).removeprefix("Patient/") not in ("", patient_id):
        return "fhirAuthorization is for another patient; the FHIR server was not called"
    return ""


def _readable_types(scope: str) -> Callable[[str], bool]:
    """SMART v1 (`patient/*.read`) and v2 (`patient/Observation.rs`). Without resource scopes nothing is known."""
    found = [match for part in scope.split() if (match := _SCOPE.match(part))]
    if not found:
        return lambda _: True
    types = {
        m.group(1) for m in found if m.group(2) in ("read", "*") or {"r", "s"} & set(m.group(2).replace("write", ""))
    }
    return lambda kind: "*" in types or kind in types


class ChartFetcher:
    """Reads missing parts of charts. Safe to share between threads; threads start with the first call."""

    def __init__(
        self,
        outgoing: Outgoing,
        limits: ChartLimits,
        queries: Mapping[str, str],
        read_json: Callable[[bytes], Any],
        calls: int,
    ) -> None:
        self._outgoing = outgoing
        self._most_threads = calls * _AT_ONCE
        self._limits = limits
        self._queries = queries
        self._read_json = read_json
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the threads and connections; a later call starts new ones."""
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
                self._threads = None
        self._outgoing.close()

    def has_gaps(self, prefetch: JSON, drafts: list[JSON], base: str) -> bool:
        """Whether a server at `base` could add anything to `prefetch`."""
        return any(not _is_whole(prefetch, key) for key in self._queries) or bool(_references(prefetch, drafts, base))

    def complete(self, server: Server, patient_id: str, prefetch: JSON, drafts: list[JSON]) -> Fetched:
        """`prefetch` with its gaps filled as far as the server, the limits and the time allow."""
        visit = _Visit(self._outgoing, self._limits, server, self._read_json)
        fetched = Fetched(dict(prefetch))
        tasks: dict[str, Callable[[], Any]] = {}
        is_dstu2 = any(draft.get("resourceType") == "MedicationOrder" for draft in drafts)
        for key, query in self._queries.items():
            begun = _pages_begun(prefetch.get(key))
            if begun is not None:
                tasks[key] = _bind(visit.rest_of, key, begun)
            elif key not in prefetch or not _is_answer(key, prefetch[key]):
                url = query.replace("{{context.patientId}}", patient_id)
                url = _for_dstu2(url) if is_dstu2 else url
                if server.may_read(re.split(r"[/?]", query)[0]):
                    tasks[key] = _bind(visit.all_of, key, f"{server.base}/{url}")
        fetched.prefetch |= {key: value for key, value in self._run(tasks, visit).items() if value is not None}
        wanted = _references(fetched.prefetch, drafts, server.base)
        groups = [wanted[n::_AT_ONCE] for n in range(min(_AT_ONCE, len(wanted)))]
        self._run({group[0]: _bind(visit.medications_at, group) for group in groups}, visit)
        fetched.medications = list(visit.medications)
        fetched.calls = visit.calls
        return fetched

    def _run(self, tasks: Mapping[str, Callable[[], Any]], visit: _Visit) -> dict[str, Any]:
        """The results by key; what is not there in time has failed."""
        if not tasks:
            return {}
        running: dict[str, Future[Any]] = {key: self._pool().submit(task) for key, task in tasks.items()}
        wait(running.values(), timeout=max(0.0, visit.deadline - time.monotonic()) + _ENDED)
        for future in running.values():
            future.cancel()
        return {key: f.result() if f.done() and not f.cancelled() else _failure() for key, f in running.items()}

    def _pool(self) -> ThreadPoolExecutor:
        """Made at the first call: threads do not survive gunicorn's fork."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._most_threads, thread_name_prefix="fhir")
            return self._threads


def _for_dstu2(url: str) -> str:
    """The query as a DSTU2 server knows it: prescriptions by their old name, no order and status of newer versions."""
    path, _, search = url.replace("MedicationRequest?", "MedicationOrder?").partition("?")
    kept = [part for part in search.split("&") if not part.startswith(("_sort=", "status="))]
    return f"{path}?{'&'.join(kept)}" if search else path


def _bind(action: Callable[..., Any], *what: Any) -> Callable[[], Any]:
    return lambda: action(*what)


class _Visit:
    """All requests to one server for one hook call: they share the time and the bytes."""

    def __init__(
        self, outgoing: Outgoing, limits: ChartLimits, server: Server, read_json: Callable[[bytes], Any]
    ) -> None:
        self.deadline = time.monotonic() + limits.seconds
        self.calls: list[Call] = []
        self.medications: list[JSON] = []
        self._outgoing = outgoing
        self._pages = limits.pages
        self._most = limits.total_bytes // 2  # one answer that is too large leaves room for the others
        self._budget = Budget(limits.total_bytes)
        self._server = server
        self._origins = (origin_of(server.base),)
        self._read_json = read_json
        self._lock = threading.Lock()

    def all_of(self, part: str, url: str) -> Any:
        """A resource, or the Bundle of all pages of a search; an OperationOutcome where it failed.

        None where the server does not know this type of resource at all (404 to a search): that is no failure, and the
        part stays missing, as it is for clients without such a type.
        """
        first = self._get(part, url)
        return first if as_object(first).get("resourceType") != "Bundle" else self.rest_of(part, first)

    def rest_of(self, part: str, bundle: JSON) -> JSON:
        """A Bundle with the entries of its further pages. A `next` link is left in where that is not all."""
        entries = list(as_list(bundle.get("entry")))
        url, seen = _next_link(bundle), set[str]()
        while url:
            page = self._get(part, url) if len(seen) < self._pages - 1 and url not in seen else _failure()
            if as_object(page).get("resourceType") != "Bundle":
                break
            seen.add(url)
            entries += as_list(page.get("entry"))
            url = _next_link(page)
        links = [link for link in as_list(bundle.get("link")) if as_object(link).get("relation") != "next"]
        whole = {**bundle, "entry": entries, "link": links + ([{"relation": "next", "url": url}] if url else [])}
        return whole

    def medications_at(self, references: Iterable[str]) -> None:
        """Read Medications one after the other, and keep each as soon as it is there."""
        for reference in references:
            found = self._get("medications", f"{self._server.base}/{reference}")
            if as_object(found).get("resourceType") == "Medication":
                with self._lock:
                    self.medications.append(found)

    def _get(self, part: str, url: str) -> Any:
        began = time.monotonic()
        outcome, value = self._answer(url)
        with self._lock:
            self.calls.append(Call(part, outcome, time.monotonic() - began))
        return value

    def _answer(self, url: str) -> tuple[str, Any]:
        budget = Budget(self._most, self._budget)
        try:
            answer = self._outgoing.get(url, self._origins, self._server.headers, self.deadline, budget)
        except OutgoingError as error:
            return error.reason, _failure()
        if answer.status != 200:
            return str(answer.status), None if answer.status == 404 and "?" in url else _failure()
        try:
            value = self._read_json(answer.body)
        except BadRequest:
            return "not-json", _failure()
        return ("200", value) if as_object(value).get("resourceType") else ("not-fhir", _failure())


def _failure() -> JSON:
    """Stands for a part that could not be read; the chart reads it as failed."""
    issue = {"severity": "error", "code": "processing"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _is_answer(key: str, value: Any) -> bool:
    """Whether the client has answered for this key: with data, with "nothing" (null) or with an error (CH-074)."""
    return value is None or fits_part(key, resource_of(value).get("resourceType"))


def _is_whole(prefetch: JSON, key: str) -> bool:
    """Whether a key was answered, and to its last page."""
    return key in prefetch and _is_answer(key, prefetch[key]) and _pages_begun(prefetch[key]) is None


def _pages_begun(value: Any) -> JSON | None:
    """The Bundle of a prefetch value that has further pages."""
    bundle = resource_of(value)
    return bundle if bundle.get("resourceType") == "Bundle" and _next_link(bundle) else None


def _next_link(bundle: Any) -> str:
    links = (as_object(link) for link in as_list(as_object(bundle).get("link")))
    return next((as_text(link.get("url")) for link in links if link.get("relation") == "next"), "")


def _references(prefetch: JSON, drafts: list[JSON], base: str) -> list[str]:
    """`Medication/id` of references that lead to this server and are not resolved by the request itself."""
    resources = [*drafts, *_resources(prefetch.values())]
    found = {_reference(r, base) for r in resources if not r.keys().isdisjoint(_NAMES_MEDICATION)} - {""}
    if not found:
        return []
    known = {f"Medication/{r.get('id')}" for r in resources if r.get("resourceType") == "Medication"}
    return sorted(found - known)[:_MOST_REFERENCES]


def _resources(values: Iterable[Any]) -> list[JSON]:
    found = []
    for value in map(as_object, values):
        found.append(value)
        found += [as_object(entry.get("resource")) for entry in as_list(value.get("entry")) if isinstance(entry, dict)]
    return found


def _reference(resource: JSON, base: str) -> str:
    """The relative reference to a Medication of this server, or ""."""
    holder = as_object(resource.get("medicationReference"))
    holder = holder or as_object(as_object(resource.get("medication")).get("reference"))
    text = as_text(holder.get("reference")).split("/_history/")[0]
    kind, _, own_id = text.removeprefix(f"{base}/").partition("/")
    return f"{kind}/{own_id}" if kind == "Medication" and _ID.match(own_id) else ""
