"""Models of other people's layouts, tiny and random, for metrics that take a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

WIDTH, INNER, FILTERS, TAPS, GROUPS = 128, 48, 8, 16, 4
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


class TinyUtmos(nn.Module):
    """UTMOS22's strong learner under the names that its published weights have."""

    def __init__(self):
        super().__init__()
        ins = (1, *[FILTERS] * (len(KERNELS) - 1))
        convs = nn.ModuleList(
            nn.ModuleList(
                [nn.Conv1d(one, FILTERS, size, step, bias=False), nn.Identity()]
                + [nn.GroupNorm(FILTERS, FILTERS)] * (number == 0)
            )
            for number, (one, size, step) in enumerate(
                zip(ins, KERNELS, STRIDES, strict=True)
            )
        )
        position = nn.Conv1d(WIDTH, WIDTH, TAPS, padding=TAPS // 2, groups=GROUPS)
        layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "self_attn": nn.ModuleDict(
                        {f"{name}_proj": nn.Linear(WIDTH, WIDTH) for name in "qkv"}
                        | {"out_proj": nn.Linear(WIDTH, WIDTH)}
                    ),
                    "self_attn_layer_norm": nn.LayerNorm(WIDTH),
                    "fc1": nn.Linear(WIDTH, INNER),
                    "fc2": nn.Linear(INNER, WIDTH),
                    "final_layer_norm": nn.LayerNorm(WIDTH),
                }
            )
            for _ in range(2)
        )
        self.wav2vec2 = nn.ModuleDict(
            {
                "feature_extractor": nn.ModuleDict({"conv_layers": convs}),
                "layer_norm": nn.LayerNorm(FILTERS),
                "post_extract_proj": nn.Linear(FILTERS, WIDTH),
                "encoder": nn.ModuleDict(
                    {
                        "pos_conv": nn.ModuleList([position]),
                        "layer_norm": nn.LayerNorm(WIDTH),
                        "layers": layers,
                    }
                ),
            }
        )
        self.domain_emb = nn.Parameter(torch.randn(1, 6))
        self.judge_emb = nn.Parameter(torch.randn(1, 5))
        self.blstm = nn.LSTM(WIDTH + 11, 7, batch_first=True, bidirectional=True)
        self.projection = nn.Sequential(nn.Linear(14, 9), nn.ReLU(), nn.Linear(9, 1))

    def state(self) -> dict[str, torch.Tensor]:
        """Weights; the positional kernel is split into a direction and a length."""
        state = dict(self.state_dict())
        kernel = state.pop(name := "wav2vec2.encoder.pos_conv.0.weight")
        state[f"{name}_v"] = kernel
        state[f"{name}_g"] = kernel.norm(dim=(0, 1), keepdim=True)
        state["wav2vec2.mask_emb"] = torch.zeros(WIDTH)
        return state

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """Rate samples [B, T]."""
        parts = self.wav2vec2
        x = wav[:, None]
        for conv, _, *norm in parts["feature_extractor"]["conv_layers"]:
            x = conv(x)
            x = nn.functional.gelu(norm[0](x) if norm else x)
        x = parts["post_extract_proj"](parts["layer_norm"](x.transpose(1, 2)))
        encoder = parts["encoder"]
        near = encoder["pos_conv"][0](x.transpose(1, 2))[..., :-1].transpose(1, 2)
        x = encoder["layer_norm"](x + nn.functional.gelu(near))
        for layer in encoder["layers"]:
            attention = layer["self_attn"]
            q, k, v = (
                attention[f"{name}_proj"](x).unflatten(-1, (-1, 64)).transpose(1, 2)
                for name in "qkv"
            )
            weights = (q @ k.transpose(-1, -2) / 8).softmax(dim=-1)
            heard = attention["out_proj"]((weights @ v).transpose(1, 2).flatten(2))
            x = layer["self_attn_layer_norm"](x + heard)
            inner = layer["fc2"](nn.functional.gelu(layer["fc1"](x)))
            x = layer["final_layer_norm"](x + inner)
        told = torch.cat([self.domain_emb, self.judge_emb], dim=1)[:, None]
        x = torch.cat([x, told.expand(len(x), x.shape[1], -1)], dim=2)
        return self.projection(self.blstm(x)[0]).mean(dim=(1, 2)) * 2 + 3


def save_utmos(folder: Path, seed: int = 0) -> TinyUtmos:
    """Write weights under the published file's name."""
    torch.manual_seed(seed)
    model = TinyUtmos().eval()
    torch.save(model.state(), folder / "utmos22_strong_step7459_v1.pt")
    return model


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def save_scoreq(folder: Path, exponent: int = 1) -> None:
    """Write an ONNX model with SCOREQ's input and output: mean |x| or mean of (|x|)².

    By hand, as it is nine lines, and the package ``onnx`` another dependency.
    """

    def node(kind: str, source: str, target: str, *rest: bytes) -> bytes:
        return b"".join(
            [
                *(_field(1, s) for s in source.split()),
                _field(2, target),
                _field(4, kind),
            ]
        ) + b"".join(rest)

    def tensor(name: str, *shape: str) -> bytes:
        sizes = b"".join(_field(1, _field(2, size)) for size in shape)
        kind = _field(1, 1) + _field(2, sizes)  # float32
        return _field(1, name) + _field(2, _field(1, kind))

    axis = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    keep = _field(1, "keepdims") + _field(3, 1) + _field(20, 2)
    mean = (_field(5, axis), _field(5, keep))
    size = "abs" if exponent == 1 else "square"
    nodes = [node("Abs", "audio_input", "abs"), node("Mul", "abs abs", "square")]
    nodes += [node("ReduceMean", size, "mos_output", *mean)]
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, "tiny")
    graph += _field(11, tensor("audio_input", "batch_size", "samples"))
    graph += _field(12, tensor("mos_output", "batch_size", "one"))
    opset = _field(1, "") + _field(2, 13)
    model = _field(1, 8) + _field(7, graph) + _field(8, opset)
    (folder / "adapt_nr_telephone.onnx").write_bytes(model)


def save_xvector(folder: Path, seed: int = 0) -> None:
    """Write a WavLM with an x-vector head, as microsoft/wavlm-base-plus-sv is."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    torch.manual_seed(seed)
    config = WavLMConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, conv_dim=(8,) * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, tdnn_dim=(16, 16, 16, 16, 24),
        xvector_output_dim=12, num_buckets=32,
    )  # fmt: skip
    WavLMForXVector(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def save_whisper(folder: Path, seed: int = 0) -> None:
    """Write a Whisper that knows letters, as openai/whisper-small is."""
    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz", "Ġ"]
    end, start = "<|endoftext|>", "<|startoftranscript|>"
    others = ["<|en|>", "<|transcribe|>", "<|translate|>", "<|notimestamps|>"]
    place = {token: i for i, token in enumerate([*letters, end, start, *others])}
    tokenizer = transformers.WhisperTokenizer(vocab=place, merges=[], unk_token=end)
    tokenizer.add_special_tokens({"additional_special_tokens": [start, *others]})
    transformers.WhisperProcessor(
        feature_extractor=transformers.WhisperFeatureExtractor(), tokenizer=tokenizer
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.WhisperConfig(
        vocab_size=len(place), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, max_target_positions=20, bos_token_id=place[end],
        eos_token_id=place[end], pad_token_id=place[end],
        decoder_start_token_id=place[start], suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation.no_timestamps_token_id = place["<|notimestamps|>"]
    generation.is_multilingual, generation.return_timestamps = False, False
    generation.max_length = 12
    # Random weights would repeat whatever comes first: let it be a letter.
    generation.begin_suppress_tokens = list(range(len(letters), len(place)))
    model.save_pretrained(folder)


def tone(seconds: float = 1.0, rate: int = 16000, hertz: float = 220.0) -> np.ndarray:
    """A tone at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
