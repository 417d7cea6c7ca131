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
_PARALLEL = re.compile(r"\bparallel\s*[({\[\w'\"]|\bmatrix\s*\{")
_LIBRARY_CALL = re.compile(
    r"^(?!(?:pipeline|node|stage|properties|def|if|for|try|import|library)\b)([a-z]\w{0,99})\s*[({]", re.MULTILINE
)
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
    # stages run one after the other, each on its own agent or not
    pipeline.jobs = 2 if _PARALLEL.search(text) else 1
    if not pipeline.commands and (call := _LIBRARY_CALL.search(text)):
        # the server loads the library, without a word in the file
        pipeline.use(call[1], text.count("\n", 0, call.start(1)) + 1)
        pipeline.unread.append(f"{call[1]} is in a shared library, which is not in this repository")
    elif _LIBRARY.search(text) or "buildPlugin" in text:
        pipeline.unread.append("its shared library is not in this repository")
