"""The protections of dp-semcom by name: what each is, which options it uses, and what builds it.

Whoever adds one registers a `Protection`, here or in another package; method, messages, audit and experiments ask its
attributes and never its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from semveil.core.registry import Registry
from semveil.mechanisms import Calibration, ClipBox, Gaussian, L2Laplace, PartBudget
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
    from semveil.methods.face_model import LatentPrior

DEFAULT_DELTA = 1e-5


class ProtectedModel(Protocol):
    """What protections need of a model: a `FaceModel`, or another with latents and what is public of them."""

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
    """What a protection is built from; None where the user leaves an option to the protection.

    Attributes:
        method: name of the method, which keys are bound to.
        model: whose latents are protected.
        codes: the private ones, 0-based.
        calibration: of noise, for the nominal epsilon.
        epsilon: as asked.
        delta: at which the guarantee of Gaussian noise is stated.
        key: shared with Bob; a new one where None.
        authenticate: whether Bob notices tampering.
        guard: width of the guard band of `modulo`.
        rotations: `code` or `block`.
        shares: budget by face part.
        pair: of trained networks.
    """

    method: str
    model: ProtectedModel
    codes: tuple[int, ...]
    calibration: Calibration
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
        """(m, D) of the private block."""
        return len(self.codes), self.model.latent_shape[1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Protection:
    """One way to protect the private block.

    Attributes:
        name: as users say it.
        build: makes the protector.
        options: those that it uses, by the names of `protection_options.UNUSED`.
        keyed: Bob takes it off with a key.
        genuine_noise: it is drawn anew for each photo, and nobody takes it off.
        trained: class of the pair of networks that does it; None where nothing is trained.
        noise: how training draws the noise that a pair imitates, by default.
        all_codes: all codes are private by default; else the paper's seven.
        never_fewer: it changes all codes, and those that would be private by default imitate noise.
        calibration: how noise follows from epsilon by default.
        said_in_message: options of `DPSemCom` that the parameters of a keyed message state.
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
        """Whether Bob takes it off."""
        return self.keyed or self.trained is not None


PROTECTIONS: Registry[Protection] = Registry("protection")


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
        space = RotationSpace.from_prior(prior.mean, prior.factors, prior.residual, setting.codes, whitening=prior.whitening)
    rotation = CodeRotation(space, model.box) if setting.rotations == "code" else Rotation(space, model.box)
    return _keyed(setting, rotation)


def _modulo(setting: Setting) -> Protector:
    guard = DEFAULT_GUARD if setting.guard is None else setting.guard
    return _keyed(setting, Modulo(setting.model.box, setting.shape, guard=guard, epsilon=setting.epsilon or 0.0))


def _laplace(setting: Setting) -> Protector:
    if setting.shares is not None:
        return Noisy("laplace", setting.shares.mechanism, setting.shares.sensitivity)
    return Noisy("laplace", setting.calibration.mechanism(), setting.calibration.sensitivity)


def _l2_laplace(setting: Setting) -> Protector:
    sensitivity = setting.model.box.l2_sensitivity(setting.shape[0] * setting.shape[1])
    return Noisy("l2-laplace", L2Laplace.calibrate(sensitivity, setting.calibration.nominal_epsilon), sensitivity)


def _gaussian(setting: Setting) -> Protector:
    sensitivity = setting.model.box.l2_sensitivity(setting.shape[0] * setting.shape[1])
    delta = DEFAULT_DELTA if setting.delta is None else setting.delta
    return Noisy("gaussian", Gaussian.calibrate(sensitivity, setting.calibration.nominal_epsilon, delta), sensitivity)


_PAIR = {"build": _trained, "options": frozenset({"epsilon", "calibration", "pair"})}
_add(name="nn", trained=LinearPair, **_PAIR)
_add(name="nn-encrypted", trained=EncryptedPair, all_codes=True, never_fewer=True, **_PAIR)
_add(name="learned", trained=LearnedPair, noise="fresh", **_PAIR)
_add(
    name="rotation", build=_rotation, keyed=True, all_codes=True, options=frozenset({"key", "deniable"}),
    said_in_message=lambda parameters: {"rotations": parameters.get("rotations", "block")},
)  # fmt: skip
_add(
    name="modulo", build=_modulo, keyed=True, all_codes=True, options=frozenset({"epsilon", "guard", "key", "deniable"}),
    said_in_message=lambda parameters: {"guard": parameters["guard"]},
)  # fmt: skip
_NOISE = {"genuine_noise": True, "calibration": "corrected"}
_add(name="laplace", build=_laplace, options=frozenset({"epsilon", "calibration", "budget"}), **_NOISE)
_add(name="l2-laplace", build=_l2_laplace, options=frozenset({"epsilon", "calibration"}), **_NOISE)
_add(name="gaussian", build=_gaussian, options=frozenset({"epsilon", "calibration", "delta"}), **_NOISE)
_add(name="none", build=lambda setting: Unprotected())
