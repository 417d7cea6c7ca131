"""Jobs that wait for others are not counted as jobs that run at the same time, in the words of every server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.maturity.pipelines.bounded_yaml import read_yaml
from pratique.maturity.pipelines.jobs import (
    Job,
    azure_jobs,
    bitbucket_jobs,
    circleci_jobs,
    github_jobs,
    gitlab_jobs,
    matrix,
    most_at_once,
)


def yaml(text):
    return read_yaml(text.encode())[0]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("{a: {}, b: {needs: a}, c: {needs: [b]}}", 1),
        ("{a: {}, b: {needs: a}, c: {needs: a}}", 2),
        ("{a: {}, b: {strategy: {matrix: {x: [1, 2], y: [1, 2]}}, needs: [a]}, c: {needs: b}}", 4),
        ("{a: {needs: b}, b: {needs: a}}", 0),
        ("{a: {needs: nobody}}", 1),
    ],
)
def test_jobs_of_github_wait_for_what_they_need(jobs, expected):
    assert github_jobs(yaml(f"jobs: {jobs}")) == expected


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a: {stage: build}\nb: {stage: test}\nc: {stage: deploy}\n", "abc", 1),
        ("stages: [one, two]\na: {stage: one}\nb: {stage: one}\nc: {stage: two}\n", "abc", 2),
        ("a: {}\nb: {}\nc: {stage: deploy}\n", "abc", 2),
        (".t: {stage: build}\na: {extends: .t}\nb: {stage: build}\n", "ab", 2),
        (".t: {stage: deploy}\n.u: {extends: .t}\na: {extends: [.u]}\nb: {stage: build}\n", "ab", 1),
        ("a: {stage: build}\nb: {stage: deploy, needs: []}\n", "ab", 2),
        ("a: {stage: build}\nb: {stage: deploy, needs: [{job: a}]}\nc: {stage: deploy, needs: [b]}\n", "abc", 1),
        ("a: {parallel: 3}\n", "a", 3),
        ("a: {parallel: {matrix: [{x: [p, q], y: [r, s]}, {x: t}]}}\n", "a", 5),
        ("a: {stage: mine}\nb: {stage: yours}\n", "ab", 1),
    ],
)
def test_jobs_of_gitlab_wait_for_earlier_stages_or_for_what_they_need(text, names, expected):
    assert gitlab_jobs(yaml(text), list(names)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stages: [{stage: A, jobs: [{job: a}]}, {stage: B, jobs: [{job: b}]}]", 1),
        ("stages: [{stage: A, jobs: [{job: a}]}, {stage: B, dependsOn: [], jobs: [{job: b}]}]", 2),
        ("stages: [{stage: A, jobs: [{job: a}, {job: b, dependsOn: a}]}]", 1),
        ("jobs: [{job: a}, {deployment: b}]", 2),
        ("steps: [{script: pytest}]", 1),
    ],
)
def test_stages_of_azure_wait_for_the_one_before(text, expected):
    assert azure_jobs(yaml(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workflows: {w: {jobs: [a, {b: {requires: [a]}}]}}", 1),
        ("workflows: {w: {jobs: [a, b]}, nightly: {jobs: [c]}}", 2),
        ("workflows: {w: {jobs: [{a: {matrix: {parameters: {x: [1, 2, 3]}}}}]}}", 3),
        ("jobs: {a: {parallelism: 4}}\nworkflows: {w: {jobs: [a]}}", 4),
        ("jobs: {build: {}}", 1),
    ],
)
def test_jobs_of_circleci_wait_for_what_they_require(text, expected):
    assert circleci_jobs(yaml(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{default: [{step: {script: [a]}}, {step: {script: [b]}}]}", 1),
        ("{default: [{parallel: [{step: {}}, {step: {}}]}, {step: {}}]}", 2),
        ("{default: [{parallel: {steps: [{step: {}}, {step: {}}, {step: {}}]}}]}", 3),
        ("{branches: {main: [{stage: {steps: [{step: {}}, {step: {}}]}}]}}", 1),
    ],
)
def test_steps_of_bitbucket_run_one_after_the_other(text, expected):
    assert bitbucket_jobs(yaml(text)) == expected


def test_a_matrix_is_the_product_of_its_lists():
    assert matrix(yaml("{x: [1, 2], y: [1, 2, 3], exclude: [{x: 1}]}")) == 6
    assert matrix(yaml("{include: [{x: 1}, {x: 2}]}")) == 2
    assert matrix(None) == 1


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3), max_size=6))
def test_a_job_more_to_wait_for_never_makes_more_start_than_there_are(waits):
    jobs = {name: Job(1, tuple(after)) for name, after in waits.items()}
    assert most_at_once(jobs) <= len(jobs)
    assert most_at_once({name: Job() for name in jobs}) == len(jobs)


def test_a_long_chain_is_no_recursion():
    assert most_at_once({str(at): Job(1, (str(at - 1),)) for at in range(20_000)}) == 1
