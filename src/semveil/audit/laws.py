# SPDX-License-Identifier: Apache-2.0
"""Distributions assumed by claims, sampled with numpy and scipy as an independent reference for releases."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import special, stats

from semveil.audit.bounds import Floats
from semveil.audit.game import Law
from semveil.privacy.gaussian_curve import gaussian_ratio

OFF_GRID = "values off the grid"
ADDED = ("laplace", "l2-laplace")  # sphere laws by additive noise; Laplace's depends on the direction


def noise_law(
    kind: str,
    clean: Sequence[Floats],
    scales: Floats | float,
    *,
    delta: float = 0.0,
    step: float | None = None,
) -> Law:
    """Law of additive noise of a registered kind, on records of any number of coordinates.

    There are two statistics of each record. The magnitude of its noise (Laplace: the mean of |N_j| / b_j;
    K-norm: its L2 norm over the scale and the dimension; normal: its mean square over the variance)
    discriminates best between two scales for each of these laws. The shape is the largest distance of the
    coordinates' distribution from the law's; it is left out for K-norm noise and for single numbers. A third
    statistic counts the numbers off the public grid.

    Args:
        kind: `laplace`, `per-coordinate-laplace`, `l2-laplace` or `gaussian`.
        clean: values before noise for either input, (n,) each; they occupy the first n columns of an output.
        scales: scale of the noise, one number or (n,); coordinates with scale 0 are left out.
        delta: delta of normal noise.
        step: spacing of the output grid; None for no grid.
    """
    n = len(clean[0])
    widths = np.broadcast_to(np.asarray(scales, np.float64), (n,))
    noisy = widths > 0

    def measured(noise: Floats) -> dict[str, Floats]:
        found = {"noise magnitude": _SIZES[kind](noise)}
        if n > 1 and kind != "l2-laplace":
            found["noise shape"] = _shape(noise, _LAWS[kind])
        return found

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        outputs = outputs[:, :n]
        found = measured(((outputs - clean[world]) / np.where(noisy, widths, 1.0))[:, noisy])
        if step is not None:
            found[OFF_GRID] = (outputs[:, noisy] % step != 0).sum(1).astype(np.float64)
        return found

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        parts: list[dict[str, Floats]] = []
        width = int(noisy.sum())
        for rows in _rows(count, width):
            parts.append(measured(_DRAWN[kind](rng, rows, width)))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if step is not None:
            found[OFF_GRID] = np.zeros(count)
        return found

    return Law(f"{kind} noise of the stated scale", measure, reference, same=True)


def clipped_laplace_law(
    clean: Sequence[Floats], scales: Floats, lower: Floats, upper: Floats, *, step: float | None = None
) -> Law:
    """Law of Laplace noise on clipped records, clipped again.

    The statistics are the number of coordinates inside the box and at its upper end.

    Args:
        clean: the two clipped records without noise, (n,) each.
        scales: (n,) Laplace scale of each coordinate.
        lower: (n,) lower ends of the box.
        upper: (n,) upper ends of the box; coordinates of zero width are not counted.
        step: spacing of the grid that outputs inside the box must be on; not tested where None.
    """
    n = len(clean[0])
    widths = upper > lower

    def counted(outputs: Floats) -> dict[str, Floats]:
        inside = (outputs > lower) & (outputs < upper) & widths
        return {
            "coordinates inside the box": inside.sum(1).astype(np.float64),
            "coordinates at the upper bound": ((outputs >= upper) & widths).sum(1).astype(np.float64),
        }

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        outputs = outputs[:, :n]
        found = counted(outputs)
        if step is not None:
            inside = (outputs > lower) & (outputs < upper)
            found[OFF_GRID] = ((outputs % step != 0) & inside).sum(1).astype(np.float64)
        return found

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        parts = [
            counted(np.clip(clean[world] + scales * rng.laplace(size=(rows, n)), lower, upper))
            for rows in _rows(count, n)
        ]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if step is not None:
            found[OFF_GRID] = np.zeros(count)
        return found

    return Law("Laplace noise of the stated scales, clipped before and after", measure, reference)


def singular_value_law(crops: Sequence[Floats], rank: int, scale: float) -> Law:
    """Law of K-norm noise on the largest singular values of each colour, none below 0.

    The statistic is the norm of the image.

    Args:
        crops: (3, S, S) in levels of 0 to 255; outputs are images in [-1, 1].
        rank: number of values kept for each colour.
        scale: of the noise, in levels.
    """
    values = [np.linalg.svd(crop, compute_uv=False)[:, :rank].ravel() for crop in crops]

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        return {"norm of the picture": np.linalg.norm((outputs + 1) * 127.5, axis=1)}

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        noisy = values[world] + scale * _k_norm(rng, count, len(values[world]))
        return {"norm of the picture": np.linalg.norm(np.maximum(noisy, 0), axis=1)}

    return Law("K-norm noise of the stated scale on singular values", measure, reference)


def ball_law(clean: Sequence[Floats], sigma: float, radius: float) -> Law:
    """Law of normal noise on records in a ball, clipped to the ball again.

    The statistics are the projection onto the record and the distance from the centre.

    Args:
        clean: values before noise for either input, (n,) each.
        sigma: standard deviation in each coordinate.
        radius: of the ball.
    """
    n = len(clean[0])

    def found(world: int, outputs: Floats) -> dict[str, Floats]:
        lengths = np.linalg.norm(outputs, axis=1)
        inside = np.where(lengths < radius * (1 - 2.0**-16), lengths, radius)
        return {
            "projection onto the record": outputs @ clean[world] / np.linalg.norm(clean[world]),
            "distance from the centre": inside,
        }

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        return found(world, outputs[:, :n])

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        noisy = clean[world] + sigma * rng.normal(size=(count, n))
        lengths = np.linalg.norm(noisy, axis=1, keepdims=True)
        return found(world, noisy * np.minimum(1, radius / lengths))

    return Law(
        "Gaussian noise of the stated standard deviation, clipped to a ball before and after",
        measure,
        reference,
    )


def choice_law(probabilities: Sequence[Floats], chosen: Callable[[Floats], Floats]) -> Law:
    """Law of a selection from a public list; the statistic is its log-probability ratio between the inputs.

    Args:
        probabilities: of every candidate under either input.
        chosen: function from outputs to the index of the candidate that each shows.
    """
    ratio = np.log(probabilities[0]) - np.log(probabilities[1])

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        return {"likelihood ratio of the selection": ratio[chosen(outputs).astype(np.int64)]}

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        drawn = rng.choice(len(ratio), count, p=probabilities[world] / probabilities[world].sum())
        return {"likelihood ratio of the selection": ratio[drawn]}

    return Law("the exponential mechanism of the stated epsilon", measure, reference)


def circle_law(
    centres: Sequence[Floats], points: int, epsilon: float, read: Callable[[Floats], Floats]
) -> Law:
    """Law of wrapped Laplace noise on a circle.

    The statistic is the distance of a block from its centre, averaged over the coordinates.

    Args:
        centres: (n,) centres of the blocks, integer points of the circle.
        points: L, number of points of the circle.
        epsilon: of the whole block; the noise's density at distance k is proportional to cosh((L / 2 - k) /
            b) with n ln cosh(L / 2b) = epsilon.
        read: function from outputs to integer points of the circle (count, n).
    """
    n = len(centres[0])
    distances = np.arange(points // 2 + 1)
    weights = np.cosh((1 - distances / (points / 2)) * np.arccosh(np.exp(epsilon / n)))
    weights[1:-1] *= 2

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        away = np.abs((read(outputs) - centres[world] + points // 2) % points - points // 2)
        return {"mean distance": away.mean(1)}

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        drawn = [
            rng.choice(len(weights), (rows, n), p=weights / weights.sum()).mean(1) for rows in _rows(count, n)
        ]
        return {"mean distance": np.concatenate(drawn)}

    return Law("wrapped Laplace noise of the stated budget", measure, reference, same=True)


def cosine_law(
    name: str, dimension: int, epsilon: float, towards: Sequence[Floats], *, step: float | None = None
) -> Law | None:
    """Law of a mechanism on the sphere at the stated epsilon; the statistic is the cosine to the input.

    None for mechanisms registered by other packages, which are audited without a fit.

    Args:
        name: in `mechanisms.SPHERE_MECHANISMS`.
        dimension: d.
        epsilon: of the mechanism's calibration.
        towards: unit vectors that the mechanism perturbs, (d,) each; outputs occupy the first d columns.
        step: spacing of the grid of the coordinates; None for no grid.
    """

    if name not in _COSINES:
        return None

    def measure(world: int, outputs: Floats) -> Mapping[str, Floats]:
        found = {"cosine": outputs[:, :dimension] @ towards[world]}
        if step is not None:
            found[OFF_GRID] = (outputs[:, :dimension] % step != 0).sum(1).astype(np.float64)
        return found

    def reference(world: int, count: int, rng: np.random.Generator) -> Mapping[str, Floats]:
        found = {"cosine": _COSINES[name](rng, count, dimension, epsilon, towards[world])}
        if step is not None:
            found[OFF_GRID] = np.zeros(count)
        return found

    return Law(f"the {name} distribution of the stated epsilon", measure, reference, same=name not in ADDED)


def _rows(count: int, width: int) -> list[int]:
    """Row counts of batches that fit into memory."""
    most = max(1, 2**22 // max(1, width))
    return [most] * (count // most) + ([count % most] if count % most else [])


def _shape(noise: Floats, law: "stats.distributions.rv_frozen") -> Floats:
    """Kolmogorov-Smirnov distance of each row from a law."""
    n = noise.shape[1]
    below = np.sort(law.cdf(noise), axis=1)
    ranks = np.arange(n)
    return np.maximum((ranks + 1) / n - below, below - ranks / n).max(1)


def _k_norm(rng: np.random.Generator, count: int, n: int) -> Floats:
    directions = rng.normal(size=(count, n))
    return directions * (rng.gamma(n, size=(count, 1)) / np.linalg.norm(directions, axis=1, keepdims=True))


_LAPLACE = stats.laplace()
_LAWS = {"laplace": _LAPLACE, "per-coordinate-laplace": _LAPLACE, "gaussian": stats.norm()}
_SIZES: dict[str, Callable[[Floats], Floats]] = {
    "laplace": lambda noise: np.abs(noise).mean(1),
    "per-coordinate-laplace": lambda noise: np.abs(noise).mean(1),
    "l2-laplace": lambda noise: np.linalg.norm(noise, axis=1) / noise.shape[1],
    "gaussian": lambda noise: np.square(noise).mean(1),
}
_DRAWN: dict[str, Callable[[np.random.Generator, int, int], Floats]] = {
    "laplace": lambda rng, count, n: rng.laplace(size=(count, n)),
    "per-coordinate-laplace": lambda rng, count, n: rng.laplace(size=(count, n)),
    "l2-laplace": _k_norm,
    "gaussian": lambda rng, count, n: rng.normal(size=(count, n)),
}


def is_stated(kind: str) -> bool:
    """Whether this module implements the law of a kind of noise.

    Kinds registered by other packages are audited without a fit.

    Args:
        kind: name of the mechanism.
    """
    return kind in _SIZES


def stated_scale(kind: str, sensitivity: float, epsilon: float, delta: float) -> float:
    """Scale that a claim of epsilon requires, recomputed from the published formula.

    For normal noise it is the standard deviation.

    Args:
        kind: name of the mechanism.
        sensitivity: in the norm of the mechanism.
        epsilon: positive.
        delta: in (0, 1) for `gaussian`; unused otherwise.

    Example:
        >>> stated_scale("laplace", 4.0, 2.0, 0.0)
        2.0
    """
    return sensitivity * gaussian_ratio(epsilon, delta) if kind == "gaussian" else sensitivity / epsilon


def _von_mises_fisher(
    rng: np.random.Generator, count: int, dimension: int, epsilon: float, towards: Floats
) -> Floats:
    pole = np.eye(dimension)[0]
    return stats.vonmises_fisher(pole, epsilon / 2).rvs(count, random_state=rng) @ pole


def _added(norm: float) -> Callable[..., Floats]:
    """Return a sampler of cosines for noise added to the vector and normalised; `norm` is 1 or 2."""

    def cosines(
        rng: np.random.Generator, count: int, dimension: int, epsilon: float, towards: Floats
    ) -> Floats:
        farthest = 2 * np.sqrt(dimension) if norm == 1 else 2.0
        drawn = []
        for rows in _rows(count, dimension):
            noise = _DRAWN["laplace" if norm == 1 else "l2-laplace"](rng, rows, dimension)
            y = towards + farthest / epsilon * noise
            drawn.append(y @ towards / np.linalg.norm(y, axis=1))
        return np.concatenate(drawn)

    return cosines


def _cap_choice(rng: np.random.Generator, count: int, epsilon: float, cap: float) -> Floats:
    """Tail probabilities (count,) of the uniform law, with odds e^epsilon times larger inside the cap."""
    inside = 1 / (1 + np.exp(-epsilon) * (1 - cap) / cap)
    within = rng.random(count) < inside
    return np.where(within, rng.random(count) * cap, cap + rng.random(count) * (1 - cap))


def _priv_unit(
    rng: np.random.Generator, count: int, dimension: int, epsilon: float, towards: Floats
) -> Floats:
    from semveil.mechanisms import PrivUnit

    # the threshold is a free parameter; the odds are not
    threshold = PrivUnit.calibrate(dimension, epsilon).threshold
    half = (dimension - 1) / 2  # (1 + T) / 2 is Beta(half, half), T the cosine of a uniform vector
    tails = _cap_choice(rng, count, epsilon, float(special.betaincc(half, half, (1 + threshold) / 2)))
    return 2 * special.betainccinv(half, half, tails) - 1


def _priv_unit_g(
    rng: np.random.Generator, count: int, dimension: int, epsilon: float, towards: Floats
) -> Floats:
    from semveil.mechanisms import PrivUnitG

    threshold = PrivUnitG.calibrate(dimension, epsilon).threshold
    along = -special.ndtri(_cap_choice(rng, count, epsilon, float(special.ndtr(-threshold))))
    return along / np.sqrt(along**2 + rng.chisquare(dimension - 1, count))


_COSINES: dict[str, Callable[..., Floats]] = {
    "laplace": _added(1),
    "l2-laplace": _added(2),
    "von-mises-fisher": _von_mises_fisher,
    "privunit": _priv_unit,
    "privunit-g": _priv_unit_g,
}
