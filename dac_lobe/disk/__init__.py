"""Files on disk: found, opened, replaced when complete.

Authors
 * The dac-lobe developers 2026
"""
