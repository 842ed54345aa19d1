"""``GET /``: the addresses of the service, as JSON for clients and as a page for browsers."""

import re
from collections.abc import Iterable
from html import escape

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import RouteContext, iter_route_contexts

from service.auth.caller import PUBLIC
from service.web.negotiation import weight_of_type
from service.web.openapi import problems
from service.web.pages.documentation import hash_source
from service.web.route import Route
from service.web.schemas import ResponseModel

_COLLECTION = re.compile(r"/v1/[a-z_]+")
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}"
    "code{font-size:1rem}li{margin:.25rem 0}"
)
_HEADERS = {"Vary": "Accept"}
_PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": f"default-src 'none'; style-src {hash_source(_STYLE)}; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class Health(ResponseModel):
    live: str
    ready: str
    metrics: str


class Welcome(ResponseModel):
    """The addresses of the service; those of the documentation are null if it is switched off."""

    service: str
    version: str
    docs: str | None
    redoc: str | None
    openapi: str | None
    health: Health
    collections: dict[str, str]


router = APIRouter(tags=["health"], route_class=Route)


@router.get(
    "/",
    dependencies=[PUBLIC],
    response_model=Welcome,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems()},
)
async def welcome(request: Request) -> Response:
    """Return the addresses of the service: a page if `Accept` prefers `text/html`, else JSON."""
    addresses = _addresses(request.app, request.scope.get("root_path", ""))
    accepted = request.headers.get("accept", "*/*")
    if weight_of_type(accepted, "text/html") > weight_of_type(accepted, "application/json"):
        return Response(_page(addresses), headers=_PAGE_HEADERS, media_type="text/html")
    return Response(addresses.model_dump_json(), headers=_HEADERS, media_type="application/json")


def _addresses(app: FastAPI, prefix: str) -> Welcome:
    contexts = iter_route_contexts(app.routes)
    routes = {str(context.path): context for context in contexts if _reads(context)}
    known = {path: f"{prefix}{path}" for path in sorted(routes)}
    return Welcome(
        service=app.title,
        version=app.version,
        docs=known.get("/docs"),
        redoc=known.get("/redoc"),
        openapi=known.get("/openapi.json"),
        health=Health(live=known["/livez"], ready=known["/readyz"], metrics=known["/metrics"]),
        collections={
            path.removeprefix("/v1/"): known[path]
            for path in known
            if _COLLECTION.fullmatch(path) and _is_list(routes[path])
        },
    )


def _reads(context: RouteContext) -> bool:
    return "GET" in (context.methods or ())


def _is_list(context: RouteContext) -> bool:
    return "items" in getattr(getattr(context, "response_model", None), "model_fields", ())


def _page(addresses: Welcome) -> str:
    documentation = [
        ("Try the API in the browser", addresses.docs),
        ("Read the reference", addresses.redoc),
        ("OpenAPI document", addresses.openapi),
    ]
    health = [
        ("The process runs", addresses.health.live),
        ("Both stores work", addresses.health.ready),
    ]
    title = escape(addresses.service)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title} {escape(addresses.version)}</h1>"
        "<p>Rows in PostgreSQL, documents and prediction logs in MongoDB.</p>"
        f"{_section('Documentation', documentation)}{_section('Health', health)}"
        f"{_section('Collections', addresses.collections.items())}"
        "<p>Collections need a token, which <code>Authorization: Bearer</code> carries.</p>"
        "</main></body></html>"
    )


def _section(title: str, links: Iterable[tuple[str, str | None]]) -> str:
    items = [
        f'<li><a href="{escape(address)}">{escape(text)}</a>: <code>{escape(address)}</code></li>'
        for text, address in links
        if address is not None
    ]
    return f"<h2>{title}</h2><ul>{''.join(items)}</ul>" if items else ""
