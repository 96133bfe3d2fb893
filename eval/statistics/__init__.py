"""Intervals that cover and tests that pair. Formulas, sources and measured coverage: docs/statistics.md."""

from eval.statistics.bootstrap import RESAMPLES, bootstrap, cluster_bootstrap
from eval.statistics.interval import Estimate, Interval
from eval.statistics.means import clustered_mean, macro_mean
from eval.statistics.paired import (
    Difference,
    holm,
    macro_difference,
    mcnemar_exact,
    needed_n,
    paired_bootstrap,
    paired_difference,
    rank_groups,
)
from eval.statistics.ppi import Corrected, ppi
from eval.statistics.rates import clustered_rate, macro_rate, rule_of_three, wilson

__all__ = [
    "RESAMPLES",
    "Corrected",
    "Difference",
    "Estimate",
    "Interval",
    "bootstrap",
    "cluster_bootstrap",
    "clustered_mean",
    "clustered_rate",
    "holm",
    "macro_difference",
    "macro_mean",
    "macro_rate",
    "mcnemar_exact",
    "needed_n",
    "paired_bootstrap",
    "paired_difference",
    "ppi",
    "rank_groups",
    "rule_of_three",
    "wilson",
]
