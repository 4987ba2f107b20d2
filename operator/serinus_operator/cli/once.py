"""What `serinus run --once` waits for: every model Ready, or something that no longer becomes so by itself.

Made by `run.py` before the first pass, so that it can tell what an earlier run has left from what this one has found.
"""

import asyncio

from serinus_operator.cli import exits
from serinus_operator.cli.rows import Attempt, attempt_of, current, outcome
from serinus_operator.cli.screen import Screen
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, Manifest
from serinus_operator.local.instance import Instance
from serinus_operator.queue import Key


class Once:
    """The end of one run over some models."""

    def __init__(self, instance: Instance, screen: Screen) -> None:
        self._instance, self._screen = instance, screen
        self._before: dict[Key, Attempt | None] = {
            Key(model["metadata"]["namespace"], model["metadata"]["name"]): attempt_of(model)
            for model in instance.cluster.select(MODEL_DEPLOYMENT)
        }

    async def settled(self, keys: tuple[tuple[str, str], ...], changed: asyncio.Event) -> int:
        """The exit code, when there is one; says why. `changed` is set when it is worth another look."""
        self._instance.look_again()
        while True:
            changed.clear()
            code = self._verdict(tuple(Key(*key) for key in keys))
            if code is not None:
                return code
            await changed.wait()

    def _verdict(self, keys: tuple[Key, ...]) -> int | None:
        if self._instance.passes.unwritable:
            return exits.FAILED  # told by who watches the passes
        models = {key: model for key in keys if (model := self._find(key))}
        outcomes = {key: self._outcome(key, model) for key, model in models.items()}
        for key, model in models.items():
            if outcomes[key] == "stalled":
                why = current(model, "Stalled") or {}
                text = f"{key} is Stalled, {why.get('reason')}: {why.get('message')}"
                self._screen.note("stalled", text, namespace=key.namespace, name=key.name, reason=why.get("reason"))
                return exits.FAILED
        if any(word != "ready" for word in outcomes.values()):
            return None
        if outcomes:
            self._screen.note("ready", f"All Ready: {', '.join(map(str, outcomes))}")
        return exits.OK

    def _outcome(self, key: Key, model: Manifest) -> str:
        if not self._instance.passes.looked_at(key):
            return "working"
        answers = bool(self._instance.backends(key.namespace, key.name))
        return outcome(model, answers=answers, before=self._before.get(key))

    def _find(self, key: Key) -> Manifest | None:
        return self._instance.cluster.find(MODEL_DEPLOYMENT, key.namespace, key.name)
