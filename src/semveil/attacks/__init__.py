"""Eavesdroppers that try: each gets what the threat model shows her and gives back codes."""

from semveil.attacks.base import Attack
from semveil.attacks.denoise import Denoise
from semveil.attacks.direct import Direct
from semveil.attacks.gaussian import GaussianPrior
from semveil.attacks.impute import Impute
from semveil.attacks.observation import KnownPairs, Observation, PublicKnowledge
from semveil.core.registry import Registry

ATTACKS: Registry[type[Attack]] = Registry("attack")
for _attack in (Direct, Denoise, Impute):
    ATTACKS.add(_attack.name, _attack)

__all__ = [
    "ATTACKS",
    "Attack",
    "Denoise",
    "Direct",
    "GaussianPrior",
    "Impute",
    "KnownPairs",
    "Observation",
    "PublicKnowledge",
]
