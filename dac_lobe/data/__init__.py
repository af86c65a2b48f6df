"""Corpora: manifests, and preparers that write them from a corpus' real layout.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.data.an4 import prepare_an4
from dac_lobe.data.checks import compare_headers
from dac_lobe.data.generic import prepare_manifests
from dac_lobe.data.headers import read_duration
from dac_lobe.data.item import Item, check_names
from dac_lobe.data.librispeech import prepare_librispeech
from dac_lobe.data.ljspeech import prepare_ljspeech
from dac_lobe.data.manifest import read_manifest, write_manifest
from dac_lobe.data.text import normalise

__all__ = [
    "Item",
    "check_names",
    "compare_headers",
    "normalise",
    "prepare_an4",
    "prepare_librispeech",
    "prepare_ljspeech",
    "prepare_manifests",
    "read_duration",
    "read_manifest",
    "write_manifest",
]
