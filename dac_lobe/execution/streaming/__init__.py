"""Encode and decode signals that arrive in pieces, with the codes of the whole.

Push any number of samples or frames, take what is ready, flush at the end. What
comes out, laid end to end, is what `DAC.encode` and `DAC.decode_codes` give for
the whole signal. A stream holds one block and its context, however long it runs, and
computes each block once.

    samples --encoder--> codes          codes --decoder--> samples

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.execution.streaming.decoder import StreamingDecoder
from dac_lobe.execution.streaming.encoder import Resumption, StreamingEncoder
from dac_lobe.execution.streaming.stream import Latency

__all__ = ["Latency", "Resumption", "StreamingDecoder", "StreamingEncoder"]
