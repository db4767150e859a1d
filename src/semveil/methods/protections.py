# SPDX-License-Identifier: Apache-2.0
"""Registry of dp-semcom's protections: attributes, options and constructor of each.

To add one, register a `Protection`, here or in another package; method, messages, audit and experiments read
its attributes and never its name. A noise law that is registered in `MECHANISMS` is a protection of the same
name.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from semveil.core.registry import Registry, having
from semveil.mechanisms import (
    MECHANISMS,
    CalibratedNoise,
    ClipBox,
    Gaussian,
    L2Laplace,
    PartBudget,
    PerCoordinateLaplace,
)
from semveil.methods.protectors import Keyed, Noisy, Protector, Trained, Unprotected
from semveil.methods.shared_key import SharedKey
from semveil.protection.code_rotation import CodeRotation
from semveil.protection.encrypted_pair import EncryptedPair
from semveil.protection.keyed import KeyedProtection
from semveil.protection.learned_pair import LearnedPair
from semveil.protection.linear_pair import LinearPair
from semveil.protection.modulo import DEFAULT_GUARD, Modulo
from semveil.protection.pair import PairSettings, TrainedPair
from semveil.protection.rotation import Rotation
from semveil.protection.rotation_space import RotationSpace

if TYPE_CHECKING:
    from semveil.models.prior import LatentPrior

DEFAULT_DELTA = 1e-5


class ProtectedModel(Protocol):
    """Model with latents, a public box and a prior, such as `FaceModel`."""

    @property
    def digest(self) -> str: ...

    @property
    def box(self) -> ClipBox: ...

    @property
    def prior(self) -> "LatentPrior | None": ...

    @property
    def latent_shape(self) -> tuple[int, int]: ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """Arguments from which a protection is built; None leaves an option to the protection.

    Attributes:
        method: name of the method, to which keys are bound.
        model: model whose latents are protected.
        codes: private codes, 0-based.
        calibration: noise calibrated to the nominal epsilon.
        epsilon: as requested.
        delta: delta of the guarantee of Gaussian noise.
        key: key shared with Bob; a new one where None.
        authenticate: whether Bob detects tampering.
        guard: width of the guard band of `modulo`.
        rotations: `code` or `block`.
        shares: budget by face part.
        pair: trained pair of networks.
    """

    method: str
    model: ProtectedModel
    codes: tuple[int, ...]
    calibration: CalibratedNoise
    epsilon: float | None = None
    delta: float | None = None
    key: SharedKey | None = None
    authenticate: bool = True
    guard: float | None = None
    rotations: str = "code"
    shares: PartBudget | None = None
    pair: TrainedPair | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (m, D) of the private block."""
        return len(self.codes), self.model.latent_shape[1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Protection:
    """Description of one way to protect the private block.

    Attributes:
        name: registered name.
        build: constructor of the protector.
        options: options that it uses, by the names of `protection_options.UNUSED`.
        keyed: whether Bob removes it with a key.
        genuine_noise: whether it is noise that is drawn for each photo and that nobody can remove.
        trained: class of its pair of networks; None if nothing is trained.
        noise: default of how training draws the noise that a pair imitates.
        all_codes: whether all codes are private by default; otherwise the paper's seven.
        never_fewer: whether it always changes all codes; by default the paper's seven then imitate noise.
        calibration: default derivation of the noise from epsilon.
        said_in_message: options of `DPSemCom` from the parameters of a keyed message.
    """

    name: str
    build: Callable[[Setting], Protector]
    options: frozenset[str] = frozenset()
    keyed: bool = False
    genuine_noise: bool = False
    trained: Callable[[PairSettings], TrainedPair] | None = None
    noise: str = "frozen"
    all_codes: bool = False
    never_fewer: bool = False
    calibration: str = "as_published"
    said_in_message: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda parameters: {}

    @property
    def takes_epsilon(self) -> bool:
        return "epsilon" in self.options

    @property
    def undone(self) -> bool:
        """True if Bob can remove it."""
        return self.keyed or self.trained is not None

    @property
    def protects(self) -> bool:
        """True for all protections but `none`."""
        return self.undone or self.genuine_noise


def using(option: str) -> list[str]:
    """Names of the protections that take an option.

    Args:
        option: name of an option, such as `epsilon` or `guard`.

    Example:
        >>> using("guard")
        ['modulo']
    """
    return [name for name, kind in PROTECTIONS.items() if option in kind.options]


PROTECTIONS: Registry[Protection] = Registry(
    "protection", group="semveil.protections", accept=having("build", "options")
)


def _add(**attributes: Any) -> None:
    PROTECTIONS.add(attributes["name"], Protection(**attributes))


def _trained(setting: Setting) -> Protector:
    assert setting.pair is not None
    return Trained(setting.pair)


def _keyed(setting: Setting, protection: KeyedProtection) -> Protector:
    box = setting.model.box
    context = {
        "method": setting.method,
        "model": setting.model.digest,
        "codes": list(setting.codes),
        "bounds": [box.lower, box.upper],
    }
    return Keyed(protection, setting.key or SharedKey.fresh(), context, authenticate=setting.authenticate)


def _rotation(setting: Setting) -> Protector:
    model = setting.model
    if (prior := model.prior) is None:
        space = RotationSpace.from_box(model.box, setting.shape)
    else:
        space = RotationSpace.from_prior(
            prior.mean, prior.factors, prior.residual, setting.codes, whitening=prior.whitening
        )
    rotation = CodeRotation(space, model.box) if setting.rotations == "code" else Rotation(space, model.box)
    return _keyed(setting, rotation)


def _modulo(setting: Setting) -> Protector:
    guard = DEFAULT_GUARD if setting.guard is None else setting.guard
    return _keyed(
        setting, Modulo(setting.model.box, setting.shape, guard=guard, epsilon=setting.epsilon or 0.0)
    )


def _laplace(setting: Setting) -> Protector:
    if setting.shares is not None:
        return Noisy("laplace", setting.shares.mechanism, setting.shares.sensitivity)
    return Noisy("laplace", setting.calibration.mechanism(), setting.calibration.sensitivity)


def _noise(name: str, setting: Setting) -> Protector:
    """Genuine noise of a registered law, calibrated to the width of the clip box."""
    kind: Any = MECHANISMS[name]
    sensitivity = setting.model.box.sensitivity(kind.norm, setting.shape)
    chosen = (
        {"delta": DEFAULT_DELTA if setting.delta is None else setting.delta} if _takes_delta(kind) else {}
    )
    return Noisy(
        name, kind.calibrate(sensitivity, setting.calibration.nominal_epsilon, **chosen), sensitivity
    )


def _takes_delta(kind: Any) -> bool:
    return "delta" in inspect.signature(kind.calibrate).parameters


_PAIR = {"build": _trained, "options": frozenset({"epsilon", "calibration", "pair"})}
_add(name="nn", trained=LinearPair, **_PAIR)
_add(name="nn-encrypted", trained=EncryptedPair, all_codes=True, never_fewer=True, **_PAIR)
_add(name="learned", trained=LearnedPair, noise="fresh", **_PAIR)
_add(
    name="rotation", build=_rotation, keyed=True, all_codes=True, options=frozenset({"key", "deniable"}),
    said_in_message=lambda parameters: {"rotations": parameters.get("rotations", "block")},
)  # fmt: skip
_add(
    name="modulo", build=_modulo, keyed=True, all_codes=True,
    options=frozenset({"epsilon", "guard", "key", "deniable"}),
    said_in_message=lambda parameters: {"guard": parameters["guard"]},
)  # fmt: skip
_add(
    name="laplace", build=_laplace, genuine_noise=True, calibration="corrected",
    options=frozenset({"epsilon", "calibration", "budget"}),
)  # fmt: skip


def noise_protection(name: str) -> Protection:
    """Protection by a registered noise law.

    Args:
        name: name of the law in `MECHANISMS`.

    Raises:
        ValueError: no such law.

    Example:
        >>> sorted(noise_protection("gaussian").options)
        ['calibration', 'delta', 'epsilon']
    """
    options = {"epsilon", "calibration", *(("delta",) if _takes_delta(MECHANISMS[name]) else ())}
    build = partial(_noise, name)
    return Protection(
        name=name, build=build, options=frozenset(options), genuine_noise=True, calibration="corrected"
    )


def _laws() -> Iterator[str]:
    """Noise laws that are protections; noise by coordinate is `laplace` with a budget."""
    return (name for name in MECHANISMS if name != PerCoordinateLaplace.name)


for _name in (L2Laplace.name, Gaussian.name):
    PROTECTIONS.add(_name, noise_protection(_name))
_add(name="none", build=lambda setting: Unprotected())
PROTECTIONS.derive(_laws, noise_protection)


def chosen_protection(protection: str | None, mechanism: str | None) -> str | None:
    """Name of the protection that a user selects, directly or by its noise law.

    Args:
        protection: a name of `PROTECTIONS`, or None.
        mechanism: a name of `MECHANISMS`: genuine noise of this law.

    Raises:
        ValueError: both are given and differ, or the law is unknown or not a protection.

    Example:
        >>> chosen_protection(None, "gaussian")
        'gaussian'
    """
    if mechanism is None:
        return protection
    if protection not in (None, mechanism):
        raise ValueError(
            f"mechanism {mechanism!r} is genuine noise and no part of protection {protection!r}; leave one "
            "out"
        )
    MECHANISMS[mechanism]  # raises for an unknown name
    if mechanism not in PROTECTIONS or not PROTECTIONS[mechanism].genuine_noise:
        raise ValueError(
            f"mechanism {mechanism!r} is no protection of its own; for noise by part give a budget"
        )
    return mechanism
