"""How many jobs of a pipeline can run at the same time: those that wait for others do not run beside them.

Sources: GitHub, "jobs.<job_id>.needs"; GitLab, "stages", "needs" and "parallel"; Microsoft, "dependsOn" of stages and jobs; CircleCI, "requires"
and "parallelism"; Atlassian, "parallel".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from pratique.maturity.pipelines.bounded_yaml import Table, Text, parts, table, tables, texts

MOST = 1000
STAGE = 10_000
"""Ranks between two stages, more than jobs that wait for each other within one."""
GITLAB_STAGES = (".pre", "build", "test", "deploy", ".post")
DEEPEST = 20


@dataclass(frozen=True)
class Job:
    """One job. times: how many of it there are. after: the names of those that it waits for. earliest: its lowest rank."""

    times: int = 1
    after: tuple[str, ...] = ()
    earliest: int = 0


def most_at_once(jobs: Mapping[str, Job]) -> int:
    """Return how many jobs the largest rank has. A job has a higher rank than all that it waits for; in a circle it never starts."""
    waits = {name: {other for other in job.after if other in jobs} for name, job in jobs.items()}
    waiting_for: dict[str, list[str]] = {}
    for name, others in waits.items():
        for other in others:
            waiting_for.setdefault(other, []).append(name)
    rank = {name: job.earliest for name, job in jobs.items()}
    ready = [name for name, others in waits.items() if not others]
    sizes: dict[int, int] = {}
    while ready:
        name = ready.pop()
        sizes[rank[name]] = sizes.get(rank[name], 0) + jobs[name].times
        for later in waiting_for.get(name, ()):
            rank[later] = max(rank[later], rank[name] + 1)
            waits[later].discard(name)
            if not waits[later]:
                ready.append(later)
    return min(MOST, max(sizes.values(), default=0))


def matrix(value: Any) -> int:
    """Return how many jobs a matrix makes: the product of its lists, or at least those that it includes."""
    lists = [
        len(values)
        for name, values in table(value).items()
        if name not in ("include", "exclude") and isinstance(values, list) and values
    ]
    return min(MOST, max(prod(lists), len(tables(table(value).get("include")))))


def github_jobs(content: Table) -> int:
    """Return the most jobs at once of a workflow."""
    jobs = {name: table(job) for name, job in table(content.get("jobs")).items()}
    return most_at_once(
        {
            name: Job(matrix(table(job.get("strategy")).get("matrix")), tuple(texts(job.get("needs"))))
            for name, job in jobs.items()
        }
    )


def gitlab_jobs(content: Table, names: Sequence[str]) -> int:
    """Return the most jobs at once of a file. names: of its jobs. One without `needs` waits for all earlier stages."""
    stage_of = {name: _stage(content, table(content[name])) for name in names}
    order = [*(texts(content.get("stages")) or GITLAB_STAGES), *stage_of.values()]
    used = [stage for stage in dict.fromkeys(order) if stage in stage_of.values()]
    jobs: dict[str, Job] = {}
    for name, stage in stage_of.items():
        needs = _inherited(content, table(content[name]), "needs")
        jobs[name] = Job(
            _gitlab_times(_inherited(content, table(content[name]), "parallel")),
            tuple(texts(needs)) + tuple(str(one.get("job", "")) for one in tables(needs)),
            used.index(stage) if needs is None else 0,
        )
    return most_at_once(jobs)


def _stage(content: Table, job: Table) -> str:
    stage = _inherited(content, job, "stage")
    return stage if isinstance(stage, Text) else "test"


def _inherited(content: Table, job: Table, key: str, depth: int = 0) -> Any:
    """Return a value of a job, or of the last of its templates that has it."""
    if key in job or depth > DEEPEST:
        return job.get(key)
    for template in reversed(texts(job.get("extends"))[:DEEPEST]):
        found = _inherited(content, table(content.get(template)), key, depth + 1)
        if found is not None:
            return found
    return None


def _gitlab_times(parallel: Any) -> int:
    if isinstance(parallel, Text):
        return _number(parallel)
    rows = tables(table(parallel).get("matrix"))
    return min(MOST, sum(prod(max(1, len(texts(values))) for values in row.values()) for row in rows)) or 1


def _number(text: Any) -> int:
    return min(MOST, max(1, int(text))) if isinstance(text, Text) and text.isascii() and text[:6].isdecimal() else 1


def azure_jobs(content: Table) -> int:
    """Return the most jobs at once of a pipeline. A stage without `dependsOn` waits for the one before it."""
    jobs: dict[str, Job] = {}
    ranks: dict[str, int] = {}
    previous = -1
    for stage in _with_key(content, ("stage",)) or [content]:
        before = [ranks.get(str(name), -1) for name in texts(stage.get("dependsOn"))]
        previous = (max(before, default=-1) if "dependsOn" in stage else previous) + 1
        ranks[str(stage.get("stage"))] = previous
        for job in _with_key(stage, ("job", "deployment")):
            # here a matrix is a table of its jobs
            times = len(table(table(job.get("strategy")).get("matrix"))) or 1
            after = tuple(f"{len(ranks)}/{name}" for name in texts(job.get("dependsOn")))
            name = job.get("job") or job.get("deployment") or len(jobs)
            jobs[f"{len(ranks)}/{name}"] = Job(min(MOST, times), after, previous * STAGE)
    return max(1, most_at_once(jobs))


def _with_key(part: Any, keys: Sequence[str]) -> list[Table]:
    """Return the tables that have one of the keys, in any depth, in their order."""
    if isinstance(part, Table) and any(key in part for key in keys):
        return [part]
    inner = part if isinstance(part, list) else part.values() if isinstance(part, Table) else ()
    return [found for one in inner for found in _with_key(one, keys)]


def circleci_jobs(content: Table) -> int:
    """Return the most jobs at once of a workflow; workflows may have different triggers."""
    times = {
        str(name): _number(table(job).get("parallelism")) for name, job in table(content.get("jobs")).items()
    }  # fmt: skip
    most = [_circleci_workflow(table(workflow), times) for workflow in table(content.get("workflows")).values()]
    return max(most, default=0) or max(times.values(), default=0)


def _circleci_workflow(workflow: Table, times: Mapping[str, int]) -> int:
    jobs: dict[str, Job] = {}
    for one in parts(workflow.get("jobs")):
        for name, given in ({one: None} if isinstance(one, Text) else table(one)).items():
            own = table(given)
            often = matrix(table(own.get("matrix")).get("parameters")) * times.get(str(name), 1)
            jobs[str(own.get("name", name))] = Job(min(MOST, often), tuple(texts(own.get("requires"))))
    return most_at_once(jobs)


def bitbucket_jobs(part: Any) -> int:
    """Return the most steps at once of a pipeline: steps run one after the other, except below `parallel`."""
    if isinstance(part, list):
        return max(map(bitbucket_jobs, part), default=0)
    found = 0
    for key, value in table(part).items():
        if key == "parallel":
            steps = value if isinstance(value, list) else table(value).get("steps")
            found = max(found, len(parts(steps)))
        else:
            found = max(found, 1 if key == "step" else bitbucket_jobs(value))
    return found
