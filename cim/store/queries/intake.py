"""Statements about what was handed in: uploads, and the jobs that load them."""

from typing import Any

from sqlalchemy import Delete, Insert, Select, TextClause, Update, func, select, text
from sqlalchemy.dialects.postgresql import insert

from cim.model.intake import intake, upload

UPLOADS_LOCK = 0x75706C
"""The advisory lock under which uploads are announced, loaded and deleted.

Two do not share the last room, and no job is asked for whose files are just taken away.
"""


def lock_uploads() -> TextClause:
    """Wait for others that announce, load or delete an upload, until the transaction ends."""
    return text(f"SELECT pg_advisory_xact_lock({UPLOADS_LOCK})")


def kept(owner: str, group: str) -> TextClause:
    """How much is kept: `bytes` of all, `groups` of the owner, `files` and `others` of the group.

    `others` counts files of the group that somebody else sent.
    """
    return text("""
        SELECT coalesce(sum(size), 0)::bigint AS bytes,
               (count(DISTINCT group_name) FILTER (WHERE owner = :owner))::int AS groups,
               (count(*) FILTER (WHERE group_name = :group))::int AS files,
               (count(*) FILTER (WHERE group_name = :group AND owner <> :owner))::int AS others
        FROM platform.upload""").bindparams(owner=owner, group=group)


def add_upload(
    name: str, group: str, file: str, size: int, *, owner: str, actor: str | None
) -> Insert:
    """Announce a file of somebody's, who is called `actor` now."""
    here = {"name": name, "group_name": group, "file": file, "size": size}
    return insert(upload).values(owner=owner, actor=actor, **here).returning(*upload.c)


def upload_by_name(name: str, owner: str) -> Select[Any]:
    """The upload of that name, where it is this owner's."""
    return select(*upload.c).where(upload.c.name == name, upload.c.owner == owner)


def uploads_of_group(group: str, owner: str) -> Select[Any]:
    """The uploads of a group, where they are this owner's, in order of their names."""
    mine = upload.c.group_name == group, upload.c.owner == owner
    return select(*upload.c).where(*mine).order_by(upload.c.file)


def drop_upload(name: str) -> Delete:
    """Forget an upload."""
    return upload.delete().where(upload.c.name == name)


def drop_group(group: str) -> Delete:
    """Forget the uploads of a group."""
    return upload.delete().where(upload.c.group_name == group)


def groups() -> Select[Any]:
    """Every group."""
    return select(upload.c.group_name).distinct()


def groups_past(days: float) -> TextClause:
    """Groups that nobody has needed for that many days, and that no job waits for.

    They are held for the longer of what follows the last upload and what follows the last job.
    """
    return text("""
        SELECT u.group_name FROM platform.upload u
        LEFT JOIN platform.intake i ON i.upload = u.group_name
        GROUP BY 1
        HAVING max(u.created_at) < now() - make_interval(secs => :seconds)
           AND coalesce(max(coalesce(i.finished_at, 'infinity')) FILTER (WHERE i.id IS NOT NULL),
                        '-infinity') < now() - make_interval(secs => :seconds)
        ORDER BY 1""").bindparams(seconds=days * 86400)


def forget(days: float) -> TextClause:
    """Forget jobs that ended that many days ago and whose files are gone."""
    return text("""
        DELETE FROM platform.intake i
        WHERE i.finished_at < now() - make_interval(secs => :seconds)
          AND NOT EXISTS (SELECT FROM platform.upload u WHERE u.group_name = i.upload)
        """).bindparams(seconds=days * 86400)


def jobs_of_group(group: str) -> Select[Any]:
    """Jobs that still need the files of a group."""
    needed = intake.c.upload == group, intake.c.state.in_(["waiting", "running"])
    return select(intake.c.id).where(*needed)


def add_job(*, owner: str, actor: str | None, dry_run: bool = False, **asked: Any) -> Insert:
    """Ask for a file to be loaded: its `upload` (the group), `file`, `kind` and `request`."""
    return (
        insert(intake)
        .values(owner=owner, actor=actor, dry_run=dry_run, **asked)
        .returning(*intake.c)
    )


def jobs(owner: str, limit: int) -> Select[Any]:
    """The latest jobs of an owner, newest first."""
    mine = select(*intake.c).where(intake.c.owner == owner)
    return mine.order_by(intake.c.id.desc()).limit(limit)


def job(id: int, owner: str | None = None) -> Select[Any]:
    """A job, where it is this owner's; None for whoever it is."""
    found = select(*intake.c).where(intake.c.id == id)
    return found if owner is None else found.where(intake.c.owner == owner)


def unfinished(owner: str) -> Select[Any]:
    """How many jobs of an owner wait or run."""
    mine = intake.c.owner == owner, intake.c.state.in_(["waiting", "running"])
    return select(func.count()).select_from(intake).where(*mine)


def cancel(id: int, owner: str) -> Update:
    """Ask a job to stop: one that waits has stopped, one that runs will; nothing where it ended."""
    waiting = intake.c.state == "waiting"
    now = func.now()
    return (
        intake.update()
        .where(intake.c.id == id, intake.c.owner == owner)
        .where(intake.c.state.in_(["waiting", "running"]))
        .values(
            cancelled_at=func.coalesce(intake.c.cancelled_at, now),
            state=text("CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END"),
            finished_at=text("CASE WHEN state = 'waiting' THEN now() ELSE finished_at END"),
        )
        .returning(waiting)
    )


def waiting() -> Select[Any]:
    """Jobs that wait, oldest first; a worker sees to it that each is in the queue."""
    return select(intake.c.id).where(intake.c.state == "waiting").order_by(intake.c.id)


def lost(seconds: float) -> Update:
    """Let jobs wait again whose runner gave no sign of life for that many seconds."""
    silent = text("seen_at < now() - make_interval(secs => :seconds)").bindparams(seconds=seconds)
    return (
        intake.update()
        .where(intake.c.state == "running", silent)
        .values(
            state=text("CASE WHEN cancelled_at IS NULL THEN 'waiting' ELSE 'cancelled' END"),
            finished_at=text("CASE WHEN cancelled_at IS NULL THEN NULL ELSE now() END"),
        )
        .returning(intake.c.id)
    )


def begin(id: int) -> Update:
    """Begin a job that waits or whose runner is gone; nothing where it has ended."""
    return (
        intake.update()
        .where(intake.c.id == id, intake.c.state.in_(["waiting", "running"]))
        .values(
            state="running",
            step=None,
            rows_done=None,
            rows_total=None,
            started_at=func.now(),
            seen_at=func.now(),
            attempts=intake.c.attempts + 1,
        )
        .returning(*intake.c)
    )


def seen(id: int, step: str | None, done: int | None, total: int | None) -> Update:
    """A sign of life, and how far it has come; gives back when it was asked to stop."""
    return (
        intake.update()
        .where(intake.c.id == id, intake.c.state == "running")
        .values(seen_at=func.now(), step=step, rows_done=done, rows_total=total)
        .returning(intake.c.cancelled_at)
    )


def done(id: int, report: dict[str, Any], import_id: int | None) -> Update:
    """The job has ended well."""
    values = {"state": "done", "report": report, "import_id": import_id}
    values |= {"rows_done": report["read"], "rows_total": report["read"]}
    return _end(id).values(finished_at=func.now(), **values)


def failed(id: int, en: str, zh: str) -> Update:
    """The job could load nothing; the city is as it was."""
    return _end(id).values(state="failed", error_en=en, error_zh=zh, finished_at=func.now())


def stopped(id: int) -> Update:
    """The job stopped: as it was asked to, or to be begun again by another worker."""
    asked = "cancelled_at IS NOT NULL"
    return _end(id).values(
        state=text(f"CASE WHEN {asked} THEN 'cancelled' ELSE 'waiting' END"),
        finished_at=text(f"CASE WHEN {asked} THEN now() END"),
        attempts=text(f"CASE WHEN {asked} THEN attempts ELSE greatest(attempts - 1, 0) END"),
        step=None,
    )


def _end(id: int) -> Update:
    return intake.update().where(intake.c.id == id, intake.c.state == "running")


def asked_to_stop(id: int) -> TextClause:
    """For how many seconds a running job has been asked to stop; NULL where it was not."""
    return text(
        "SELECT extract(epoch FROM clock_timestamp() - cancelled_at)::float8 "
        "FROM platform.intake WHERE id = :id AND state = 'running'"
    ).bindparams(id=id)


def overdue(id: int) -> TextClause:
    """For how many `seconds` the runner of a job should be gone, and for how many it is `running`.

    NULL where it should not, and where it has not begun yet.
    """
    return text(
        "SELECT extract(epoch FROM clock_timestamp() - CASE state WHEN 'running' "
        "THEN cancelled_at ELSE finished_at END)::float8 AS seconds, "
        "CASE state WHEN 'running' THEN extract(epoch FROM clock_timestamp() - started_at)::float8 "
        "END AS running FROM platform.intake WHERE id = :id"
    ).bindparams(id=id)


def workers(seconds: float) -> TextClause:
    """How many workers gave a sign of life within that many seconds."""
    return text(
        "SELECT count(*)::int FROM jobs.procrastinate_workers "
        "WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
    ).bindparams(seconds=seconds)
