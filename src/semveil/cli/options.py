"""Options that several verbs share, and the checks on them that need no model."""

import math
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semveil.core.errors import OutputError, SemveilError
from semveil.core.parts import CODES, codes_of_parts, parse_codes

if TYPE_CHECKING:
    from semveil.channels import Link

LOUDEST_DB = 300.0
CHANNEL_METAVAR = "NAME[:SETTING=V,...]"


class OptionError(SemveilError):
    """Options that are wrong or do not fit together."""

    exit_code = 2


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout and nothing else.")]
Model = Annotated[str | None, typer.Option(help="Name or folder of a face model; see: semveil models list.", metavar="NAME")]
Device = Annotated[
    str,
    typer.Option(help="Where networks compute; auto: the first GPU where there is one.", metavar="auto|cpu|cuda|cuda:N"),
]
Face = Annotated[
    str | None, typer.Option(help="Which face of a photo with several: N (from 0), largest or all.", metavar="N|largest|all")
]
Epsilon = Annotated[
    float | None, typer.Option(help="Nominal privacy budget (10); what holds truly is printed and stored.", metavar="E")
]
Private = Annotated[
    str | None,
    typer.Option(
        help="Private face parts in words; their codes and the shared ones are protected. all: every code, so that nothing is "
        "sent in clear (the default under a key).",
        metavar="skin,eyes,...|all",
    ),
]
PrivateCodes = Annotated[str | None, typer.Option(help="Private codes by 0-based index instead (0,1,4-8).", metavar="0,1,4-8")]
Protection = Annotated[
    str | None,
    typer.Option(
        help="rotation or modulo: Bob takes it off with a key (rotation where a key is given); nn: the paper's trained pair, "
        "no guarantee (where none is given); nn-encrypted, learned: likewise, after its "
        "successors' abstracts; laplace, l2-laplace or gaussian: genuine noise, which Bob keeps; none.",
        metavar="rotation|modulo|nn|nn-encrypted|learned|laplace|l2-laplace|gaussian|none",
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(
        help="How noise follows from epsilon: as the paper has it (nn) or so that epsilon holds (genuine noise).",
        metavar="as_published|corrected",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(help="Instead of --epsilon and --private: Laplace noise by face part.", metavar="skin=5,eyes=3,shared=2"),
]
Delta = Annotated[float | None, typer.Option(help="Delta of --protection gaussian (1e-5).", metavar="D")]
Guard = Annotated[
    float | None,
    typer.Option(help="Guard band of --protection modulo, relative to the clip box: 0 to 1 (0.2, for 20 dB).", metavar="G"),
]
Key = Annotated[Path | None, typer.Option(help="Key file that `semveil keygen` wrote.", metavar="FILE")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File with a passphrase instead of a key; - asks for it.", metavar="FILE|-")
]
Identity = Annotated[
    Path | None, typer.Option(help="Your own secret of `semveil keygen --agreement`, with --peer.", metavar="FILE.secret")
]
Peer = Annotated[Path | None, typer.Option(help="The other side's public file, fingerprint checked.", metavar="FILE.public")]
Deniable = Annotated[
    bool,
    typer.Option("--deniable", help="No authentication: no tag proves a key right; wrong keys and tampering go unnoticed."),
]
Train = Annotated[bool, typer.Option("--train/--no-train", help="Train a missing pair now (minutes; it is kept).")]
Subject = Annotated[
    str | None,
    typer.Option(help="Whom the photo shows: the release goes into the ledger under a pseudonym.", metavar="NAME"),
]
CertificateInPng = Annotated[bool, typer.Option("--certificate-in-png", help="Put the certificate into the PNG's text too.")]
Perceptual = Annotated[
    str | None,
    typer.Option(
        help="Perceptual term of the inversion; the model's own where not given. lpips needs: semveil models get lpips-alex.",
        metavar="none|lpips",
    ),
]
Pair = Annotated[Path | None, typer.Option(help="File of the trained pair.", metavar="FILE")]
SnrDb = Annotated[float | None, typer.Option(help="SNR per complex symbol in dB.", metavar="S")]
Seed = Annotated[int | None, typer.Option(help="Of the simulated channel; drawn anew where not given.", metavar="N")]

BobChannel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        "--bob-channel",
        help="awgn (default), clipped, rayleigh, rician, ofdm, phase or timing, with the channel's settings and the receiver's "
        "csi=perfect|ls|mmse|none, equaliser=zf|mmse, pilots=N; rayleigh:coherence=64,csi=mmse.",
        metavar=CHANNEL_METAVAR,
    ),
]
EveChannel = Annotated[
    str | None,
    typer.Option("--channel", "--eve-channel", help="Eve's channel and receiver, as in receive.", metavar=CHANNEL_METAVAR),
]

Iq = Annotated[
    bool, typer.Option("--iq", help="MESSAGE is a SigMF recording of the radio signal, which a name in .sigmf* says too.")
]


def channel(name: str, text: str | None) -> "Link | None":
    """The channel that an option names, AWGN where it is not given."""
    if text is None:
        return None
    from semveil.channels import parse_link

    try:
        return parse_link(text)
    except ValueError as error:
        raise OptionError(f"{name}: {error}") from None


def check_device(name: str) -> None:
    """Fail before the work where there is no such device."""
    from semveil.core.device import choose_device

    choose_device(name)


def on_device(name: str) -> AbstractContextManager[None]:
    """Within it, models that are loaded have their networks on that device; an error now where there is no such device."""
    from semveil.core.device import choose_device, loading_onto

    return loading_onto(choose_device(name))


def private_codes(parts: str | None, codes: str | None) -> tuple[int, ...] | None:
    """Private codes from `--private` or `--private-codes`; None where neither is given."""
    if parts is not None and codes is not None:
        raise OptionError("give --private or --private-codes, not both")
    if parts == "all":
        return tuple(range(CODES))
    if parts is not None:
        return codes_of_parts([part.strip() for part in parts.split(",")])
    return None if codes is None else parse_codes(codes)


def check_snr(name: str, value: float | None) -> None:
    """A finite SNR within what makes a difference."""
    if value is not None and not (math.isfinite(value) and abs(value) <= LOUDEST_DB):
        raise OptionError(f"{name} must lie in -{LOUDEST_DB:g}..{LOUDEST_DB:g} dB, got {value}")


def snr_range(name: str, text: str) -> tuple[float, float | None]:
    """One SNR, or the lowest and the highest of a range such as `0..20`."""
    low, between, high = text.partition("..")
    try:
        found = float(low), float(high) if between else None
    except ValueError:
        raise OptionError(f"{name} must be an SNR in dB or a range such as 0..20, got {text!r}") from None
    for value in found:
        check_snr(name, value)
    if found[1] is not None and found[0] > found[1]:
        raise OptionError(f"{name} must name the lower SNR first, got {text!r}")
    return found


def check_output_file(path: Path, suffix: str | None = None) -> None:
    """Fail before the work, not after it, where a file cannot be written."""
    if suffix and path.suffix.lower() != suffix:
        raise OutputError(f"cannot write {str(path)!r}: its name must end in {suffix}")
    if path.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {str(path)!r}: no permission to write in its folder")


def check_output_folder(path: Path) -> None:
    """The same for a folder, which may exist or not."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"cannot write into {str(path)!r}: {str(there)!r} is not a folder")
    if not os.access(there, os.W_OK):
        raise OutputError(f"cannot write into {str(path)!r}: no permission to write in {str(there)!r}")
