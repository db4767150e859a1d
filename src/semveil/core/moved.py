# SPDX-License-Identifier: Apache-2.0
"""Old names of moved modules, importable for one minor release with a warning."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    **{
        f"core.{name}": f"privacy.{name}"
        for name in (
            "account", "caveats", "certificate", "certificate_fields", "composition", "coverage", "explain",
            "gaussian_curve", "ledger", "ledger_key", "ledger_lines", "sealed_claim", "strength",
        )
    },
    "core.privacy": "privacy.guarantee",
    **{f"core.{name}": f"faces.{name}" for name in ("part_boxes", "parts", "pixels")},
    "core.face_template": "faces.template",
    **{
        f"mechanisms.{name}": f"mechanisms.additive.{name}"
        for name in ("gaussian", "l2_laplace", "laplace", "literal_laplace", "per_coordinate")
    },
    **{
        f"mechanisms.{name}": f"mechanisms.sphere.{name}"
        for name in (
            "caps", "cosines", "priv_unit", "priv_unit_g", "renormalised", "tails", "von_mises_fisher"
        )
    },
    "mechanisms.sphere_law": "mechanisms.sphere.law",
    "mechanisms.sphere_registry": "mechanisms.sphere.registry",
    "mechanisms.exact_sphere": "mechanisms.exact.sphere",
    "mechanisms.release": "mechanisms.exact.release",
    **{
        f"mechanisms.{name}": f"mechanisms.bounds.{name}"
        for name in ("clip", "pair_bounds", "pair_sketch", "quantiles", "sensitivity", "weights")
    },
    "methods.face_model": "models.face",
    "methods.identity_model": "models.identity",
    "methods.noise_image_model": "models.noise_image",
    "methods.model_card": "models.card",
    "methods.model_folder": "models.folder",
    "methods.latent_prior": "models.prior",
    "methods.inversion_cache": "models.inversion_cache",
    "methods.quantile_bounds": "models.quantile_bounds",
}  # fmt: skip


class _Alias(Loader):
    """Loader that returns the module of the new name."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.new)
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own  # the import system has just set it to the old name


class MovedModules(MetaPathFinder):
    """Meta path finder that resolves the old names of modules.

    Args:
        moved: old name -> new name, both without `semveil.`.
    """

    def __init__(self, moved: Mapping[str, str]) -> None:
        self.moved = {f"semveil.{old}": f"semveil.{new}" for old, new in moved.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a moved module with a `DeprecationWarning`; None for any other name.

        Args:
            name: full module name.
            path: ignored.
            target: ignored.
        """
        new = self.moved.get(name)
        if new is None:
            return None
        warnings.warn(f"{name} is now {new}", DeprecationWarning, stacklevel=3)
        return ModuleSpec(name, _Alias(new))


def install() -> None:
    """Register the finder of moved modules in this interpreter; called when semveil is imported."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules(MOVED))
