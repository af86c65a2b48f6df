"""One compressed file: codes, bit by bit, and all that decoding them needs.

    header | block | block | ... | last block | trailer

    block     codes in the order [frame, channel, codebook], packed; CRC-32
    trailer   "DACE" | frames u64 | samples u64 | CRC-32

Every block but the last has the same size, so the block of any moment is found
by arithmetic. A block's CRC covers its number too: blocks cannot change places.
The trailer is written last; a file without it is unfinished, and readable up to its
last whole block. docs/container.md is the specification.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.container.header import ContainerError, Header
from dac_lobe.container.packed import Packed
from dac_lobe.container.reader import PackedReader
from dac_lobe.container.writer import PackedWriter

__all__ = ["ContainerError", "Header", "Packed", "PackedReader", "PackedWriter"]
