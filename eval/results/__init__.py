"""From rows to a report: scores, comparisons, exports."""
