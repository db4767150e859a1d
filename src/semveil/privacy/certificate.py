# SPDX-License-Identifier: Apache-2.0
"""Certificate of one release: its guarantee and conditions, as a value written with the output as JSON."""

import json
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from semveil import __version__
from semveil.core.errors import SemveilError
from semveil.faces.parts import CODES
from semveil.privacy.caveats import VOID_WHOLE_PHOTO, Caveat, caveat_named
from semveil.privacy.certificate_fields import (
    check_field,
    fields_of,
    is_number,
    no_constant,
    no_doubles,
    read_record,
    tuple_of,
)
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, GaussianNoise, Guarantee, MetricForm, Sensitivity, post_process

CERTIFICATE_VERSION = 2
READABLE_VERSIONS = (1, 2)  # 1 has coverage in words only, and no bounds_hash, perceptual or sealed
LARGEST_CERTIFICATE = 1 << 18  # characters of JSON; a typical one has 3,000

_OPTIONAL_NAMES = ("model", "perceptual", "mechanism", "calibration")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_COMMIT = re.compile(r"[0-9a-f]{40}(\+changes)?")
# Paths and file names are rejected: they may reveal whom a photo shows or where it is stored.
_PATH = re.compile(
    r"(?<![\w.])(~|\.{1,2})?[/\\]\w|(?<!\w)[a-z]:[/\\]|\w[/\\]\w[^\s/\\]*[/\\]|"
    r"\w\.(jpe?g|png|heic|webp|tiff?|gif|bmp|avif|np[yz]|svl|pt|pkl|safetensors|key|secret)\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?://\S+")


class CertificateError(SemveilError):
    """A certificate that is missing, damaged, of another version, or of another file."""

    exit_code = 8


class ReleaseKind(StrEnum):
    """Kind of released output."""

    IMAGE = "image"
    SYMBOLS = "symbols"
    MESSAGE = "message"  # over a digital link
    DATA_SET = "data set"
    CLIP = "clip"


@dataclass(frozen=True)
class Bounds:
    """Public bounds that values were clipped to before noise.

    Args:
        lower, upper: in the units of the values; for bounds per coordinate the lowest and the highest.
        source: origin of the bounds, in words.
        per_coordinate: whether every coordinate has separate bounds.
    """

    lower: float
    upper: float
    source: str
    per_coordinate: bool = False

    def __post_init__(self) -> None:
        check_field(
            math.isfinite(self.lower) and math.isfinite(self.upper) and self.lower <= self.upper,
            "bounds",
            vars(self),
        )
        check_field(self.source, "the bounds' source", self.source)


@dataclass(frozen=True)
class OutputHash:
    """Hash of the output that a certificate belongs to.

    Args:
        sha256: 64 hex digits.
        of: `file`, all bytes of the file; or `pixels`, if the certificate is part of the file: the SHA-256 of
            `semveil pixels HEIGHT WIDTH` with a newline, in ASCII, and the RGB bytes row by row.
    """

    sha256: str
    of: str = "file"

    def __post_init__(self) -> None:
        check_field(
            re.fullmatch(r"[0-9a-f]{64}", self.sha256),
            "the output's SHA-256, 64 lower-case hex digits",
            self.sha256,
        )
        check_field(self.of in ("file", "pixels"), "what is hashed, file or pixels", self.of)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Claim about one release, with all information that an audit needs.

    It has no field for noise, its seed, latents, a key or the name of a photo, and rejects texts that look
    like a path. It is a statement, not a proof, and is not signed.

    Attributes:
        release: image, symbols, message, data set or clip.
        method: such as `dp-semcom`.
        protection: as chosen by the user, such as `laplace`.
        guarantee: epsilon, covered and uncovered parts, and basis.
        images: number of images, or of faces tracked through a clip, that the release is made from; the
            guarantee holds for each of them alone.
        model, model_hash: name of the face model, SHA-256 over its weights.
        bounds_hash: SHA-256 over the file of public per-coordinate bounds from which the clip bounds or the
            sensitivity are derived (`QuantileBounds.digest`), or over the public subspace
            (`Subspace.digest`); None if there is neither.
        perceptual: perceptual term of the inversion that computed the latents, `none` if it had none; None if
            there was no inversion or it is not known.
        mechanism: law of the noise; None without noise.
        calibration, nominal_epsilon: as requested; only the guarantee states the actual epsilon.
        scale: of the noise, in the unit of the bounds (latent units where there are none), or in 8-bit levels
            where no model computed latents; None without noise or where it differs between parts.
        grid_step: spacing of the public grid of the released values, in the same unit; None without a grid.
        bounds: public clip bounds with their source.
        sensitivity: largest distance of two clipped records, with its norm.
        private_codes: 0-based indices of the protected codes of a semantic model, whose codes belong to face
            parts; None where there are none, and for other models.
        part_budgets: epsilon of each part; they add up to at most the guarantee's.
        caveats: limitations of the epsilon; those that follow from the other fields are added.
        release_id: 32 random hex digits, shared by all outputs of one release made without accessing the
            photo again.
        sealed: guarantee against an adversary who also has the sealed originals; None where there are none.
            `guarantee` is about the image alone.
        output: hash of the file that the certificate belongs to, set by `write_certificate`.
        software_version, commit: of semveil.
        certificate_version: of the format.

    Raises:
        ValueError: fields out of range or contradictory, such as pasting back with everything covered.

    Example:
        >>> claim = Guarantee(1.0, "all codes", Basis.PROVED)
        >>> made = Certificate(release="image", method="dp-semcom", protection="laplace", guarantee=claim)
        >>> Certificate.from_json(made.to_json()) == made, [caveat.value for caveat in made.caveats]
        (True, ['repeated-releases'])
    """

    release: ReleaseKind
    method: str
    protection: str
    guarantee: Guarantee
    images: int = 1
    model: str | None = None
    model_hash: str | None = None
    bounds_hash: str | None = None
    perceptual: str | None = None
    mechanism: str | None = None
    calibration: str | None = None
    nominal_epsilon: float | None = None
    scale: float | None = None
    grid_step: float | None = None
    bounds: Bounds | None = None
    sensitivity: Sensitivity | None = None
    private_codes: tuple[int, ...] | None = None
    part_budgets: Mapping[str, float] = field(default_factory=dict)
    caveats: tuple[Caveat, ...] = ()
    release_id: str = field(default_factory=lambda: secrets.token_hex(16))
    sealed: Guarantee | None = None
    output: OutputHash | None = None
    software_version: str = __version__
    commit: str | None = None
    certificate_version: int = CERTIFICATE_VERSION

    def __post_init__(self) -> None:
        check_field(
            self.certificate_version == CERTIFICATE_VERSION, "certificate_version", self.certificate_version
        )
        object.__setattr__(self, "release", ReleaseKind(self.release))
        for name in ("method", "protection", "software_version", *_OPTIONAL_NAMES):
            text = getattr(self, name)
            optional = name in _OPTIONAL_NAMES
            check_field(
                text is None if text is None and optional else _is_name(text), f"{name}, a short name", text
            )
        for name in ("nominal_epsilon", "scale", "grid_step"):
            number = getattr(self, name)
            check_field(
                number is None or (is_number(number) and number > 0),
                f"{name}, a finite number > 0 or None",
                number,
            )
        check_field(
            type(self.images) is int and self.images >= 1, "images, a whole number from 1", self.images
        )
        for name in ("model_hash", "bounds_hash"):
            digest = getattr(self, name)
            check_field(
                digest is None or re.fullmatch(r"[0-9a-f]{64}", digest), f"{name}, 64 hex digits", digest
            )
        check_field(
            re.fullmatch(r"[0-9a-f]{32}", self.release_id), "release_id, 32 hex digits", self.release_id
        )
        check_field(self.commit is None or _COMMIT.fullmatch(self.commit), "commit", self.commit)
        codes = self.private_codes
        check_field(
            codes is None or all(type(c) is int and c >= 0 for c in codes),
            "private_codes, indices from 0",
            codes,
        )
        object.__setattr__(self, "private_codes", None if codes is None else tuple(codes))
        object.__setattr__(self, "part_budgets", MappingProxyType(dict(self.part_budgets)))
        self._check_part_budgets()
        self._complete_caveats()
        for text in self._texts():
            check_field(not _PATH.search(_ADDRESS.sub("", text)), "texts without paths or file names", text)

    def _check_part_budgets(self) -> None:
        budgets = self.part_budgets
        valid = all(_is_name(part) and is_number(value) and value > 0 for part, value in budgets.items())
        check_field(valid, "part_budgets, a positive epsilon for each part", dict(budgets))
        total, claimed = math.fsum(budgets.values()), self.guarantee.epsilon
        if budgets and (claimed is None or total > claimed * (1 + 1e-9)):
            raise ValueError(
                f"the parts' epsilons add up to {total:g}, the guarantee has {claimed}; they compose by "
                "adding"
            )

    def _complete_caveats(self) -> None:
        given = {caveat_named(caveat) for caveat in self.caveats} | {Caveat.REPEATED_RELEASES}
        if self.sealed is not None:
            given |= {Caveat.SEALED}
        if self.guarantee.basis == Basis.COMPUTATIONAL:
            given |= {Caveat.KEY, *([Caveat.MALLEABLE] if self.release == ReleaseKind.SYMBOLS else [])}
        object.__setattr__(self, "caveats", tuple(caveat for caveat in Caveat if caveat in given))
        void = [caveat.value for caveat in VOID_WHOLE_PHOTO if caveat in given]
        if void and not self.guarantee.not_covered:
            raise ValueError(
                f"with {', '.join(void)} the whole photo cannot be covered; name what passes unprotected in "
                "the guarantee's not_covered, for example by post_process(..., also_reads=[...])"
            )

    def _texts(self) -> list[str]:
        claim = self.guarantee
        texts = [claim.covers, claim.reason, *claim.not_covered, *claim.assumptions]
        texts += self.sealed.assumptions if self.sealed else ()
        texts += [self.bounds.source] if self.bounds else []
        texts += [self.sensitivity.source] if self.sensitivity else []
        return texts + ([claim.metric.space] if claim.metric else [])

    def for_picture(self) -> "Certificate":
        """Return the certificate of an image made from this release alone.

        This is post-processing, so epsilon is the same.
        """
        claim = post_process(self.guarantee, "the generator that makes the picture")
        return replace(self, release=ReleaseKind.IMAGE, guarantee=claim, images=1, output=None)

    def for_opened_picture(
        self, reason: str = "the protection was undone to make this picture"
    ) -> "Certificate":
        """Return the certificate of an image that shows the photo, such as Bob's after deprotection.

        It covers nothing.

        Args:
            reason: why no guarantee holds, in words.
        """
        claim = Guarantee.none("nothing", reason=reason, not_covered=("the whole photo",))
        return replace(
            self,
            release=ReleaseKind.IMAGE,
            guarantee=claim,
            images=1,
            mechanism=None,
            scale=None,
            grid_step=None,
            sensitivity=None,
            bounds_hash=None,
            part_budgets={},
            caveats=(),
            sealed=None,
            output=None,
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary of all fields by name; fields that do not apply are null."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "certificate_version": plain.pop("certificate_version"),
            **plain,
            "release": self.release.value,
            "guarantee": self.guarantee.as_dict(),
            "sealed": self.sealed and self.sealed.as_dict(),
            "bounds": self.bounds and asdict(self.bounds),
            "sensitivity": self.sensitivity and _sensitivity_as_dict(self.sensitivity),
            "private_codes": None if self.private_codes is None else list(self.private_codes),
            "part_budgets": dict(self.part_budgets),
            "caveats": [caveat.value for caveat in self.caveats],
            "output": self.output and asdict(self.output),
        }

    def to_json(self) -> str:
        """Text of a certificate's file: ASCII, identical for equal certificates."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """Parse a certificate strictly: all fields present and valid, none unknown or repeated.

        Args:
            text: JSON, of at most `LARGEST_CERTIFICATE` characters.

        Raises:
            CertificateError: the text is too long, not JSON, or not a certificate of a readable version.
        """
        if len(text) > LARGEST_CERTIFICATE:
            raise CertificateError(
                f"the certificate has {len(text):,} characters, at most {LARGEST_CERTIFICATE:,} are read"
            )
        try:
            content = json.loads(text, parse_constant=no_constant, object_pairs_hook=no_doubles)
        except (ValueError, RecursionError) as error:
            raise CertificateError(
                f"the certificate is not JSON: {str(error) or 'nested too deeply'}"
            ) from None
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Any) -> "Certificate":
        """Parse decoded JSON, as strictly as `from_json`.

        Args:
            content: decoded JSON, of any type.

        Raises:
            CertificateError: the content is not a certificate of a readable version.
        """
        version = content.get("certificate_version") if isinstance(content, dict) else None
        if type(version) is not int:
            raise CertificateError("this is no certificate: it states no certificate_version")
        if version not in READABLE_VERSIONS:
            advice = "; upgrade semveil" if version > CERTIFICATE_VERSION else ""
            known = " and ".join(map(str, READABLE_VERSIONS))
            raise CertificateError(
                f"the certificate has version {version}, this semveil reads {known}{advice}"
            )
        try:
            plain = fields_of(cls, content if version == CERTIFICATE_VERSION else _from_version_1(content))
            plain["sealed"] = None if plain["sealed"] is None else guarantee_from_dict(plain["sealed"])
            for name, read in (("bounds", Bounds), ("output", OutputHash), ("sensitivity", Sensitivity)):
                plain[name] = None if plain[name] is None else read_record(read, plain[name])
            check_field(
                isinstance(plain["part_budgets"], dict), "part_budgets, an object", plain["part_budgets"]
            )
            plain["private_codes"] = (
                None if plain["private_codes"] is None else tuple_of(plain["private_codes"], int)
            )
            claim = guarantee_from_dict(content["guarantee"])
            claim = (
                claim if version == CERTIFICATE_VERSION else claim.about(_coverage_of_version_1(claim, plain))
            )
            return cls(**plain | {"guarantee": claim, "caveats": tuple_of(plain["caveats"], str)})
        except (ValueError, TypeError, OverflowError) as error:
            raise CertificateError(f"the certificate is not valid: {error}") from None


def guarantee_from_dict(content: Any) -> Guarantee:
    """Parse the result of `Guarantee.as_dict`.

    Args:
        content: of any type.

    Raises:
        ValueError: a field is missing, unknown or invalid, or disagrees with the values derived from the
            others.

    Example:
        >>> claim = Guarantee(1.0, "the skin codes", Basis.PROVED, not_covered=("the hair codes",))
        >>> guarantee_from_dict(claim.as_dict()) == claim
        True
    """
    check_field(
        isinstance(content, dict) and "whole_record_epsilon" in content,
        "a guarantee with whole_record_epsilon",
        content,
    )
    plain = {"gaussian": None, "coverage": None, **content}
    whole = plain.pop("whole_record_epsilon")
    plain = fields_of(Guarantee, plain)
    coverage = plain.pop("coverage")
    plain["gaussian"] = None if plain["gaussian"] is None else read_record(GaussianNoise, plain["gaussian"])
    for name in ("not_covered", "assumptions"):
        plain[name] = tuple_of(plain[name], str)
    plain["metric"] = None if plain["metric"] is None else read_record(MetricForm, plain["metric"])
    epsilon, reason = plain["epsilon"], plain["reason"]
    check_field(epsilon is None or is_number(epsilon), "epsilon, a finite number or null", epsilon)
    check_field(is_number(plain["delta"]), "delta, a number", plain["delta"])
    check_field(isinstance(plain["covers"], str), "covers, a text", plain["covers"])
    check_field(
        isinstance(reason, str) if epsilon is None else reason is None,
        "a reason exactly where epsilon is null",
        reason,
    )
    read = Guarantee(**plain | {"reason": reason or ""})
    if coverage is not None:
        stated = read.about(Coverage.from_dict(coverage))
        said, follows = (read.covers, read.not_covered), (stated.covers, stated.not_covered)
        check_field(said == follows, "words that fit its coverage", said)
        read = stated
    if whole != read.whole_record_epsilon:
        raise ValueError(
            f"whole_record_epsilon is {whole}, but {read.whole_record_epsilon} follows from the guarantee"
        )
    return read


def _from_version_1(content: dict[str, Any]) -> dict[str, Any]:
    """Convert the fields of a version 1 certificate, adding those it lacks."""
    later = ("bounds_hash", "perceptual", "sealed")
    for name in later:
        if name in content:
            raise ValueError(f"a certificate of version 1 has no {name}")
    return content | {"certificate_version": CERTIFICATE_VERSION} | dict.fromkeys(later)


def _coverage_of_version_1(claim: Guarantee, certificate: Mapping[str, Any]) -> Coverage:
    """Coverage for the words of version 1, as far as the other fields of the certificate determine it."""
    model, codes = certificate["model_hash"], certificate["private_codes"]
    if not isinstance(model, str):
        return claim.coverage
    identity = re.fullmatch(r"the identity vector of (\d+) numbers", claim.covers)
    covered, clear = claim.coverage.covered, []
    if identity:
        covered = (Part(Kind.IDENTITY, model, size=int(identity[1])),)
    elif codes and max(codes) < CODES and claim.covers != "nothing":
        covered = Coverage.of_codes(model, codes, CODES).covered
    for part in claim.coverage.clear:
        if identity and part.words.startswith("the attributes ("):
            part = Part(Kind.ATTRIBUTES, model)
        elif (
            part.words.startswith(("the other codes,", "the codes beyond identity,"))
            and covered[0].kind == Kind.CODES
        ):
            part = Coverage.of_codes(model, codes, CODES).clear[0]
        clear.append(part)
    return Coverage(covered, tuple(clear))


def _sensitivity_as_dict(sensitivity: Sensitivity) -> dict[str, Any]:
    return {**asdict(sensitivity), "norm": sensitivity.norm.value, "basis": sensitivity.basis.value}


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None
