"""Columns of the utterance table beside the metrics, whose names no metric may have.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

__all__ = ["AFTER", "BEFORE", "FACTS", "RESERVED"]

FACTS = "@facts"  # the place of `evaluation.running.jobs.Facts` among the metrics
BEFORE = ("utterance", "system", "num_codebooks", "setting", "kbps")
AFTER = (
    *("kbps_emitted", "kbps_file", "seconds", "len_ref", "len_out", "lag_samples"),
    *("delay_samples", "speaker", "domain", "domain_from", "status", "reason"),
)
RESERVED = (FACTS, *BEFORE, *AFTER)
