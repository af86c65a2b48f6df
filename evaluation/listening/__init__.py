"""Blind listening tests: pages for assessors, and what their answers say.

    run --excerpts, stimuli--> page + key        (to assessors, and kept)
    answers + key --answers--> ratings --findings--> a run that a board can join

Authors
 * The dac-lobe developers 2026
"""
