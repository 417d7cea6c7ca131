"""What the service file says, and whether it is in version control."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pratique.maturity.collectors.records import links, others
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural

NAMES = ("**/pratique*.toml", "**/*.pratique.toml")
ENVIRONMENT = re.compile(
    r"(^|[/_.-])(prod|production|live|stage|staging|preprod|pre|test|testing|qa|uat|dev|development|int|integration)([/_.-]|$)",
    re.IGNORECASE,
)


@collector("files.tracked", "ledger", "repository")
def tracked(sources: Sources, rule: Rule) -> Evidence:
    """The share of releases whose commit has the service file, as it is recorded now or was tracked then."""
    repository, config = sources.git, sources.config
    if config is None or not config.file:
        return unknown("there is no service file")
    name = _inside(Path(config.file), repository.root)
    if name is None:
        return Evidence("not met", f"the service file {config.file} is not in the repository", 0.0, rule.threshold, 0)
    if name not in repository.files:
        return Evidence("not met", f"the service file {name} is not tracked", 0.0, rule.threshold, 0)
    found = sources.deployments(rule.days)
    having = repository.having([sources.commit_of(record) for record in found], name)
    clean = [
        record
        for record in found
        if not sources.started(record).data.get("dirty") and sources.commit_of(record) in having
    ]
    where = links(sources, others(found, clean)) or [name]
    return share(rule, len(clean), len(found), f"releases were made from a commit that has {name}", where)


def _inside(path: Path, root: Path) -> str | None:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError):
        return None


@collector("files.environments", "repository", strength="declared", presence=True)
def environments(sources: Sources, rule: Rule) -> Evidence:
    """How many service files there are for environments, with the same kind of runtime."""
    repository = sources.git
    kinds: dict[str, set[str]] = {}
    for path, content in repository.read_all(repository.matching(NAMES)[:100]).items():
        try:
            services = tomllib.loads(content.decode("utf-8-sig")).get("services", {})
        except (ValueError, RecursionError):
            continue
        for service in services.values() if isinstance(services, dict) else ():
            runtime = service.get("runtime", {}) if isinstance(service, dict) else {}
            kinds.setdefault(
                str(runtime.get("kind", "process")) if isinstance(runtime, dict) else "process", set()
            ).add(path)
    alike = max(kinds.values(), key=len, default=set())
    compose = [
        path
        for path in repository.matching(("**/compose*.y*ml", "**/docker-compose*.y*ml"))
        if ENVIRONMENT.search(path)
    ]
    if not alike and not compose:
        return Evidence("not met", "no service file for an environment is tracked", 0.0, rule.threshold, 0)
    number = max(len(alike), len(compose))
    files = sorted(alike) if len(alike) >= len(compose) else compose
    return compared(
        rule.model_copy(update={"of": 1}),
        number,
        number,
        f"{plural(number, 'environment')} with the same procedure: {', '.join(files[:3])}",
        files,
    )


@collector("files.balancer", strength="declared", presence=True)
def balancer(sources: Sources, rule: Rule) -> Evidence:
    """Whether the runbooks write the balancer's configuration."""
    services = sources.config.services if sources.config is not None else {}
    if not services or sources.config is None:
        return unknown("there is no service file")
    return compared(
        rule.model_copy(update={"of": 1}),
        len(services),
        len(services),
        f"the runbooks write the balancer configuration of {plural(len(services), 'service')}",
        [sources.config.file],
    )
