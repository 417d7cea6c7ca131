"""The pipeline files of GitHub, GitLab, Azure, CircleCI, Bitbucket and Woodpecker.

Sources: GitHub, "Workflow syntax for GitHub Actions"; GitLab, "CI/CD YAML syntax reference"; Microsoft, "YAML schema reference for Azure Pipelines";
CircleCI, "Configuration reference"; Atlassian, "Bitbucket Pipelines configuration reference"; Woodpecker, "Workflow syntax".
"""

from __future__ import annotations

import re
from typing import Any

from pratique.maturity.pipelines.bounded_yaml import Table, Text, line_of, parts, table, tables, texts
from pratique.maturity.pipelines.jobs import (
    azure_jobs,
    bitbucket_jobs,
    circleci_jobs,
    github_jobs,
    gitlab_jobs,
    matrix,
)
from pratique.maturity.pipelines.model import Pipeline

CHANGES = (
    "push",
    "pull_request",
    "pull_request_target",
    "merge_group",
    "merge_request_event",
    "merge_requests",
    "pull_requests",
    "branches",
    "manual_push",
)
_MOVES = re.compile(r"actions/(cache|upload-|download-|checkout|setup-)")
"""Actions that move files; what they are given says nothing about what is done."""
GITLAB_WORDS = {
    "default",
    "stages",
    "variables",
    "include",
    "workflow",
    "image",
    "services",
    "cache",
    "before_script",
    "after_script",
    "spec",
    "pages:deploy",
}


def read_github(pipeline: Pipeline, content: Table) -> None:
    """Read a workflow, or a composite action."""
    _github_triggers(pipeline, content.get("on"))
    pipeline.jobs = github_jobs(content)
    for job in map(table, table(content.get("jobs")).values()):
        _github_steps(pipeline, job.get("steps"))
        if isinstance(job.get("uses"), Text):
            pipeline.use(job["uses"], job["uses"].line)
            if not job["uses"].startswith("./"):
                pipeline.unread.append(f"{job['uses']} is in another repository")
    _github_steps(pipeline, table(content.get("runs")).get("steps"))
    # a workflow without the code closes issues or sets labels
    pipeline.builds = any(
        command.text.startswith(("uses actions/checkout", "uses ./")) for command in pipeline.commands
    )


def _github_triggers(pipeline: Pipeline, on: Any) -> None:
    for name in texts(on) if not isinstance(on, Table) else list(on):
        line = line_of(name)
        if name in CHANGES:
            pipeline.start("push", line)
        elif name == "schedule":
            pipeline.start("schedule", line)
        elif name in ("workflow_dispatch", "repository_dispatch"):
            pipeline.start("manual", line)


def _github_steps(pipeline: Pipeline, steps: Any) -> None:
    for step in tables(steps):
        if isinstance(step.get("run"), Text):
            pipeline.run(step["run"], step["run"].line)
        if isinstance(step.get("uses"), Text):
            moves = _MOVES.match(step["uses"]) is not None
            given = " ".join(
                text
                for value in table(step.get("with")).values()
                for text in texts(value)
                if len(text) < 300 and not moves
            )
            pipeline.use(f"uses {step['uses']} {given}", step["uses"].line)


def read_gitlab(pipeline: Pipeline, content: Table) -> None:
    """Read a pipeline of GitLab. Its local includes are read by the caller."""
    pipeline.start("push", 1)
    for text in texts(content.get("include")):
        if text.startswith(("http://", "https://")):
            pipeline.unread.append(f"{text[:100]} is not in this repository")
    for include in tables(content.get("include")):
        _gitlab_include(pipeline, include)
    for name in ("before_script", "after_script"):
        _script(pipeline, content.get(name))
        _script(pipeline, table(content.get("default")).get(name))
    _gitlab_rules(pipeline, table(content.get("workflow")))
    jobs: list[str] = []
    for name, job in content.items():
        if name in GITLAB_WORDS or not isinstance(job, Table):
            continue
        for key in ("before_script", "script", "after_script"):
            _script(pipeline, job.get(key))
        _gitlab_rules(pipeline, job)
        if not name.startswith(".") and ("script" in job or "extends" in job or "trigger" in job):
            jobs.append(name)
        for template in texts(job.get("extends")):
            pipeline.use(f"extends {template}", template.line)
    pipeline.jobs = max(pipeline.jobs, gitlab_jobs(content, jobs))


def _gitlab_include(pipeline: Pipeline, include: Table) -> None:
    for key in ("template", "component", "remote", "project"):
        for name in texts(include.get(key)):
            pipeline.use(f"{key} {name}", name.line)
            if key != "template":
                pipeline.unread.append(f"{name[:100]} is not in this repository")


def _gitlab_rules(pipeline: Pipeline, job: Table) -> None:
    for rule in [*tables(job.get("rules")), *tables(job.get("only"))]:
        for text in [found for value in rule.values() for found in texts(value)]:
            if "schedule" in text:
                pipeline.start("schedule", text.line)
    for text in texts(job.get("only")):
        if text == "schedules":
            pipeline.start("schedule", text.line)


def _script(pipeline: Pipeline, script: Any) -> None:
    for text in texts(script):
        pipeline.run(text, text.line)


def read_azure(pipeline: Pipeline, content: Table) -> None:
    """Read a pipeline of Azure. Without a trigger it is started by pushes."""
    if "trigger" not in content or str(content["trigger"]) != "none":
        pipeline.start("push", line_of(content.get("trigger")))
    if "pr" in content and str(content["pr"]) != "none":
        pipeline.start("push", line_of(content["pr"]))
    if content.get("schedules"):
        pipeline.start("schedule", line_of(content["schedules"]))
    _azure_part(pipeline, content, 0)
    pipeline.jobs = azure_jobs(content)


def _azure_part(pipeline: Pipeline, part: Any, depth: int) -> None:
    for inner in part if isinstance(part, list) else ():
        _azure_part(pipeline, inner, depth + 1)
    if not isinstance(part, Table):
        return
    for key, value in part.items():
        if key in ("script", "bash", "pwsh", "powershell") and isinstance(value, Text):
            pipeline.run(value, value.line)
        elif key == "task" and isinstance(value, Text):
            _azure_task(pipeline, value, table(part.get("inputs")))
        elif key == "template" and isinstance(value, Text):
            pipeline.use(f"template {value}", value.line)
            pipeline.unread += [f"{value[:100]} is in another repository"] if "@" in value else []
        elif isinstance(value, list | Table):
            _azure_part(pipeline, value, depth + 1)


def _azure_task(pipeline: Pipeline, name: Text, inputs: Table) -> None:
    given = " ".join(text for one in inputs.values() for text in texts(one) if len(text) < 300)
    pipeline.use(f"task {name} {given}", name.line)
    inline = inputs.get("script")
    if isinstance(inline, Text):
        pipeline.run(inline, inline.line)


def read_circleci(pipeline: Pipeline, content: Table) -> None:
    """Read a configuration of CircleCI."""
    pipeline.start("push", 1)
    for holder in (*table(content.get("jobs")).values(), *table(content.get("commands")).values()):
        for step in parts(table(holder).get("steps")):
            _circleci_step(pipeline, step)
    for orb in [text for value in table(content.get("orbs")).values() for text in texts(value)]:
        pipeline.use(f"orb {orb}", orb.line)
    for workflow in table(content.get("workflows")).values():
        jobs = parts(table(workflow).get("jobs"))
        for text in [name for job in jobs for name in ([job] if isinstance(job, Text) else table(job))]:
            pipeline.use(f"job {text}", line_of(text))
        for trigger in tables(table(workflow).get("triggers")):
            if "schedule" in trigger:
                pipeline.start("schedule", trigger.line)
    pipeline.jobs = circleci_jobs(content)


def _circleci_step(pipeline: Pipeline, step: Any) -> None:
    if isinstance(step, Text):
        pipeline.use(step, step.line)
    for name, given in table(step).items():
        pipeline.use(name, line_of(name))
        command = given if isinstance(given, Text) else table(given).get("command")
        if name == "run" and isinstance(command, Text):
            pipeline.run(command, command.line)


def read_bitbucket(pipeline: Pipeline, content: Table) -> None:
    """Read the pipelines of Bitbucket. Its schedules are not in the file."""
    for name, part in table(content.get("pipelines")).items():
        pipeline.start("manual" if name == "custom" else "push", line_of(name))
        _bitbucket_part(pipeline, part)
    _bitbucket_part(pipeline, table(content.get("definitions")).get("steps"))
    pipeline.jobs = bitbucket_jobs(content.get("pipelines"))


def _bitbucket_part(pipeline: Pipeline, part: Any) -> None:
    if isinstance(part, list):
        for inner in part:
            _bitbucket_part(pipeline, inner)
    elif isinstance(part, Table):
        for key, value in part.items():
            if key in ("script", "after-script"):
                _script(
                    pipeline, [text for text in value if isinstance(text, Text)] if isinstance(value, list) else value
                )
                for pipe in tables(value):
                    pipeline.use(f"pipe {pipe.get('pipe', '')}", pipe.line)
            elif key == "deployment" and isinstance(value, Text):
                pipeline.use(f"deployment {value}", value.line)
            else:
                _bitbucket_part(pipeline, value)


def read_woodpecker(pipeline: Pipeline, content: Table) -> None:
    """Read a workflow of Woodpecker. Without a condition it is started by pushes."""
    whens = tables(content.get("when"))
    events = [text for when in whens for text in texts(when.get("event"))]
    if not events or any(event in CHANGES for event in events):
        pipeline.start("push", line_of(events))
    if any(event == "cron" for event in events) or any("cron" in when for when in whens):
        pipeline.start("schedule", line_of(events))
    steps = content.get("steps") or content.get("pipeline")
    for step in tables(steps) if isinstance(steps, list) else [table(value) for value in table(steps).values()]:
        _script(pipeline, step.get("commands"))
        for key in ("image", "name"):
            if isinstance(step.get(key), Text):
                pipeline.use(f"{key} {step[key]}", step[key].line)
        if any("cron" in texts(when.get("event")) for when in tables(step.get("when"))):
            pipeline.start("schedule", step.line)
    pipeline.jobs = matrix(content.get("matrix"))
