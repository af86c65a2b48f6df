"""The transformers face: its DAC classes, working where they do not.

Subclasses of transformers' own, with the same keywords, outputs, files and
weights; ``save_pretrained`` and ``from_pretrained`` are inherited, and what one
side writes the other loads. Mended here:

* ``model(**extractor(...))``: ``padding_mask`` is taken, and padding then
  changes nothing: codes, latents and samples of an item are those it has alone;
* stereo: channels become items of the batch, ``[B, C, T]`` as ``[B * C, 1, T]``,
  channel c of item b at ``b * C + c``, in all outputs;
* ``remove_weight_norm`` undoes ``apply_weight_norm``, and both may be repeated;
* ``frame_rate`` is exact, and hop_length follows from the ratios whatever a
  config.json says;
* codes and numbers of codebooks out of range are errors;
* weights whose latents are narrower than the encoder (44khz-16kbps).

Importing this imports transformers, which otherwise only `dac_lobe.encodec` does.

Authors
 * The dac-lobe developers 2026
"""

try:
    import transformers as _transformers  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "dac_lobe.hf needs the package transformers. Install dac-lobe[hf].",
        name=error.name,
    ) from error

from dac_lobe.hf.config import DacConfig
from dac_lobe.hf.feature_extractor import DacFeatureExtractor
from dac_lobe.hf.model import DacModel

__all__ = ["DacConfig", "DacFeatureExtractor", "DacModel"]
