"""A changed option over a result that is there: what a fresh run gives, or a refusal.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from dac_lobe.audio import write_audio
from dac_lobe.cli import main
from dac_lobe.execution.native.library import find_native
from evaluation.cli import main as evaluate

RATE = 16000
# What is changed: an option and its value; a number is one of `models`.
ENCODE = [("--codebooks", "2"), ("--normalize", "-30"), ("--model", 1), ("--official",)]
DECODE = [
    ("--codebooks", "2"),
    ("--start", "0.05"),
    ("--duration", "0.05"),
    ("--rate", "8000"),
    ("--subtype", "FLOAT"),
    ("--format", "flac"),
]
EXTRACT = [
    ("--codebooks", "2"),
    ("--model", 1),
    ("--shard-hours", "0.0003"),
    ("--backend", "native"),
]
EVALUATE = [
    ("--codebooks", "1,2"),
    ("--model", 1),
    ("--metrics", "mel_dac7"),
    ("--baseline", "identity"),
    ("--domain", "music"),
    ("--sample-rate", "8000"),
    ("--max-utterances", "2"),
    ("--seed", "1"),
    ("--bd-anchor", "one"),
]


@pytest.fixture(scope="module")
def models(tiny_dac, other_dac, tmp_path_factory):
    """Two checkpoints of the same shape."""
    folder = tmp_path_factory.mktemp("models")
    return [
        str(codec.save(folder / f"{name}.safetensors"))
        for name, codec in (("one", tiny_dac), ("two", other_dac))
    ]


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Three noisy tones, loud enough to be scored."""
    folder = tmp_path_factory.mktemp("speech")
    generator = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for number in range(3):
        tone = 0.2 * np.sin(2 * np.pi * (200 + 90 * number) * time)
        noise = generator.normal(0, 0.01, RATE)
        write_audio(folder / f"{number}.wav", (tone + noise)[None], RATE)
    return folder


def files(folder, pattern="*"):
    """What lies in a folder, with what the files hold.

    libsndfile writes the time of day into the PEAK chunk of float WAV files, and the
    seal in their comment covers it.
    """
    return {
        path.relative_to(folder).as_posix(): re.sub(
            rb"(PEAK.{8}).{4}|(decode )[0-9a-f]{64}",
            rb"\1\2",
            path.read_bytes(),
            flags=re.DOTALL,
        )
        for path in folder.rglob(pattern)
        if path.is_file()
    }


def no_stale_result(command, changed, old, new, found):
    """Run plainly, then with ``changed``: as the fresh run in ``new``, or refused."""
    assert command(old) == 0
    before = found(old)
    assert command(old) == 0
    assert found(old) == before  # nothing to do
    assert command(new, *changed) == 0
    assert found(new) != before  # the option does something
    code = command(old, *changed)
    if code == 0:
        assert found(old) == found(new)
    else:
        assert found(old) == before
    return code


@pytest.mark.parametrize("changed", ENCODE, ids=lambda changed: changed[0])
def test_encode(changed, models, speech, tmp_path):
    changed = [models[part] if isinstance(part, int) else part for part in changed]

    def command(output, *options):
        chosen = ["-m", models[0], "-q", *options]
        return main(["encode", str(speech), "-o", str(output), *chosen])

    assert no_stale_result(command, changed, tmp_path / "a", tmp_path / "b", files) == 0


@pytest.mark.parametrize("changed", DECODE, ids=lambda changed: changed[0])
def test_decode(changed, models, speech, tmp_path, capsys):
    coded = tmp_path / "coded"
    encode = ["encode", str(speech), "-o", str(coded), "-m", models[0], "-q"]
    assert main(encode) == 0

    def command(output, *options):
        chosen = ["-m", models[0], *options]
        return main(["decode", str(coded), "-o", str(output), *chosen])

    def found(folder):  # another format stands beside the first
        ending = "flac" if "flac" in changed and folder.name == "b" else "wav"
        if "flac" in changed and any(folder.glob("*.flac")):
            ending = "flac"
        return files(folder, f"*.{ending}")

    old, new = tmp_path / "a", tmp_path / "b"
    assert no_stale_result(command, changed, old, new, found) == 0
    capsys.readouterr()
    assert command(old, *changed) == 0
    assert "0 decoded, 3 already there" in capsys.readouterr().err
    # The loop of somebody who compares bitrates: encode and decode, again and again.
    whole = files(old)
    assert main([*encode, "-k", "1"]) == 0
    assert command(old) == 0
    assert files(old) != whole
    assert command(old, "-k", "99") == 2


def test_another_model_decodes_anew(models, speech, tmp_path):
    """Files of the official package do not say which model made them."""
    coded = tmp_path / "coded"
    encode = ["encode", str(speech), "-o", str(coded), "-m", models[0], "-q"]
    assert main([*encode, "--official"]) == 0

    def command(output, model=models[0]):
        return main(["decode", str(coded), "-o", str(output), "-m", model, "-q"])

    old, new = tmp_path / "a", tmp_path / "b"
    assert no_stale_result(command, models[1:], old, new, files) == 0


@pytest.mark.parametrize("changed", EXTRACT, ids=lambda changed: changed[0])
def test_extract(changed, models, speech, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)  # it overrides --backend
    if "native" in changed and find_native().library is None:
        pytest.skip(f"no native kernel: {find_native().reason}")
    changed = [models[part] if isinstance(part, int) else part for part in changed]

    def command(store, *options):
        chosen = ["-m", models[0], "--backend", "torch", "-q", *options]
        return main(["extract", str(speech), str(store), *chosen])

    old, new = tmp_path / "a", tmp_path / "b"
    assert no_stale_result(command, changed, old, new, files) == 1
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert str(old) in error


@pytest.mark.parametrize("changed", EVALUATE, ids=lambda changed: changed[0])
def test_evaluate(changed, models, speech, tmp_path):
    changed = [models[part] if isinstance(part, int) else part for part in changed]

    def command(output, *options):
        chosen = ["-m", models[0], "-k", "1", "-j", "0", "--metrics", "mel_dac7,si_sdr"]
        if "--bd-anchor" in changed:  # needs curves to choose from
            chosen += ["-k", "1,2,3", "--baseline", "opus"]
        if "--seed" in changed:  # intervals of three recordings are their range
            chosen += ["--max-utterances", "2"]
        return evaluate([str(speech), *chosen, "-o", str(output), *options])

    def found(folder):
        return files(folder, "*.csv")

    old, new = tmp_path / "a", tmp_path / "b"
    assert no_stale_result(command, changed, old, new, found) == 0


def test_every_option_is_here_or_does_not_change_the_result(monkeypatch, capsys):
    """A new option of these commands is to be put into this file."""
    monkeypatch.setenv("COLUMNS", "200")  # a narrow terminal cuts names
    without_effect = """
    --output --overwrite --stdin --stdout --device --cache-dir --workers --quiet --help
    --partial --data-root --engine --batch-seconds --retry-failed --parquet
    --timeout --max-failures --version --selftest --strict --install-completion
    --show-completion
    """.split()
    tested = {changed[0] for changed in (*ENCODE, *DECODE, *EXTRACT, *EVALUATE)}
    for run in (
        *(lambda name=name: main([name, "-h"]) for name in ("encode", "decode")),
        lambda: main(["extract", "-h"]),
        lambda: evaluate(["-h"]),
    ):
        assert run() == 0
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out))
        assert "--help" in options
        options -= {f"--no-{name[2:]}" for name in without_effect}
        assert options <= {*without_effect, *tested}
