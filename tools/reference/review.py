"""The page of a review's JSON. Each table is compared with the review of a repository that has nothing but an answer."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from pratique.maturity.answers import Answer, AnswerFile
from pratique.maturity.load import load_model
from pratique.maturity.review import Change, make_review
from pratique.maturity.sources import Sources
from tools.reference.json_keys import keys_of_sample

TEXT = """# Review JSON

`pratique review --json` prints one JSON object; `--out` with a file that ends in .json, the page and the notebook write the same object. In Python it is
`Review.to_json()`. Times are ISO 8601 in UTC with a `Z`. Levels are numbers from 0; -1 means that not even the lowest is reached.

How evidence and answers become levels: [How the review judges](../explanation/maturity.md)."""
REVIEW = {
    "model": "`name`; `sha256` of its file, which tells a review by another model; `levels`: names, the lowest first",
    "made": "when",
    "repository": "its folder",
    "commit": "the last commit; empty without one",
    "services": "the services that were asked for; empty: all",
    "categories": "the categories in the order of the model",
    "items": "the practices in the order of the model",
    "next_steps": "at most three ids of practices",
    "to_answer": "the questions that the team can answer now: `item` and `ask`",
    "findings": "problems of the answers, one sentence each",
    "before": "when the review was made that `changes` compares with; null without one",
    "changes": "the practices whose state changed since then",
}
CATEGORY = {
    "id": "of the category",
    "name": "for people",
    "level": "the level that is reached",
    "level_name": "its name; null below the lowest",
    "highest": "the level that would be reached if every unknown practice were met",
    "highest_name": "its name; null below the lowest",
    "unknown": "how many unknown practices are between the two",
    "not_wanted": "how many practices the team leaves out",
    "text": "the level with its range, in words",
    "counts": "level → practices that are met or do not apply, and practices that the team wants",
}
ITEM = {
    "id": "of the practice, which never changes",
    "level": "its level",
    "practice": "what it is",
    "state": "`met`, `not met`, `unknown`, `not applicable` or `not wanted`",
    "strength": "of what decided: `recorded`, `declared` or `said`; null where nothing did",
    "reason": "one sentence with the numbers",
    "where": "what it was taken from: `ledger 214`, `git 3f2a91c`, `.gitlab-ci.yml:12`",
    "evidence": "of each collector",
    "answer": "of the team; null without one",
    "next": "the next step",
    "ask": "the question to the team; empty: the practice itself is the question",
    "source": "its place in the source of the model",
}
EVIDENCE = {
    "state": "`met`, `not met` or `unknown`",
    "reason": "one sentence with the numbers",
    "value": "the measured number; null where nothing was",
    "threshold": "what it is compared with",
    "n": "the cases that it was measured from",
    "where": "what it was taken from",
    "strength": "`recorded` or `declared`",
    "collector": "the name of the collector",
    "supports": "whether it only supports an answer, and decides nothing",
}
ANSWER = {
    "item": "the practice",
    "answer": "`yes`, `no`, `partly`, `not applicable` or `not wanted`",
    "who": "who answered",
    "date": "when",
    "until": "the last day on which it is valid",
    "why": "the reason",
    "link": "a page that shows it",
    "expired": "whether it is no longer valid",
}
CHANGE = {
    "item": "the practice",
    "direction": "`▲`, `▼`, `=` (neither better nor worse) or `new`",
    "before": "the state then; empty for a new one",
    "now": "the state now",
    "why": "what changed it: evidence, a threshold, the model, or an answer that was given, expired or was removed",
}


def _sample() -> dict[str, Any]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    answer = Answer(item="culture.frequent-commits", answer="no", who="Ann", date=date(2026, 1, 1))
    return make_review(Sources(load_model(), now), AnswerFile({answer.item: answer})).to_json()


def page() -> str:
    """The whole page."""
    review = _sample()
    item = next(one for one in review["items"] if one["answer"])
    parts = (
        ("The review", REVIEW, review),
        ("One of categories", CATEGORY, review["categories"][0]),
        ("One of items", ITEM, item),
        ("One of evidence", EVIDENCE, item["evidence"][0]),
        ("answer", ANSWER, item["answer"]),
        ("One of changes", CHANGE, Change("", "", "", "", "").to_json()),
    )
    tables = [f"## {title}\n\n{keys_of_sample(meanings, sample, title)}" for title, meanings, sample in parts]
    return "\n\n".join(part.strip() for part in (TEXT, *tables))
