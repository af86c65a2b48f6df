"""The SpeechBrain face: tokens as Brain, Checkpointer and YAML handle them."""

from __future__ import annotations

import copy

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from dac_lobe import DAC, DACTokenizer


@pytest.fixture
def tokenizer(make_dac) -> DACTokenizer:
    return DACTokenizer(make_dac())


@pytest.fixture(scope="module")
def weights(make_dac, tmp_path_factory):
    """A checkpoint of the tiny codec."""
    return make_dac().save(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


def test_tokens_are_the_codes(tokenizer):
    sig = torch.randn(2, 100)
    tokens = tokenizer.sig_to_tokens(sig, torch.ones(2))
    codes = tokenizer.codec.encode(sig).codes
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, codes.transpose(1, 2))
    assert torch.equal(tokenizer(sig), tokens)
    assert torch.equal(tokenizer.sig_to_tokens(sig, num_codebooks=2), tokens[..., :2])
    sig = tokenizer.tokens_to_sig(tokens)
    assert torch.equal(sig, tokenizer.codec.decode_codes(codes).squeeze(1))


def test_each_signal_is_tokenized_as_if_alone(tokenizer):
    sig = torch.randn(3, 200)
    lengths = torch.tensor([1.0, 0.505, 0.1])
    tokens = tokenizer.sig_to_tokens(sig, lengths)
    decoded = tokenizer.tokens_to_sig(tokens, lengths)
    for item, samples in enumerate((200, 101, 20)):
        alone = tokenizer.sig_to_tokens(sig[item : item + 1, :samples])
        frames = alone.shape[1]
        assert torch.equal(tokens[item, :frames], alone[0])
        assert not tokens[item, frames:].any()
        expected = tokenizer.tokens_to_sig(alone, torch.tensor([samples]))[0]
        assert torch.allclose(decoded[item, :samples], expected, atol=1e-6)
        assert not decoded[item, samples:].any()


def test_lengths_in_samples_give_exactly_that_many(tokenizer):
    tokens = tokenizer.sig_to_tokens(torch.randn(2, 99))
    assert tokenizer.tokens_to_sig(tokens, torch.tensor([50, 99])).shape == (2, 99)
    relative = tokenizer.tokens_to_sig(tokens, torch.tensor([0.5, 0.9]))
    assert relative.shape == (2, tokens.shape[1] * 8)


def test_default_number_of_codebooks(make_dac):
    tokenizer = DACTokenizer(make_dac(), num_codebooks=2)
    assert tokenizer.sig_to_tokens(torch.randn(1, 50)).shape == (1, 7, 2)
    assert tokenizer.sig_to_tokens(torch.randn(1, 50), num_codebooks=3).shape[-1] == 3
    assert tokenizer.get_pretrained_embeddings().shape == (2 * 16, 16)
    assert (tokenizer.vocab_size, tokenizer.embedding_dim) == (16, 16)
    assert (tokenizer.sample_rate, tokenizer.frame_rate) == (16000, 2000)


@pytest.mark.parametrize("used", [1, 2, 3])
def test_embeddings_sum_to_the_latent(tokenizer, used):
    """Biases of the output projections included, each once."""
    with torch.no_grad():
        for quantizer in tokenizer.codec.quantizer.quantizers:
            quantizer.out_proj.bias.uniform_(1, 2)
    tokens = tokenizer.sig_to_tokens(torch.randn(2, 100), num_codebooks=used)
    table = tokenizer.get_pretrained_embeddings(16, used)
    assert table.shape == (used * 16, tokenizer.codec.latent_dim)
    assert not table.requires_grad
    rows = tokens + 16 * torch.arange(used)
    latents = table[rows].sum(dim=2).transpose(1, 2)
    z = tokenizer.codec.quantizer.from_codes(tokens.transpose(1, 2)).z
    assert torch.allclose(latents, z, atol=1e-5)
    assert tokenizer.get_pretrained_embeddings(device="meta").is_meta


def test_nothing_for_training_to_touch(tokenizer):
    state = copy.deepcopy(tokenizer.codec.state_dict())
    tokenizer.train()
    tokenizer.requires_grad_(True)
    for parameter in tokenizer.parameters():
        parameter.requires_grad = True
    tokenizer.apply(lambda module: module.train())
    assert list(tokenizer.parameters()) == list(tokenizer.buffers()) == []
    assert not tokenizer.codec.training
    sig = torch.randn(1, 100, requires_grad=True)
    tokens = tokenizer.sig_to_tokens(sig)
    assert not tokenizer.tokens_to_sig(tokens).requires_grad
    tokenizer.half()
    tokenizer.to(torch.bfloat16)
    assert tokenizer.codec.dtype == torch.float32
    for name, tensor in tokenizer.codec.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_a_codec_in_training_gives_the_same_tokens(make_dac):
    codec = make_dac(quantizer_dropout=1.0)
    sig = torch.randn(4, 100)
    expected = DACTokenizer(codec).sig_to_tokens(sig)
    assert torch.equal(DACTokenizer(codec.train()).sig_to_tokens(sig), expected)
    assert codec.training


def test_autocast_changes_nothing(tokenizer):
    sig = torch.randn(4, 2000)
    tokens = tokenizer.sig_to_tokens(sig)
    signal = tokenizer.tokens_to_sig(tokens)
    embeddings = tokenizer.get_pretrained_embeddings()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(tokenizer.sig_to_tokens(sig), tokens)
        assert torch.equal(tokenizer.tokens_to_sig(tokens), signal)
        assert torch.equal(tokenizer.get_pretrained_embeddings(), embeddings)


def test_moves_with_to(tokenizer):
    moved = copy.deepcopy(tokenizer).to("meta")
    assert all(parameter.is_meta for parameter in moved.codec.parameters())
    assert not tokenizer.codec.device.type == "meta"
    assert torch.nn.ModuleDict({"codec": moved}).to("meta")["codec"] is moved


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_moves_to_a_gpu(tokenizer):
    sig = torch.randn(1, 800)
    tokens = tokenizer.sig_to_tokens(sig)
    on_gpu = tokenizer.to("cuda").sig_to_tokens(sig.to("cuda"))
    assert on_gpu.is_cuda
    assert (on_gpu.cpu() == tokens).float().mean() > 0.99
    assert tokenizer.tokens_to_sig(on_gpu).is_cuda


def test_stays_out_of_checkpoints(tokenizer, tmp_path):
    from speechbrain.utils.checkpoints import Checkpointer

    layer = torch.nn.Linear(2, 2)
    recoverables = {"tokenizer": tokenizer, "layer": layer}
    checkpointer = Checkpointer(tmp_path, recoverables)
    saved = checkpointer.save_checkpoint()
    assert saved.paramfiles["tokenizer"].stat().st_size < 2000
    checkpointer.recover_if_possible()
    assert tokenizer.state_dict() == {}


def test_in_a_brain(make_dac, tmp_path):
    """Trained beside, wrapped, checkpointed and recovered by a real Brain."""
    import speechbrain as sb

    tokenizer = DACTokenizer(make_dac(), num_codebooks=2)
    state = copy.deepcopy(tokenizer.codec.state_dict())

    class TokenBrain(sb.Brain):
        def compute_forward(self, batch, stage):
            tokens = self.modules.tokenizer.sig_to_tokens(batch, torch.ones(len(batch)))
            return self.modules.embedding(tokens).mean()

        def compute_objectives(self, predictions, batch, stage):
            return predictions.square()

    brain = TokenBrain(
        modules={"tokenizer": tokenizer, "embedding": torch.nn.Embedding(16, 4)},
        opt_class=lambda params: torch.optim.AdamW(params, lr=0.1, weight_decay=0.5),
        run_opts={"device": "cpu", "precision": "bf16"},
    )
    before = brain.modules.embedding.weight.detach().clone()
    brain.fit(range(1), list(torch.randn(2, 100)), progressbar=False)
    assert not torch.equal(brain.modules.embedding.weight, before)
    assert sum(p.numel() for p in brain.modules.parameters()) == 16 * 4
    for name, tensor in tokenizer.codec.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_from_a_path(weights):
    tokenizer = DACTokenizer(str(weights), num_codebooks=1)
    assert not tokenizer.codec.training
    assert not any(p.requires_grad for p in tokenizer.codec.parameters())
    assert tokenizer.sig_to_tokens(torch.randn(1, 50)).shape == (1, 7, 1)


def test_from_yaml(weights):
    hparams = load_hyperpyyaml(f"""
codec: !new:dac_lobe.DACTokenizer
    source: {weights}
    num_codebooks: 2
    sample_rate: 16000
shared: !new:dac_lobe.DACTokenizer
    source: !new:dac_lobe.DAC
        encoder_dim: 4
        encoder_rates: [2, 4]
        decoder_dim: 16
        decoder_rates: [4, 2]
        n_codebooks: 2
        codebook_size: 16
""")
    assert isinstance(hparams["codec"], DACTokenizer)
    assert hparams["codec"].num_codebooks == 2
    assert isinstance(hparams["shared"].codec, DAC)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.sig_to_tokens(torch.zeros(8)), r"\[B, T\]"),
        (lambda t: t.sig_to_tokens(torch.zeros(1, 2, 8)), "channels"),
        (lambda t: t.sig_to_tokens(torch.zeros(1, 8), num_codebooks=4), "1 to 3"),
        (lambda t: t.sig_to_tokens(torch.zeros(1, 8), torch.ones(2)), "lengths"),
        (lambda t: t.tokens_to_sig(torch.zeros(8, 3).long()), r"\[B, F, K\]"),
        (lambda t: t.tokens_to_sig(torch.zeros(1, 8, 4).long()), "4 codebooks"),
        (lambda t: t.tokens_to_sig(torch.full((1, 8, 3), 16)), "allowed is"),
        (lambda t: t.get_pretrained_embeddings(17), "vocab_size=17"),
        (lambda t: t.get_pretrained_embeddings(16, 0), "1 to 3"),
        (lambda t: DACTokenizer(t.codec, num_codebooks=4), "1 to 3"),
        (lambda t: DACTokenizer(t.codec, sample_rate=44100), "sample_rate=44100"),
    ],
)
def test_bad_input(tokenizer, call, message):
    with pytest.raises(ValueError, match=message):
        call(tokenizer)


def test_describes_itself(tokenizer):
    assert repr(tokenizer) == (
        "DACTokenizer(sample_rate=16000, frame_rate=2000, num_codebooks=3, "
        "vocab_size=16)"
    )
