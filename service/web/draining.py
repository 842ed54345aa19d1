"""How a process leaves: /readyz and the middleware read it from the state of each request."""

from dataclasses import dataclass


@dataclass
class Draining:
    """Set by the server before it stops; see :class:`service.cli.server.Server`."""

    not_ready: bool = False
    """/readyz answers 503, so that a load balancer sends its requests elsewhere."""
    closes_connections: bool = False
    """Each response has ``Connection: close``, so that clients connect elsewhere."""
