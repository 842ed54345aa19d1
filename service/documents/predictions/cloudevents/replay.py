"""Read refused halves again, as after an upgrade whose reader takes more.

A refused half goes the way of one that has just arrived. So a replay that is repeated, concurrent
or cut off logs each event once.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Request

from service.documents.predictions.cloudevents.attributes import CloudEvent
from service.documents.predictions.cloudevents.finish_pairs import PairFinisher, for_any_model
from service.documents.predictions.cloudevents.identity import SIDES, identify, prediction_ids
from service.documents.predictions.cloudevents.pairing import (
    InferenceMessage,
    read_inference_message,
)
from service.documents.predictions.cloudevents.pending import (
    PairNotFound,
    PendingStore,
    refusal_of,
)
from service.documents.predictions.cloudevents.schemas import (
    HalfReplayRead,
    HalvesReplayQuery,
    HalvesReplayRead,
)
from service.documents.predictions.ingest.writer import PredictionWriter, writer_for
from service.stores.mongo.client import Document, MongoStore

MAX_SECONDS = 1.0  # of one request; a single pair may take longer


class HalfReplay:
    """Replays refused pairs for one caller; a key bound to models replays pairs of these only."""

    def __init__(self, mongo: MongoStore, writer: PredictionWriter) -> None:
        self._pending, self._caller = PendingStore(mongo), writer.caller
        self._max_event_bytes = writer.max_event_bytes
        self._pairs = PairFinisher(self._pending, for_any_model(writer, mongo), _count_nothing)

    @classmethod
    async def from_request(cls, request: Request) -> Self:
        return cls(request.state.mongo, writer_for(request))

    async def replay_all(self, query: HalvesReplayQuery) -> HalvesReplayRead:
        """Replay the refused pairs that match.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            Unavailable: MongoDB is down, hangs or is busy; replaying again is safe.
        """
        self._caller.require_model(query.model)
        began, results = time.monotonic(), list[HalfReplayRead]()
        ids = await self._pending.refused_ids(query.model, query.after, query.limit)
        last: UUID | None = None
        for last in ids:
            with suppress(PairNotFound):  # it has expired, or another replay has moved it
                results.append(await self.replay(last))
            if time.monotonic() - began > MAX_SECONDS:
                break
        is_end = len(ids) < query.limit and last == (ids[-1] if ids else None)
        return HalvesReplayRead(results=results, next_after=None if is_end else last)

    async def replay(self, pair_id: UUID) -> HalfReplayRead:
        """Replay one pair, unless it is not refused; return what it is afterwards.

        Raises:
            PairNotFound: there is none, or the caller's key is bound to other models.
            Unavailable: as :meth:`replay_all`.
        """
        pair = (await self._pending.get([pair_id])).get(pair_id)
        if pair is None or not self._caller.may_use(pair["model"]):
            raise PairNotFound
        reopened = await self._pending.reopen(pair_id)
        if reopened is not None:
            pair_id = await self._replay(reopened)
        stored = await self._pending.get([pair_id])
        if pair_id not in stored:
            raise PairNotFound
        return _to_schema(stored[pair_id])

    async def _replay(self, pair: Document) -> UUID:
        """Return the id of the pair, which is another once its names can be read.

        A pair whose place there is taken by other messages keeps its own.
        """
        pair_id: UUID = pair["_id"]
        refused = [side for side in SIDES if "refusal" in pair.get(side, {})]
        if not refused:
            if pair["state"] == "whole":
                await self._pairs.finish([pair])
            return pair_id
        messages = [await _read_again(pair[side], self._max_event_bytes) for side in refused]
        await self._pairs.add(dict(enumerate(messages)))
        new_id = messages[0].pair_id
        if new_id == pair_id or not await self._are_stored(messages):
            return pair_id
        await self._pending.remove(pair_id, {side: pair[side]["hash"] for side in refused})
        return new_id

    async def _are_stored(self, messages: Sequence[InferenceMessage]) -> bool:
        """Return whether these messages, and no others, are those of their pairs."""
        pairs = await self._pending.get({message.pair_id for message in messages})
        stored = [pairs.get(message.pair_id, {}).get(message.side, {}) for message in messages]
        hashes = [message.document["hash"] for message in messages]
        return [half.get("hash") for half in stored] == hashes


async def _read_again(half: Document, max_event_bytes: int) -> InferenceMessage:
    attributes = half["event"]
    event = CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        time=half["time"],
        media_type=attributes["media_type"],
        extensions=attributes["extensions"],
        data=half["data"],
    )
    return await read_inference_message(event, identify(event), max_event_bytes)


def _to_schema(pair: Document) -> HalfReplayRead:
    rows = pair.get("rows")
    return HalfReplayRead(
        pair_id=pair["_id"],
        state=pair["state"],
        prediction_ids=prediction_ids(pair["_id"], rows) if rows else [],
        refusal=refusal_of(pair),
    )


def _count_nothing(_code: str) -> None:
    """Count a refusal once: it was counted when the half arrived."""


Replay = Annotated[HalfReplay, Depends(HalfReplay.from_request)]
