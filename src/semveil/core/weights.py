# SPDX-License-Identifier: Apache-2.0
"""Third-party weight files: what there is, where it lies, how to get it; nothing is downloaded unless asked for.

Files lie in `$SEMVEIL_HOME` (the user's cache folder where that is not set), there or in its subfolder `weights`, under
their official names.
"""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from semveil.core.errors import SemveilError
from semveil.core.files import sha256_of_file
from semveil.core.registry import Registry

BLOCK = 1 << 20


class WeightsMissing(SemveilError):
    """Weights that a computation needs are not on this machine; the message says how to get them."""


class DownloadFailed(SemveilError):
    """A download broke off, or what came is not what the catalogue promises."""


@dataclass(frozen=True)
class WeightsFile:
    """A file name under which weights are found, and the SHA-256 (or its first digits) where it is known."""

    name: str
    sha256: str = ""


@dataclass(frozen=True)
class WeightsEntry:
    """Third-party weights.

    Attributes:
        name: what users type.
        purpose: what they are for.
        files: the official file first, then other names that serve as well.
        url: address of the official file; empty where its authors give no stable one.
        megabytes: size of the official file in 10^6 bytes, rounded; None where unknown.
        licence: terms stated by the source.
        source: the project that publishes them.
        needs: names of entries that are useless without each other.
    """

    name: str
    purpose: str
    files: tuple[WeightsFile, ...]
    url: str
    megabytes: float | None
    licence: str
    source: str
    needs: tuple[str, ...] = ()


_FACENET = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
_LPIPS_ALEX_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
_LPIPS_SQUEEZE_SHA256 = "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"
_LPIPS_VGG_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"

CATALOGUE = Registry[WeightsEntry]("third-party weights")
for _entry in (
    WeightsEntry(
        name="alexnet",
        purpose="trunk of LPIPS-Alex",
        files=(
            WeightsFile("alexnet-owt-7be5be79.pth", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"),
            WeightsFile("alexnet_features.safetensors"),
        ),
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        megabytes=244.4,
        licence="BSD-3-Clause; trained on ImageNet",
        source="https://github.com/pytorch/vision",
    ),
    WeightsEntry(
        name="vgg16",
        purpose="trunk of LPIPS-VGG, features for inversion",
        files=(WeightsFile("vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"),),
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        megabytes=553.4,
        licence="BSD-3-Clause; trained on ImageNet",
        source="https://github.com/pytorch/vision",
    ),
    WeightsEntry(
        name="squeezenet1_1",
        purpose="trunk of LPIPS-Squeeze, features of a Frechet distance",
        files=(WeightsFile("squeezenet1_1-b8a52dc0.pth", "b8a52dc0"), WeightsFile("squeezenet1_1_features.safetensors")),
        url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        megabytes=5.0,
        licence="BSD-3-Clause; trained on ImageNet",
        source="https://github.com/pytorch/vision",
    ),
    WeightsEntry(
        name="lpips-alex",
        purpose="LPIPS v0.1, AlexNet heads: the papers' perceptual distance",
        files=(WeightsFile("lpips_v0.1_alex.pth", _LPIPS_ALEX_SHA256), WeightsFile("alex.pth", _LPIPS_ALEX_SHA256)),
        url=f"{_LPIPS}/alex.pth",
        megabytes=0.006,
        licence="BSD-2-Clause",
        source="https://github.com/richzhang/PerceptualSimilarity",
        needs=("alexnet",),
    ),
    WeightsEntry(
        name="lpips-vgg",
        purpose="LPIPS v0.1, VGG16 heads: loss of the official inversion",
        files=(WeightsFile("lpips_v0.1_vgg.pth", _LPIPS_VGG_SHA256), WeightsFile("vgg.pth", _LPIPS_VGG_SHA256)),
        url=f"{_LPIPS}/vgg.pth",
        megabytes=0.007,
        licence="BSD-2-Clause",
        source="https://github.com/richzhang/PerceptualSimilarity",
        needs=("vgg16",),
    ),
    WeightsEntry(
        name="lpips-squeeze",
        purpose="LPIPS v0.1, SqueezeNet heads: a perceptual distance that no loss here has seen",
        files=(
            WeightsFile("lpips_v0.1_squeeze.pth", _LPIPS_SQUEEZE_SHA256),
            WeightsFile("squeeze.pth", _LPIPS_SQUEEZE_SHA256),
        ),
        url=f"{_LPIPS}/squeeze.pth",
        megabytes=0.011,
        licence="BSD-2-Clause",
        source="https://github.com/richzhang/PerceptualSimilarity",
        needs=("squeezenet1_1",),
    ),
    WeightsEntry(
        name="inception-fid",
        purpose="Inception v3 of the Frechet Inception distance",
        files=(
            WeightsFile(
                "pt_inception-2015-12-05-6726825d.pth", "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
            ),
        ),
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        megabytes=95.6,
        licence="Apache-2.0; trained on ImageNet",
        source="https://github.com/mseitzer/pytorch-fid",
    ),
    WeightsEntry(
        name="semantic-stylegan",
        purpose="SemanticStyleGAN for CelebAMask-HQ at 512 px, the papers' generator",
        files=(WeightsFile("CelebAMask-HQ-512x512.pt"),),
        url="https://github.com/seasonSH/SemanticStyleGAN/releases/download/1.0.0/CelebAMask-HQ-512x512.pt",
        megabytes=None,
        licence="CC BY-NC-SA 4.0 (no commercial use)",
        source="https://github.com/seasonSH/SemanticStyleGAN",
    ),
    WeightsEntry(
        name="stylegan2-ffhq",
        purpose="StyleGAN2 for FFHQ at 1024 px (config F, converted), generator of dp-image and latent-dp",
        files=(WeightsFile("stylegan2-ffhq-config-f.pt"),),
        url="",
        megabytes=None,
        licence="NVIDIA Source Code License-NC (no commercial use)",
        source="https://github.com/rosinality/stylegan2-pytorch",
    ),
    WeightsEntry(
        name="psp",
        purpose="pSp's encoder of FFHQ faces into StyleGAN2 codes, with its StyleGAN2: encoder of dp-image",
        files=(WeightsFile("psp_ffhq_encode.pt"),),
        url="",
        megabytes=None,
        licence="MIT (code); its StyleGAN2: NVIDIA Source Code License-NC (no commercial use)",
        source="https://github.com/eladrich/pixel2style2pixel",
    ),
    WeightsEntry(
        name="arcface",
        purpose="ArcFace IR-SE50 recogniser, the papers' measure of identity",
        files=(WeightsFile("model_ir_se50.pth"),),
        url="",
        megabytes=None,
        licence="MIT (code); trained on MS-Celeb-1M, research only",
        source="https://github.com/TreB1eN/InsightFace_Pytorch",
    ),
    WeightsEntry(
        name="facenet-vggface2",
        purpose="FaceNet trained on VGGFace2, identity distance of identity-dp",
        files=(WeightsFile("20180402-114759-vggface2.pt", "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"),),
        url=f"{_FACENET}/20180402-114759-vggface2.pt",
        megabytes=111.9,
        licence="MIT (code); trained on VGGFace2",
        source="https://github.com/timesler/facenet-pytorch",
    ),
    WeightsEntry(
        name="facenet-casia",
        purpose="FaceNet trained on CASIA-WebFace, identity distance of identity-dp",
        files=(WeightsFile("20180408-102900-casia-webface.pt"),),
        url=f"{_FACENET}/20180408-102900-casia-webface.pt",
        megabytes=115.9,
        licence="MIT (code); trained on CASIA-WebFace, research only",
        source="https://github.com/timesler/facenet-pytorch",
    ),
    WeightsEntry(
        name="edgeface",
        purpose="EdgeFace-XS recogniser as an ONNX file",
        files=(WeightsFile("edgeface_xs.onnx"),),
        url="",
        megabytes=None,
        licence="BSD-3-Clause",
        source="https://github.com/otroshi/edgeface",
    ),
):
    CATALOGUE.add(_entry.name, _entry)


def home() -> Path:
    """Where weights and caches lie: `$SEMVEIL_HOME`, or the user's cache folder."""
    return Path(os.environ.get("SEMVEIL_HOME") or platformdirs.user_cache_dir("semveil"))


def find(name: str) -> Path | None:
    """The file that holds the weights of a catalogue entry, or None where it is not on this machine.

    Raises:
        ValueError: the catalogue has no such entry.
    """
    folders = (home(), home() / "weights")
    candidates = (folder / file.name for file in CATALOGUE[name].files for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def require(name: str) -> Path:
    """Like `find`, for a computation that cannot do without.

    Raises:
        WeightsMissing: the file, or one that it needs, is not on this machine.
    """
    entry = CATALOGUE[name]
    lacking = [CATALOGUE[part] for part in (*entry.needs, name) if find(part) is None]
    path = find(name)
    if path is None or lacking:
        files = " and ".join(part.files[0].name for part in lacking)
        get_it = f"semveil models get {name}" if entry.url else f"take the file from {entry.source}"
        raise WeightsMissing(f"{files} missing in {home() / 'weights'} ({entry.purpose}); to get it: {get_it}")
    return path


@dataclass(frozen=True)
class Verification:
    """Whether a file is what the catalogue says: `matches` is None where the catalogue knows no hash for it."""

    path: Path
    sha256: str
    entry: WeightsEntry | None
    matches: bool | None


def verify(path: str | Path) -> Verification:
    """Hash a file and compare it with the catalogue entry that its name belongs to."""
    path = Path(path)
    digest = _sha256(path)
    for entry in map(CATALOGUE.__getitem__, CATALOGUE):
        for file in entry.files:
            if file.name == path.name:
                return Verification(path, digest, entry, digest.startswith(file.sha256) if file.sha256 else None)
    return Verification(path, digest, None, None)


def get(name: str, *, progress: Callable[[str, int, int | None], None] = lambda file, done, total: None) -> Path:
    """Download a catalogue entry and what it needs into `home()/weights`, unless it is there already.

    A download that broke off is resumed; the file appears under its name only when it is complete and its hash is right.

    Args:
        name: catalogue entry.
        progress: called with the file's name, the bytes that are there, and the bytes in all (None: unknown).

    Raises:
        WeightsMissing: the entry has no public address.
        DownloadFailed: the network failed, or the file's hash is not the catalogue's.
    """
    entry = CATALOGUE[name]
    for part in entry.needs:
        get(part, progress=progress)
    path = find(name)
    if path is not None:
        return path
    if not entry.url:
        return require(name)
    target = home() / "weights" / entry.files[0].name
    part_file = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(entry.url, part_file, lambda done, total: progress(target.name, done, total))
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DownloadFailed(f"cannot download {entry.url}: {error}; run the command again to resume") from error
    digest = _sha256(part_file)
    if not digest.startswith(entry.files[0].sha256):
        part_file.unlink()
        raise DownloadFailed(f"{entry.url} gave SHA-256 {digest}, expected {entry.files[0].sha256}; nothing was kept")
    os.replace(part_file, target)
    return target


def _download(url: str, part_file: Path, progress: Callable[[int, int | None], None]) -> None:
    done = part_file.stat().st_size if part_file.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing after the last byte: it was complete
            return
        raise
    with response:
        if response.status != 206:  # the server sends the whole file
            done = 0
        rest = response.headers.get("Content-Length")
        total = done + int(rest) if rest else None
        with part_file.open("ab" if done else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
    if total is not None and done != total:
        raise ConnectionError(f"it broke off after {done} of {total} bytes")


def _sha256(path: Path) -> str:
    return sha256_of_file(path).hex()
