"""Everything that `semveil reproduce` can run, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from semveil.core.registry import Registry
from semveil.experiments.dp_semcom import FIGURES, reproduce
from semveil.experiments.security import reproduce_security

EXPERIMENTS: Registry[Callable[..., Path]] = Registry("experiment")
"""Called with preset and folder, and by keyword data, model, verifier and progress; gives the figure's path."""

for _figure in FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce, _figure))
EXPERIMENTS.add("dp-semcom/security", reproduce_security)
