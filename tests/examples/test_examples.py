"""Every example does what it says, in under 40 lines."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CLIPS = ROOT / "demo" / "clips"
CLIP = CLIPS / "english_man.flac"


def load(name: str):
    """Import an example by its file; skips where what it shows is not installed."""
    spec = importlib.util.spec_from_file_location(
        name, ROOT / "examples" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name.startswith(("dac_lobe", "evaluation")):
            raise
        pytest.skip(f"{error.name} is not installed (the examples extra)")
    return module


@pytest.fixture(scope="module")
def codec():
    from dac_lobe import DAC

    return DAC.from_pretrained("16khz-small", backend="torch")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_short_and_listed(path):
    """Under 40 lines of code: what is neither blank nor the docstring on top."""
    _, docstring, code = path.read_text("utf-8").split('"""', 2)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) < 40, len(lines)
    assert f"[{path.name}]" in (ROOT / "examples" / "README.md").read_text("utf-8")


def test_serve_tokens():
    example = load("serve_tokens")
    from fastapi.testclient import TestClient

    client = TestClient(example.app)
    answer = client.post("/tokens?num_codebooks=2", content=CLIP.read_bytes())
    expected = example.codec.encode_file(CLIP, num_codebooks=2)
    assert answer.json()["tokens"] == expected.codes.swapaxes(1, 2).tolist()
    assert (
        client.post("/tokens?num_codebooks=99", content=CLIP.read_bytes()).status_code
        == 422
    )
    assert client.post("/tokens", content=b"no audio").status_code == 422


def test_serve_audio(tmp_path):
    example = load("serve_tokens")
    import soundfile
    from fastapi.testclient import TestClient

    packed = example.codec.encode_file(CLIP, num_codebooks=2)
    body = packed.save(tmp_path / "talk.dac").read_bytes()
    client = TestClient(example.app)
    answer = client.post("/audio", content=body)
    (tmp_path / "talk.wav").write_bytes(answer.content)
    assert soundfile.info(tmp_path / "talk.wav").frames == soundfile.info(CLIP).frames
    assert client.post("/audio", content=body[:200]).status_code == 422


def test_tokenise_dataset(tmp_path, codec):
    example = load("tokenise_dataset")
    (tmp_path / "recordings").mkdir()
    shutil.copy(CLIP, tmp_path / "recordings")
    example.main(str(tmp_path / "recordings"), str(tmp_path / "tokens"))
    from datasets import load_from_disk

    (row,) = load_from_disk(str(tmp_path / "tokens"))
    assert row["tokens"] == codec.encode_file(CLIP, num_codebooks=4).codes[0].T.tolist()
    assert row["id"] == CLIP.stem


def test_tokenise_parts_of_files(tmp_path, codec):
    """A manifest's parts, whole files among them, are tokenised as parts."""
    from dac_lobe import load_audio

    example = load("tokenise_dataset")
    text = f"path,start_s,stop_s\n{CLIP},0.5,1.25\n{CLIP},,\n"
    (tmp_path / "list.csv").write_text(text)
    example.main(str(tmp_path / "list.csv"), str(tmp_path / "tokens"))
    from datasets import load_from_disk

    wav = load_audio(CLIP, codec.sample_rate)
    part = codec.encode(wav[..., 8000:20000], 4).codes
    found = [row["tokens"] for row in load_from_disk(str(tmp_path / "tokens"))]
    whole = codec.encode(wav, 4).codes
    assert sorted(found, key=len) == [c[0].T.tolist() for c in (part, whole)]


def test_microphone_to_file(tmp_path, codec):
    """Blocks of any size give the codes of the whole recording."""
    import soundfile

    from dac_lobe import Packed

    example = load("microphone_to_file")
    wav = torch.from_numpy(soundfile.read(CLIP, dtype="float32")[0])
    example.record(wav.split(1600), str(tmp_path / "talk.dac"), codec)
    packed = Packed.load(tmp_path / "talk.dac")
    assert packed.num_samples == len(wav)
    assert torch.equal(
        torch.from_numpy(packed.codes.astype("int64")),
        codec.encode(wav[None, None]).codes,
    )


def test_ctrl_c_while_encoding_keeps_the_recording(tmp_path, codec, monkeypatch):
    """Wherever it comes, the file is finished with what was heard."""
    from dac_lobe import Packed

    class Stream(contextlib.nullcontext):
        def read(self, samples):
            return 0.1 * np.ones((samples, 1), np.float32), False

    package = SimpleNamespace(InputStream=lambda *_, **__: Stream(Stream()))
    monkeypatch.setitem(sys.modules, "sounddevice", package)
    example, before = load("microphone_to_file"), signal.getsignal(signal.SIGINT)

    def blocks():
        for number, block in enumerate(example.microphone(16000)):
            yield block
            if number == 2:
                signal.raise_signal(signal.SIGINT)

    try:
        example.record(blocks(), str(tmp_path / "talk.dac"), codec)
    finally:
        signal.signal(signal.SIGINT, before)
    assert Packed.load(tmp_path / "talk.dac").num_samples == 3 * 1600


def test_lightning_on_tokens(tmp_path):
    example = load("lightning_on_tokens")
    from dac_lobe.tokens import extract

    extract(CLIPS, tmp_path / "store", "16khz-small", num_codebooks=2)
    quiet = {
        "accelerator": "cpu",
        "default_root_dir": tmp_path,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "logger": False,
    }
    torch.manual_seed(0)
    first = example.train(tmp_path / "store", max_steps=1, **quiet)
    assert example.train(tmp_path / "store", max_steps=60, **quiet) < first - 0.5


def test_export_decoder(tmp_path, codec):
    """The program decodes other lengths than it was traced with, to rounding."""
    from dac_lobe import DAC

    example = load("export_decoder")
    example.export(
        DAC.from_pretrained("16khz-small", backend="torch"), tmp_path / "d.pt2"
    )
    program = torch.export.load(tmp_path / "d.pt2").module()
    for frames in (7, 120):
        codes = torch.randint(0, 1024, (1, codec.n_codebooks, frames))
        with torch.no_grad():
            torch.testing.assert_close(
                program(codes), codec.decode_codes(codes), atol=1e-4, rtol=0
            )


def test_evaluate_checkpoints(tmp_path, codec):
    """The model at half precision is worse than itself by next to nothing."""
    example = load("evaluate_checkpoints")
    (tmp_path / "recordings").mkdir()
    for name in ("english_man.flac", "german_woman.flac"):
        shutil.copy(CLIPS / name, tmp_path / "recordings")
    files = [
        str(codec.save(tmp_path / f"{name}.safetensors", half=half))
        for name, half in (("a", False), ("b", True))
    ]
    table = example.compare(str(tmp_path / "recordings"), files)
    assert list(table.columns) == files
    assert (table[files[0]] - table[files[1]]).abs().max() < 0.02
    assert table[files[0]].is_monotonic_decreasing
