"""Run systems and metrics over recordings: jobs, processes, a cache.

Authors
 * The dac-lobe developers 2026
"""
