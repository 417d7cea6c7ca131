"""Opening a run: check the parameters, clean up after a crashed run, take the lock, begin or resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pratique.runbook.common.parameters import refuse_unknown
from pratique.runbook.common.session import Session
from pratique.runbook.doctor.context import DoctorContext
from pratique.runbook.doctor.parameters import DoctorParameters, check_doctor_parameters
from pratique.runbook.doctor.session import DoctorSession
from pratique.runbook.recovery import end_abandoned
from pratique.runbook.registry import find_runbook
from pratique.runbook.release.context import ReleaseContext
from pratique.runbook.release.parameters import ReleaseParameters, check_release_parameters
from pratique.runbook.release.session import ReleaseSession
from pratique.runbook.rollback.context import RollbackContext
from pratique.runbook.rollback.parameters import RollbackParameters, check_rollback_parameters
from pratique.runbook.rollback.session import RollbackSession
from pratique.runbook.scheduled_job.context import JobContext
from pratique.runbook.scheduled_job.parameters import JobParameters, check_job_parameters
from pratique.runbook.scheduled_job.session import JobSession


def open_release(
    *,
    service: str,
    revision: str,
    config: str = "",
    store: str = "",
    run_id: str = "",
    stages: str | Sequence[float] = (),
    why: str = "",
    who: str = "",
    dry_run: bool = False,
    approval: str = "",
    approvals: str | Sequence[str | float] = "",
    baseline: str = "",
    deadline_min: float = 0.0,
    commit: str = "",
    incident: str = "",
) -> ReleaseSession:
    """Open the release of a revision, or resume the release with the same run id; runbooks/release.ipynb has its steps.

    The arguments are the parameters of a notebook: empty text, no stages and 0 mean the setting of the service file.
    service, revision: what to release. config: path of the service file. store: folder or URL of the store.
    run_id: name of the run, needed to resume it; "" generates one. stages: traffic of the canary in percent, ascending.
    why, who: recorded in the ledger. dry_run: list every effect and change nothing. approval: "automatic" or "ask".
    approvals: "all", or the stages approved in advance. baseline: "running" or "fresh". deadline_min: time limit of
    the whole run in minutes. commit: that the revision was made of; "" finds it in git. incident: id of the one that the release mends.
    Raises: UsageError (a parameter; another release under this run id), ConfigError,
    BusyError (who holds the service, and why).
    """
    refuse_unknown(ReleaseParameters.names())
    parameters = check_release_parameters(
        service=service,
        revision=revision,
        config=config,
        store=store,
        run_id=run_id,
        stages=stages,
        why=why,
        who=who,
        dry_run=dry_run,
        approval=approval,
        approvals=approvals,
        baseline=baseline,
        deadline_min=deadline_min,
        commit=commit,
        incident=incident,
    )
    release = ReleaseSession(ReleaseContext(parameters))
    release.context.choose_approver()
    open_session(release)
    return release


def open_rollback(
    *,
    service: str,
    revision: str = "",
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
    incident: str = "",
    drill: bool = False,
) -> RollbackSession:
    """Open a rollback to an earlier release, or resume the one with the same run id; runbooks/rollback.ipynb has its steps.

    service: the service to roll back. revision: the target; "" means the revision that served before the current one.
    config: path of the service file. store: folder or URL of the store. run_id: name of the run, needed to resume
    it; "" generates one. why, who: recorded in the ledger. dry_run: list every effect and change nothing. incident: id of the one that it ends.
    drill: whether it is an exercise, which is no failure of the release.
    Raises: UsageError (a parameter; another runbook or revision under this run id), ConfigError,
    BusyError (who holds the service, and why).
    """
    refuse_unknown(RollbackParameters.names())
    parameters = check_rollback_parameters(
        service=service,
        revision=revision,
        config=config,
        store=store,
        run_id=run_id,
        why=why,
        who=who,
        dry_run=dry_run,
        incident=incident,
        drill=drill,
        runbook=find_runbook("rollback").run_id_word,
    )
    rollback = RollbackSession(RollbackContext(parameters))
    open_session(rollback)
    return rollback


def open_job(
    *,
    job: str,
    command: str | Sequence[str] = "",
    revision: str = "",
    backoff: str = "",
    wait: bool = True,
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
) -> JobSession:
    """Open one run of a job, or resume the run with the same run id; runbooks/scheduled_job.ipynb has its steps.

    job: its name in the service file. command: in place of the job's own, as a list of words or as a shell divides text.
    revision: in place of the one that serves. backoff: "on" or "stop" holds the job back, "off" ends that. wait: for the end
    of the run. config: path of the service file. store: folder or URL of the store. run_id: name of the run, needed to
    resume it; "" generates one. why, who: recorded in the ledger. dry_run: list every effect and change nothing.
    Raises: UsageError (a parameter; no such job), ConfigError, BusyError (who holds the job, and why).
    """
    refuse_unknown(JobParameters.names())
    parameters = check_job_parameters(
        job=job,
        command=command,
        revision=revision,
        backoff=backoff,
        wait=wait,
        config=config,
        store=store,
        run_id=run_id,
        why=why,
        who=who,
        dry_run=dry_run,
        runbook=find_runbook("scheduled_job").run_id_word,
    )
    opened = JobSession(JobContext(parameters))
    open_session(opened)
    return opened


def open_doctor(
    *,
    hosts: str | Sequence[str] = (),
    only: str | Sequence[str] = (),
    skip: str | Sequence[str] = (),
    fail_on: str = "",
    compare_with: str = "",
    out: str = "",
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
) -> DoctorSession:
    """Open an examination of the hosts that run containers; runbooks/doctor.ipynb has its steps. It changes nothing on a host.

    hosts: engines; none: those of the service file. only, skip: ids of checks. fail_on: the least risk that makes the exit status 1;
    "" means that of the service file. compare_with: id of an earlier run; "" means the last one. out: folder or .html file for the page.
    config, store, run_id, why, who, dry_run: as for every runbook.
    Raises: UsageError (a parameter; another runbook under this run id), ConfigError, BusyError (who examines now).
    """
    refuse_unknown(DoctorParameters.names())
    parameters = check_doctor_parameters(
        hosts=hosts,
        only=only,
        skip=skip,
        fail_on=fail_on,
        compare_with=compare_with,
        out=out,
        config=config,
        store=store,
        run_id=run_id,
        why=why,
        who=who,
        dry_run=dry_run,
    )
    session = DoctorSession(DoctorContext(parameters))
    open_session(session)
    return session


def open_session(session: Session[Any]) -> None:
    """Open a run of any runbook: clean up after a crashed run of the same subject, then begin or resume.

    Raises: UsageError (another runbook or revision under this run id), BusyError.
    """
    context = session.context
    if session.will_run:
        end_abandoned(context.state_dir, context.subject, f"run {context.run_id!r} follows", except_run=context.run_id)
    session.open()
