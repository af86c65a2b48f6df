"""Command-line codecs under test: Codec 2, AMR, Lyra, EVS.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evaluation.recordings.clips import resample
from evaluation.systems.coded import CodedOnDemand, next_rate
from evaluation.systems.system import Point, Rate, System
from evaluation.systems.tool import TOOLS, count_bits

__all__ = ["ToolSystem"]

# The coded file, and its audio without the mode's delay.
Made = tuple[bytes, np.ndarray]


class ToolSystem(System):
    """A codec run by its command-line programs.

    The recording is brought to the next sample rate that the tool takes.

    Arguments
    ---------
    name : str
        One of `TOOLS`.
    modes : sequence of str, optional
        Some of the tool's; all by default.

    Example
    -------
    >>> system = ToolSystem("codec2", ["3200", "700C"])
    >>> [(str(point), system.kbps(point, 16000)) for point in system.points(None)]
    [('700C', 0.7), ('3200', 3.2)]
    """

    def __init__(self, name: str, modes: Sequence[str] | None = None):
        if name not in TOOLS:
            raise ValueError(f"tool:{name}: choose from {', '.join(TOOLS)}.")
        self.name = name
        known = TOOLS[name].modes
        bad = [mode for mode in modes or () if mode not in known]
        if bad:
            raise ValueError(
                f"tool:{name}@{bad[0]}: choose from {', '.join(known)}, with / between."
            )
        self.modes = tuple(mode for mode in known if mode in (modes or known))

    def load(self) -> None:
        """Look for the programs."""
        tool = TOOLS[self.name]
        for command in (tool.encode, tool.decode):
            program = command.split()[0]
            if shutil.which(program) is None:
                raise ValueError(
                    f"tool:{self.name} needs {program}, which is not on the PATH. "
                    f"Install {tool.install}."
                )

    def fingerprint(self) -> str:
        """Hash what the tool makes of half a second: few of them tell their version.

        In its highest mode, whichever are asked for: all releases have that one.
        """
        rate, mode = TOOLS[self.name].rates[0], list(TOOLS[self.name].modes)[-1]
        noise = np.random.default_rng(0).normal(0, 0.1, rate // 2)
        file, wav = self._run(noise, rate, mode)
        digest = hashlib.sha256(f"{self.name} {self.version}".encode())
        digest.update(file + wav.tobytes())
        return digest.hexdigest()[:16]

    def points(self, codebooks: Sequence[int] | None) -> list[Point]:
        """One point per mode, lowest rate first."""
        return [Point(setting=mode) for mode in self.modes]

    def kbps(self, point: Point, sample_rate: int) -> float:
        """Compute the rate of the mode from its frames."""
        mode = TOOLS[self.name].modes[point.setting]
        return mode.bits / mode.ms

    def encode(self, wav: np.ndarray, sample_rate: int) -> CodedOnDemand[Made]:
        """Bring the samples to the next rate that the tool takes."""
        rate = next_rate(TOOLS[self.name].rates, sample_rate)
        own = resample(wav, sample_rate, rate)
        return CodedOnDemand(own, rate, sample_rate, self._run)

    def decode(
        self, coded: CodedOnDemand[Made], point: Point, length: int
    ) -> np.ndarray:
        """Code in one mode and return to the rate that was given to `encode`."""
        _, wav = coded.at(point.setting)
        return resample(wav, coded.rate, coded.scoring_rate)[:length]

    def rate(self, coded: CodedOnDemand[Made], point: Point, length: int) -> Rate:
        """Count the bits of the frames, and the file where it is a compact one."""
        tool = TOOLS[self.name]
        file, _ = coded.at(point.setting)
        return Rate(
            emitted=count_bits(tool, point.setting, file),
            file=8 * len(file) if tool.compact else None,
        )

    def _run(self, wav: np.ndarray, rate: int, setting: str) -> Made:
        import soundfile

        tool, mode = TOOLS[self.name], TOOLS[self.name].modes[setting]
        delay, frame = round(mode.delay * rate), mode.ms * rate // 1000
        # Tools leave out an unfinished frame, and what their delay pushes out.
        padding = delay + -(len(wav) + delay) % frame
        raw = {"samplerate": rate, "channels": 1, "format": "RAW"}
        with TemporaryDirectory() as folder:
            audio, coded, output = (Path(folder) / name for name in tool.files)
            kinds = {"subtype": "PCM_16", "format": audio.suffix[1:].upper()}
            soundfile.write(audio, np.pad(wav, (0, padding)), rate, **kinds)
            for command in (tool.encode, tool.decode):
                _call(
                    command,
                    audio=audio,
                    coded=coded,
                    output=output,
                    folder=folder,
                    mode=setting,
                    rate=rate,
                    khz=rate // 1000,
                )
            options = raw | {"subtype": "PCM_16"} if output.suffix == ".raw" else {}
            decoded, _ = soundfile.read(output, dtype="float32", **options)
            return coded.read_bytes(), decoded[delay : delay + len(wav)]


def _call(command: str, **values: object) -> None:
    """Run a command, or say in one line why it failed."""
    words = [word.format(**values) for word in command.split()]
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True)
    if ended.returncode:
        said = (ended.stderr + ended.stdout).decode(errors="replace").split("\n")
        reason = next((line for line in said if line.strip()), "it says nothing")
        raise ValueError(f"{words[0]} failed ({ended.returncode}): {reason.strip()}")
