"""The mean of a language or a tier and how sure it is, from rows that may come in clusters."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = Sequence[tuple[Hashable, float]]  # cluster, value

# A design effect that few clusters speak for is drawn towards the worst there can be, by a fifth of a cluster; and
# never taken for less than a half. Both from simulation: docs/statistics.md.
_PRIOR_CLUSTERS = 0.2
_LEAST_DESIGN = 0.5


@dataclass(frozen=True, slots=True)
class MeanMoments:
    """A macro mean over languages (of one: its plain mean), with what its interval is made of.

    `variance`: of the mean, cluster-robust; `independent`: the same were all rows independent; `df`: clusters less
    groups of languages that share none; `rows`: n, or for a macro mean the n that as many independent rows
    would be worth; `clusters`: that for clusters; `informative`: clusters that differ from the commoner extreme.
    """

    mean: float
    square: float
    variance: float
    independent: float
    df: int
    rows: float
    clusters: float
    informative: int

    @property
    def design(self) -> float:
        """Kish's (1965) design effect: how many clustered rows are worth one independent row."""
        worst = self.rows / self.clusters
        if self.alike or worst < 1 + 1e-9:
            return worst
        found = max(_LEAST_DESIGN, self.variance / self.independent)
        return (found * self.informative + worst * _PRIOR_CLUSTERS) / (self.informative + _PRIOR_CLUSTERS)

    @property
    def alike(self) -> bool:
        """Whether nothing varies, or one cluster is all there is: the rows say nothing of their own spread."""
        return self.df <= 0 or self.independent * self.rows < 1e-12


def labels(clusters: Sequence[Hashable]) -> NDArray[np.intp]:
    """Clusters as numbers 0, 1, ... in order of appearance."""
    names = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    return np.fromiter(map(names.__getitem__, clusters), np.intp, len(clusters))


def _different(numbers: NDArray[np.intp]) -> int:
    """How many different numbers from 0 there are."""
    return int(np.count_nonzero(np.bincount(numbers)))


def moments(by_language: Mapping[str, Rows]) -> MeanMoments:
    """The moments of the mean of the languages' means. A cluster met in several languages is one cluster.

    Linearised: a row moves the macro mean by (value - its language's mean) / (L n_l). These sum within clusters, and
    Var = G / (G - K) * sum over clusters of the squared sums, for G clusters and K = 1 if any cluster is shared
    between languages, else L. One language: Miller 2024 (arXiv:2411.00640), appendix A. No cluster
    shared: (sum of SE_l^2) / L^2. ValueError if a language has no rows.
    """
    if not by_language or not all(by_language.values()):
        counts = {lang: len(rows) for lang, rows in by_language.items()}
        raise ValueError(f"a mean needs rows in every language, but the rows by language are {counts}")
    sizes = np.array([len(rows) for rows in by_language.values()])
    lang = np.repeat(np.arange(len(sizes)), sizes)
    values = np.array([v for rows in by_language.values() for _, v in rows], float)
    cluster = labels([c for rows in by_language.values() for c, _ in rows])
    return _moments(values, lang, cluster, sizes)


def _moments(values: Floats, lang: NDArray[np.intp], cluster: NDArray[np.intp], sizes: NDArray[np.intp]) -> MeanMoments:
    groups, languages = int(cluster.max()) + 1, len(sizes)
    weight = 1 / (languages * sizes[lang])
    means = np.bincount(lang, values) / sizes
    residual = values - means[lang]
    shared = _different(cluster * languages + lang) > groups
    df = groups - (1 if shared else languages)
    moved = np.bincount(cluster, weight * residual)
    return MeanMoments(
        mean=float(means.mean()),
        square=float(weight @ values**2),
        variance=groups / df * float(moved @ moved) if df > 0 else np.inf,
        independent=float(weight**2 @ residual**2),
        df=df,
        rows=1 / float(weight @ weight),
        clusters=1 / float((np.bincount(cluster, weight) ** 2).sum()),
        informative=min(_different(cluster[values > values.min()]), _different(cluster[values < values.max()])),
    )
