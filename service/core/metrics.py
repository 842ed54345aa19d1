"""Metrics for Prometheus. Each application has its own registry, so that two never mix."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNKNOWN_ROUTE = "unknown"


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "polystore_http_request_seconds",
            "Time to answer, by route template",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._series: dict[tuple[str, str, str], Histogram] = {}
        self._store = Gauge(
            "polystore_store",
            "Figures of a store's connections: what they are is in the label `figure`",
            ("store", "figure"),
            registry=self._registry,
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Observe a request. ``route`` is its template, because paths have too many values."""
        labels = (method, route or UNKNOWN_ROUTE, str(status))
        series = self._series.get(labels)
        if series is None:  # the library takes a lock for each look-up
            series = self._series[labels] = self._requests.labels(*labels)
        series.observe(seconds)

    def watch(self, store: str, figure: str, read: Callable[[], float]) -> None:
        """Register a figure that is read at each scrape."""
        self._store.labels(store, figure).set_function(read)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
