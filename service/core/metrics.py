"""Figures that /metrics shows to Prometheus. Each application has a registry of its own."""

import os
import socket
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from service.core.circuit_breaker import CircuitBreaker
from service.core.event_loop import EventLoopLag

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNKNOWN_ROUTE = "unknown"


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        process = Info("polystore_process", "The process that answers", registry=self._registry)
        process.info({"host": socket.gethostname(), "pid": str(os.getpid())})
        self._requests = Histogram(
            "polystore_http_request_seconds",
            "Time to answer, by route template",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._series: dict[tuple[str, str, str], Histogram] = {}
        self._store = Gauge(
            "polystore_store",
            "Figures of a store's connections, named by the label `figure`",
            ("store", "figure"),
            registry=self._registry,
        )
        self._refused_halves = Counter(
            "polystore_prediction_halves_refused",
            "Requests and responses of model servers, and pairs of them, that made no event",
            ("reason",),
            registry=self._registry,
        )
        self._event_loop_lag = Gauge(
            "polystore_event_loop_lag_seconds",
            "Longest delay of a timer in the last 30 seconds",
            registry=self._registry,
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request. ``route`` is the template, because paths have too many values."""
        labels = (method, route or UNKNOWN_ROUTE, str(status))
        series = self._series.get(labels)
        if series is None:  # cached, because the library takes a lock to look a series up
            series = self._series[labels] = self._requests.labels(*labels)
        series.observe(seconds)

    def count_refused_half(self, reason: str) -> None:
        """Count a half or a pair that makes no event. ``reason`` is the code of its error."""
        self._refused_halves.labels(reason).inc()

    def watch(self, store: str, figure: str, read: Callable[[], float]) -> None:
        """Register a figure that ``read`` returns at each scrape."""
        self._store.labels(store, figure).set_function(read)

    def watch_breaker(self, store: str, breaker: CircuitBreaker) -> None:
        """Register whether the store's circuit is open (1), and the calls it goes on with."""
        self.watch(store, "circuit_open", lambda: breaker.circuit.is_open)
        self.watch(store, "calls_abandoned", lambda: breaker.detached)

    def watch_event_loop(self, lag: EventLoopLag) -> None:
        """Register the lag of the event loop."""
        self._event_loop_lag.set_function(lag.longest)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)
