"""Weights that change, hooks, copies and threads: the fast path notices each."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import threading
import time

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from dac_lobe.execution import attach, engine
from dac_lobe.execution.parts import make_kernels
from dac_lobe.network.layers import fold_weight_norm


@pytest.mark.parametrize(
    "change",
    [
        lambda codec: codec.encoder.block[0].bias.data.add_(0.5),
        lambda codec: codec.decoder.model[0].bias.data.mul_(2.0),
        lambda codec: codec.quantizer.quantizers[0].codebook.weight.data.neg_(),
        lambda codec: codec.load_state_dict(
            {k: v * 1.1 for k, v in codec.state_dict().items()}
        ),
        lambda codec: setattr(
            codec.encoder.block[0], "bias", torch.nn.Parameter(torch.randn(4))
        ),
        lambda codec: codec.encoder.block.__setitem__(0, nn.Conv1d(1, 4, 7, padding=3)),
        lambda codec: fold_weight_norm(codec),
        lambda codec: codec.double().float(),
        lambda codec: codec.double(),
    ],
)
def test_changed_weights_are_noticed(codec, change, check):
    wav = torch.randn(1, 1, 300)
    check(codec, wav)
    with torch.no_grad():
        change(codec)
    check(codec, wav)


def test_one_code_that_moves_is_noticed(codec):
    codebook = codec.quantizer.quantizers[0].codebook.weight
    codes = torch.arange(len(codebook)).repeat(1, codec.n_codebooks, 1)
    before = codec.decode_codes(codes)
    for code in range(len(codebook)):
        codebook.data[code] += 1.0
        after = codec.decode_codes(codes)
        assert not torch.equal(after, before)
        before = after


def test_a_training_step_runs_the_modules_and_is_noticed(codec, check):
    wav = torch.randn(2, 1, 400)
    check(codec, wav)
    codec.train()
    optimizer = torch.optim.AdamW(codec.parameters(), lr=0.01)
    result = codec(wav, reconstruct=True)
    loss = result.audio.pow(2).mean() + result.commitment_loss + result.codebook_loss
    loss.backward()
    assert all(p.grad is not None for p in codec.parameters())
    optimizer.step()
    check(codec.eval(), wav)


@pytest.mark.parametrize("before", [True, False])
def test_hooks_are_called(codec, before):
    wav = torch.randn(1, 1, 200)
    encoded = codec.encode(wav)
    seen = []
    stage = codec.quantizer.quantizers[1]
    layers = codec.encoder.block[0], stage.in_proj, codec.decoder.model
    for layer in layers:
        if before:
            hook = layer.register_forward_pre_hook(lambda *call: seen.append(call[0]))
        else:
            hook = layer.register_forward_hook(lambda *call: seen.append(call[0]))
        seen.clear()
        again = codec.encode(wav)
        codec.decode_codes(again.codes)
        hook.remove()
        assert layer in seen
        assert torch.equal(again.codes, encoded.codes)


def test_what_a_hook_changes_counts(codec, check):
    wav = torch.randn(2, 1, 400)
    check(codec, wav)
    codec.encoder.block[1].register_forward_hook(lambda module, x, y: 1.5 * y)
    codec.decoder.model[1].register_forward_hook(lambda module, x, y: -y)
    check(codec, wav)


def test_only_the_part_in_training_runs_its_modules(codec):
    codec.decoder.train()
    encoded = codec.encode(torch.randn(1, 1, 80))
    assert not encoded.z.requires_grad
    assert codec.decode(encoded.z).requires_grad


def test_copies_are_independent(codec, check):
    wav = torch.randn(1, 1, 200)
    keys = list(codec.state_dict())
    codec.encode(wav)
    twin = copy.deepcopy(codec)
    assert list(twin.state_dict()) == keys
    assert torch.equal(twin.encode(wav).codes, codec.encode(wav).codes)
    twin.encoder.block[0].bias.data.add_(1.0)
    check(twin, wav)
    check(codec, wav)


def held() -> int:
    """Bytes of all tensors that are alive."""
    gc.collect()
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in gc.get_objects()
        if type(t) in (torch.Tensor, nn.Parameter) and t.device.type == "cpu"
    }
    return sum(storages.values())


def test_weights_are_copied_once(make_dac, backend):
    """Folded weights are as large as the network: they go when they are packed."""
    codec = attach(make_dac(encoder_dim=16, decoder_dim=256), backend)
    before = held()
    codec.decode(codec.encode(torch.randn(1, 1, 200)).z)
    weights = sum(4 * p.numel() for p in codec.parameters())
    # Winograd's points are more than the taps they stand for.
    assert (
        0.9 * weights
        < held() - before
        < {"torch": 1.1, "native": 1.9}[backend] * (weights)
    )


def test_an_engine_pickles_without_what_it_made(codec):
    empty = len(pickle.dumps(codec.executor))
    codec.encode(torch.randn(1, 1, 200))
    pickled = pickle.dumps(codec.executor)
    assert len(pickled) == empty
    assert repr(pickle.loads(pickled)) == repr(codec.executor)  # noqa: S301


def test_threads_share_a_codec(codec):
    wavs = [torch.randn(1, 1, 200 + 8 * i) for i in range(6)]
    alone = [codec.encode(wav).codes for wav in wavs]
    together = [None] * len(wavs)

    def run(i):
        together[i] = codec.encode(wavs[i]).codes

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(wavs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(map(torch.equal, alone, together))


@pytest.mark.parametrize("part", ["encoder", "quantizer", "decoder"])
def test_a_part_of_another_codec_counts(codec, make_dac, part, check):
    wav, other = torch.randn(1, 1, 300), make_dac()
    for parameter in other.parameters():
        parameter.data.mul_(1.3)
    check(codec, wav)
    kept = getattr(codec, part)
    setattr(codec, part, getattr(other, part))
    check(codec, wav)
    setattr(codec, part, kept)
    check(codec, wav)


class Scaled(nn.Module):
    """A parametrization that depends on a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(1))

    def forward(self, weight):
        return weight * self.scale


def test_a_buffer_that_a_weight_depends_on(codec, check):
    wav, scaled = torch.randn(1, 1, 300), Scaled()
    parametrize.register_parametrization(codec.encoder.block[-1], "weight", scaled)
    before = codec.encode(wav).latents
    scaled.scale.mul_(2.0)
    check(codec, wav)
    assert not torch.allclose(codec.encode(wav).latents, before)
    scaled.scale.data.mul_(2.0)
    check(codec, wav)


@pytest.mark.parametrize(
    ("name", "value"), [("dilation", (3,)), ("padding_mode", "circular")]
)
def test_another_geometry_is_noticed(codec, check, name, value):
    wav, layer = torch.randn(1, 1, 300), codec.encoder.block[0]
    before = codec.encode(wav).latents
    if name == "dilation":
        layer.padding = (9,)
    else:
        layer._reversed_padding_repeated_twice = [3, 3]
    setattr(layer, name, value)
    check(codec, wav)
    assert not torch.allclose(codec.encode(wav).latents, before)


def finishes(work):
    """Tell whether a forked child does some work in time."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_while_another_thread_makes_kernels(codec, monkeypatch):
    wav, parent = torch.randn(1, 1, 200), os.getpid()
    making, done = threading.Event(), threading.Event()

    def make(*arguments):
        if os.getpid() == parent:
            making.set()
            done.wait(60)
        return make_kernels(*arguments)

    monkeypatch.setattr(engine, "make_kernels", make)
    thread = threading.Thread(target=codec.encode, args=(wav,))
    thread.start()
    assert making.wait(60)
    try:
        assert finishes(lambda: codec.encode(wav))
        with codec.executor._lock:  # as while weights are looked at
            assert finishes(lambda: codec.encode(wav))
    finally:
        done.set()
        thread.join()
