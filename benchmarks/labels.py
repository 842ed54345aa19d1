"""Labels: batches of 1,000 over HTTP against raw bulk_writes of the same.

    python -m benchmarks.labels

Raw is PyMongo in this process, on the same mongod, as durable: w=majority, j=true. It reads
nothing, decodes nothing and tells nobody what each label did. Once it writes the documents as they
come out, once the updates that let MongoDB merge them.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import httpx2
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import InsertOne, MongoClient, ReplaceOne, UpdateOne, WriteConcern

from benchmarks.started import service
from service.documents.predictions.labels.history import merge_update, to_document

BATCHES, SIZE = 20, 1000
START = datetime(2026, 1, 1, tzinfo=UTC)


def label(prediction_id: UUID, day: int) -> dict[str, Any]:
    seen = START + timedelta(days=day)
    return {
        "prediction_id": str(prediction_id),
        "label": 1,
        "observed_at": seen.isoformat(),
        "source": "lab",
    }


def observation(day: int) -> dict[str, Any]:
    seen = START + timedelta(days=day)
    return {"label": 1, "observed_at": seen, "source": "lab", "received_at": START}


def rates(send: Callable[[list[UUID], int], None]) -> Iterator[tuple[str, float]]:
    """Labels a second, at the median batch: the first of each, a second, and both again."""
    batches = [[uuid4() for _ in range(SIZE)] for _ in range(BATCHES)]
    for what, day in (("labelled", 1), ("revised", 2), ("unchanged", 2)):
        taken = []
        for ids in batches:
            began = time.perf_counter()
            send(ids, day)
            taken.append(time.perf_counter() - began)
        yield what, SIZE / median(taken)


def main() -> None:
    with service() as started:
        client = httpx2.Client(
            base_url=started.url, headers={"Authorization": f"Bearer {started.key}"}, timeout=30
        )
        mongo = MongoClient[dict[str, Any]](started.mongodb_url)
        codec: CodecOptions[dict[str, Any]] = CodecOptions(
            tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
        )
        feedback = mongo["polystore"].get_collection(
            "feedback", codec, write_concern=WriteConcern(w="majority", j=True)
        )

        def post(ids: list[UUID], day: int) -> None:
            body = json.dumps({"items": [label(each, day) for each in ids]})
            headers = {"Content-Type": "application/json"}
            answer = client.post("/labels/batch", content=body, headers=headers)
            assert answer.json()["rejected"] == 0, answer.text

        def write(ids: list[UUID], day: int) -> None:
            if day == 1:
                made = [to_document(each, [observation(1)]) for each in ids]
                feedback.bulk_write([InsertOne(each) for each in made], ordered=False)
                return
            after = [to_document(each, [observation(1), observation(2)]) for each in ids]
            feedback.bulk_write(
                [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in after],
                ordered=False,
            )

        def merge(ids: list[UUID], day: int) -> None:
            update = merge_update([observation(day)])
            updates = [UpdateOne({"_id": each}, update, upsert=True) for each in ids]
            feedback.bulk_write(updates, ordered=False)

        ours, raw, merging = (dict(rates(send)) for send in (post, write, merge))
        for what, rate in ours.items():
            print(
                f"{what:10} {rate:8,.0f} labels/s; of raw documents {rate / raw[what]:.2f}, "
                f"of raw updates {rate / merging[what]:.2f}"
            )


if __name__ == "__main__":
    main()
