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
# # Tokens in a SpeechBrain recipe
#
# A corpus is encoded once into a token store; what trains on it reads the store and never the
# codec. Here a recogniser learns spoken digits from tokens, in about two minutes on one CPU core.
# The corpus is made on the spot by a formant synthesiser, so nothing is downloaded; replace it by
# AN4 or by your own recordings with the same commands.

# %%
import json
import subprocess
import sys
from pathlib import Path

import torch
from IPython.display import Audio, display

from dac_lobe import DAC, DACTokenizer
from dac_lobe.data import read_manifest
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.tokens import TokenStore, extract

output = Path("output/tokens_in_a_recipe").resolve()
sys.path.insert(0, "../scripts")
from make_digits import make_digits  # noqa: E402

# %% [markdown]
# ## A corpus
#
# A hundred and twenty utterances of twelve synthetic speakers. The manifests are SpeechBrain's:
# `ID, duration, wav, spk_id, wrd`. No speaker is in two of them.

# %%
corpus = make_digits(output / "digits", utterances=120)
print((corpus / "train.csv").read_text().splitlines()[:3])
utterance = read_manifest(corpus / "train.csv")[0]
print(utterance.fields["wrd"])
display(Audio(filename=str(utterance.wav)))

# %% [markdown]
# ## The tokenizer, in a YAML
#
# `DACTokenizer` speaks SpeechBrain's conventions: signals `[B, T]` with relative lengths, tokens
# `[B, F, K]`, time second. Inside a recipe it is three lines of YAML:
#
# ```yaml
# codec: !new:dac_lobe.DACTokenizer
#     source: 16khz-small
#     num_codebooks: 4
# ```

# %%
tokenizer = DACTokenizer("16khz-small", num_codebooks=4)
signals, lengths = torch.randn(2, 16000) / 10, torch.tensor([1.0, 0.5])
tokens = tokenizer.sig_to_tokens(signals, lengths)
print(
    "tokens", tuple(tokens.shape), "| the shorter one ends with", tokens[1, -1].tolist()
)

# %% [markdown]
# ## A token store
#
# Extraction is resumable and gives the same bytes for any number of workers. On the command line:
# `dac-lobe extract train.csv store --model 16khz-small`.

# %%
manifests = [corpus / f"{name}.csv" for name in ("train", "valid", "test")]
report = extract(manifests, output / "store", "16khz-small", data_root=corpus)
print(report.items, "recordings,", round(report.audio_seconds), "seconds of audio")

store = TokenStore(output / "store")
print("tokens of", utterance.id, tuple(store[utterance.id].shape), "[F, K]")

# %% [markdown]
# ## An embedding that starts from the codec
#
# The store keeps the codebooks. An embedding that starts from them gives the codec's own quantized
# latent, so a recogniser need not learn from nothing what a code stands for.

# %%
embedding = TokenEmbedding(
    num_codebooks=12, vocab_size=1024, emb_dim=256, init_from=store.path
)
embedded = embedding(store[utterance.id][None].long())
codec = DAC.from_pretrained("16khz-small")
with torch.no_grad():
    latents = codec.quantizer.from_codes(store[utterance.id].T[None].long())[0]
difference = (embedded.detach() - latents.transpose(1, 2)).abs().max()
print(
    "embedded",
    tuple(embedded.shape),
    "| largest difference from the latents",
    f"{difference:.1e}",
)

# %% [markdown]
# ## The recogniser
#
# The recipe trains a BiLSTM with CTC on characters. Every choice is a line of
# [an4_tiny.yaml](../recipes/asr/hparams/an4_tiny.yaml), and every line can be overridden on the
# command line. Digits use 15 letters; with the space and the blank that makes 17 outputs.

# %% tags=["slow"]
command = [sys.executable, "train.py", "hparams/an4_tiny.yaml"]
options = {
    "data_folder": corpus,
    "token_folder": store.path,
    "output_folder": output / "asr",
    "number_of_epochs": 60,
    "batch_seconds": 20,
    "output_neurons": 17,
}
command += [
    text for name, value in options.items() for text in (f"--{name}", str(value))
]
done = subprocess.run(command, cwd="../recipes/asr", capture_output=True, text=True)
assert done.returncode == 0, done.stderr[-2000:]
log = (output / "asr" / "train_log.txt").read_text().splitlines()
print("\n".join(log[9::10]))

# %% [markdown]
# The test speakers are in no training batch. The same model is tested on prefixes of the
# codebooks, because a share of its training items kept only a prefix:

# %% tags=["slow"]
results = json.loads((output / "asr" / "results.json").read_text())
for name, scores in results.items():
    if "WER" in scores:
        print(f"{name:20} WER {scores['WER']:5.1f} %  CER {scores['CER']:5.1f} %")

# %% [markdown]
# ## A control
#
# Is it the tokens that the recogniser reads? With the frames of every item in another order it
# must fail:

# %% tags=["slow"]
command[command.index(str(output / "asr"))] = str(output / "shuffled")
done = subprocess.run(
    [*command, "--shuffle_tokens", "True"],
    cwd="../recipes/asr",
    capture_output=True,
    text=True,
)
assert done.returncode == 0, done.stderr[-2000:]
control = json.loads((output / "shuffled" / "results.json").read_text())
print(
    f"WER {control['test']['WER']:.1f} %, against {results['test']['WER']:.1f} % in order"
)
assert control["test"]["CER"] > 2 * results["test"]["CER"]

# %% [markdown]
# With real speech the same commands give the figures on the
# [recipe's page](../recipes/asr/README.md). Next:
# [benchmark your codec](3_benchmark_your_codec.py).
