"""Our own application with the one call to MongoDB taken out: the floor of our intake."""

import gc

from service.main import create_app
from service.mongo import Document
from service.predictions.log import Code, Together
from service.serve import GARBAGE


async def add(_together: Together, _document: Document) -> Code:
    return "created"


Together.add = add  # type: ignore[method-assign,assignment] # the point of it
app = create_app()
gc.collect()
gc.freeze()  # as `polystore serve` does
gc.set_threshold(*GARBAGE)
