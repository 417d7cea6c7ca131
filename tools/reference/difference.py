"""The page of a difference's JSON. Each table is compared with the difference of two small directories and a sample of each part."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pratique.release.bounds import Unread
from pratique.release.difference import Finding
from pratique.release.difference_json import difference_json
from pratique.release.image_facts import Setting
from pratique.release.open_difference import Asked, compare_paths
from tools.reference.json_keys import keys_of_sample

TEXT = """# Difference JSON

`pratique diff --json` prints one JSON object; `--out` and the notebook write the same object beside the page. It is complete: nothing is folded away or
shortened, and it has every change that is only noise. No value that may be a secret is in it, and no hash of one.

How to read the answer: [See what a release changes](../how-to/release-diff.md)."""
DIFFERENCE = {
    "service": "the service; empty for two paths",
    "sentence": "what differs, in one sentence",
    "exit_status": "of `--exit-code`: 0 the same, 1 different, 2 no difference found, but not everything was read",
    "before": "the older side",
    "after": "the newer side",
    "base": "the image that both are built on",
    "runtimes": "changes of runtimes, as under `packages`",
    "packages": "changes of packages, downgrades first",
    "configuration": "changes of configuration",
    "notes": "why something was not compared, such as the service file",
    "files": "`by_package`: package → number of files by kind of change; `changes`: each file; `unknown`: number of files that only one side has "
    "while the other was not read to its end",
    "noise": "number of changed files that are noise, by kind",
    "findings": "everything that was not read",
}
SIDE = {
    "name": "the revision, or the path",
    "kind": "`image` or `directory`",
    "digest": "of the release; empty where it is not known",
    "system": "the distribution, by os-release",
    "layers": "the layers of an image, the lowest first: `diff_id`, `bytes` of its files (null: not read), `shared` (whether both sides have it) and `command`",
}
PACKAGE = {
    "kind": "of package: `deb`, `apk`, `rpm`, `pypi`, `maven`, `npm`; of a runtime, its name",
    "name": "of the package",
    "change": "`down`, `changed` (two versions without an order), `up`, `new` or `removed`",
    "before": "`version`, `architecture` and `purl` (package URL); null for a new one",
    "after": "the same of the newer side; null for a removed one",
}
SETTING = {
    "part": "where it is set: the environment, a label, the service file and others",
    "key": "its name",
    "change": "`changed`, `new` or `removed`",
    "before": "the value; null where the key was not there; of a secret, `(hidden)`",
    "after": "the value of the newer side",
}
BASE = {
    "same": "whether both have the same base; null: not known",
    "by": "what shows it: `labels`, `layers` or `system`; empty: nothing does",
    "before": "the base of the older side",
    "after": "that of the newer side",
    "shared_layers": "how many layers both begin with",
    "text": "the same for people",
}
FILE = {
    "path": "in the image or directory",
    "change": "`changed`, `new` or `removed`",
    "bytes_before": "its size; null where it was not there",
    "bytes_after": "the same of the newer side",
    "package": "the package that it belongs to; empty: none",
    "noise": "why it is noise, and no difference; empty: it is none",
}
FINDING = {
    "side": "the revision or path",
    "part": "what it could have changed: packages, files, base and others",
    "what": "the thing that was not read",
    "reason": "why",
    "kind": "of the packages that may lack; empty: none in particular",
}


def _sample() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for name, version in (("before", "1.0"), ("after", "2.0")):
            package = Path(folder, name, "node_modules/example")
            package.mkdir(parents=True)
            (package / "package.json").write_text(json.dumps({"name": "example", "version": version}))
            Path(folder, name, "app").write_text(version * len(name))
        return difference_json(compare_paths(f"{folder}/before", f"{folder}/after", Asked()))


def page() -> str:
    """The whole page."""
    found = _sample()
    parts = (
        ("The difference", DIFFERENCE, found),
        ("before, after", SIDE, found["before"]),
        ("base", BASE, found["base"]),
        ("One of runtimes, packages", PACKAGE, found["packages"][0]),
        ("One of configuration", SETTING, Setting("env", "PORT", "1", "2").to_json()),
        ("One of files.changes", FILE, found["files"]["changes"][0]),
        ("One of findings", FINDING, Finding("before", Unread("files", "", "")).to_json()),
    )
    tables = [f"## {title}\n\n{keys_of_sample(meanings, sample, title)}" for title, meanings, sample in parts]
    return "\n\n".join(part.strip() for part in (TEXT, *tables))
