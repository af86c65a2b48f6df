# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tokens and back
#
# A recording becomes codes, every number of codebooks is a bitrate, and each can be heard. All of
# it runs offline, on the model that comes with the package and a clip of this repository.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import soundfile
import torch
from IPython.display import Audio, display

from dac_lobe import DAC

clip = Path("../demo/clips/english_woman.flac")
output = Path("output/tokens_and_back")
output.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The codec
#
# `from_pretrained` takes a name, a path or a hub id. `16khz-small` is bundled; the official
# variants, such as `16khz`, are fetched at their first use.

# %%
codec = DAC.from_pretrained("16khz-small")
print("sample rate ", codec.sample_rate, "Hz")
print("frame rate  ", codec.frame_rate, "Hz: one frame is", codec.hop_length, "samples")
print("codebooks   ", codec.n_codebooks, "of", codec.codebook_size, "codes")
print("bitrate     ", codec.bitrate(), "kbps")

# %% [markdown]
# ## From a waveform to codes
#
# Waveforms are `[B, 1, T]` at the codec's rate. Codes are `[B, K, F]`: batch, codebooks, frames.

# %%
samples, rate = soundfile.read(clip, dtype="float32")
assert rate == codec.sample_rate, (
    "codec.encode_file resamples; tensors are not resampled"
)
wav = torch.from_numpy(samples)[None, None]
with torch.no_grad():
    codes = codec.encode(wav).codes
print(tuple(wav.shape), "->", tuple(codes.shape))

# %% [markdown]
# Each codebook quantizes what those before it left over. The first follows the phones of the
# utterance, the last looks like noise:

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, layout="constrained")
seconds = wav.shape[-1] / codec.sample_rate
axes[0].specgram(samples + 1e-6, NFFT=512, Fs=rate, noverlap=384, vmin=-130)
axes[0].set(ylabel="Hz", title="the recording")
axes[1].imshow(
    codes[0], aspect="auto", interpolation="nearest", extent=(0, seconds, 12.5, 0.5)
)
axes[1].set(xlabel="seconds", ylabel="codebook", title="its codes, 0 to 1023")
plt.show()

# %% [markdown]
# ## Back again, at every bitrate
#
# Any prefix of the codebooks decodes, so one encoding serves every bitrate. With `length`, as many
# samples come out as went in. Listen for the voice at one codebook and for the noise at twelve:
# the bundled model is small, and its [card](../docs/16khz-small.md) says where it fails.

# %%
print("the recording")
display(Audio(filename=str(clip)))
for used in (1, 2, 4, 8, 12):
    with torch.no_grad():
        decoded = codec.decode_codes(codes[:, :used], length=wav.shape[-1])
    path = output / f"{used}_codebooks.flac"
    soundfile.write(path, decoded[0, 0].numpy(), codec.sample_rate)
    print(f"{used} codebooks, {codec.bitrate(used):.1f} kbps")
    display(Audio(filename=str(path)))

# %% [markdown]
# ## Files
#
# `encode_file` takes any rate and any number of channels. A packed file holds the codes and all
# that decoding needs; [its page](../docs/container.md) describes every byte.

# %%
packed = codec.encode_file(clip, num_codebooks=8)
path = packed.save(output / "talk.dac")
print(
    f"{clip.stat().st_size} bytes as FLAC, {path.stat().st_size} bytes as {path.name}"
)
print(f"{packed.duration:.2f} s, nominal {packed.bitrate:.2f} kbps")
decoded = codec.decode_file(path, output / "talk.wav")
assert soundfile.info(decoded).frames == soundfile.info(clip).frames

# %% [markdown]
# ## Any length, any batch
#
# Codes do not depend on how a signal was cut, nor on what else is in the batch. Here one second at
# a time, and beside a longer item:

# %%
whole = codec.encode_chunked(wav, chunk_frames=50)
batch = torch.nn.utils.rnn.pad_sequence(
    [wav[0, 0], wav[0, 0, :16000]], batch_first=True
)
lengths = torch.tensor([wav.shape[-1], 16000])
with torch.no_grad():
    together = codec.encode(batch[:, None], lengths=lengths).codes
    alone = codec.encode(wav[..., :16000]).codes
print("chunked equals whole:", torch.equal(whole, codes))
print("in a batch equals alone:", torch.equal(together[1:, :, :50], alone))

# %% [markdown]
# Next: [tokens in a SpeechBrain recipe](2_tokens_in_a_recipe.py).
