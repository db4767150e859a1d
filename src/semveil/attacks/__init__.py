# SPDX-License-Identifier: Apache-2.0
"""Attacks by adaptive eavesdroppers, which estimate latent codes from observations and public knowledge.

One file per attack; `ATTACKS` lists them by name, and `semveil.link.attack` runs them on a message. Attacks
receive values only (`Observation`, `PublicKnowledge`, `KnownPairs`), never a method or a key. Imports `core`
and `mechanisms`; the auditor of privacy claims is `semveil.audit`.
"""

from semveil.attacks.attributes import infer_attribute
from semveil.attacks.base import Attack
from semveil.attacks.denoise import Denoise
from semveil.attacks.direct import Direct
from semveil.attacks.gaussian import GaussianPrior
from semveil.attacks.generative_prior import GenerativePrior
from semveil.attacks.glass_box import GlassBox
from semveil.attacks.impute import Impute
from semveil.attacks.intervals import Score, auc, rate
from semveil.attacks.known_plaintext import KnownPlaintext
from semveil.attacks.learned import LearnedDeep, LearnedSame
from semveil.attacks.linear import Linear
from semveil.attacks.linkage import Linkage, link
from semveil.attacks.multi_shot import MultiShot
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.attacks.prior_search import PriorSearch
from semveil.attacks.recordings import Recordings
from semveil.attacks.reidentification import Reidentification, reidentify
from semveil.attacks.stolen import Stolen
from semveil.core.registry import Registry, having

ATTACKS: Registry[type[Attack]] = Registry(
    "attack",
    group="semveil.attacks",
    accept=having("name", "knowledge", "needs", "__call__"),
    files="semveil.attacks",
)
for _attack in (
    Direct, Denoise, PriorSearch, Impute, Linear, LearnedSame, LearnedDeep, Stolen, MultiShot,
    KnownPlaintext, Recordings, GlassBox, GenerativePrior,
):  # fmt: skip
    ATTACKS.add(_attack.name, _attack)

__all__ = [
    "ATTACKS",
    "Attack",
    "Denoise",
    "Direct",
    "GaussianPrior",
    "GenerativePrior",
    "GlassBox",
    "Impute",
    "KnownPairs",
    "KnownPlaintext",
    "LearnedDeep",
    "LearnedSame",
    "Linear",
    "Linkage",
    "MultiShot",
    "Observation",
    "PriorSearch",
    "PublicKnowledge",
    "Recordings",
    "Reidentification",
    "Score",
    "Stolen",
    "auc",
    "infer_attribute",
    "link",
    "rate",
    "reidentify",
]
