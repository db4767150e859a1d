# SPDX-License-Identifier: Apache-2.0
"""Registry of mechanisms on the unit sphere, and the mean cosine that each preserves."""

from collections.abc import Iterable

from semveil.core.registry import Registry, having
from semveil.mechanisms.sphere.base import SphereMechanism
from semveil.mechanisms.sphere.priv_unit import PrivUnit
from semveil.mechanisms.sphere.priv_unit_g import PrivUnitG
from semveil.mechanisms.sphere.renormalised import RenormalisedL2Laplace, RenormalisedLaplace
from semveil.mechanisms.sphere.von_mises_fisher import VonMisesFisher

SPHERE_MECHANISMS: Registry[type[SphereMechanism]] = Registry(
    "mechanism on the sphere",
    group="semveil.sphere_mechanisms",
    accept=having("name", "guarantee", "release", "calibrate", "cosine_kept"),
    files="semveil.mechanisms.sphere",
)
_mechanism: type[SphereMechanism]
for _mechanism in (RenormalisedLaplace, RenormalisedL2Laplace, VonMisesFisher, PrivUnit, PrivUnitG):
    SPHERE_MECHANISMS.add(_mechanism.name, _mechanism)


def cosines_kept(dimension: int, epsilons: Iterable[float]) -> dict[str, list[float]]:
    """Mean cosine between input and output of each mechanism, at the given budgets.

    Args:
        dimension: of the vectors, >= 4.
        epsilons: > 0.

    Example:
        >>> kept = cosines_kept(512, [10.0])
        >>> {name: round(cosine, 4) for name, (cosine,) in kept.items()}
        {'laplace': 0.0069, 'l2-laplace': 0.0098, 'von-mises-fisher': 0.0098, 'privunit': 0.1434,
        'privunit-g': 0.1427}
    """
    budgets = list(epsilons)
    return {
        name: [kind.calibrate(dimension, e).cosine_kept() for e in budgets]
        for name, kind in SPHERE_MECHANISMS.items()
    }
