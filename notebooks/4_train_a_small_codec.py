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
# # Train a small codec
#
# The network of the bundled model, trained from scratch for some ten minutes of a free CPU core, then
# judged against that model and Opus. The corpus is ten minutes of synthetic digits, so this codec
# will know digits and nothing else: the point is to see every step, and how to tell what a codec
# has not learned.

# %%
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import soundfile
import torch
from IPython.display import Audio, display

from dac_lobe import DAC
from evaluation import evaluate

output = Path("output/train_a_small_codec").resolve()
sys.path.insert(0, "../scripts")
from make_digits import make_digits  # noqa: E402

# %% [markdown]
# ## Data
#
# A folder of recordings will do. With a `manifest.csv` (`path, speaker, duration_s`), validation
# takes speakers that training does not hear.

# %% tags=["slow"]
corpus = make_digits(output / "digits", utterances=360)
print((corpus / "manifest.csv").read_text().splitlines()[:2])

# %% [markdown]
# ## Does everything run?
#
# Before a long run, a short one: `tiny_debug.yaml` passes through every stage of the recipe in
# half a minute, discriminators included. What it writes is not worth hearing.

# %% tags=["slow"]
recipe = Path("../recipes/codec")


def train(config, **options):
    """Run the recipe; every line of its YAML can be overridden."""
    command = [sys.executable, "train.py", f"hparams/{config}.yaml", "--device", "cpu"]
    options |= {"data_folder": corpus}
    command += [
        text for name, value in options.items() for text in (f"--{name}", str(value))
    ]
    done = subprocess.run(command, cwd=recipe, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


train("tiny_debug", output_folder=output / "debug")
print((output / "debug" / "train_log.txt").read_text())

# %% [markdown]
# ## Training
#
# A thousand steps instead of the 5200 with which the bundled model began. First an autoencoder
# without quantizer (`skeleton_steps`), then the codebooks start from data and everything is
# trained together. A run that is stopped goes on from its last checkpoint.

# %% tags=["slow"]
train(
    "small_16khz",
    output_folder=output / "codec",
    skeleton_steps=250,
    main_steps=750,
    steps_per_epoch=250,
    bfloat16_until=900,
    restart_until=850,
    start_frames=6000,
)
print((output / "codec" / "train_log.txt").read_text())

# %% [markdown]
# ## Listen
#
# A speaker of the corpus, and a sentence by a synthesiser of another kind:

# %% tags=["slow"]
codec = DAC.from_pretrained(output / "codec" / "codec.safetensors")
for clip in (
    corpus / "wav" / "speaker04-0004.flac",
    Path("../demo/clips/english_man.flac"),
):
    wav = torch.from_numpy(soundfile.read(clip, dtype="float32")[0])[None, None]
    with torch.no_grad():
        decoded = codec.decode_codes(codec.encode(wav).codes, length=wav.shape[-1])
    soundfile.write(
        output / f"{clip.stem}.flac", decoded[0, 0].numpy(), codec.sample_rate
    )
    print(clip.stem, "and what the codec makes of it, at", codec.bitrate(), "kbps")
    display(
        Audio(filename=str(clip)), Audio(filename=str(output / f"{clip.stem}.flac"))
    )

# %% [markdown]
# ## Judge
#
# The same measure on two sets: digits of two speakers of the corpus, which this codec has been
# trained on, and the demo's six clips. A codec that is good on the first and poor on the second
# has learned its corpus, not speech. The bundled model has never heard either.

# %% tags=["slow"]
sets = {"digits": output / "judged", "demo": Path("../demo/clips")}
sets["digits"].mkdir(exist_ok=True)
for number in range(12):
    for speaker in (4, 9):
        name = f"speaker{speaker:02d}-{12 * number + speaker:04d}.flac"
        (sets["digits"] / name).write_bytes((corpus / "wav" / name).read_bytes())
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axis, (name, folder) in zip(axes, sets.items(), strict=True):
    results = evaluate(
        folder,
        [str(output / "codec" / "codec.safetensors"), "16khz-small"],
        metrics=["mel_dac7", "stoi"],
        baselines=["opus"],
        domain="speech",
        output=output / f"report_{name}",
        workers=0,
    )
    table = results.summary[["system", "kbps", "mel_dac7_mean", "stoi_mean", "n_ok"]]
    print(name, table.round(2).to_string(index=False), sep="\n")
    for system, rows in results.summary.groupby("system"):
        rows = rows.sort_values("kbps")
        axis.plot(rows.kbps, rows.mel_dac7_mean, marker="o", label=system)
    axis.set(
        title=name, xlabel="kbps", xscale="log", ylabel="mel distance (lower is better)"
    )
axes[0].legend()
plt.show()

# %% [markdown]
# What to change next, in this order: more speakers and real speech, then more steps
# (`main_steps`), then a larger network. The [recipe's page](../recipes/codec/README.md) has the
# curves of the bundled model, the settings that failed, and the full-size variants.
