"""The step between start and pool, of every runbook that starts something: the acceptance test."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pratique.errors import UnavailableError
from pratique.release.secrets import mask
from pratique.runbook.engine.run import say
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.service.acceptance import try_command, try_paths
from pratique.runbook.service.context import ACCEPT, Surroundings
from pratique.runtime.base import Instance


class Accept(Step):
    """Test each new instance, before any user meets it."""

    name = ACCEPT
    does = "test each new instance before it gets any traffic"

    def __init__(self, context: Surroundings) -> None:
        self._context = context

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - a test is made anew
        """Test them one after another."""
        self._context.run.require_time()
        instances = self._context.newcomers()
        if not instances:
            raise UnavailableError(f"no instance of {self._context.revision!r} runs any more: nothing can be tested")
        rollout = self._context.settings.rollout
        if not rollout.acceptance_paths and not rollout.acceptance_command:
            say("    the service file names no acceptance test: readiness is all that is known of them")
        else:
            for instance in instances:
                self.test(instance)
        return {"passed": [instance.address for instance in instances], "ids": [i.id for i in instances]}

    def holds(self, data: Data) -> bool:
        """Whether those that were tested are those that run."""
        return {instance.id for instance in self._context.newcomers()} <= set(data["ids"])

    def effects(self) -> Sequence[str]:
        """The tests."""
        rollout = self._context.settings.rollout
        told = [f"GET {path} of each new instance must be answered below 400" for path in rollout.acceptance_paths]
        if rollout.acceptance_command:
            told.append(f"run {' '.join(rollout.acceptance_command)!r:.300} for each new instance")
        return told or ["no acceptance test is named in the service file"]

    def test(self, instance: Instance) -> None:
        """Test one. Raises: UnavailableError with what it answered, or the command's last lines."""
        rollout, base = self._context.settings.rollout, self._context.config.path(".")
        began = time.monotonic()
        deadline = began + rollout.acceptance_timeout_s
        env = self._context.settings.runtime.env

        def masked(text: str) -> str:
            return mask(text, env, base)

        try_paths(instance, rollout.acceptance_paths, deadline=deadline, masked=masked)
        if rollout.acceptance_command:
            try_command(instance, rollout.acceptance_command, deadline=deadline, folder=base, masked=masked)
        say(f"    {instance.revision} at {instance.address} passed in {time.monotonic() - began:.1f} s")
