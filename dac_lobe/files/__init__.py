"""From audio files to packed files and back.

Authors
 * The dac-lobe developers 2026
"""

from dac_lobe.files.decoding import decode_file
from dac_lobe.files.encoding import encode_file, encode_file_to

__all__ = ["decode_file", "encode_file", "encode_file_to"]
