"""Leaf cells of simulated traffic with known faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pratique.incident.cells import Cells, expected_shares, spreads

Values = tuple[int | None, ...]


class FaultyCells:
    """Traffic in 2 revisions × actions × codes × hosts after a history of blocks as long as the incident.

    requests: after the start. wandering: standard deviation of the log share of the service from block to block.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        actions: int = 6,
        hosts: int = 4,
        requests: float = 30_000,
        blocks: int = 24,
        wandering: float = 0.0,
        share: float = 0.005,
        codes: tuple[float, ...] = (0.6, 0.4),
        equal: bool = True,
    ) -> None:
        self.rng, self.requests, self.blocks, self.wandering = rng, requests, blocks, wandering
        self.code_parts = np.array(codes)
        weights = np.ones(actions) if equal else np.maximum(rng.dirichlet(np.full(actions, 0.5)), 2e-4)
        canary = rng.choice([0.1, 0.5])
        self.weight = np.einsum("r,a,h->rah", [1 - canary, canary], weights / weights.sum(), np.full(hosts, 1 / hosts))
        usual = share * np.exp((0.3 if equal else 1.0) * rng.standard_normal(actions))
        self.usual = np.einsum("a,c,rh->rach", usual, self.code_parts, np.ones((2, hosts)))
        self.factor, self.added = np.ones(self.usual.shape), np.zeros(self.usual.shape)
        self.n = self._requests()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each dimension."""
        return self.usual.shape

    def _requests(self) -> np.ndarray:
        n = self.rng.poisson(self.requests * self.weight)
        return np.repeat(n[:, :, None, :], len(self.code_parts), axis=2)

    def fault(self, values: Values, effect: str, size: float) -> FaultyCells:
        """Multiply the usual shares of a place, or turn a share of all its requests bad whatever else fails."""
        part = tuple(slice(None) if value is None else slice(value, value + 1) for value in values)
        if effect == "times":
            self.factor[part] *= size
        else:
            codes = self.code_parts if values[2] is None else np.ones(len(self.code_parts))
            self.added[part] += size * np.broadcast_to(codes[None, None, :, None], self.sizes)[part]
        return self

    @property
    def share(self) -> np.ndarray:
        """Share of bad requests of each leaf after the start."""
        return np.minimum(self.usual * self.factor + self.added, 0.9)

    @property
    def excess(self) -> float:
        """Bad requests more, on average."""
        return float((self.n * (self.share - self.usual)).sum())

    def _level(self) -> float:
        return float(np.exp(self.wandering * self.rng.standard_normal() - self.wandering**2 / 2))

    def cells(self) -> Cells:
        """Draw the counts."""
        past = [self._requests() for _ in range(self.blocks)]
        past_bad = [self.rng.poisson(n * np.minimum(self.usual * self._level(), 1.0)) for n in past]
        bad = self.rng.poisson(self.n * np.minimum(self.share * self._level(), 1.0))
        keys = np.indices(self.sizes).reshape(4, -1)
        before_n, before_bad = sum(past).ravel(), sum(past_bad).ravel()
        share = expected_shares(keys, self.sizes, before_bad, before_n)
        leaves = keys.shape[1]
        cells = Cells(
            names=tuple(
                tuple(f"{kind}{value}" for value in range(size)) for kind, size in zip("rach", self.sizes, strict=True)
            ),
            keys=keys,
            bad=bad.ravel(),
            n=self.n.ravel(),
            bad_before=before_bad,
            n_before=before_n,
            expected=self.n.ravel() * share,
            spread={},
            blocks=self.blocks,
        )
        leaf, block = np.tile(np.arange(leaves), self.blocks), np.repeat(np.arange(self.blocks), leaves)
        all_n = np.concatenate([n.ravel() for n in past])
        all_bad = np.concatenate([counts.ravel() for counts in past_bad])
        found = spreads(keys, self.sizes, cells.cuboids(), leaf, block, all_bad, all_n * share[leaf])
        return replace(cells, spread=found)

    @staticmethod
    def reordered(cells: Cells, order: np.ndarray) -> Cells:
        """Return the same leaves in another order."""
        fields = ("bad", "n", "bad_before", "n_before", "expected")
        return replace(cells, keys=cells.keys[:, order], **{name: getattr(cells, name)[order] for name in fields})
