"""Who speaks in a recording and what it is, by all runs that were told.

The order of the runs changes nothing.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["disputed", "join_domains", "join_speakers"]


def disputed(told: Iterable[Mapping[str, str]]) -> set[str]:
    """Find the recordings that runs say different things of.

    Arguments
    ---------
    told : iterable of mapping
        What each run says of its recordings, by name; empty where it does not know.

    Returns
    -------
    set of str
        Names.

    Example
    -------
    >>> sorted(
    ...     disputed([{"a": "x", "b": "", "c": "x"}, {"a": "y", "b": "y", "c": "x"}])
    ... )
    ['a']
    """
    found: dict[str, set[str]] = {}
    for one in told:
        for name, said in one.items():
            found.setdefault(name, set()).update([said] if said else [])
    return {name for name, said in found.items() if len(said) > 1}


def join_speakers(told: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Name the speaker of each recording, if any run knows.

    Two recordings have one speaker if any run says so: where two runs call a speaker
    differently, both names are one.

    Arguments
    ---------
    told : sequence of mapping
        Speaker of each recording by name, run by run; empty if unknown.

    Returns
    -------
    dict
        By recording; empty if unknown to all.

    Example
    -------
    >>> join_speakers(
    ...     [{"a": "anna", "b": "", "c": "cy"}, {"a": "s1", "b": "s1", "c": ""}]
    ... )
    {'a': 'anna', 'b': 'anna', 'c': 'cy'}
    """
    other: dict[str, str] = {}  # another name of a speaker, up to the first in order

    def first(speaker: str) -> str:
        while speaker in other:
            speaker = other[speaker]
        return speaker

    known: dict[str, str] = {}
    for one in told:
        for name, speaker in one.items():
            met = known.setdefault(name, speaker) or speaker
            known[name] = met
            low, high = sorted((first(met), first(speaker or met)))
            if low != high:
                other[high] = low
    return {name: first(speaker) for name, speaker in known.items()}


def join_domains(told: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Name the domain of each recording; empty where runs do not agree.

    Example
    -------
    >>> join_domains([{"a": "speech", "b": "music"}, {"a": "music", "b": "music"}])
    {'a': '', 'b': 'music'}
    """
    apart = disputed(told)
    return {
        name: "" if name in apart else domain
        for one in told
        for name, domain in one.items()
    }
