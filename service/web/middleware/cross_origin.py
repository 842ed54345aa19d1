"""Requests from pages of other origins (CORS), for the origins of a setting."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
EXPOSED = (
    "ETag", "Location", "Link", "X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy",
    "Idempotency-Replayed", "Complete-Until", "Content-Disposition", "Content-Range",
    "Accept-Ranges", "WWW-Authenticate", "Accept-Patch",
)  # fmt: skip


def allow_origins(app: FastAPI, origins: str) -> None:
    """Allow these origins, separated by commas; pages send tokens in a header, never cookies."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )
