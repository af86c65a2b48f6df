"""Weights: which there are, where they come from, how they are laid out.

Authors
 * The dac-lobe developers 2026
"""
