"""A form for the questions of the maturity review, which writes maturity/answers.toml of the repository."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from pratique.clock import utc_now
from pratique.errors import PratiqueError
from pratique.figures.labels import label
from pratique.figures.panels import Panel
from pratique.maturity.answers import ANSWERS, answer_of, write_answer
from pratique.maturity.repository import Repository
from pratique.maturity.review import Review
from pratique.notebook.person import person_is_here

STATIC = "Open this notebook in JupyterLab to answer these questions in a form, or answer them with `pratique answer`."


def answer_questions(review: Review) -> Any:
    """Return a form with a row for each question that a sentence would settle; where no person can click, only a sentence.

    review: from `open_review`. Each answer is written when its button is pressed; commit the file, and run the notebook again.
    Raises: nothing; where there is no git repository to answer in, a sentence says so.
    """
    if not person_is_here():
        return Panel(f"<p>{STATIC}</p>", STATIC)
    try:
        return AnswerForm(review).widget
    except PratiqueError as error:
        return Panel(f"<p>{label(str(error), 300)}</p>", str(error))


class AnswerForm:
    """The rows of the form. widget: the box to display."""

    def __init__(self, review: Review) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self._review = review
        repository = Repository(Path(review.repository))
        self._root, user = repository.root, repository.user()
        self.who = ipywidgets.Text(user, description="who", placeholder="as git knows you")
        self.rows = {one.item.id: AnswerRow(self, one.item.id, one.item.question) for one in review.questions}
        self.widget = ipywidgets.VBox([self.who, *(row.widget for row in self.rows.values())])
        self.widget.add_class("pratique-answers")

    def write(self, item: str, word: str, why: str, link: str, until: date | None) -> str:
        """Write one answer, and return what was done or what is wrong, in one sentence."""
        try:
            given = answer_of(item, word, who=self.who.value, today=utc_now().date(), until=until, why=why, link=link)
            path = write_answer(self._root, given)
        except PratiqueError as error:
            return str(error)
        return f"{given.sentence}; wrote {path.name}: commit it"


class AnswerRow:
    """One question with its controls."""

    def __init__(self, form: AnswerForm, item: str, question: str) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self._form, self._item = form, item
        self.answer = ipywidgets.Dropdown(options=["", *ANSWERS], layout={"width": "9rem"})
        self.why = ipywidgets.Text(placeholder="why", layout={"width": "20rem"})
        self.link = ipywidgets.Text(placeholder="link", layout={"width": "14rem"})
        self.until = ipywidgets.DatePicker(layout={"width": "9rem"})
        self.save = ipywidgets.Button(description="Answer", tooltip=f"Write the answer to {item}")
        self.said = ipywidgets.Label()
        self.save.on_click(lambda _: self.write())
        controls = ipywidgets.HBox(
            [self.answer, self.why, self.link, self.until, self.save, self.said], layout={"flex_flow": "row wrap"}
        )
        self.widget = ipywidgets.VBox([ipywidgets.Label(f"{question} ({item})"), controls])

    def write(self) -> None:
        """Write what the controls say."""
        if not self.answer.value:
            self.said.value = "choose an answer first"
            return
        self.said.value = self._form.write(
            self._item, self.answer.value, self.why.value, self.link.value, self.until.value
        )
