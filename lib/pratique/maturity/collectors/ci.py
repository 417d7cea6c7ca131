"""What the pipelines of a repository declare: that they exist, what starts them, and what their steps do."""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import NOT_APPLICABLE, Evidence, compared, unknown
from pratique.maturity.model import Rule
from pratique.maturity.pipelines.model import Pipeline
from pratique.maturity.pipelines.read import read_pipelines
from pratique.maturity.repository import Repository
from pratique.maturity.sources import Sources
from pratique.number_text import plural

NONE = (
    "no pipeline file of GitHub, GitLab, Jenkins, Azure, CircleCI, Bitbucket or Woodpecker is tracked, and no .ci/run"
)
_READ: WeakKeyDictionary[Repository, list[Pipeline]] = WeakKeyDictionary()


def pipelines_of(sources: Sources) -> list[Pipeline]:
    """Return the pipelines of the repository, which are read once."""
    repository = sources.git
    if repository not in _READ:
        _READ[repository] = read_pipelines(repository)
    return _READ[repository]


@collector("ci.files", "repository", strength="declared", presence=True)
def pipeline_files(sources: Sources, rule: Rule) -> Evidence:
    """Whether a pipeline is tracked."""
    pipelines = pipelines_of(sources)
    found = [pipeline.file for pipeline in pipelines if pipeline.commands or not pipeline.unread]
    if not found:
        return unknown(f"{pipelines[0].file}: {pipelines[0].unread[0]}" if pipelines else NONE)
    return compared(
        rule.model_copy(update={"of": 1}),
        len(found),
        len(found),
        f"{plural(len(found), 'pipeline file')}, such as {found[0]}",
        found,
    )


@collector("ci.triggers", "repository", strength="declared", presence=True)
def triggers(sources: Sources, rule: Rule) -> Evidence:
    """Whether a pipeline is started by one of some triggers."""
    pipelines = [one for one in pipelines_of(sources) if one.builds or one.unread]
    if not pipelines:
        return unknown(NONE)
    places = [
        f"{one.file}:{line}"
        for one in pipelines
        for trigger, line in one.triggers.items()
        if trigger in rule.triggers and one.builds
    ]
    words = " or ".join(rule.triggers)
    if places:
        return compared(
            rule.model_copy(update={"of": 1}),
            len(places),
            len(places),
            f"{plural(len(places), 'pipeline')} started by {words}",
            places,
        )
    for one in pipelines:
        line = next((one.triggers[trigger] for trigger in one.triggers if trigger in rule.triggers), None)
        if line is not None:
            # it has the trigger, and what it does is in another place
            return unknown(f"{one.file} is started by {words}, but {one.unread[0]}", [f"{one.file}:{line}"])
    reason = f"none of {plural(len(pipelines), 'pipeline')} is started by {words}"
    elsewhere = next((one.file for one in pipelines if set(one.outside) & set(rule.triggers)), None)
    if elsewhere is not None:
        return unknown(
            f"{reason} according to its file; the server of {elsewhere} may have such a trigger", [elsewhere]
        )
    return _absent(pipelines, rule, reason)


@collector("ci.steps", "repository", strength="declared", presence=True)
def steps(sources: Sources, rule: Rule) -> Evidence:
    """Whether a pipeline has a step of some kind, by the patterns of the model."""
    pipelines = pipelines_of(sources)
    if not pipelines:
        return unknown(NONE)
    pattern = re.compile(
        "|".join(f"(?:{one})" for one in sources.model.steps.get(rule.steps, ())) or r"(?!)", re.IGNORECASE
    )
    commands = [command for pipeline in pipelines for command in pipeline.commands]
    found = [command for command in commands if pattern.search(command.text)]
    if found:
        shown = found[0].text if len(found[0].text) <= 80 else f"{found[0].text[:79]}…"
        return compared(
            rule.model_copy(update={"of": 1}),
            len(found),
            len(found),
            f"{plural(len(found), 'step')} of kind {rule.steps}, such as {shown!r}",
            [one.link for one in found],
        )
    reason = f"none of {plural(len(commands), 'step')} in {plural(len(pipelines), 'pipeline')} is of kind {rule.steps}"
    return unknown(f"{reason}; {NOT_APPLICABLE}") if rule.may_not_apply else _absent(pipelines, rule, reason)


@collector("ci.runners", "repository", strength="declared", presence=True)
def runners(sources: Sources, rule: Rule) -> Evidence:
    """How many jobs a pipeline can run at the same time."""
    pipelines = pipelines_of(sources)
    if not pipelines:
        return unknown(NONE)
    most = max(pipelines, key=lambda one: one.jobs)
    reason = f"{most.file} has {plural(most.jobs, 'job')} that can run at the same time"
    unread = next((f"{one.file}: {why}" for one in pipelines for why in one.unread), "")
    if unread and not rule.is_met_by(most.jobs):
        return unknown(f"{reason}, but not all could be read: {unread}", [most.file])
    return compared(rule.model_copy(update={"of": 1}), most.jobs, 1, reason, [most.file])


def _absent(pipelines: list[Pipeline], rule: Rule, reason: str) -> Evidence:
    """Nothing was found: that is "not met" only where everything could be read."""
    unread = [(one.file, why) for one in pipelines for why in one.unread]
    if unread:
        return unknown(
            f"{reason}, but not all could be read: {unread[0][0]}: {unread[0][1]}", [file for file, _ in unread]
        )
    return Evidence(
        "not met", reason, 0.0, rule.threshold, len(pipelines), tuple(one.file for one in pipelines[:3]), "declared"
    )
