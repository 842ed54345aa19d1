"""``polystore halves``: requests and responses of model servers that were refused."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from pydantic import SecretStr

from service.auth.caller import Caller
from service.cli.output import AsJson, CommandFailed, report, report_errors
from service.cli.retention import TIMEOUTS
from service.cli.stores import open_store
from service.core.errors import ServiceError
from service.documents.predictions.cloudevents.replay import HalfReplay
from service.documents.predictions.cloudevents.schemas import HalvesReplayQuery
from service.documents.predictions.ingest.writer import PredictionWriter, SharedWriter
from service.documents.retention.rule_cache import RetentionRuleCache
from service.settings import Settings
from service.stores.mongo.client import MongoStore, open_mongo

halves_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
MAX_SHOWN = 10  # reasons, the most frequent first


class ReplayFailed(CommandFailed):
    """MongoDB did not respond."""


@halves_app.callback()
def halves() -> None:
    """Make `replay` a command of this group, although it is the only one."""


@halves_app.command("replay")
def replay(
    *,
    model: Annotated[str | None, typer.Option(help="Only the halves of this model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read refused halves again, as after an upgrade that takes more.

    It may run beside the traffic, and be interrupted and repeated: each event is logged once.

    Example: `polystore halves replay --model churn`
    """
    with report_errors(), open_store(Settings(), "mongodb_url") as url:
        settings = Settings().model_copy(update={"mongodb_url": SecretStr(url), **TIMEOUTS})
        try:
            states, reasons = asyncio.run(_replay(settings, model))
        except ServiceError as error:
            raise ReplayFailed(
                f"{error.message} What was replayed remains; run it again."
            ) from error
        result = {name: states[name] for name in ("logged", "waiting", "refused")}
        shown = [f"  {count:,} x {reason}" for reason, count in reasons.most_common(MAX_SHOWN)]
        report({**result, "reasons": dict(reasons)}, [_summary(states), *shown], as_json=as_json)


async def _replay(settings: Settings, model: str | None) -> tuple[Counter[str], Counter[str]]:
    """Return how many pairs have each state afterwards, and each reason."""
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    async with open_mongo(settings) as mongo:
        shared_writer = SharedWriter(mongo)
        pairs = _replay_of(mongo, shared_writer, settings)
        query = HalvesReplayQuery(model=model)
        while True:
            replayed = await pairs.replay_all(query)
            states.update(pair.state for pair in replayed.results)
            reasons.update(pair.refusal.code for pair in replayed.results if pair.refusal)
            if replayed.next_after is None:
                await shared_writer.drain()
                return states, reasons
            query = HalvesReplayQuery(model=model, after=replayed.next_after)


def _replay_of(mongo: MongoStore, shared_writer: SharedWriter, settings: Settings) -> HalfReplay:
    rules = RetentionRuleCache(mongo, settings.retention_days)
    writer = PredictionWriter(mongo, Caller(), shared_writer, rules, settings.max_event_bytes)
    return HalfReplay(mongo, writer)


def _summary(states: Counter[str]) -> str:
    return (
        f"{states.total():,} refused pairs read again: {states['logged']:,} are events now, "
        f"{states['waiting']:,} wait for a message, {states['refused']:,} are still refused."
    )
