"""The prediction log as the tutorials write it: validate, ``insert_one``, answer."""

import os
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from pymongo import WriteConcern

client: Any = AsyncIOMotorClient(os.environ["MONGODB_URL"], uuidRepresentation="standard")
predictions = client.get_default_database("tutorial").get_collection(
    "tutorial_predictions", write_concern=WriteConcern(w="majority", j=True)
)
app = FastAPI()


class Output(BaseModel):
    label: int | str | None = None
    score: float | None = None


class Event(BaseModel):
    prediction_id: UUID
    timestamp: datetime
    model: str
    version: str
    features: dict[str, Any]
    output: Output | None = None
    latency_ms: float | None = None


@app.post("/v1/predictions", status_code=201)
async def create(event: Event) -> dict[str, Any]:
    document = event.model_dump()
    document["_id"] = document.pop("prediction_id")
    await predictions.insert_one(document)
    return {"prediction_id": event.prediction_id, "status": 201}


@app.get("/v1/predictions")
async def page(limit: int = 50, model: str = "bench") -> list[dict[str, Any]]:
    cursor = predictions.find({"model": model}).sort("timestamp", -1).limit(limit)
    found = await cursor.to_list(limit)
    return [Event(prediction_id=each.pop("_id"), **each).model_dump() for each in found]
