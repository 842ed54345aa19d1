"""Our application without its one call to MongoDB: the upper limit of our intake."""

import gc

from service.cli.server import GC_THRESHOLDS
from service.documents.predictions.ingest.writer import Code, SharedWriter
from service.main import create_app
from service.stores.mongo.client import Document


async def submit(_writer: SharedWriter, _document: Document) -> Code:
    return "created"


SharedWriter.submit = submit  # type: ignore[method-assign,assignment] # replaces the call on purpose
app = create_app()
gc.collect()
gc.freeze()  # as `polystore serve` does
gc.set_threshold(*GC_THRESHOLDS)
