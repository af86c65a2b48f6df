"""The report: plots, players, one page.

Authors
 * The dac-lobe developers 2026
"""

from evaluation.report.page import write_report

__all__ = ["write_report"]
