"""EnCodec behind the interface of `dac_lobe.DAC`, by transformers' model.

    codec = EnCodec.from_pretrained("24khz")
    codes = codec.encode(wav, 8).codes                    # [B, 8, F]: 6 kbps
    wav   = codec.decode_codes(codes, length=n)           # exactly n samples
    packed = codec.encode_file("talk.flac"); packed.save("talk.encodec")
    tokens = DACTokenizer(codec, num_codebooks=8).sig_to_tokens(sig, lengths)

Importing this imports transformers, which otherwise only `dac_lobe.hf` does.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

try:
    import transformers as _transformers  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "dac_lobe.encodec needs the package transformers. Install dac-lobe[hf].",
        name=error.name,
    ) from error

from dac_lobe.encodec.codec import EnCodec
from dac_lobe.encodec.network import EnCodecEncoded
from dac_lobe.encodec.packed import EnCodecPacked

__all__ = ["EnCodec", "EnCodecEncoded", "EnCodecPacked"]
