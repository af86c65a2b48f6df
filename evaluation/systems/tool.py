"""Codecs that are command-line programs: how they are called, and what they write.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["TOOLS", "Mode", "Tool", "count_bits"]


class Mode(NamedTuple):
    """One operating point of a tool.

    Attributes
    ----------
    bits : int
        In a frame.
    ms : int
        Length of a frame.
    delay : float
        Seconds by which the output is late; they are taken out.
    """

    bits: int
    ms: int = 20
    delay: float = 0.0


def _whole_bytes(bits: int) -> int:
    return math.ceil(bits / 8)


def _header_and_bytes(bits: int) -> int:
    return 1 + math.ceil(bits / 8)


def _words(bits: int) -> int:
    return 2 * (2 + bits)


@dataclass(frozen=True)
class Tool:
    """How a codec's programs are called, and what they write.

    Arguments
    ---------
    encode, decode : str
        Commands with ``{audio}``, ``{coded}``, ``{output}`` (files), ``{folder}``
        (where they are), ``{mode}``, ``{rate}`` (Hz) and ``{khz}``.
    files : tuple of str
        Names of the three files; audio is 16-bit, raw or WAV by its suffix.
    modes : dict
        By the tool's own names, lowest rate first.
    rates : tuple of int
        Sample rates that it takes, in Hz.
    install : str
        Where it is to be had.
    frame_bytes : callable
        Bytes of the file that a frame of so many bits takes.
    header : int
        Bytes before the first frame.
    compact : bool
        Whether the file is one that would be sent or kept.
    """

    encode: str
    decode: str
    files: tuple[str, str, str]
    modes: dict[str, Mode]
    rates: tuple[int, ...]
    install: str
    frame_bytes: Callable[[int], int]
    header: int = 0
    compact: bool = True


def _amr(codec: str, rate: int, bits: dict[str, int], delay: int, header: int) -> Tool:
    return Tool(
        encode="ffmpeg -nostdin -v error -f s16le -ar {rate} -ac 1 -i {audio} -c:a "
        + codec
        + " -b:a {mode}k {coded}",
        decode="ffmpeg -nostdin -v error -i {coded} -f s16le -ar {rate} -ac 1 {output}",
        files=("audio.raw", "coded.amr", "output.raw"),
        modes={mode: Mode(n, delay=delay / rate) for mode, n in bits.items()},
        rates=(rate,),
        install=f"FFmpeg with {codec} (apt-get install ffmpeg libavcodec-extra)",
        frame_bytes=_header_and_bytes,
        header=header,
    )


# Bits of frames and formats of files are those of 3GPP TS 26.101, 26.201 and 26.443,
# RFC 4867 and ITU-T G.192. Delays were measured with ffmpeg 5.1 and codec2 1.0.5: for
# AMR the lag of the cross-correlation, for Codec 2, which keeps no waveform, the shift
# that STOI is highest at. Those of Lyra are not known, EVS takes its own out.
TOOLS = {
    "codec2": Tool(
        encode="c2enc {mode} {audio} {coded}",
        decode="c2dec {mode} {coded} {output}",
        files=("audio.raw", "coded.bin", "output.raw"),
        modes={
            "450": Mode(18, 40, 0.03),
            "700C": Mode(28, 40, 0.03),
            "1200": Mode(48, 40, 0.02),
            "1300": Mode(52, 40, 0.02),
            "1400": Mode(56, 40, 0.02),
            "1600": Mode(64, 40, 0.02),
            "2400": Mode(48, 20, 0.02),
            "3200": Mode(64, 20, 0.02),
        },
        rates=(8000,),
        install="codec2 (apt-get install codec2)",
        frame_bytes=_whole_bytes,
    ),
    "amr-nb": _amr(
        "libopencore_amrnb",
        8000,
        {"4.75": 95, "5.15": 103, "5.9": 118, "6.7": 134}
        | {"7.4": 148, "7.95": 159, "10.2": 204, "12.2": 244},
        delay=40,
        header=len("#!AMR\n"),
    ),
    "amr-wb": _amr(
        "libvo_amrwbenc",
        16000,
        {"6.6": 132, "8.85": 177, "12.65": 253, "14.25": 285, "15.85": 317}
        | {"18.25": 365, "19.85": 397, "23.05": 461, "23.85": 477},
        delay=95,
        header=len("#!AMR-WB\n"),
    ),
    "lyra": Tool(
        encode="encoder_main --input_path={audio} --output_dir={folder} "
        "--bitrate={mode}",
        decode="decoder_main --encoded_path={coded} --output_dir={folder} "
        "--sample_rate_hz={rate} --bitrate={mode}",
        files=("audio.wav", "audio.lyra", "audio_decoded.wav"),
        modes={"3200": Mode(64), "6000": Mode(120), "9200": Mode(184)},
        rates=(8000, 16000, 32000, 48000),
        install="Lyra 1.3 (github.com/google/lyra), and run from its folder",
        frame_bytes=_whole_bytes,
    ),
    "evs": Tool(
        encode="EVS_cod {mode} {khz} {audio} {coded}",
        decode="EVS_dec {khz} {coded} {output}",
        files=("audio.raw", "coded.192", "output.raw"),
        modes={
            str(rate): Mode(rate // 50)
            for rate in (7200, 8000, 9600, 13200, 16400, 24400)
        },
        rates=(8000, 16000, 32000, 48000),
        install="the reference software of 3GPP TS 26.443",
        frame_bytes=_words,
        compact=False,
    ),
}


def count_bits(tool: Tool, mode: str, file: bytes) -> int:
    """Count the bits of coded audio in a file.

    Arguments
    ---------
    tool : Tool
        What wrote it.
    mode : str
        At what.
    file : bytes
        The file.

    Returns
    -------
    int
        Bits of all frames: no headers, no filling up to whole bytes.

    Raises
    ------
    ValueError
        If these are not whole frames.

    Example
    -------
    >>> count_bits(TOOLS["codec2"], "700C", bytes(8))
    56
    """
    bits = tool.modes[mode].bits
    frames, rest = divmod(len(file) - tool.header, tool.frame_bytes(bits))
    if rest or frames < 0:
        raise ValueError(
            f"a file of {len(file)} bytes does not hold whole frames of {bits} bits. "
            "Another version of the tool, with discontinuous transmission?"
        )
    return frames * bits
