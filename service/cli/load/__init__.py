"""``polystore load``: log the rows of a file as predictions, over HTTP.

``lines``, ``rows`` and ``parquet`` read the file; ``mapping`` decides which column is which field;
``cells``, ``times`` and ``events`` write the JSON; ``loop`` and ``sender`` send it; ``outcome``
counts it.
A row has the same ``prediction_id`` in each run, so that a second run adds nothing.
"""

from service.cli.load.command import load

__all__ = ["load"]
