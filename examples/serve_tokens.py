"""Serve tokens over HTTP.

pip install fastapi uvicorn
uvicorn examples.serve_tokens:app
curl --data-binary @talk.flac "localhost:8000/tokens?num_codebooks=4"
curl --data-binary @talk.dac localhost:8000/audio > talk.wav
"""

import tempfile
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response

from dac_lobe import DAC

app = FastAPI(title="dac-lobe")
codec = DAC.from_pretrained("16khz-small")


@app.post("/tokens")
async def tokens(request: Request, num_codebooks: int | None = None) -> dict:
    """Encode an audio file; tokens are [channels, frames, codebooks]."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(await request.body())
        try:
            packed = codec.encode_file(file.name, num_codebooks=num_codebooks)
        except (ValueError, OSError) as error:
            raise HTTPException(422, str(error)) from error
    return {"tokens": packed.codes.swapaxes(1, 2).tolist(), "kbps": packed.bitrate}


@app.post("/audio", response_class=Response)
async def audio(request: Request) -> Response:
    """Decode a packed file into a wav."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "body.dac"
        source.write_bytes(await request.body())
        try:
            wav = codec.decode_file(source, Path(folder) / "decoded.wav")
        except (ValueError, OSError) as error:
            raise HTTPException(422, str(error)) from error
        return Response(wav.read_bytes(), media_type="audio/wav")
