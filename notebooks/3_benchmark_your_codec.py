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
# # Benchmark your codec
#
# A codec under test is a class of about fifteen lines. The suite encodes every recording once,
# decodes every prefix of its codes, scores them, and says how sure each number is. Here an
# old codec is the new one: 8 kHz mu-law, as telephones use it.

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Audio, display

from evaluation import CodebookSystem, Point, evaluate

recordings = Path("../demo/clips")
output = Path("output/benchmark_your_codec")

# %% [markdown]
# ## The codec
#
# `encode` returns integers `[K, F]`, `decode` gets the first codebooks of them. Every bit of a
# mu-law sample is a codebook of two codes here, the most significant first, so that any prefix
# decodes: eight codebooks are 64 kbps. The suite resamples to `sample_rate` and back.


# %%
class MuLaw(CodebookSystem):
    """Mu-law companding (ITU-T G.711's curve), one codebook a bit."""

    name, version = "mu-law", "1"
    sample_rate, frame_rate, num_codebooks, codebook_size = 8000, 8000, 8, 2

    def encode(self, wav, sample_rate):
        curve = np.sign(wav) * np.log1p(255 * np.abs(wav).clip(max=1)) / np.log(256)
        level = (curve * 128 + 128).clip(0, 255).astype(int)
        return np.stack([level >> bit & 1 for bit in range(7, -1, -1)])

    def decode(self, codes, point, length):
        level = sum(bits << len(codes) - 1 - place for place, bits in enumerate(codes))
        curve = (level + 0.5) / 2 ** (len(codes) - 1) - 1
        return np.sign(curve) * np.expm1(np.abs(curve) * np.log(256)) / 255


# %% [markdown]
# Try it alone before the suite does. A codec that cannot reproduce its input here will not do so
# there:

# %%
tone = np.sin(np.arange(8000) / 8000 * 2 * np.pi * 440) / 2
codes = MuLaw().encode(tone, 8000)
again = MuLaw().decode(codes, Point(num_codebooks=8), tone.size)
print(
    codes.shape,
    f"signal to noise: {10 * np.log10((tone**2).sum() / ((tone - again) ** 2).sum()):.1f} dB",
)
display(Audio(again, rate=8000))

# %% [markdown]
# ## The evaluation
#
# `workers=0` keeps everything in this process, where the class is defined. From a file
# `my_codecs.py` the same is
# `dac-lobe-evaluate recordings --model my_codecs:MuLaw --baseline 16khz-small,opus`. What was
# computed is kept in `output`, and a second call computes only what is missing.

# %%
results = evaluate(
    recordings,
    [MuLaw(), "16khz-small"],
    metrics=["pesq_wb", "stoi", "mel_dac7", "si_sdr"],
    baselines=["opus"],
    sample_rate=16000,
    output=output,
    workers=0,
)

# %% [markdown]
# ## The table, column by column
#
# One row a system and operating point: a number of codebooks, or a setting where there are none.
# `kbps` is nominal, or what was spent where the rate varies, as Opus's does; `n_ok` of `n_total`
# recordings have all scores. PESQ-WB is a speech measure from 1.0 to 4.64; the mel distance of the
# DAC paper is better when lower.

# %%
columns = ["system", "num_codebooks", "setting", "kbps", "n_ok", "n_total"]
columns += [f"{name}_mean" for name in ("pesq_wb", "stoi", "mel_dac7", "si_sdr")]
print(results.summary[columns].round(2).to_string(index=False))

# %% [markdown]
# No mean stands alone: each has a 95 % bootstrap interval and its own count. Six clips give wide
# intervals. Two systems whose intervals overlap may still differ, because the clips are the same;
# that question is for the paired differences in `results.paired`.

# %%
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for name, rows in results.summary.groupby("system"):
    rows = rows.sort_values("kbps")
    axis.plot(rows.kbps, rows.pesq_wb_mean, marker="o", label=name)
    axis.fill_between(rows.kbps, rows.pesq_wb_low, rows.pesq_wb_high, alpha=0.2)
axis.set(xscale="log", xlabel="kbps", ylabel="PESQ-WB", title="Mean and 95 % interval")
axis.legend()
plt.show()

# %% [markdown]
# ## What a number means
#
# Every metric has a definition, and every table a signature: two tables compare only if their
# signatures say that the same was measured.

# %%
definitions = json.loads((output / "definitions.json").read_text())
print("pesq_wb:", definitions["metrics"]["pesq_wb"]["definition"], "\n")
print(results.signature)
print("failed scores:", f"{results.failed_share:.0%}", results.commonest_failure)

# %% [markdown]
# `output/benchmark_your_codec/report.html` holds all of it in one file that opens offline: curves,
# differences, spectrograms, and players of the median recording at every rate and of the two worst
# at the highest. Listen before you trust a table. The [evaluation's page](../docs/evaluation.md)
# has every definition. Next: [train a small codec](4_train_a_small_codec.py).
