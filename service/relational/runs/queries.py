"""Statements of runs that are prepared once, because each logged value executes one.

Each begins with the run or the experiment as the caller sees it. Keys are written in the order of
their bytes, in every transaction, so that no two wait for each other.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import EDITABLE, VISIBLE, caller_values
from service.relational.runs.tables import DELETED_AT, Run
from service.stores.sql.fast_read import PreparedQuery

_KEY = bindparam("key", type_=Uuid)


def _state(deleted_at: Any, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return the SELECT of what the caller sees: deleted or not, editable or not."""
    return select(
        *columns, deleted_at.is_not(None).label("is_deleted"), EDITABLE.label("editable")
    ).where(VISIBLE)


_RUN = PreparedQuery(
    _state(DELETED_AT, Run.id, Run.experiment_id)
    .join(Experiment, Experiment.id == Run.experiment_id)
    .where(Run.id == _KEY)
)
# FOR SHARE: it is not deleted while a run is added to it.
_EXPERIMENT = PreparedQuery(
    _state(Experiment.deleted_at, Experiment.id, Experiment.id.label("experiment_id"))
    .where(Experiment.id == _KEY)
    .with_for_update(read=True, of=Experiment)
)


def _rank(row: str) -> str:
    """Return what the latest point has most of; NaN counts as 0, as on MLflow's server."""
    return f"({row}.step, {row}.timestamp, coalesce(nullif({row}.value, 'NaN'), 0), {row}.value)"


# The parts of statements, each used by several. ``texts``: keys and values of params or tags.
# ``sent``: the points of a batch. Their arrays are hidden in a SELECT, so that the plan is the same
# for one value and a thousand, and is made once (measured: 0.35 ms of CPU a point instead of 2.1).
# ``totals``: what the points of a series add up to; a value beyond 8e304 counts as infinite in
# ``total``, because a thousand of them exceed a float. ``known``: series that exist, locked.
# ``stored``: the points of ``series``, and from those that are new the latest and the totals.
_PARTS = {
    "begin": """
    WITH run AS MATERIALIZED ({state}), target AS MATERIALIZED (
        SELECT id, experiment_id FROM run WHERE editable AND NOT is_deleted
    )""",
    "texts": """
    sent AS MATERIALIZED (
        SELECT key COLLATE "C", value
        FROM unnest((SELECT {0}::text[]), {1}::text[]) AS sent (key, value)
    )""",
    "sent": """
    sent AS MATERIALIZED (
        SELECT key COLLATE "C", timestamp, step, value
        FROM unnest((SELECT {0}::text[]), {1}::bigint[], {2}::bigint[], {3}::float8[])
            AS sent (key, timestamp, step, value)
    ), wanted AS MATERIALIZED (
        SELECT key COLLATE "C" FROM unnest((SELECT {4}::text[])) AS wanted (key)
    )""",
    "known": """
    known AS MATERIALIZED (
        SELECT m.id, m.key FROM target CROSS JOIN wanted
        JOIN run_metrics m ON m.run_id = target.id AND m.key = wanted.key
        WHERE (SELECT locks FROM missing) ORDER BY m.key FOR NO KEY UPDATE OF m
    )""",
    "stored": """
    points AS (
        INSERT INTO metric_points (metric_id, timestamp, step, value)
        SELECT series.id, sent.timestamp, sent.step, sent.value
        FROM sent JOIN series USING (key) ORDER BY series.id, sent.timestamp, sent.step
        ON CONFLICT DO NOTHING RETURNING metric_id AS series, timestamp, step, value
    ), changed AS (
        UPDATE run_metrics m SET {latest}, count = m.count + s.count,
            total = CASE
                WHEN greatest(abs(m.total), abs(s.total)) BETWEEN 8e307 AND 1.7976931348623157e308
                THEN CASE WHEN abs(m.total) > abs(s.total) THEN m.total ELSE s.total END
                    * 'Infinity'
                ELSE m.total + s.total END,
            least = least(m.least, s.least), greatest = greatest(m.greatest, s.greatest)
        FROM ({totals} points {last}) AS s WHERE m.id = s.series
    )""",
    "totals": """
        SELECT DISTINCT ON (series) *,
            count(*) FILTER (WHERE value <> 'NaN') OVER of_series AS count,
            coalesce(
                sum(CASE WHEN abs(value) < 8e304 THEN value ELSE sign(value) * 'Infinity' END)
                FILTER (WHERE value <> 'NaN') OVER of_series, 0) AS total,
            min(value) FILTER (WHERE value <> 'NaN') OVER of_series AS least,
            max(value) FILTER (WHERE value <> 'NaN') OVER of_series AS greatest
        FROM""",
    "last": """
        WINDOW of_series AS (PARTITION BY series)
        ORDER BY series, step DESC, timestamp DESC, coalesce(nullif(value, 'NaN'), 0) DESC,
            value DESC""",
    "latest": ", ".join(
        f"{name} = CASE WHEN {_rank('s')} > {_rank('m')} THEN s.{name} ELSE m.{name} END"
        for name in ("step", "timestamp", "value")
    ),
}


class Statement:
    """SQL over ``run``: id, experiment_id, is_deleted and editable of what the caller sees.

    ``target`` has its ids if it takes writes. ``{0}``, ``{1}`` … stand for the arguments, names in
    braces for the parts above.
    """

    def __init__(self, text: str, state: PreparedQuery = _RUN) -> None:
        self._state = state
        text = "{begin}, " + text
        for name, part in {**_PARTS, "state": state.text}.items():
            text = text.replace("{" + name + "}", part)
        places = range(len(state.names) + 1, 12)
        self.text = text.format(*(f"${place}" for place in places))

    async def row(
        self, session: AsyncSession, caller: Caller, key: UUID, *arguments: Any
    ) -> Mapping[str, Any] | None:
        """Return the one row; None if the caller sees no run, or experiment, of this id.

        SQLAlchemy passes the text to the driver, in the session's transaction.
        """
        values = self._state.arguments({"key": key, **caller_values(caller)})
        connection = await session.connection()
        result = await connection.exec_driver_sql(self.text, (*values, *arguments))
        row = result.one_or_none()
        return None if row is None else row._asdict()


# Arguments: id, name, user_name or None, started_at or None, keys and values of tags, caller.
ADD_RUN = Statement(
    """
    made AS (
        INSERT INTO runs (id, experiment_id, name, user_name, status, started_at)
        SELECT {0}::uuid, target.id, {1}::text,
            coalesce({2}::text, (SELECT username FROM users WHERE users.id = {6}::uuid), ''),
            'RUNNING', coalesce({3}::timestamptz, now())
        FROM target RETURNING *
    ), tags AS (
        INSERT INTO run_tags (run_id, experiment_id, key, value)
        SELECT made.id, made.experiment_id, sent.key, sent.value
        FROM made CROSS JOIN unnest({4}::text[], {5}::text[]) AS sent (key, value)
    )
    SELECT run.is_deleted, run.editable, made.* FROM run LEFT JOIN made ON true
    """,
    state=_EXPERIMENT,
)
ADD_PARAMS = Statement("""{texts}, made AS (
        INSERT INTO run_params (run_id, experiment_id, key, value)
        SELECT target.id, target.experiment_id, sent.key, sent.value
        FROM target CROSS JOIN sent ORDER BY sent.key ON CONFLICT DO NOTHING RETURNING key
    )
    SELECT run.*, (SELECT count(*) FROM made) AS made FROM run
""")
# After ADD_PARAMS, whose snapshot does not show what others inserted meanwhile.
CHANGED_PARAMS = Statement("""{texts}
    SELECT run.*, ARRAY(
        SELECT sent.key FROM sent JOIN run_params p ON p.run_id = run.id AND p.key = sent.key
        WHERE p.value <> sent.value ORDER BY sent.key
    ) AS changed FROM run
""")
PUT_TAGS = Statement("""{texts}, made AS (
        INSERT INTO run_tags AS t (run_id, experiment_id, key, value)
        SELECT target.id, target.experiment_id, sent.key, sent.value
        FROM target CROSS JOIN sent ORDER BY sent.key
        ON CONFLICT (run_id, key) DO UPDATE SET value = EXCLUDED.value
        WHERE t.value <> EXCLUDED.value RETURNING key
    )
    SELECT run.*, (SELECT count(*) FROM made) AS made FROM run
""")
REMOVE_TAG = Statement("""removed AS (
        DELETE FROM run_tags t USING target WHERE t.run_id = target.id AND t.key = {0}::text
        RETURNING key
    )
    SELECT run.*, (SELECT count(*) FROM removed) AS made FROM run
""")
RENAME = Statement("""renamed AS (
        UPDATE runs SET name = {0}::text, version = version + 1, updated_at = now() FROM target
        WHERE runs.id = target.id AND name <> {0}::text RETURNING name
    )
    SELECT run.*, (SELECT count(*) FROM renamed) AS made FROM run
""")
# Where all series are there, which is nearly always; else it locks none of them, but what makes
# series: the next statement has a snapshot that shows what others have made.
ADD_POINTS = Statement("""
    {sent}, missing AS MATERIALIZED (
        SELECT count(*) = (SELECT count(*) FROM wanted) AS locks FROM target CROSS JOIN wanted
        JOIN run_metrics m ON m.run_id = target.id AND m.key = wanted.key
    ), {known}, series AS (TABLE known), {stored}
    SELECT run.*, (SELECT count(*) FROM known) AS found, (SELECT count(*) FROM points) AS made,
        CASE WHEN target.id IS NOT NULL AND NOT (SELECT locks FROM missing)
        THEN pg_advisory_xact_lock(hashtextextended(run.id::text, 0)) END
    FROM run LEFT JOIN target USING (id)
""")
MAKE_SERIES = Statement("""
    missing AS (SELECT true AS locks), {sent}, {known}, fresh AS MATERIALIZED (
        SELECT DISTINCT key AS series, timestamp, step, value FROM sent
        WHERE key NOT IN (SELECT key FROM known)
    ), created AS (
        INSERT INTO run_metrics (run_id, experiment_id, key, step, timestamp, value, count, total,
            least, greatest)
        SELECT target.id, target.experiment_id, s.series, s.step, s.timestamp, s.value, s.count,
            s.total, s.least, s.greatest
        FROM target, ({totals} fresh {last}) AS s ORDER BY s.series
        RETURNING id, key
    ), series AS (TABLE known UNION ALL TABLE created), {stored}
    SELECT run.*, (SELECT count(*) FROM series) AS found, (SELECT count(*) FROM points) AS made
    FROM run
""")
