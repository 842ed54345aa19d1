"""Routes of products as files."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.auth.caller import needs
from service.relational.catalog.export_file import ProductExportDep
from service.relational.catalog.file_format import BadHeader
from service.relational.catalog.file_schemas import ExportQuery, LoadLine, ProductLine
from service.relational.catalog.import_file import ProductImportResponse
from service.relational.catalog.schemas import EXAMPLE
from service.web.bodies.decompress import InvalidEncoding
from service.web.bodies.ndjson import NDJSON
from service.web.openapi import lines_body, lines_content, problems, struct_schemas
from service.web.route import Route

router = APIRouter(prefix="/products", tags=["catalog"], route_class=Route)
BODY_LIMITS = {"/v1/products/import": 0}  # none, because the body is read line by line
SCHEMAS = struct_schemas(LoadLine)
PRODUCT = ProductLine.model_json_schema()


@router.post(
    "/import",
    status_code=200,
    response_class=ProductImportResponse,
    dependencies=[needs("catalog:write")],
    responses={
        200: lines_content(LoadLine, "One line per at most 200 records of the file"),
        **problems(BadHeader, InvalidEncoding),
    },
    openapi_extra=lines_body(PRODUCT, EXAMPLE),
)
async def products_import(request: Request) -> Response:
    """Create or change one product per line, by its sku; report after 200 records at most.

    The body is NDJSON, or a CSV with `Content-Type: text/csv`. Fields and columns that are absent
    stay as they are. The body may be compressed
    (`Content-Encoding: gzip` or `zstd`). A CSV is delimited by commas, semicolons or tabs, as its
    header is, in the charset of its Content-Type, else UTF-8. Its columns have the names of the
    fields, in any case; others are reported as `ignored_columns`. An empty cell is an empty
    `description`, a `category_id` of null, and no value of `stock` and `version`. A record that
    cannot be read is reported with its line, and costs no other.
    """
    return ProductImportResponse(request.headers.get("content-type", ""))


@router.get(
    "/export",
    response_class=Response,  # else application/json is declared too
    dependencies=[needs("catalog:read")],
    responses={
        200: {
            "description": "One product per line",
            "content": {
                NDJSON: {"schema": PRODUCT},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **problems(),
    },
)
async def products_export(
    query: Annotated[ExportQuery, Query()], products: ProductExportDep
) -> Response:
    """Export all products in a format that import accepts.

    If the export cannot be completed, the connection is cut. In a CSV, a text that a spreadsheet
    would take for a formula, or that begins with `'`, has a `'` in front; import removes it.
    """
    return products.export(query)
