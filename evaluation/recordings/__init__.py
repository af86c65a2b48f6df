"""Recordings: which there are, and what they hold.

Authors
 * The dac-lobe developers 2026
"""
