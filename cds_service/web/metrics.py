"""What is counted, for Prometheus. Every label has a bounded set of values; none comes from a request.

In one process the figures are kept in memory. Under several workers the server names a folder in
PROMETHEUS_MULTIPROC_DIR before this module is imported; each worker then writes a file there, and whichever is asked
adds them up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cds_service.core.values import Knowledge
from cds_service.fhir.fetching import Call

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 10)
_KNOWN_STATUS = frozenset({"200", "400", "401", "403", "404", "410", "429", "500", "502", "503", "504"})
_WORST = ("ok", "degraded", "down")

States = Callable[[], Iterable[tuple[str, str]]]


class Metrics:
    """The figures of one application. `states` tells how the parts it needs are, as `/readyz` does."""

    def __init__(self, knowledge: Knowledge, states: States) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._standing = _Standing(knowledge, states)
        self._latency = Histogram(
            "cds_request_seconds", "Time to answer", ("service", "status"), buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge("cds_in_flight", "Calls being answered", registry=registry, multiprocess_mode="livesum")
        self.cards = Counter("cds_cards", "Cards shown, by lead rule", ("id", "indicator"), registry=registry)
        self.silent = Counter("cds_silent_findings", "Answers with a finding not shown", ("id",), registry=registry)
        self.not_checked = Counter("cds_orders_not_checked", "Orders not read in full", ("reason",), registry=registry)
        self.missed = Counter("cds_prefetch_misses", "Keys that prefetch left out", ("key",), registry=registry)
        self.not_seen = Counter("cds_chart_not_seen", "Parts of the chart not seen", ("part",), registry=registry)
        self._auth = Counter("cds_auth_failures", "Callers not let in", ("reason",), registry=registry)
        self._fhir = Counter("cds_fhir_calls", "Calls of FHIR servers", ("part", "outcome"), registry=registry)
        self._fhir_latency = Histogram(
            "cds_fhir_call_seconds", "Time of a call of a FHIR server", buckets=_SECONDS, registry=registry
        )

    def answered(self, service: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._latency.labels(service, str(status)).observe(seconds)

    def auth_failed(self, reason: str) -> None:
        """A caller was not let in; `reason` is one of a few fixed words."""
        self._auth.labels(reason).inc()

    def called(self, call: Call) -> None:
        """A FHIR server was called."""
        self._fhir.labels(call.part, _outcome(call.outcome)).inc()
        self._fhir_latency.observe(call.seconds)

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        told = self._registry
        if getattr(values.ValueClass, "_multiprocess", False):
            told = CollectorRegistry()
            MultiProcessCollector(told)  # type: ignore[no-untyped-call]
        standing = CollectorRegistry()
        standing.register(self._standing)
        return generate_latest(told) + generate_latest(standing)


def _outcome(outcome: str) -> str:
    """How a call ended; of odd statuses only the first digit is kept."""
    if not outcome.isdigit() or outcome in _KNOWN_STATUS:
        return outcome
    return f"{outcome[0]}xx"


class _Standing(Collector):
    """What stands while the process runs, and how it is now; asked for when somebody looks."""

    def __init__(self, knowledge: Knowledge, states: States) -> None:
        self._knowledge = knowledge
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        loaded = GaugeMetricFamily("cds_knowledge_info", "The card files that answer", labels=("version",))
        loaded.add_metric((self._knowledge.version,), 1)
        yield loaded
        silenced = GaugeMetricFamily("cds_silenced", "Cards that are switched off (CDS_SILENCE)", labels=("id",))
        for rule in sorted(self._knowledge.silenced):
            silenced.add_metric((rule,), 1)
        yield silenced
        states = GaugeMetricFamily("cds_part_state", "0 ok, 1 degraded, 2 down", labels=("part",))
        for part, state in self._states():
            states.add_metric((part,), _WORST.index(state))
        yield states
