"""Measure batches of 1,000 labels over HTTP as a share of PyMongo's bulk_write of the same.

    python -m benchmarks.labels [--rounds 20] [--json]

The raw writes are PyMongo in this process, on the same mongod, equally durable (w=majority,
j=true). They read nothing, decode nothing and return no result per label. ``to_documents``: writes
of the finished documents. ``to_updates``: updates that let MongoDB merge them.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import InsertOne, MongoClient, ReplaceOne, UpdateOne, WriteConcern
from pymongo.collection import Collection

from benchmarks.command_line import option_parser, print_rows
from benchmarks.running_service import RunningService, running_service
from service.documents.predictions.labels.history import merge_update
from service.documents.predictions.reading.feedback import to_document

BATCH = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)
Send = Callable[[list[UUID], int], None]


def label(prediction_id: UUID, day: int) -> dict[str, Any]:
    return {
        "prediction_id": str(prediction_id),
        "label": 1,
        "observed_at": (START + timedelta(days=day)).isoformat(),
        "source": "lab",
    }


def observation(day: int) -> dict[str, Any]:
    observed_at = START + timedelta(days=day)
    return {"label": 1, "observed_at": observed_at, "source": "lab", "received_at": START}


def labels_per_second(send: Send, batches: int) -> dict[str, float]:
    """Return the rates of the median batch: first labels, second labels, the second ones again."""
    ids = [[uuid4() for _ in range(BATCH)] for _ in range(batches)]
    rates = {}
    for what, day in (("labelled", 1), ("revised", 2), ("unchanged", 2)):
        durations = []
        for batch in ids:
            start = time.perf_counter()
            send(batch, day)
            durations.append(time.perf_counter() - start)
        rates[what] = BATCH / median(durations)
    return rates


def over_http(service: RunningService) -> Send:
    client = service.client()

    def send(ids: list[UUID], day: int) -> None:
        body = json.dumps({"items": [label(prediction_id, day) for prediction_id in ids]})
        headers = {"Content-Type": "application/json"}
        response = client.post("/labels/batch", content=body, headers=headers)
        assert response.json()["rejected"] == 0, response.text

    return send


def as_documents(feedback: Collection[dict[str, Any]]) -> Send:
    def send(ids: list[UUID], day: int) -> None:
        history = [observation(number) for number in range(1, day + 1)]
        documents = [to_document(prediction_id, history) for prediction_id in ids]
        if day == 1:
            feedback.bulk_write([InsertOne(document) for document in documents], ordered=False)
            return
        replacements = [
            ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents
        ]
        feedback.bulk_write(replacements, ordered=False)

    return send


def as_updates(feedback: Collection[dict[str, Any]]) -> Send:
    def send(ids: list[UUID], day: int) -> None:
        update = merge_update([observation(day)])
        updates = [UpdateOne({"_id": prediction_id}, update, upsert=True) for prediction_id in ids]
        feedback.bulk_write(updates, ordered=False)

    return send


def main() -> None:
    options = option_parser(__doc__, rounds=20).parse_args()
    with running_service() as service:
        mongo = MongoClient[dict[str, Any]](service.mongodb_url)
        codec: CodecOptions[dict[str, Any]] = CodecOptions(
            tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
        )
        feedback = mongo["polystore"].get_collection(
            "feedback", codec, write_concern=WriteConcern(w="majority", j=True)
        )
        senders = (over_http(service), as_documents(feedback), as_updates(feedback))
        ours, documents, updates = (labels_per_second(send, options.rounds) for send in senders)
    rows = [
        {
            "what": what,
            "per_second": rate,
            "to_documents": rate / documents[what],
            "to_updates": rate / updates[what],
        }
        for what, rate in ours.items()
    ]
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
