# SPDX-License-Identifier: Apache-2.0
"""Frechet distances between image sets, JSON-ready: with the best available features and with SqueezeNet's.

The bundled generator was trained on AlexNet's LPIPS, which biases distances on AlexNet's features in its
favour; SqueezeNet's features were not part of any loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.experiments.kit.statistics import NOT_MEASURED
from semveil.metrics import TrunkFeatures, feature_network, frechet_distance, moments
from semveil.metrics.frechet import FeatureNetwork, Moments

UNSEEN = "frechet_squeezenet"


@dataclass(frozen=True, eq=False)
class SetFeatures:
    """Feature networks for Frechet distances.

    Attributes:
        networks: by key of the distance: `frechet` is Inception's, or AlexNet's, and `UNSEEN` SqueezeNet's;
            networks without weights are left out.
        reasons: reason for each missing distance, by its key.
    """

    networks: Mapping[str, FeatureNetwork]
    reasons: Mapping[str, str]

    @classmethod
    def load(cls) -> "SetFeatures":
        """Load the networks whose weights are installed."""
        unseen = partial(TrunkFeatures.from_catalogue, "squeeze")
        networks: dict[str, FeatureNetwork] = {}
        reasons: dict[str, str] = {}
        for key, load in (("frechet", feature_network), (UNSEEN, unseen)):
            try:
                networks[key] = load()
            except WeightsMissing as error:
                reasons[key] = str(error)
        return cls(networks, reasons)

    @property
    def names(self) -> list[str] | None:
        """Names of the distances for a result's config; None if there are none."""
        return [network.metric for network in self.networks.values()] or None

    def of(self, images: Tensor) -> dict[str, Moments]:
        """Moments of a set of images, by key of the distance.

        Args:
            images: (N, 3, S, S), clamped to [-1, 1]; N at least 2.
        """
        shown = images.clamp(-1, 1)
        return {key: moments(shown, network) for key, network in self.networks.items()}

    def distances(self, source: Mapping[str, Moments], images: Tensor) -> dict[str, Any]:
        """Distances of a set of images from a reference set.

        Args:
            source: moments of the reference set, see `of`.
            images: (N, 3, S, S).

        Returns:
            `frechet` with the name of its features, `frechet_metric`, and `frechet_squeezenet`; for a missing
            distance None with `<key>_reason`.
        """
        found = self.of(images)
        columns: dict[str, Any] = {key: round(frechet_distance(source[key], found[key]), 4) for key in found}
        for key, reason in self.reasons.items():
            columns |= {key: None, f"{key}_reason": reason}
        best = self.networks.get("frechet")
        return columns if best is None else columns | {"frechet_metric": best.metric}


def shown_distances(columns: Mapping[str, Any]) -> str:
    """Return the table cell of the distances, each with the name of its features.

    Args:
        columns: see `SetFeatures.distances`; `frechet` is required, None if it was not measured.

    Example:
        >>> shown_distances({"frechet": 5.06, "frechet_metric": "frechet_alexnet", "frechet_squeezenet": 7.4})
        '5.1 (frechet_alexnet), 7.4 (frechet_squeezenet)'
        >>> shown_distances({"frechet": None, "frechet_squeezenet": None})
        'not measured'
    """
    said: Sequence[tuple[Any, Any]] = (
        (columns["frechet"], columns.get("frechet_metric")),
        (columns.get(UNSEEN), UNSEEN),  # absent from older results
    )
    return ", ".join(f"{value:.1f} ({name})" for value, name in said if value is not None) or NOT_MEASURED
