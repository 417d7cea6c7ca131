"""What our own records say: jobs, backups, notifications, the collector, leftovers, and the rights of this program."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from pratique.doctor.checks.isolation import SOCKETS
from pratique.doctor.container import Container
from pratique.doctor.finding import Found, Looked, NotLookedAtError, look_at_each
from pratique.doctor.look import Look
from pratique.notify.overview import RouteOverview
from pratique.number_text import span
from pratique.outcomes import OutcomeRecord

JOB_FAILURES = frozenset({"failed", "lost", "missed", "timed out"})
Latest = Mapping[str, Sequence[OutcomeRecord]]


def job_missed(look: Look) -> Looked:
    """Jobs whose last run was missed or failed."""
    latest: Latest = look.part("outcomes")["job"]

    def judge(subject: str) -> Iterator[Found]:
        # a run that was skipped, because another was active or backoff is on, says nothing of the job
        told = [record for record in latest[subject] if record.outcome != "skipped"]
        if told and (last := told[-1]).outcome in JOB_FAILURES:
            name = subject.partition("@")[2] or subject
            yield Found(
                subject,
                f"its last run {'was missed' if last.outcome == 'missed' else last.outcome}: {last.at:%Y-%m-%d %H:%M} UTC",
                shlex.join(["pratique", "job", name]),
            )

    return look_at_each(latest, judge)


def backup_old(look: Look) -> Looked:
    """Backups that are too old, or never ended well."""
    latest: Latest = look.part("outcomes")["backup"]
    bound = timedelta(hours=look.settings.backup_max_age_h)

    def judge(subject: str) -> Iterator[Found]:
        good = [record for record in latest[subject] if record.outcome == "ok"]
        if not good:
            yield Found(
                subject,
                "no backup of it ever ended well",
                shlex.join(["pratique", "backup", subject.partition("@")[2]]),
            )
        elif (age := look.now - good[-1].at) > bound:
            yield Found(
                subject,
                f"its last good backup is {span(age.total_seconds())} old",
                shlex.join(["pratique", "backup", subject.partition("@")[2]]),
            )

    return look_at_each(latest, judge)


def never_drilled(look: Look) -> Looked:
    """Backups that were not restored for a long time: nobody knows whether they can be."""
    latest: Latest = look.part("outcomes")["backup"]
    drills: Latest = look.part("outcomes")["drill"]
    bound = timedelta(days=look.settings.drill_max_age_d)

    def judge(subject: str) -> Iterator[Found]:
        good = [record for record in drills.get(subject, ()) if record.outcome == "ok"]
        if not good or look.now - good[-1].at > bound:
            when = (
                f"was restored {span((look.now - good[-1].at).total_seconds())} ago" if good else "was never restored"
            )
            yield Found(
                subject, f"it {when}", shlex.join(["pratique", "backups", "--drill", subject.partition("@")[2]])
            )

    return look_at_each(latest, judge)


def notification_failed(look: Look) -> Looked:
    """Routes of notifications that fail: nobody hears of what goes wrong."""
    routes: Sequence[RouteOverview] = look.part("notify_routes")

    def judge(route: RouteOverview) -> Iterator[Found]:
        state = route.state
        if state is not None and state.failing_since is not None:
            what = f"it fails since {state.failing_since:%Y-%m-%d %H:%M} UTC: {state.reason}"
            yield Found(route.settings.route, what, "pratique notify --test")

    return look_at_each(routes, judge)


def collector_dead(look: Look) -> Looked:
    """A collector that was not stopped, and does not live: requests are not counted."""
    collector = look.part("collector")
    if collector is None or collector.ended or collector.alive:
        return Looked()
    return Looked(
        (
            Found(
                "collector",
                f"it gave its last sign at {collector.updated_at:%Y-%m-%d %H:%M:%S} UTC",
                "pratique up SERVICE REVISION",
            ),
        )
    )


def orphans(look: Look) -> Looked:
    """Instances that a run left behind."""
    found: Mapping[str, Sequence[str] | str] = look.part("orphans")

    def judge(service: str) -> Iterator[Found]:
        lines = found[service]
        if isinstance(lines, str):
            raise NotLookedAtError(f"{service}: {lines}")
        for line in lines:
            yield Found(service, line, shlex.join(["pratique", "orphans", service]))

    return look_at_each(found, judge)


def suite_itself(look: Look) -> Looked:
    """The container that this program runs in, if it does: what it may do to its host."""
    own = look.part("own_host")

    def judge(one: Container) -> Iterator[Found]:
        if not own or str(one.config.get("Hostname") or "") != own:
            return
        rights = [
            str(mount.get("Source")) for mount in one.mounts if str(mount.get("Source")).rpartition("/")[2] in SOCKETS
        ]
        agent = [name for name in one.env if name == "SSH_AUTH_SOCK"]
        what = [
            *(["the engine's socket, which is root on the host"] if rights else []),
            *(["an SSH agent, with which everyone inside signs as you"] if agent else []),
            *(["the host's network"] if one.host_config.get("NetworkMode") == "host" else []),
            *(["all privileges"] if one.host_config.get("Privileged") else []),
        ]
        if what:
            text = f"Pratique itself has {', '.join(what)}"
            yield Found(
                one.name, text, "ssh-add -c -h HOST" if agent and not rights else look.docker("inspect", one.name)
            )

    return look.each_running(judge)
