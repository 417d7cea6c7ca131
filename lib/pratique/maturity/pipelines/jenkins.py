"""A Jenkinsfile, read by its calls: it is a program in Groovy, and it is not run.

Source: Jenkins, "Pipeline Syntax" and "Pipeline: Nodes and Processes".
"""

from __future__ import annotations

import re

from pratique.maturity.pipelines.model import Pipeline

LARGEST = 512 << 10
_TEXT = r"'''(?P<a>.{0,20000}?)'''|\"\"\"(?P<b>.{0,20000}?)\"\"\"|'(?P<c>(?:[^'\\\n]|\\.){0,4000})'|\"(?P<d>(?:[^\"\\\n]|\\.){0,4000})\""
_SHELL = re.compile(
    rf"\b(?:sh|bat|powershell|pwsh)\b\s*\(?\s*(?:\w+\s*:\s*[\w.]+\s*,\s*)*(?:script\s*:\s*)?(?:{_TEXT})", re.DOTALL
)
_CALL = re.compile(
    r"(?<![\w.'\"])(buildPlugin|buildPluginWithGradle|withMaven|junit|recordIssues|publishCoverage|recordCoverage|jacoco|cobertura|withSonarQubeEnv|waitForQualityGate|"
    r"dependencyCheck|kubernetesDeploy|deploy|infra\.\w+|docker\.build)\b"
)
_COMMENT = re.compile(r"/\*.{0,100000}?\*/|(?<![:'\"\w/])//[^\n]*", re.DOTALL)
_LIBRARY = re.compile(r"@Library\s*\(|^\s*library\s*[('\"]", re.MULTILINE)


def read_jenkinsfile(pipeline: Pipeline, content: bytes) -> None:
    """Read the shell steps, known calls and triggers. A multibranch job builds pushes, which the file does not say."""
    if len(content) > LARGEST:
        pipeline.unread.append(f"larger than {LARGEST >> 10} KiB")
        return
    # a comment becomes as many lines as it had
    text = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), content.decode("utf-8", "replace"))
    for found in _SHELL.finditer(text):
        script = next((part for part in found.groups() if part is not None), "")
        at = next(found.start(name) for name in "abcd" if found[name] is not None)
        pipeline.run(script, text.count("\n", 0, at) + 1)
    for found in _CALL.finditer(text):
        pipeline.use(found[1], text.count("\n", 0, found.start()) + 1)
    for pattern, trigger in (
        (r"\bcron\s*\(", "schedule"),
        (r"\bpollSCM\s*\(", "poll"),
        (r"\b(githubPush|gitlab|bitbucketPush|gerrit|GenericTrigger)\s*\(", "push"),
    ):
        if hit := re.search(pattern, text):
            pipeline.start(trigger, text.count("\n", 0, hit.start()) + 1)  # type: ignore[arg-type] # the words above
    if re.search(
        r"\b(changeRequest|branch|BRANCH_NAME|CHANGE_ID|multibranch)\b|\bcheckout\s*\(?\s*scm\b|\bbuildPlugin", text
    ):
        pipeline.start("push", 1)
    pipeline.jobs = max(1, len(re.findall(r"\bparallel\b", text)) * 2, text.count("agent {"))
    if _LIBRARY.search(text) or "buildPlugin" in text:
        pipeline.unread.append("its shared library is not in this repository")
