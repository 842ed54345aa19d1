"""Expand and contract: how a migration gets along with the release before.

Each migration declares ``PHASE``. ``"expand"`` adds, and the release before works on.
``"contract"`` removes or tightens what the release before uses. Its ``upgrade()`` begins with
``refuse_while_older_processes_run(revision)``. A release applies its contract step after the
processes of the release before have ended; until then its own are ready without it.
"""

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

EXPAND, CONTRACT = "expand", "contract"
SECONDS_UNTIL_GONE = 60
_OLDER = text(f"""
    SELECT host || ' process ' || pid FROM service_processes
    WHERE schema_head = ANY(:older)
      AND reported_at > clock_timestamp() - interval '{SECONDS_UNTIL_GONE} s'
    ORDER BY reported_at DESC LIMIT 5
""")  # noqa: S608 - a constant


class OlderProcesses(CommandError):
    """Processes that need what a contract migration removes are running."""


def refuse_while_older_processes_run(revision: str) -> None:
    """Raise OlderProcesses while a registered process needs the schema before ``revision``.

    It locks the table of processes, so that none registers until the migration has ended.
    """
    if context.is_offline_mode():
        op.execute("-- Run this when no process of the release before is left.")
        return
    connection = op.get_bind()
    connection.execute(text("LOCK TABLE service_processes IN SHARE MODE"))
    older = [script.revision for script in context.script.iterate_revisions(revision, "base")]
    older.remove(revision)
    running = list(connection.scalars(_OLDER, {"older": older}))
    if running:
        raise OlderProcesses(
            f"{revision} removes what older processes use, and these run: {', '.join(running)}. "
            "Stop them, then run it again"
        )
