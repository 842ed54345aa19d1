"""/openapi.json, and /docs and /redoc with scripts and styles of our own address.

Swagger UI and ReDoc come with the package fastapi-offline. The pages load their files and the
document by relative addresses, which hold below the prefix of a proxy; requests that are tried out
go to the `servers` of the document. ReDoc's logo of another host is blocked by the policy.
"""

import base64
import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

import fastapi_offline
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse
from starlette.types import Scope
from typing_extensions import override

from service.web.conditional import JsonResource, ReplyBuilder

ASSETS = "docs/assets"
_ASSETS_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_SWAGGER_UI = {
    "persistAuthorization": True,
    "docExpansion": "none",
    "filter": True,
    "validatorUrl": None,  # a service of others, which would get the document
}


class _Assets(StaticFiles):
    """Files that a browser keeps for a day, and then asks for again with their ETag.

    They are not compressed, because each time would take 20 to 50 ms (measured) for anybody.
    """

    @override
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=86400, no-transform"
        response.headers["Accept-Ranges"] = "none"
        return response


def add_documentation(app: FastAPI) -> None:
    """Add the document, both pages and their files."""
    _add_document(app)
    icon = f"{ASSETS}/favicon.png"
    swagger_ui = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{app.title}: Swagger UI",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=icon,
        swagger_ui_parameters=_SWAGGER_UI,
    )
    redoc = get_redoc_html(
        openapi_url="openapi.json",
        title=f"{app.title}: ReDoc",
        redoc_js_url=f"{ASSETS}/redoc.standalone.js",
        redoc_favicon_url=icon,
        with_google_fonts=False,
    )
    # ReDoc writes its styles into the page, and searches in a worker that it makes from text.
    _add_page(app, "/docs", swagger_ui, "style-src 'self'")
    _add_page(app, "/redoc", redoc, "style-src 'unsafe-inline'; worker-src blob:")
    assets = _Assets(directory=_ASSETS_FOLDER)

    async def answer_file(request: Request) -> Response:
        headers = request.scope["headers"]
        request.scope["headers"] = [header for header in headers if header[0] != b"range"]
        return await assets.get_response(request.path_params["name"], request.scope)

    app.add_route(f"/{ASSETS}/{{name}}", answer_file, include_in_schema=False)


def _add_document(app: FastAPI) -> None:
    @lru_cache(4)  # of one address, unless a proxy sends several prefixes
    def written(prefix: str) -> JsonResource:
        document = app.openapi()
        if prefix:
            document = {**document, "servers": [{"url": prefix}, *document.get("servers", [])]}
        text = msgspec.json.encode(document).decode()
        return JsonResource(hashlib.sha256(text.encode()).hexdigest()[:16], text)

    async def answer(request: Request) -> Response:
        reply = ReplyBuilder(request, Response(), request.headers.get("if-none-match"))
        return reply.ok_json(written(request.scope.get("root_path", "").rstrip("/")))

    app.add_route("/openapi.json", answer, include_in_schema=False)


def _add_page(app: FastAPI, path: str, page: HTMLResponse, also: str) -> None:
    html = bytes(page.body)
    hashes = "".join(f" {hash_source(text)}" for text in _INLINE_SCRIPT.findall(html.decode()))
    policy = (
        f"default-src 'none'; script-src 'self'{hashes}; {also}; "
        "img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    async def answer(_request: Request) -> Response:
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    app.add_route(path, answer, include_in_schema=False)


def hash_source(text: str) -> str:
    """Return the source of a Content-Security-Policy that permits this inline script or style."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
