"""Find and read the pipelines of a repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pratique.errors import DataError
from pratique.maturity.pipelines import hosted
from pratique.maturity.pipelines.bounded_yaml import Table, read_yaml, table, tables, texts
from pratique.maturity.pipelines.jenkins import read_jenkinsfile
from pratique.maturity.pipelines.model import Pipeline
from pratique.maturity.pipelines.targets import expanded
from pratique.maturity.repository import Repository

MOST_PIPELINES = 300
YAML = ("*.yml", "*.yaml")
KINDS: tuple[tuple[tuple[str, ...], Callable[[Pipeline, Table], None]], ...] = (
    ((".github/workflows/*.yml", ".github/workflows/*.yaml", ".github/actions/**/action.y*ml"), hosted.read_github),
    ((".gitlab-ci.yml",), hosted.read_gitlab),
    (("azure-pipelines*.yml", "azure-pipelines*.yaml", ".azure-pipelines/**.yml", ".azure/**.yml"), hosted.read_azure),
    ((".circleci/config.yml", ".circleci/config.yaml"), hosted.read_circleci),
    (("bitbucket-pipelines.yml",), hosted.read_bitbucket),
    ((".woodpecker.yml", ".woodpecker.yaml", ".woodpecker/**.yml", ".woodpecker/**.yaml"), hosted.read_woodpecker),
)
JENKINS = ("Jenkinsfile", "Jenkinsfile.*", "*.Jenkinsfile", "**/Jenkinsfile", ".jenkins/**", "jenkins/**.groovy")
SCRIPTS = (".ci/run", ".ci/run.sh")


def read_pipelines(repository: Repository) -> list[Pipeline]:
    """Return every pipeline of the last commit. One that cannot be read says so in `unread`."""
    found: list[Pipeline] = []
    for globs, read in KINDS:
        for path in repository.matching(globs)[:MOST_PIPELINES]:
            found += _read_with_includes(repository, path, read)
    for path in repository.matching(JENKINS)[:MOST_PIPELINES]:
        pipeline = Pipeline(path, outside=("push", "schedule", "poll"))
        read_jenkinsfile(pipeline, repository.read(path) or b"")
        found.append(pipeline)
    for path in SCRIPTS:
        if path in repository.files:
            pipeline = Pipeline(path, jobs=1, outside=("push", "schedule", "poll"))
            pipeline.run((repository.read(path) or b"").decode("utf-8", "replace"), 1)
            found.append(pipeline)
    for pipeline in found:
        pipeline.commands = expanded(pipeline.commands, repository.read)
    return found


def _read_with_includes(repository: Repository, path: str, read: Callable[[Pipeline, Table], None]) -> list[Pipeline]:
    found: list[Pipeline] = []
    waiting, seen = [path], set[str]()
    while waiting and len(seen) < MOST_PIPELINES:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        pipeline = Pipeline(name, outside=() if read is hosted.read_github else ("schedule",))
        found.append(pipeline)
        content = repository.read(name)
        if content is None:
            pipeline.unread.append("it cannot be read: it is not a regular file, or larger than 1 MiB")
            continue
        try:
            documents = read_yaml(content)
        except DataError as error:
            pipeline.unread.append(str(error))
            continue
        for document in tables(documents):
            try:
                read(pipeline, document)
            except Exception as error:  # noqa: BLE001 - one file that nobody expected must not hide the others
                pipeline.unread.append(f"it has an unexpected form ({type(error).__name__})")
            if read is hosted.read_gitlab:
                waiting += _local_includes(repository, document)
    return found


def _local_includes(repository: Repository, document: Table) -> Sequence[str]:
    """The files of the repository that a pipeline of GitLab includes; a pattern stands for all that match."""
    include = document.get("include")
    named = [str(text) for text in texts(include)] if not isinstance(include, Table) else []
    named += [str(text) for part in tables(include) for text in texts(table(part).get("local"))]
    local = [name.lstrip("/") for name in named if "://" not in name]
    return repository.matching([name for name in local if name])
