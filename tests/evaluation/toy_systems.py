"""Small systems for the tests; in a module of their own, so that workers find them."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import numpy as np

from evaluation import CodebookSystem, Point, Rate, System
from evaluation.metrics import Weighted

# ---- shown in docs/evaluation.md ----


class Rounding(CodebookSystem):
    """Residual scalar quantizer: each codebook adds two bits to every sample."""

    name, version = "rounding", "1"
    sample_rate, frame_rate, num_codebooks, codebook_size = 16000, 16000, 4, 4

    def encode(self, wav, sample_rate):
        codes, rest = [], wav.clip(-1, 1)
        for stage in range(self.num_codebooks):
            step = 2 / 4 ** (stage + 1)
            codes.append(np.clip(np.floor(rest / step + 2), 0, 3).astype(int))
            rest = rest - (codes[-1] - 1.5) * step
        return np.stack(codes)

    def decode(self, codes, point, length):
        steps = 2 / 4 ** np.arange(1, len(codes) + 1)
        return ((codes - 1.5) * steps[:, None]).sum(axis=0)[:length]


# ---- up to here ----


class Loading(Rounding):
    """Notes each load in the file given, and holds then what cannot be pickled."""

    def __init__(self, name: str, log: str):
        self.name, self.log = name, log

    def load(self):
        with open(self.log, "a") as file:
            file.write(f"{self.name} {os.getpid()}\n")
        self.codec = lambda wav: super(Loading, self).encode(wav, self.sample_rate)

    def encode(self, wav, sample_rate):
        return self.codec(wav)


class Broken(System):
    """Fails on purpose, in the way that it is told to."""

    def __init__(self, way: str, only: str = ""):
        self.name, self.way, self.only = f"broken-{way}", way, only

    def encode_clip(self, clip, wav, sample_rate):
        return wav, (not self.only or clip.name == self.only)

    def encode(self, wav, sample_rate):
        raise TypeError("not reached")

    def decode(self, coded, point, length):
        wav, on = coded
        if on and self.way == "raise":
            raise ZeroDivisionError("as asked")
        if on and self.way == "exit":
            os._exit(7)
        if on and self.way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if on and self.way == "hang":
            time.sleep(600)
        if on and self.way == "silent":
            return np.zeros(length)
        if on and self.way == "nan":
            return np.full(length, np.nan)
        if on and self.way == "short":
            return wav[: length // 2]
        if on and self.way == "late":
            return np.concatenate([np.zeros(8), wav])[:length]
        return wav


class OneBitLess(System):
    """Twelve bits a sample; counts how often it encodes, in the file given."""

    def __init__(self, log: str = ""):
        self.name, self.log = "twelve-bits", log

    def fingerprint(self):
        return "twelve-bits 1"

    def points(self, codebooks):
        return [Point(setting="12 bits")]

    def encode(self, wav, sample_rate):
        if self.log:
            with open(self.log, "a") as file:
                file.write("encoded\n")
        return np.round(wav * 2048) / 2048

    def decode(self, coded, point, length):
        return coded


class Rounded(System):
    """Three to six bits a sample, and twice as many paid, or a failure, where told."""

    def __init__(self, name: str, dear: str = "", lost: tuple[str, ...] = ()):
        self.name, self.dear, self.lost = name, dear, lost

    def points(self, codebooks):
        return [Point(setting=f"{bits} bits") for bits in (3, 4, 5, 6)]

    def encode_clip(self, clip, wav, sample_rate):
        if clip.name in self.lost:
            raise RuntimeError("as told")
        return wav, clip.name == self.dear

    def encode(self, wav, sample_rate):
        raise TypeError("not reached")

    def decode(self, coded, point, length):
        steps = 2 ** int(point.setting[0]) / 2
        return np.round(coded[0] * steps) / steps

    def rate(self, coded, point, length):
        return Rate(emitted=int(point.setting[0]) * length * (1 + coded[1]))


def peak_error(reference, output, sample_rate, factor):
    """A metric of a user's own: scaled difference of the peaks."""
    return float(factor) * abs(np.abs(reference).max() - np.abs(output).max())


def error_by_length(reference, output, sample_rate):
    """A metric whose scores count for as much as their clips are long."""
    return Weighted(float(np.abs(reference - output).mean()), len(reference))


def level(reference, output, sample_rate):
    """A metric that looks at the output alone: its level in dB."""
    return float(10 * np.log10(np.mean(output**2)))


def erasing(reference, output, sample_rate):
    """A metric that leaves nothing of what it was given."""
    reference *= 0
    output *= 0
    return 1.0


def tiny_error(reference, output, sample_rate):
    """A metric whose scores are small numbers."""
    return float(1e-6 * np.abs(reference - output).mean())


class Odd(Broken):
    """Has a program fail in the step that it is told."""

    def __init__(self, step: str):
        super().__init__("fine")
        self.name, self.step = f"odd-{step}", step

    def encode_clip(self, clip, wav, sample_rate):
        self.call("encode")
        return super().encode_clip(clip, wav, sample_rate)

    def decode(self, coded, point, length):
        self.call("decode")
        return super().decode(coded, point, length)

    def call(self, step):
        if step == self.step:
            raise subprocess.CalledProcessError(3, "codec")


def calling(reference, output, sample_rate):
    """A metric that has a program fail."""
    raise subprocess.CalledProcessError(3, "codec")


class Unloadable(Rounding):
    """Lacks what it would load."""

    name = "unloadable"

    def load(self):
        self.codec = {}["weights"]
