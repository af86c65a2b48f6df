"""Law 8: an object that was pickled, copied, saved or sent to a worker is the same."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle

import pytest
import speechbrain  # noqa: F401  (as recipes do, before workers start)
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch.utils.data import DataLoader

from dac_lobe import DAC, DACTokenizer, fold_weight_norm
from dac_lobe.execution import attach
from dac_lobe.execution.native.library import Native, find_native
from dac_lobe.inference import TokenASR, TokenTTS
from dac_lobe.network.pickling import FORMAT
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.encoder import LSTMEncoder
from dac_lobe.nnet.frontend import TokenFrontend
from dac_lobe.nnet.tts import TokenSynthesizer
from dac_lobe.weights.fingerprint import fingerprint
from evaluation.systems.dac import DACSystem

METHODS = multiprocessing.get_all_start_methods()
SIG = torch.randn(2, 100, generator=torch.Generator().manual_seed(5)).clamp(-1, 1)


class Named(DAC):
    """A user's codec: another class, an attribute, a module beside the three."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.name = "unnamed"
        self.head = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))


def saved(module):
    """Through torch.save and back."""
    file = io.BytesIO()
    torch.save(module, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301


WAYS = {
    "pickle": pickled,
    "torch.save": saved,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=WAYS)
def travel(request):
    """One of the ways that an object takes inside a process."""
    return WAYS[request.param]


def codes_of(thing):
    """Codes of `SIG` by anything that makes some, or what a store holds, or a model says."""
    if isinstance(thing, DACSystem):
        thing.load()
        return torch.from_numpy(thing.encode(SIG[0].numpy(), 16000))
    if isinstance(thing, TokenASR):
        words = thing.transcribe_batch(SIG, torch.tensor([1.0, 0.7]))
        return torch.tensor([ord(letter) for letter in "|".join(words)])
    if isinstance(thing, TokenTTS):
        return thing.synthesize("GO ON", "b", max_frames=6, seed=3)
    if isinstance(thing, torch.nn.Module):
        codec = getattr(thing, "codec", thing)
        return codec.encode(SIG).codes
    return thing[thing.ids[0]]


def seen_by(things):
    """What a worker makes of things, one after the other."""
    return [codes_of(thing) for thing in things], torch.get_num_threads()


class Seen:
    """A pipeline's step that looks at things in the workers.

    A class: a spawned worker finds no local function.
    """

    def __init__(self, things):
        self.things = things

    def __call__(self, sig):
        return seen_by(self.things)


class Tokens:
    """A pipeline's step that encodes, as recipes have it."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, sig):
        return self.tokenizer.sig_to_tokens(sig[None])[0]


@pytest.mark.parametrize("backend", ["modules", "torch", "native", "auto"])
@pytest.mark.parametrize("folded", [False, True])
def test_codecs_travel(make_dac, travel, backend, folded):
    if backend == "native" and find_native().library is None:
        pytest.skip(f"no native kernel: {find_native().reason}")
    codec = make_dac().requires_grad_(False)
    codec.source = "somewhere"
    if folded:
        fold_weight_norm(codec)
    if backend != "modules":
        attach(codec, backend)
    codec.decoder.train()
    again = travel(codec)
    assert torch.equal(codes_of(again), codes_of(codec))
    assert (again.backend, again.source) == (codec.backend, "somewhere")
    assert not again.training
    assert again.decoder.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert list(again.state_dict()) == list(codec.state_dict())
    # Weight norm is as alive as it was.
    fold_weight_norm(again)
    assert torch.allclose(
        again.encoder.block[0].weight, codec.encoder.block[0].weight, atol=1e-7
    )
    if travel is not copy.copy:  # a shallow copy shares its modules, as torch has it
        assert again.encoder is not codec.encoder


def test_subclasses_travel_with_what_they_have(make_dac, travel):
    codec = Named(**make_dac().config).eval()
    codec.name = "mine"
    again = travel(codec)
    assert type(again) is Named
    assert again.name == "mine"
    assert torch.equal(again.head.weight, codec.head.weight)


def test_parts_travel_alone(tiny_dac, travel):
    for part in (tiny_dac.encoder, tiny_dac.decoder, tiny_dac.quantizer):
        again = travel(part)
        assert all(
            map(torch.equal, again.state_dict().values(), part.state_dict().values())
        )


def test_tokenizers_travel(make_dac, travel):
    tokenizer = DACTokenizer(make_dac(), num_codebooks=2)
    again = travel(tokenizer)
    assert torch.equal(again(SIG), tokenizer(SIG))
    assert again(SIG).shape[-1] == 2
    assert not list(again.parameters())


def test_training_goes_on_after_the_way(make_dac, travel):
    codec = make_dac().train()
    again = travel(codec)
    losses = []
    for one in (codec, again):
        torch.manual_seed(3)
        loss = one(SIG[:, None], reconstruct=True).audio.square().mean()
        loss.backward()
        losses.append([p.grad.clone() for p in one.parameters() if p.grad is not None])
        one.zero_grad()
    assert all(map(torch.allclose, *losses))


def test_old_checkpoints_load_into_what_was_pickled(tiny_dac):
    """Weight norm's own hook, which translates weight_g and weight_v, is there again."""
    state = {
        key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in tiny_dac.state_dict().items()
    }
    pickled(tiny_dac).load_state_dict(state, strict=True)


def test_a_pickle_is_about_as_large_as_its_weights():
    codec = DAC.from_pretrained("16khz-small")
    weights = sum(p.nbytes for p in codec.parameters())
    codec.encode(torch.zeros(1, 1, 3200))  # with its tables and kernels made
    assert len(pickle.dumps(codec)) < 1.05 * weights + 200_000


def test_a_pickle_of_another_version_says_so(tiny_dac):
    state = tiny_dac.__getstate__()
    state["format"] = FORMAT + 1
    with pytest.raises(ValueError, match="format 2; this version reads 1.*save()"):
        DAC.__new__(DAC).__setstate__(state)


def test_hooks_travel_if_they_can_be_found(make_dac):
    codec = make_dac()
    codec.encoder.register_forward_hook(seen)
    assert list(pickled(codec).encoder._forward_hooks.values()) == [seen]
    codec.encoder.register_forward_hook(lambda *_: None)
    with pytest.raises(
        (AttributeError, pickle.PicklingError), match="local object|lambda"
    ):
        pickle.dumps(codec)


def seen(*_):
    """A hook of a module."""


def test_without_the_kernel_torch_does_its_work(make_dac, monkeypatch, caplog):
    from dac_lobe.execution import engine

    if find_native().library is None:
        pytest.skip("the native kernel is not built here")
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)  # it overrides "native"
    codec = attach(make_dac(), "native")
    sent, codes = pickle.dumps(codec), codes_of(codec)
    monkeypatch.setattr(engine, "find_native", lambda: Native(None, "", "not built"))
    again = pickle.loads(sent)  # noqa: S301
    assert again.backend == "torch"
    assert "not built" in caplog.text
    assert torch.equal(codes_of(again), codes)


@pytest.mark.parametrize("method", METHODS)
def test_workers_of_every_start_method(method, make_dac, tmp_path):
    """All that there is, through one worker of a SpeechBrain pipeline: starts are slow."""
    codec, folded = attach(make_dac(), "auto"), fold_weight_norm(make_dac())
    bundled = DAC.from_pretrained("16khz-small")  # more tensors than a forkserver takes
    tokenizer = DACTokenizer(codec)
    things = [codec, folded, bundled, tokenizer, Named(**codec.config).eval()]
    things += [_store(codec, tmp_path), *_encodec(), _asr(codec), _tts(codec)]
    things += [DACSystem(tmp_path / "tiny.safetensors")]
    expected = [codes_of(thing) for thing in things]
    dataset = DynamicItemDataset({str(n): {"sig": SIG[n]} for n in range(2)})
    dataset.add_dynamic_item(Tokens(tokenizer), takes="sig", provides="tokens")
    dataset.add_dynamic_item(Seen(things), takes="sig", provides="seen")
    dataset.set_output_keys(["tokens", "seen"])
    loader = DataLoader(dataset, None, num_workers=1, multiprocessing_context=method)
    for item, sig in zip(loader, SIG, strict=True):
        found, threads = item["seen"]
        assert threads == 1
        # Equal codes; audio, rounded otherwise by torch on another number of threads.
        torch.testing.assert_close(list(found), expected, rtol=0, atol=1e-6)
        assert torch.equal(item["tokens"], tokenizer(sig[None])[0])
    if method != "fork":
        assert not any(p.is_shared() for p in codec.parameters())


def _store(codec, folder):
    """A store of the two signals."""
    from dac_lobe.audio import write_audio
    from dac_lobe.tokens import TokenStore, extract

    for number, sig in enumerate(SIG):
        write_audio(folder / f"wav/{number}.wav", sig[None].numpy(), 16000)
    model = codec.save(folder / "tiny.safetensors")
    extract(folder / "wav", folder / "store", model)
    return TokenStore(folder / "store")


def _encodec():
    """An EnCodec, where transformers is installed."""
    try:
        import transformers
    except ModuleNotFoundError:
        return []
    from dac_lobe.encodec import EnCodec

    config = transformers.EncodecConfig(
        num_filters=4, hidden_size=8, codebook_size=16, upsampling_ratios=[4, 2]
    )
    return [EnCodec(transformers.EncodecModel(config))]


def _asr(codec):
    """A recogniser with random weights, which hears something new in every frame."""
    torch.manual_seed(1)
    encoder = LSTMEncoder(8, hidden_size=6, num_layers=1)
    modules = {
        "frontend": TokenFrontend(TokenEmbedding(3, 16, 8), num_bands=4),
        "encoder": encoder,
        "output": torch.nn.Linear(encoder.output_size, 5),
        "codec": codec,
    }
    torch.nn.init.normal_(modules["output"].weight, std=20.0)
    facts = {"input": "tokens", "blank_index": 0, "labels": ["", *"ABC "]}
    return TokenASR(modules, {**facts, **_facts(codec)}, {"device": "cpu"})


def _tts(codec):
    """A speaker with random weights."""
    speaks = TokenSynthesizer(3, 16, 40, 2, d_model=16, nhead=2, d_ffn=8, num_layers=1)
    modules = {"synthesizer": speaks, "codec": codec}
    facts = {"speakers": ["a", "b"], **_facts(codec)}
    return TokenTTS(modules, facts, {"device": "cpu"})


def _facts(codec):
    return {
        "sample_rate": codec.sample_rate,
        "num_codebooks": codec.num_codebooks,
        "codec_fingerprint": fingerprint(codec),
    }


@pytest.mark.parametrize("make", [_asr, _tts])
def test_inference_travels(make, make_dac, travel):
    model = make(make_dac())
    again = travel(model)
    assert len(codes_of(model)) > 4
    assert torch.equal(codes_of(again), codes_of(model))
    assert again.codec is again.mods["codec"]
    assert vars(again.hparams) == vars(model.hparams)
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("make", [_asr, _tts])
def test_inference_of_another_version_says_so(make, make_dac):
    state = make(make_dac()).__getstate__()
    model = make(make_dac())
    with pytest.raises(ValueError, match="format None; this version reads 1"):
        model.__setstate__({key: state[key] for key in state if key != "format"})


def test_encodec_travels(travel):
    pytest.importorskip("transformers")
    codec = _encodec()[0]
    again = travel(codec)
    assert torch.equal(codes_of(again), codes_of(codec))
    assert torch.equal(again.quantizer.vectors[0], codec.quantizer.vectors[0])
