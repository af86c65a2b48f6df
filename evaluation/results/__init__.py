"""Scores to tables: statistics, curves, differences, files.

Authors
 * The dac-lobe developers 2026
"""
