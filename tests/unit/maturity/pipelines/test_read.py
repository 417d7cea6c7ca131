"""The pipelines of every server: their commands with lines, triggers and jobs; and what stands behind a call of make or a script."""

import re

import pytest

from pratique.maturity.collectors import collect
from pratique.maturity.load import load_model
from pratique.maturity.model import Rule
from pratique.maturity.pipelines.read import read_pipelines
from pratique.maturity.repository import Repository
from pratique.maturity.sources import Sources
from support.made_repository import NOW, repository

GITLAB = """\
include:
  - local: /ci/tests.yml
  - template: Security/SAST.gitlab-ci.yml
default:
  before_script: [echo pytest]
deploy:
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
  script:
    - |
      # pytest in a comment
      export A=1 && helm upgrade shop
    - !reference [.setup, script]
"""
AZURE = """\
trigger: [main]
schedules: [{cron: "0 0 * * *", branches: {include: [main]}}]
stages:
  - stage: A
    jobs:
      - job: B
        strategy: {matrix: {a: {x: 1}, b: {x: 2}}}
        steps:
          - script: pytest
          - task: SonarQubeAnalyze@6
"""
CIRCLE = """\
version: 2.1
orbs: {node: circleci/node@5}
jobs:
  test: {docker: [{image: cimg/python}], steps: [checkout, {run: pytest}, {run: {name: x, command: ruff check}}]}
workflows:
  nightly:
    triggers: [{schedule: {cron: "0 0 * * *"}}]
    jobs: [test, {test: {name: other}}]
"""
BITBUCKET = """\
pipelines:
  default:
    - parallel:
        - step: {script: [pytest]}
        - step: {script: [ruff check, {pipe: atlassian/aws-ecs-deploy:1}]}
  custom:
    nightly: [{step: {script: [true]}}]
"""
JENKINS = """\
// sh 'not this'
pipeline {
  triggers { cron('H 4 * * *'); pollSCM('H/5 * * * *') }
  stages {
    stage('Test') { parallel { stage('a') { steps { sh 'pytest' } } } }
    stage('Lint') { steps { sh(script: "ruff check", returnStdout: true) } }
    /* sh 'nor this' */
    stage('Deploy') { steps { sh '''
      set -e
      helm upgrade shop
    ''' } }
  }
}
"""


def read(tmp_path, files):
    return {one.file: one for one in read_pipelines(Repository(repository(tmp_path, files)))}


def commands(pipeline):
    return [(command.text, command.line) for command in pipeline.commands]


def test_github(tmp_path):
    text = "on:\n  push:\n  schedule: [{cron: x}]\njobs:\n  a:\n    strategy: {matrix: {x: [1, 2], y: [1, 2]}}\n    steps:\n      - uses: actions/checkout@v4\n      - run: |\n          pip install ruff\n          ruff check\n      - {uses: snyk/actions/python@1, with: {command: test}}\n"
    found = read(tmp_path, {".github/workflows/ci.yml": text})[".github/workflows/ci.yml"]
    assert commands(found) == [
        ("uses actions/checkout@v4 ", 8),
        ("ruff check", 11),
        ("uses snyk/actions/python@1 test", 12),
    ]
    assert found.triggers == {"push": 2, "schedule": 3}
    assert (found.jobs, found.builds, found.unread) == (4, True, [])


def test_a_workflow_without_the_code_builds_nothing(tmp_path):
    text = "on: [issues, schedule]\njobs: {a: {steps: [{uses: dessant/lock-threads@v5}]}}\n"
    assert not read(tmp_path, {".github/workflows/lock.yml": text})[".github/workflows/lock.yml"].builds


def test_gitlab_with_local_includes(tmp_path):
    found = read(
        tmp_path,
        {
            ".gitlab-ci.yml": GITLAB,
            "ci/tests.yml": "unit:\n  script: make check\n",
            "Makefile": "check: lint\n\t@pytest\nlint:\n\truff check\n",
        },
    )
    assert commands(found[".gitlab-ci.yml"]) == [
        ("template Security/SAST.gitlab-ci.yml", 3),
        ("helm upgrade shop", 12),
        (".setup", 13),
        ("script", 13),
    ]
    assert found[".gitlab-ci.yml"].triggers["schedule"] == 8
    assert [(one.text, one.link) for one in found["ci/tests.yml"].commands] == [
        ("make check", "ci/tests.yml:2"),
        ("pytest", "Makefile:2"),
        ("ruff check", "Makefile:4"),
    ]


def test_what_is_elsewhere_is_said_to_be_unread(tmp_path):
    text = "include:\n  - https://example.org/a.yml\n  - {project: a/b, file: c.yml}\n  - {component: x.org/a@1}\n"
    assert len(read(tmp_path, {".gitlab-ci.yml": text})[".gitlab-ci.yml"].unread) == 3


@pytest.mark.parametrize(
    ("file", "text", "expected", "triggers", "jobs"),
    [
        ("azure-pipelines.yml", AZURE, ["pytest", "task SonarQubeAnalyze@6 "], {"push", "schedule"}, 2),
        (".circleci/config.yml", CIRCLE, ["checkout", "run", "pytest", "run", "ruff check", "orb circleci/node@5", "job test", "job test"], {"push", "schedule"}, 2),
        ("bitbucket-pipelines.yml", BITBUCKET, ["pytest", "ruff check", "pipe atlassian/aws-ecs-deploy:1", "true"], {"push", "manual"}, 2),
        (".woodpecker.yml", "when: [{event: cron}]\nsteps:\n  test: {image: python, commands: [pytest]}\n", ["pytest", "image python"], {"schedule"}, 1),
        (".woodpecker/a.yaml", "steps: [{name: t, image: python, commands: [pytest]}]\n", ["pytest", "image python", "name t"], {"push"}, 1),
        ("Jenkinsfile", JENKINS, ["pytest", "ruff check", "helm upgrade shop"], {"schedule", "poll"}, 2),
        (".ci/run", "#!/bin/sh\nset -e\npytest; ruff check\n", ["pytest", "ruff check"], set(), 1),
    ],
)  # fmt: skip
def test_other_servers(tmp_path, file, text, expected, triggers, jobs):
    found = read(tmp_path, {file: text})[file]
    assert [command.text for command in found.commands] == expected
    assert (set(found.triggers), found.jobs) == (triggers, jobs)


def test_lines_of_a_jenkinsfile(tmp_path):
    found = read(tmp_path, {"Jenkinsfile": JENKINS})["Jenkinsfile"]
    assert [command.line for command in found.commands] == [5, 6, 10]


def test_scripts_and_packages_that_are_called(tmp_path):
    files = {
        ".ci/run": "npm run verify\nbash -x ./ci/check.sh\n",
        "package.json": '{"scripts": {"verify": "eslint . && npm test", "test": "jest"}}',
        "ci/check.sh": "#!/bin/bash\nshellcheck *.sh\n./ci/check.sh\n",
    }
    found = read(tmp_path, files)[".ci/run"]
    assert [command.text for command in found.commands if not command.text.startswith(("npm", "bash", "./"))] == [
        "eslint . && npm test",
        "jest",
        "shellcheck *.sh",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "echo pytest",
        "# pytest",
        "pip install pytest",
        "apt-get install -y pytest",
        "npm install -g jest pytest",
        "PYTEST=pytest",
        "export A=pytest",
    ],
)
def test_what_prints_installs_or_assigns_is_no_step(tmp_path, line):
    assert read(tmp_path, {".ci/run": line + "\n"})[".ci/run"].commands == []


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [{', '.join([f'*{chr(97 + at)}'] * 9)}]\n" for at in range(9)
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "expands to more than 50,000 values"),
        ("a: &a [*a]", "not YAML|nested too deeply"),
        ("[" * 10_000, "nested too deeply"),
        ("- " * 5000 + "a", "nested too deeply"),
        ("".join(f"{' ' * at}a{at}:\n" for at in range(500)), "nested too deeply"),
        ("a: b: c", "not YAML at line 1"),
        (b"\xff\xfa\x00", "not UTF-8"),
        (b"a: " + b"x" * (600 << 10), "larger than 512 KiB"),
        (b"a: " + b"x" * (2 << 20), "larger than 1 MiB"),
        ("on: 7\njobs: [[a], {b: 1}, null]\n", ""),
        ("!!python/object/apply:os.system [touch /tmp/hacked]", ""),
        ("jobs: {a: {steps: text, strategy: 3}, b: [1]}", ""),
    ],
    ids=[
        "aliases",
        "itself",
        "brackets",
        "dashes",
        "indented",
        "wrong",
        "bytes",
        "large",
        "larger",
        "types",
        "tag",
        "texts",
    ],
)
def test_hostile_pipelines_are_unread_and_raise_nothing(tmp_path, content, problem):
    for file in (
        ".github/workflows/a.yml",
        ".gitlab-ci.yml",
        "azure-pipelines.yml",
        ".circleci/config.yml",
        "bitbucket-pipelines.yml",
        ".woodpecker.yml",
    ):
        found = read(tmp_path / file.replace("/", "_"), {file: content})[file]
        if problem:
            assert re.search(problem, found.unread[0]), found.unread


def test_a_link_to_a_file_outside_is_not_followed(tmp_path):
    assert read(tmp_path, {".gitlab-ci.yml link": "/etc/passwd", "a": "a"}) == {}


def test_a_trigger_of_jobs_in_another_repository_is_unknown_and_says_so(tmp_path):
    text = "on: push\njobs:\n  build:\n    uses: apache/shared/.github/workflows/verify.yml@v5\n"
    repository(tmp_path, {".github/workflows/verify.yml": text, "Jenkinsfile": "sharedBuild()\n"})
    found = collect(Sources(load_model(), NOW, folder=tmp_path), Rule(collector="ci.triggers", triggers=("push",)))
    assert found.state == "unknown"
    assert found.reason == (
        "verify.yml is started by push, but apache/shared/.github/workflows/verify.yml@v5 is in another repository"
    ).replace("verify.yml is started", ".github/workflows/verify.yml is started")
    assert found.where == (".github/workflows/verify.yml:1",)


@pytest.mark.parametrize("command", ["gobject-linter --format x", "ninja -C _build scan-build", "npm run lint"])
def test_linters_are_known_by_their_names(command):
    assert any(re.search(pattern, command) for pattern in load_model().steps["lint"])


def test_a_jenkinsfile_that_only_calls_a_shared_library_is_not_read(tmp_path):
    found = read(tmp_path, {"Jenkinsfile": "/* licence */\n\nasfMavenTlpPlgnBuild()\n"})["Jenkinsfile"]
    assert commands(found) == [("asfMavenTlpPlgnBuild", 3)]
    assert found.unread == ["asfMavenTlpPlgnBuild is in a shared library, which is not in this repository"]


def test_stages_of_jenkins_with_their_own_agents_run_one_after_the_other(tmp_path):
    stages = "".join(f"stage('{name}') {{ agent {{ label 'x' }}\n steps {{ sh 'make' }} }}\n" for name in "abc")
    assert read(tmp_path, {"Jenkinsfile": f"pipeline {{ stages {{ {stages} }} }}"})["Jenkinsfile"].jobs == 1
