"""Tokens as an artefact: encode a corpus once, read it anywhere.

    dac-lobe extract train.csv tokens/ --model 16khz     recordings -> store
    TokenStore("tokens/")["utterance-1"]                 store -> tokens [F, K]

A store holds the codes, which codec made them and what they mean; training on
it needs no codec. See docs/tokens.md.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.tokens.codebooks import Codebook, load_codebooks
from dac_lobe.tokens.extract import ExtractReport, extract
from dac_lobe.tokens.meta import StoreMeta, read_meta
from dac_lobe.tokens.parquet import export_parquet
from dac_lobe.tokens.store import TokenStore

__all__ = [
    "Codebook",
    "ExtractReport",
    "StoreMeta",
    "TokenStore",
    "export_parquet",
    "extract",
    "load_codebooks",
    "read_meta",
]
