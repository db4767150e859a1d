# SPDX-License-Identifier: Apache-2.0
"""Every parser of files and words from elsewhere: whatever is in them, an answer or an error of one line,
never a crash.

What is changed is a file that was good: bytes flipped, cut, doubled, put in, and values of its JSON replaced,
so that it gets beyond the first check. `SEMVEIL_FUZZ=20000` asks for so many examples of each kind instead of
a few.
"""

import contextlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from channels.message_cases import message
from fuzz.kind import Kind
from fuzz.model_kinds import MODEL_KINDS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from privacy.certificate_cases import FULL

from semveil.core.errors import SemveilError
from semveil.privacy.certificate import Certificate

EXAMPLES = int(os.environ.get("SEMVEIL_FUZZ", "25"))
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "\ud800", "../x", "é\n",
    "9" * 400, [], [[]], {}, {"": None}, [1] * 50,
)  # fmt: skip
TOKENS = (b"\0", b"\n", b'"', b"}", b"[", b"\xff", b"-1", b"NaN", b"1e999")


def _message(path: Path) -> None:
    from semveil.channels import write_message

    write_message(path, message(images=1))


def _read_message(path: Path) -> object:
    from semveil.channels import read_message

    return read_message(path)


def _certificate(path: Path) -> None:
    path.write_text(FULL.to_json(), encoding="utf-8")


def _read_certificate(path: Path) -> object:
    from semveil.data.certified import read_certificate

    return read_certificate(path)


def _ledger(path: Path) -> None:
    from semveil.privacy.guarantee import Basis, Guarantee
    from semveil.privacy.ledger import Ledger

    claim = Guarantee(1.0, "all codes", Basis.PROVED)
    Ledger(path).record(
        "Ada", Certificate(release="image", method="m", protection="laplace", guarantee=claim)
    )


def _read_ledger(path: Path) -> object:
    from semveil.privacy.ledger import Ledger

    return Ledger(path).total("Ada")


def _manifest(path: Path) -> None:
    from semveil.bulk.manifest import Manifest, PhotoEntry
    from semveil.bulk.sources import FOLDER, LOG

    with Manifest(path.parent / "out") as manifest:
        folder = manifest.run / "job-a"
        folder.mkdir()
        (folder / "a.png").write_text("a")
        manifest.commit(
            PhotoEntry(
                place="a.jpg",
                name="a",
                content="c",
                settings="s",
                policy="error",
                status="protected",
                faces=1,
                protected=1,
                small=0,
                outputs=("a.png",),
                contents=("c",),
                staged=f"{manifest.run.name}/job-a",
                replaces=(),
            )
        )
    path.write_bytes((path.parent / "out" / FOLDER / LOG).read_bytes())


def _read_manifest(path: Path) -> object:
    from semveil.bulk.manifest import Manifest
    from semveil.bulk.sources import FOLDER, LOG

    (path.parent / "out" / FOLDER).mkdir(exist_ok=True)
    (path.parent / "out" / FOLDER / LOG).write_bytes(path.read_bytes())
    with Manifest(path.parent / "out") as manifest:
        return [manifest.altered(place) for place in manifest.entries]


def _weights(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file(
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.half)}, path, {"config": "{}"}
    )


def _read_weights(path: Path) -> object:
    from semveil.core.checkpoints import read_checkpoint, read_metadata

    return read_checkpoint(path), read_metadata(path)


def _arrays(path: Path) -> None:
    np.savez(path, images=np.zeros((2, 4, 4, 3), np.uint8), names=np.array(["a", "b"]))


def _read_arrays(path: Path) -> object:
    from semveil.data.arrays import read_arrays

    return read_arrays(path, ("images", "names"))


def _photo(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)).save(path)


def _read_photo(path: Path) -> object:
    from semveil.data.photos import load_photo

    return load_photo(path).pixels


def _sealed(path: Path) -> None:
    from data.test_sealed_faces import SEALED

    path.write_bytes(SEALED)


def _read_sealed(path: Path) -> object:
    from data.test_sealed_faces import SECRET

    from semveil.data.sealed_faces import SealedFaces

    found = SealedFaces.parse(path.read_bytes())
    return [found.key(SECRET, number) for number in found.numbers]


def _key(path: Path) -> None:
    from semveil.keys.secret import Secret, write_secret

    write_secret(path, Secret.generate())


def _read_key(path: Path) -> object:
    from semveil.keys.sealed_parts import read_any_key

    path.chmod(0o600)
    return read_any_key(path)


def _identity(path: Path) -> None:
    from semveil.keys.agreement import Identity, write_identity

    write_identity(path, Identity.generate())


def _read_identity(path: Path) -> object:
    from semveil.keys.agreement import read_identity

    path.chmod(0o600)
    return read_identity(path)


def _result(path: Path) -> None:
    path.write_text(
        json.dumps({"experiment": "x", "config": {"a": 1}, "images": [{"psnr": 1.5}]}), encoding="utf-8"
    )


def _read_result(path: Path) -> object:
    from semveil.core.results import read_result

    return read_result(path)


def _clip(path: Path) -> None:
    pytest.importorskip("av")
    from video.moving import gliding, write_clip

    write_clip(path, gliding(4))


def _read_clip(path: Path) -> object:
    from semveil.video.clip import frames_of, read_clip

    return [len(list(frames_of(stretch))) for stretch in read_clip(path).stretches(4)]


def _recording(path: Path) -> None:
    pytest.importorskip("sigmf")
    from semveil.radio.bursts import send_recording

    send_recording(path, message(images=1))


def _read_recording(path: Path) -> object:
    from semveil.radio.bursts import receive_recording

    return receive_recording(path)


def _digital(path: Path) -> None:
    from semveil.channels import KeyedPart
    from semveil.channels.digital_message import DigitalMessage, digital_bytes

    keyed = KeyedPart(
        nonce=bytes(32), source={"kind": "file"}, parameters={}, sealed=bytes(80), authenticated=True
    )
    made = DigitalMessage(
        method="dp-semcom", model="m", model_hash="00" * 32, latent_shape=(28, 64), images=1, image_bytes=64,
        keyed=keyed,
    )  # fmt: skip
    path.write_bytes(digital_bytes(made))


def _read_digital(path: Path) -> object:
    from semveil.channels.digital_message import read_digital

    return read_digital(path)


def _settings(path: Path) -> None:
    path.write_text(
        "steps = 10\nperceptual = 0.5\n[network]\nsize = 64\n[options]\nseed = 3\n", encoding="utf-8"
    )


def _read_settings(path: Path) -> object:
    from semveil.core.config import read_config
    from semveil.training.deep_jscc import DeepJSCCTraining

    return read_config(DeepJSCCTraining, path, besides=["options"])


KINDS = {
    "message": Kind("m.svl", _message, _read_message),
    "certificate": Kind("c.certificate.json", _certificate, _read_certificate),
    "ledger": Kind("ledger.jsonl", _ledger, _read_ledger),
    "manifest": Kind("log.jsonl", _manifest, _read_manifest),
    "weights": Kind("w.safetensors", _weights, _read_weights),
    "arrays": Kind("a.npz", _arrays, _read_arrays, (SemveilError, ValueError, OSError)),
    "png": Kind("p.png", _photo, _read_photo),
    "jpeg": Kind("p.jpg", _photo, _read_photo),
    "webp": Kind("p.webp", _photo, _read_photo),
    "sealed faces": Kind("s.sealed", _sealed, _read_sealed),
    "key": Kind("k.key", _key, _read_key),
    "identity": Kind("i.identity", _identity, _read_identity),
    "result": Kind("r.json", _result, _read_result, (SemveilError, ValueError, OSError)),
    "clip": Kind("c.mp4", _clip, _read_clip),
    "digital message": Kind("m.svd", _digital, _read_digital),
    "settings": Kind("s.toml", _settings, _read_settings, (SemveilError, ValueError)),
    "recording": Kind("r.sigmf-meta", _recording, _read_recording),
    **MODEL_KINDS,
}


@pytest.fixture(scope="module", params=KINDS)
def good(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Kind, Path, bytes]:
    kind = KINDS[request.param]
    path = tmp_path_factory.mktemp("fuzz") / kind.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(path.parent / "home"))
        kind.make(path)
    return kind, path, path.read_bytes()


def bytes_changed(draw: st.DrawFn, content: bytes) -> bytes:
    """One to four small damages, each somewhere."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["flip", "cut", "drop", "put in", "double", "number", "word"])):
            case "flip" if content:
                content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
            case "cut":
                content = content[:at]
            case "drop":
                content = content[:at] + content[at + draw(st.integers(1, 40)) :]
            case "put in":
                content = content[:at] + draw(st.binary(min_size=1, max_size=20)) + content[at:]
            case "double":
                content = content[:at] + content[at : at + draw(st.integers(1, 40))] * 2 + content[at + 1 :]
            case "number":  # lengths and offsets are numbers of four or eight bytes
                value = draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
                content = (
                    content[:at] + struct.pack(draw(st.sampled_from("<>")) + "I", value) + content[at + 4 :]
                )
            case "word":
                content = (
                    content[:at]
                    + draw(
                        st.sampled_from([b"\0", b"\n", b'"', b"}", b"[", b"\xff", b"-1", b"NaN", b"1e999"])
                    )
                    + content[at:]
                )
    return content


def value_changed(draw: st.DrawFn, content: Any) -> Any:
    """JSON with one value replaced, added or left out, at any depth."""
    if isinstance(content, dict) and content and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(content)))
        match draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "rename"])):
            case "deeper":
                return content | {name: value_changed(draw, content[name])}
            case "drop":
                return {other: value for other, value in content.items() if other != name}
            case "rename":
                return {other if other != name else f"{name}x": value for other, value in content.items()}
    if isinstance(content, list) and content and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(content) - 1))
        return [*content[:place], value_changed(draw, content[place]), *content[place + 1 :]]
    return draw(st.sampled_from(ODD))


def changed(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes changed; or, where lines of the file are JSON, a value in one of them."""
    lines = content.split(b"\n")
    try:
        parsed = [json.loads(line) for line in lines if line] if len(lines) < 20 else json.loads(content)
        whole = not isinstance(parsed, list) or len(lines) >= 20
    except ValueError:
        return bytes_changed(draw, content)
    if draw(st.booleans()):
        return bytes_changed(draw, content)
    if whole:
        return json.dumps(value_changed(draw, parsed), indent=1).encode("utf-8", "surrogatepass")
    place = draw(st.integers(0, len(parsed) - 1))
    parsed[place] = value_changed(draw, parsed[place])
    return b"".join(json.dumps(line).encode() + b"\n" for line in parsed)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_a_changed_file_is_read_or_refused_in_one_line(
    good: tuple[Kind, Path, bytes], data: st.DataObject
) -> None:
    kind, path, content = good
    new = changed(data.draw, content)  # type: ignore[arg-type]
    path.write_bytes(new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(path.parent / "home"))
        try:
            kind.read(path)
        except kind.refusals as error:
            assert str(error) and len(str(error).splitlines()) == 1 and len(str(error)) < 2000


def test_the_good_file_itself_is_read(good: tuple[Kind, Path, bytes]) -> None:
    kind, path, content = good
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(path.parent / "home"))
        kind.read(path)


def test_an_error_of_another_kind_is_noticed() -> None:
    """The property fails for a parser that indexes what it did not check."""

    @settings(max_examples=200, database=None, phases=[Phase.generate], deadline=None)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        with contextlib.suppress(ValueError):  # so much it does check
            json.loads(changed(data.draw, b'{"a": [1]}'))["a"]

    with pytest.raises((KeyError, TypeError, ExceptionGroup)):
        holds()


PIECES = (
    *"0123456789.,:=-+x ",
    "all",
    "skin",
    "hair",
    "awgn",
    "rayleigh",
    "rician",
    "k",
    "1e400",
    "nan",
    "inf",
    "²",
)
WORDS = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=8 * EXAMPLES)
@given(WORDS)
def test_words_of_the_command_line_are_understood_or_refused_in_one_line(words: str) -> None:
    from semveil.channels.links import parse_link
    from semveil.faces.parts import parse_codes
    from semveil.mechanisms.budget import parse_budget

    for parse in (parse_link, parse_codes, parse_budget):
        try:
            parse(words)  # type: ignore[operator]
        except (SemveilError, ValueError) as error:
            assert str(error) and "Traceback" not in str(error)
