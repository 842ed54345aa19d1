"""Takes CloudEvents in: events of ours, and requests and responses that become events together.

The order is what makes it safe: a half is durable before anything else, the events of a pair are
written before the pair says so, and their ids come of the pair's. Whatever is sent or done again
therefore ends in the same events, once.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import Raw, Struct

from service.auth.caller import Caller
from service.core.errors import FieldError, OutcomeUnknown, Refused, ServiceError, UnsupportedMedia
from service.documents.predictions.cloudevents.envelope import CloudEvent, faulty, is_json
from service.documents.predictions.cloudevents.pairing import (
    NAMESPACE,
    SIDES,
    Half,
    check_half,
    events_of,
    half_of,
    ids_of,
)
from service.documents.predictions.cloudevents.pending import (
    HalfConflict,
    HalfLog,
    PairRefused,
    Settled,
)
from service.documents.predictions.errors import ModelForbidden, PredictionConflict
from service.documents.predictions.ingest.decode import Rejected, decode_event, has_escaped_nul
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import BAD_REQUESTS, ingest
from service.documents.predictions.ingest.schemas import IntakeResult
from service.documents.predictions.ingest.writer import Log, PredictionWriter
from service.stores.mongo.client import Document, MongoStoreDep, now
from service.web.context import provided

T = TypeVar("T")
PREDICTION = "org.polystore.prediction"
PAIRS_AT_ONCE, SECONDS_BETWEEN_ROUNDS = 4, 10.0
MUCH = 65_536


class Taken(Struct, omit_defaults=True):
    """What became of one CloudEvent that was taken; see :class:`CloudEventRead`."""

    id: str
    status: int
    code: str
    prediction_ids: list[UUID] = []


Told = Taken | ServiceError


class _Rounds:
    """When this process last looked for pairs that somebody died over."""

    last = float("-inf")

    def due(self) -> bool:
        if time.monotonic() - self.last < SECONDS_BETWEEN_ROUNDS:
            return False
        self.last = time.monotonic()
        return True


ROUNDS = _Rounds()


class Intake:
    """What a request brings, taken in."""

    def __init__(self, mongo: MongoStoreDep, log: Log, halves: HalfLog) -> None:
        self._log, self._halves = log, halves
        # Who sent the halves of a pair was allowed to; who finishes it may be somebody else.
        self._pairs = PredictionWriter(mongo, Caller(), log.shared_writer, log.retention)

    async def take(self, events: Sequence[CloudEvent | ServiceError]) -> list[Told]:
        """What became of each, in their order.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy; sending all of them again is safe.
        """
        told: dict[int, Told] = {}
        own: dict[int, tuple[CloudEvent, Event | Rejected]] = {}
        halves: dict[int, Half] = {}
        for place, event in enumerate(events):
            try:
                if isinstance(event, ServiceError):
                    raise event
                if event.type in SIDES:
                    halves[place] = await self._half(event)
                else:
                    own[place] = (event, _own(event))
            except ServiceError as refusal:
                told[place] = refusal
            await asyncio.sleep(0)
        told |= await self._log_own(own)
        told |= await self._join(halves)
        return [told[place] for place in range(len(events))]

    # -- events of ours ----------------------------------------------------------------------------

    async def _log_own(
        self, own: dict[int, tuple[CloudEvent, Event | Rejected]]
    ) -> dict[int, Told]:
        suspicious = any(has_escaped_nul(event.data) for event, _ in own.values())
        results = await ingest(
            self._log, [decoded for _, decoded in own.values()], suspicious=suspicious
        )
        return {
            place: _told(event.id, result)
            for (place, (event, _)), result in zip(own.items(), results, strict=True)
        }

    # -- halves ------------------------------------------------------------------------------------

    async def _half(self, event: CloudEvent) -> Half:
        half, read = await _apart(len(event.data), lambda: half_of(event, now()))
        if not self._log.caller.may_use(half.model):
            raise ModelForbidden(errors=[_at("/inferenceservicename", ModelForbidden())])
        await check_half(half, read)
        return half

    async def _join(self, halves: dict[int, Half]) -> dict[int, Told]:
        if not halves:
            return {}
        pairs = await self._halves.put(list(halves.values()))
        whole = [pair for pair in pairs.values() if pair["state"] == "whole"]
        finished = await self._finish(whole)
        others = {pair["_id"] for pair in whole} - finished.keys()
        if others:  # somebody else has finished them in this moment
            pairs = {each: pairs[each] for each in pairs.keys() - others}
            pairs |= await self._halves.again(others)
        if ROUNDS.due():
            with suppress(ServiceError):  # somebody else's pairs, which stay where they are
                await self._finish(await self._halves.left_whole())
        return {
            place: _became(half, pairs.get(half.pair_id), finished)
            for place, half in halves.items()
        }

    async def _finish(self, whole: Sequence[Document]) -> dict[UUID, Settled]:
        """Makes events of pairs, a few at a time: each may hold two bodies of the largest size."""
        done: dict[UUID, Settled] = {}
        for start in range(0, len(whole), PAIRS_AT_ONCE):
            pairs = await self._halves.with_data(whole[start : start + PAIRS_AT_ONCE])
            settled = [await self._log_pair(pair) for pair in pairs]
            await self._halves.settle(settled)
            done |= {each.pair_id: each for each in settled}
        return done

    async def _log_pair(self, pair: Document) -> Settled:
        try:
            size = sum(len(pair[side]["data"]) for side in SIDES.values())
            events = await _apart(size, lambda: events_of(pair))
        except ServiceError as refusal:
            return Settled(pair["_id"], 0, "refused", _at("", refusal))
        results = await ingest(self._pairs, events, suspicious=True)
        for result in results:
            if result.code == "conflict":
                return Settled(pair["_id"], 0, "refused", _at("/id", PredictionConflict()))
            if result.code == "rejected":
                return Settled(pair["_id"], 0, "refused", result.errors[0])
        new = any(result.code == "created" for result in results)
        return Settled(pair["_id"], len(results), "created" if new else "duplicate")


async def _apart(size: int, work: Callable[[], T]) -> T:
    """In a thread where it is much: 5 MiB of numbers take a quarter of a second to read."""
    return work() if size < MUCH else await asyncio.to_thread(work)


def _became(half: Half, pair: Document | None, finished: dict[UUID, Settled]) -> Told:
    kept = None if pair is None else pair.get(half.side)
    if pair is None or kept is None:
        return OutcomeUnknown("Its pair has just run out; send it again.")
    if kept["hash"] != half.kept["hash"]:
        return HalfConflict()
    settled = finished.get(half.pair_id)
    if settled is not None and settled.refusal is None:
        status = 201 if settled.code == "created" else 200
        return Taken(half.event_id, status, settled.code, ids_of(half.pair_id, settled.rows))
    if pair["state"] == "waiting":
        return Taken(half.event_id, 202, "waiting")
    refusal = pair.get("refusal") if settled is None else settled.refusal
    if refusal is not None:
        return (
            PredictionConflict() if refusal["code"] == "conflict" else PairRefused(errors=[refusal])
        )
    rows = pair.get("rows")
    return Taken(half.event_id, 200, "duplicate", ids_of(half.pair_id, rows) if rows else [])


def _own(event: CloudEvent) -> Event | Rejected:
    """An event of ours; its id is that of the data, else the CloudEvent's, else made of it."""
    if event.type != PREDICTION:
        raise faulty("/type", f"It is {PREDICTION}, or one of {', '.join(SIDES)}.", "unknown_type")
    if not is_json(event.media_type):
        raise UnsupportedMedia("The data of this type is JSON.")
    try:
        fields = msgspec.json.decode(event.data, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_event(event.data)  # which says what is wrong with it
    if "prediction_id" in fields:
        return decode_event(event.data)
    return decode_event(msgspec.json.encode({"prediction_id": _id_of(event), **fields}))


def _id_of(event: CloudEvent) -> UUID:
    """Source and id name a CloudEvent; so one that comes again is a duplicate."""
    try:
        return UUID(event.id)
    except ValueError:
        return uuid5(NAMESPACE, f"{event.source}\n{event.id}")


def _told(event_id: str, result: IntakeResult) -> Told:
    if result.code == "conflict":
        return PredictionConflict()
    if result.code != "rejected":
        ids = [] if result.prediction_id is None else [result.prediction_id]
        return Taken(event_id, result.status, result.code, ids)
    (fault,) = result.errors
    placed = FieldError(
        pointer=f"/data{fault['pointer']}", code=fault["code"], detail=fault["detail"]
    )
    if result.status == ModelForbidden.status:
        return ModelForbidden(errors=[placed])
    kind = BAD_REQUESTS.get(fault["code"], Refused)
    return kind("See errors: each names its place in the event.", errors=[placed])


def _at(pointer: str, refusal: ServiceError) -> FieldError:
    return FieldError(pointer=pointer, code=refusal.code, detail=refusal.message)


CloudEvents = Annotated[Intake, provided(Intake)]
