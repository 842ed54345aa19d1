"""Routes of products as files."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.auth.caller import needs
from service.relational.catalog.export_file import Export
from service.relational.catalog.file_format import BadHeader
from service.relational.catalog.import_file import LoadAnswer
from service.relational.catalog.schemas import ExportQuery, LoadLine, ProductCreate
from service.web.openapi import problems
from service.web.route import Route

router = APIRouter(prefix="/products", tags=["catalog"], route_class=Route)
BODY_LIMITS = {"/v1/products/import": 0}  # it is never held whole
PRODUCT = ProductCreate.model_json_schema()


@router.post(
    "/import",
    status_code=200,
    response_class=LoadAnswer,
    dependencies=[needs("catalog:write")],
    responses={200: {"model": LoadLine}, **problems(BadHeader)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": PRODUCT},
                "text/csv": {"schema": {"type": "string", "properties": {}}},
            },
        }
    },
)
async def products_import(request: Request) -> Response:
    """Makes or changes a product a line, by its sku; every 200 lines the answer gets a line."""
    return LoadAnswer(request.headers.get("content-type", ""))


@router.get(
    "/export",
    dependencies=[needs("catalog:read")],
    responses={
        200: {
            "description": "A product a line",
            "content": {"application/x-ndjson": {}, "text/csv": {}},
        },
        **problems(),
    },
)
async def products_export(query: Annotated[ExportQuery, Query()], export: Export) -> Response:
    """All products, in a form that import takes.

    In a CSV, text that a spreadsheet would take for a formula has a `'` in front, and so has one
    that begins with `'`; import takes it away.
    """
    return await export.answer(query.format)
