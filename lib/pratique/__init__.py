"""Pratique releases a revision as a canary, compares it with the running one, and promotes or rolls it back.

This module is the public API; notebooks import from here and from `pratique.figures` only. Names load on first use,
so `import pratique` is fast. Every error is a `PratiqueError`; `pratique.errors` has the subclasses.

    compare a canary           compare(store, service, baseline, canary) → Verdict
      with the service file    open_comparison(service, baseline, canary) → Comparison, drawn by `figures`
      as a report              write_report(config, service, baseline, canary); save_report inside a notebook
    plan a release             plan(config, service) → how long it takes, and settings in time
    analyse an incident        open_incident(service, outcome) → OpenedIncident, drawn by `figures`; save_incident inside a notebook
    history of deliveries      open_history(service) → OpenedHistory, drawn by `figures`; save_history inside a notebook
    compare two contents       open_difference(service, before, after), drawn by `figures`; save_difference inside a notebook
    review a team              open_review(services) → Review, drawn by `figures`; save_review inside a notebook
    change what runs           open_release(service=…, revision=…), open_rollback(service=…)
    examine hosts              open_doctor(hosts=…), drawn by `figures`; its `save` writes the page
    run a job                  open_job(job=…)
    run a notebook             run_notebook(name, parameters, output)
    data and settings          open_store(address), load_config(path), Policy, GuardPolicy

An empty store has no revision to compare, and an error says so in one line:

>>> import tempfile
>>> import pratique
>>> with tempfile.TemporaryDirectory() as folder:
...     store = pratique.open_store(folder)
...     try:
...         pratique.compare(store, "shop", "r1", "r2")
...     except pratique.PratiqueError as error:
...         print(type(error).__name__, error.exit_status)
MissingError 66
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pratique import errors, figures
    from pratique.config import GuardPolicy, Policy
    from pratique.config import load as load_config
    from pratique.errors import PratiqueError
    from pratique.judge.compare import compare
    from pratique.judge.model import Verdict
    from pratique.notebook import run_notebook
    from pratique.planning.plan import plan
    from pratique.report import (
        Comparison,
        OpenedHistory,
        content_change,
        incident_logs,
        incident_reproduction,
        open_comparison,
        open_difference,
        open_history,
        open_incident,
        reproduction,
        save_difference,
        save_history,
        save_incident,
        save_report,
        write_report,
    )
    from pratique.report.opened_incident import OpenedIncident
    from pratique.review import open_review, save_review
    from pratique.runbook.opening import open_doctor, open_job, open_release, open_rollback
    from pratique.store import open_store
    from pratique.version import __version__
    from pratique.widgets import answer_questions, explore_incident, record_incident

__all__ = [
    "Comparison",
    "GuardPolicy",
    "OpenedHistory",
    "OpenedIncident",
    "Policy",
    "PratiqueError",
    "Verdict",
    "__version__",
    "answer_questions",
    "compare",
    "content_change",
    "errors",
    "explore_incident",
    "figures",
    "incident_logs",
    "incident_reproduction",
    "load_config",
    "open_comparison",
    "open_difference",
    "open_doctor",
    "open_history",
    "open_incident",
    "open_job",
    "open_release",
    "open_review",
    "open_rollback",
    "open_store",
    "plan",
    "record_incident",
    "reproduction",
    "run_notebook",
    "save_difference",
    "save_history",
    "save_incident",
    "save_report",
    "save_review",
    "write_report",
]

_SOURCES = {
    "Comparison": "pratique.report",
    "GuardPolicy": "pratique.config",
    "OpenedHistory": "pratique.report",
    "OpenedIncident": "pratique.report.opened_incident",
    "Policy": "pratique.config",
    "PratiqueError": "pratique.errors",
    "Verdict": "pratique.judge.model",
    "__version__": "pratique.version",
    "answer_questions": "pratique.widgets",
    "compare": "pratique.judge.compare",
    "content_change": "pratique.report",
    "errors": "pratique.errors",
    "explore_incident": "pratique.widgets",
    "figures": "pratique.figures",
    "incident_logs": "pratique.report",
    "incident_reproduction": "pratique.report",
    "load_config": "pratique.config:load",
    "open_comparison": "pratique.report",
    "open_history": "pratique.report",
    "open_difference": "pratique.report",
    "open_doctor": "pratique.runbook.opening",
    "open_incident": "pratique.report",
    "open_job": "pratique.runbook.opening",
    "open_release": "pratique.runbook.opening",
    "open_review": "pratique.review",
    "open_rollback": "pratique.runbook.opening",
    "open_store": "pratique.store",
    "plan": "pratique.planning.plan",
    "record_incident": "pratique.widgets",
    "reproduction": "pratique.report",
    "run_notebook": "pratique.notebook",
    "save_history": "pratique.report",
    "save_difference": "pratique.report",
    "save_incident": "pratique.report",
    "save_report": "pratique.report",
    "save_review": "pratique.review",
    "write_report": "pratique.report",
}
"""Public name → the module that defines it, with ":name" when it has another name there."""

if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name not in _SOURCES:
            raise AttributeError(f"module 'pratique' has no attribute {name!r}: it has {', '.join(__all__)}")
        module, _, original = _SOURCES[name].partition(":")
        found = import_module(module)
        value = found if module == f"pratique.{name}" else getattr(found, original or name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
