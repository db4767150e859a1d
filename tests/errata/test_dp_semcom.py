# SPDX-License-Identifier: Apache-2.0
"""What docs/errata.md says about dp-semcom [DPSC], shown with numbers; the sections are numbered as there."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, optimize, special, stats
from torch import Tensor

from semveil.channels import (
    awgn,
    bandwidth_ratio,
    code_blocks,
    denormalise_power,
    denormalise_power_blocks,
    normalise_power,
    normalise_power_blocks,
    pack,
    unpack,
    wiretap,
)
from semveil.encoders.inversion import OFFICIAL, InversionSettings, invert
from semveil.faces.parts import describe_codes
from semveil.mechanisms import (
    ClipBox,
    Gaussian,
    L2Laplace,
    Laplace,
    as_published,
    corrected,
    costs,
    fitted_epsilon,
    observed_pairwise_sensitivity,
)
from semveil.metrics.identity import fppsr
from semveil.protection.linear_pair import LinearPair, PairSettings
from semveil.recognition.verifier import Verifier

Array = NDArray[np.float64]

CODES, LENGTH, PRIVATE_CODES = 28, 512, (0, 1, 4, 5, 6, 7, 8)
TOTAL, PRIVATE = CODES * LENGTH, len(PRIVATE_CODES) * LENGTH
PAPERS_DELTA = 351.88
WIDTH = PAPERS_DELTA / math.sqrt(TOTAL)  # b - a, which the paper does not print
BOX = ClipBox(-WIDTH / 2, WIDTH / 2, source="the paper's width")
SMALL = PairSettings((0, 1, 2), 8, 10.0, "as_published", 1.0)  # a block of 24 numbers


def torch_rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_pair(settings: PairSettings = SMALL) -> LinearPair:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return LinearPair(settings).requires_grad_(False)


def haar(size: int, rng: np.random.Generator) -> Array:
    """A Haar-random orthogonal matrix, by QR with the signs set right."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def with_ones(x: Array) -> Array:
    return np.column_stack([x, np.ones(len(x))])


def root_mean_square(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


# 1. Eq. 17 states the fitted epsilon twice, once upside down.


def test_1_the_two_halves_of_eq_17_agree_at_one_point_only() -> None:
    for delta in (0.5, 351.88):
        for scale in (delta / 10, delta, 10 * delta):
            assert (delta / scale == pytest.approx(scale / delta)) == (scale == delta)


@pytest.mark.parametrize("scale", [0.25, 1.0, 8.0])
def test_1_more_noise_means_a_smaller_epsilon(scale: float) -> None:
    """The largest log ratio of two Laplace densities Delta apart is Delta / s; s / Delta claims too much or
    too little.
    """
    delta, y = 2.0, np.linspace(-60, 60, 10_001)
    loss = stats.laplace.logpdf(y, 0.0, scale) - stats.laplace.logpdf(y, delta, scale)
    assert np.abs(loss).max() == pytest.approx(delta / scale)
    assert np.abs(loss).max() != pytest.approx(scale / delta, rel=0.1)
    fit = fitted_epsilon(torch.tensor([-scale, scale]), ClipBox(0.0, delta).l1_sensitivity(1))
    assert fit.epsilon_prime == pytest.approx(delta / scale)


# 2. Independent Laplace noise needs the L1 diameter.


def worst_loss(log_density: Callable[[Array], float], coordinates: int) -> float:
    """ln p(y | lower corner) - ln p(y | upper corner) at y = lower corner, for noise of that log density."""
    return log_density(np.zeros(coordinates)) - log_density(np.full(coordinates, WIDTH))


@pytest.mark.parametrize(("nominal", "true"), [(1, 29.93), (5, 149.7), (10, 299.3), (800, 23_947)])
def test_2_the_true_epsilon_of_the_published_scale(nominal: float, true: float) -> None:
    assert pytest.approx(2.939, abs=5e-4) == WIDTH
    scale = PAPERS_DELTA / nominal

    def log_density(noise: Array) -> float:
        return float(stats.laplace.logpdf(noise, scale=scale).sum())

    assert worst_loss(log_density, PRIVATE) == pytest.approx(true, rel=3e-4)
    assert worst_loss(log_density, PRIVATE) == pytest.approx(PRIVATE / math.sqrt(TOTAL) * nominal)
    # if all 28 codes were noised
    assert worst_loss(log_density, TOTAL) == pytest.approx(119.7 * nominal, rel=5e-4)
    # a single coordinate would be fine
    assert worst_loss(log_density, 1) == pytest.approx(nominal / math.sqrt(TOTAL))
    published = as_published(nominal, BOX, perturbed=PRIVATE, total=TOTAL)
    assert published.true_epsilon == pytest.approx(worst_loss(log_density, PRIVATE))
    assert corrected(nominal, BOX, perturbed=PRIVATE, total=TOTAL).true_epsilon == pytest.approx(nominal)


def gaussian_delta(sigma: float, epsilon: float) -> float:
    """The integral of (p - e^epsilon q)+ over the line through the corners, by quadrature; no formula of
    ours.
    """
    distance = WIDTH * math.sqrt(PRIVATE)
    y = np.linspace(-12 * sigma, 12 * sigma + distance, 400_001)
    excess = stats.norm.pdf(y, distance, sigma) - math.exp(epsilon) * stats.norm.pdf(y, 0.0, sigma)
    return float(integrate.trapezoid(np.maximum(excess, 0), y))


def test_2_noise_that_a_true_epsilon_of_one_takes() -> None:
    laplace = stats.laplace(scale=WIDTH * PRIVATE).std()
    # |N| of K-norm noise is Gamma(n) times the scale; a coordinate has 1/n of its mean square.
    k_norm = math.sqrt(stats.gamma(PRIVATE, scale=WIDTH * math.sqrt(PRIVATE)).moment(2) / PRIVATE)
    gaussian = optimize.brentq(lambda sigma: gaussian_delta(sigma, 1.0) - 1e-5, 300, 2000)
    assert laplace == pytest.approx(14_896, abs=1)
    assert k_norm == pytest.approx(10_535, abs=1)
    assert gaussian == pytest.approx(656, abs=1)
    ours = costs(BOX, PRIVATE, 1.0)
    assert ours == pytest.approx({"laplace": laplace, "l2-laplace": k_norm, "gaussian": gaussian}, rel=1e-3)


def composed_delta(loss: float, coordinates: int, epsilon: float) -> float:
    """Delta at epsilon of any `coordinates` independent releases of pure epsilon `loss` each.

    Each is a post-processing of randomised response with that loss, so the sum of the losses is (2K - n)
    loss, K binomial (Kairouz, Oh and Viswanath 2015, Theorem 3.3).
    """
    k = np.arange(coordinates + 1)
    total = (2 * k - coordinates) * loss
    seen = total > epsilon
    return float(
        stats.binom.pmf(k[seen], coordinates, special.expit(loss)) @ -np.expm1(epsilon - total[seen])
    )


def test_2_what_a_delta_buys_for_laplace_noise() -> None:
    """Allowing delta = 1e-5, as for the Gaussian: the published scale is worth epsilon 2, and epsilon 1 takes
    928.
    """
    published = optimize.brentq(
        lambda epsilon: composed_delta(WIDTH / PAPERS_DELTA, PRIVATE, epsilon) - 1e-5, 0.5, 10
    )
    assert published == pytest.approx(1.992, abs=0.001)
    scale = optimize.brentq(lambda scale: composed_delta(WIDTH / scale, PRIVATE, 1.0) - 1e-5, 200, 2000)
    assert math.sqrt(2) * scale == pytest.approx(928, abs=1)
    # one release: total variation of its worst case
    assert composed_delta(0.7, 1, 0.0) == pytest.approx(math.tanh(0.35))


# 3. The diameter is that of all codes, the noise is on the private ones.


def test_3_351_88_is_the_l2_diameter_of_all_codes_and_twice_that_of_the_private_ones() -> None:
    lower, upper = np.full(PRIVATE, BOX.lower), np.full(PRIVATE, BOX.upper)
    private = float(np.linalg.norm(upper - lower))
    assert private == pytest.approx(175.94, abs=0.01)
    assert pytest.approx(2 * private) == PAPERS_DELTA
    assert BOX.l2_sensitivity(PRIVATE).value == pytest.approx(private)
    assert BOX.l1_sensitivity(PRIVATE).value == pytest.approx(10_533, abs=1)


def test_3_the_published_scale_is_too_large_for_the_law_that_its_norm_fits() -> None:
    """K-norm noise has density exp(-|n|_2 / scale): with the paper's scale the private block gets half the
    nominal epsilon.
    """

    def log_density(noise: Array) -> float:
        return -float(np.linalg.norm(noise)) / PAPERS_DELTA

    assert worst_loss(log_density, PRIVATE) == pytest.approx(0.5)
    claim = L2Laplace(PAPERS_DELTA).guarantee(BOX.l2_sensitivity(PRIVATE))
    assert claim.epsilon == pytest.approx(0.5)


# 4. A deterministic network has no finite epsilon, and a fit of its residuals does not see that.


def test_4_two_photos_are_told_apart_by_one_look() -> None:
    """Eve guesses which of two blocks was sent, of 2,000 transmissions over her own 20 dB channel; she is
    never wrong.
    """
    pair, rounds = random_pair(), 2000
    rng = torch_rng(1)
    photos = 0.5 * torch.randn(2, 3, 8, generator=rng)
    secret = torch.randint(2, (rounds,), generator=rng)
    symbols, gains = normalise_power(pack(pair.protect(photos)[secret]))
    heard = unpack(denormalise_power(awgn(symbols, 20.0, rng=rng), gains))
    guess = torch.cdist(heard, pair.protect(photos).flatten(1)).argmin(1)
    errors = [(guess[secret == photo] != photo).double() for photo in (0, 1)]
    # 99.9 % Clopper-Pearson bounds on both kinds of error; epsilon >= ln((1 - beta) / alpha) at delta 0.
    bounds = [stats.beta.ppf(0.9995, int(e.sum()) + 1, len(e) - int(e.sum())) for e in errors]
    # and grows without bound with the number of rounds
    assert math.log((1 - max(bounds)) / max(bounds)) > 4.5
    noiseless = pair.protect(photos)
    # delta is 1
    assert torch.equal(noiseless, pair.protect(photos)) and not torch.equal(noiseless[0], noiseless[1])


def test_4_genuine_noise_withstands_the_same_game() -> None:
    """Negative control: at true epsilon 1 the best guesser, who compares likelihoods, is right in at most
    73.1 %.
    """
    rounds, width, coordinates = 20_000, 2.0, 24
    rng = np.random.default_rng(2)
    scale = width * coordinates / 1.0
    secret = rng.integers(2, size=rounds)
    heard = np.where(secret, 1.0, -1.0)[:, None] * width / 2 + rng.laplace(
        scale=scale, size=(rounds, coordinates)
    )
    ratio = (np.abs(heard + width / 2) - np.abs(heard - width / 2)).sum(1)
    right = float(((ratio > 0) == secret).mean())
    assert right < 1 / (1 + math.exp(-1)) + 5 * 0.5 / math.sqrt(rounds)
    assert right > 0.5 + 5 * 0.5 / math.sqrt(rounds)  # the game does see something


def test_4_a_perfect_laplace_fit_of_an_invertible_map() -> None:
    """Codes of a Laplace law, stretched by a fully connected layer:
    the pooled residuals are exactly Laplace.
    """
    photos, stretch = 20_000, 3.0
    rng = torch_rng(3)
    pair = random_pair().double()
    pair.protection.weight.copy_((1 + stretch) * torch.eye(24))
    pair.protection.bias.zero_()
    blocks = Laplace(1.0)(torch.zeros(photos, 3, 8, dtype=torch.float64), rng=rng)
    fake = pair.protect(blocks) - blocks
    genuine = Laplace(stretch)(torch.zeros_like(blocks), rng=rng)
    sensitivity = BOX.l1_sensitivity(24)
    fits = [fitted_epsilon(residuals, sensitivity) for residuals in (fake, genuine)]
    standard_error = 1 / math.sqrt(fake.numel())  # relative, of a fitted Laplace scale
    for fit in fits:
        assert fit.epsilon_prime == pytest.approx(sensitivity.value / stretch, rel=5 * standard_error)
        assert fit.fit.ks_distance < 1.95 * standard_error  # the 0.1 % point
    torch.testing.assert_close(pair.protect(blocks) / (1 + stretch), blocks)  # nothing is hidden
    assert fits[0].guarantee("the private codes").epsilon is None
    # Negative control: the fit does tell Gaussian residuals of the same mean size.
    gaussian = Gaussian(stretch * math.sqrt(math.pi / 2))(torch.zeros_like(blocks), rng=rng)
    assert fitted_epsilon(gaussian, sensitivity).fit.ks_distance > 10 * standard_error


# 5. What Eq. 20 asks for is not noise.

WIDTH_5, PHOTOS_5 = 128, 1000


def memorised(draws: int, seed: int) -> tuple[Array, Array]:
    """What least squares learns of Laplace(0, 1) noise, in sample and held out; `draws` targets of each photo
    averaged.
    """
    rng = np.random.default_rng(seed)
    codes, fresh_codes = rng.normal(size=(2, PHOTOS_5, WIDTH_5))
    noise = np.zeros((PHOTOS_5, WIDTH_5))
    for _ in range(draws):
        noise += rng.laplace(size=noise.shape) / draws
    weights = np.linalg.lstsq(with_ones(codes), noise, rcond=None)[0]
    return with_ones(codes) @ weights, with_ones(fresh_codes) @ weights


@pytest.mark.parametrize("draws", [1, 100])
def test_5_least_squares_keeps_the_share_of_noise_that_it_memorises(draws: int) -> None:
    d, n = WIDTH_5, PHOTOS_5
    # in units of the nominal deviation
    in_sample, held_out = (r / math.sqrt(2) for r in memorised(draws, seed=7))
    # The squared norm of the noise's projection on d + 1 columns, d of them; the noise's kurtosis is at most
    # 6.
    tolerance = 5 * math.sqrt(5 / (d * (d + 1))) / 2
    assert root_mean_square(in_sample) == pytest.approx(math.sqrt((d + 1) / n / draws), rel=tolerance)
    expected = math.sqrt((1 / n + (1 + 1 / n) * d / (n - d - 2)) / draws)  # Gaussian codes
    # the design is random too
    assert root_mean_square(held_out) == pytest.approx(expected, rel=tolerance + 0.02)
    assert {1: "0.359", 100: "0.036"}[draws] == f"{math.sqrt((d + 1) / n / draws):.3f}"
    assert {1: "0.385", 100: "0.039"}[draws] == f"{expected:.3f}"
    assert abs(stats.kurtosis(held_out.ravel())) < 0.5  # Gaussian in shape: 0; Laplace would be 3
    epsilon_ratio = 1 / np.abs(math.sqrt(2) * held_out).mean()  # fitted epsilon' over the nominal one
    assert epsilon_ratio == pytest.approx({1: 2.30, 100: 23.0}[draws], rel=tolerance + 0.02)


def test_5_the_papers_own_size() -> None:
    size = PRIVATE
    assert size**2 + size == 12_848_640
    assert math.sqrt((size + 1) / 28_000) == pytest.approx(0.358, abs=5e-4)


def test_5_with_fresh_noise_the_second_term_is_least_where_nothing_is_added() -> None:
    """E|Z + n - f(Z)|^2 = |f(Z) - Z|^2 + E|n|^2: any f that adds something of its own pays for it."""
    rng = np.random.default_rng(8)
    z, noise = rng.normal(size=(200_000, 1)), rng.laplace(scale=2.0, size=(200_000, 1))
    candidates: dict[str, Array] = {
        "nothing": z,
        "a stretch": 1.5 * z,
        "independent noise of the target's own law": z + rng.laplace(scale=2.0, size=z.shape),
    }
    loss = {name: float(np.square(z + noise - f).mean()) for name, f in candidates.items()}
    # n^2 has variance 20 s^4; further terms of the worst candidate are no more than that again.
    tolerance = 5 * 4 * math.sqrt(2 * 20 / len(z))
    assert loss["nothing"] == pytest.approx(8.0, abs=tolerance)
    assert loss["a stretch"] == pytest.approx(8.25, abs=tolerance)
    assert loss["independent noise of the target's own law"] == pytest.approx(16.0, abs=tolerance)


def first_term(weight: Array, inverse: Array, snr_db: float) -> float:
    """MSE between Z and S_1 over semveil's channel, all codes private."""
    z = torch.randn(4000, weight.shape[0], generator=torch_rng(9), dtype=torch.float64)
    symbols, gains = normalise_power(pack(z @ torch.from_numpy(weight).T))
    heard = unpack(denormalise_power(awgn(symbols, snr_db, rng=torch_rng(10)), gains))
    return float((heard @ torch.from_numpy(inverse).T - z).square().mean())


def test_5_the_first_term_is_blind_to_invertible_maps() -> None:
    rng = np.random.default_rng(11)
    size = 32
    eye, turn, any_map = np.eye(size), haar(size, rng), rng.normal(size=(size, size))
    assert first_term(any_map, np.linalg.inv(any_map), math.inf) < 1e-20
    # With channel noise, orthogonal maps still cost nothing: 0.01 for each, up to sampling.
    tolerance = 5 * math.sqrt(2 / (4000 * size)) + 0.01
    for weight in (eye, turn):
        assert first_term(weight, weight.T, 20.0) == pytest.approx(0.01, rel=tolerance)
    assert np.linalg.norm(turn - eye) / np.linalg.norm(eye) == pytest.approx(math.sqrt(2), abs=0.2)
    lost = np.diag([0.0] + [1.0] * (size - 1))  # negative control: what is not invertible, it sees
    assert first_term(lost, lost, math.inf) == pytest.approx(1 / size, rel=0.2)


def test_5_where_training_ends_depends_on_where_it_starts() -> None:
    """The same data, noise, loss and steps: Bob does well from both starts, and one map hardly changes the
    codes.
    """
    from semveil.training.protector import train_pair

    latents = torch.randn(512, 4, 8, generator=torch_rng(12))
    change, error = {}, {}
    for start in ("identity", "default"):
        settings = PairSettings((0, 1), 8, 10.0, "as_published", 0.5, noise="fresh", start=start)
        pair = train_pair(latents, settings, rng=torch_rng(13), epochs=40, batch=128, learning_rate=2e-2)
        block = latents[:, :2]
        change[start] = float((pair.protect(block) - block).std())
        error[start] = float((pair.deprotect(pair.protect(block)) - block).square().mean())
    assert max(error.values()) < 0.01  # of a variance of 1
    assert 10 * change["identity"] < 1 < change["default"]


# 6. The common codes show the photo too.


def test_6_common_codes_predict_private_ones() -> None:
    """Under the bundled model's latent prior, whose law is known: how much of the private codes' variance the
    others explain.

    Eve hears the others at 20 dB.
    """
    from semveil.models.face import load_model

    prior = load_model().prior
    assert prior is not None
    private = torch.zeros(CODES, dtype=torch.bool)
    private[list(PRIVATE_CODES)] = True
    factors, residual = prior.factors.double(), prior.residual.double()
    hidden, seen = factors[:, private].flatten(1).T, factors[:, ~private].flatten(1).T  # (coordinates, R)
    power = prior.mean.square().mean() + prior.factors.square().sum(0).mean() + prior.residual.square().mean()
    noise_seen = residual[~private].flatten().square() + 0.01 * float(power)

    def explained(hidden: Tensor) -> float:
        """Share of variance that the conditional mean explains:
        factors given what is seen, in closed form.
        """
        information = torch.eye(seen.shape[1], dtype=torch.float64) + seen.T @ (seen / noise_seen[:, None])
        left = (hidden @ torch.linalg.inv(information) * hidden).sum()
        noise = residual[private].square().sum()
        return 1 - float((left + noise) / (hidden.square().sum() + noise))

    assert explained(hidden) == pytest.approx(0.710, abs=0.005)
    assert explained(torch.zeros_like(hidden)) == pytest.approx(0, abs=1e-9)  # control: no factor in common


# 7. One gain for all: genuine noise starves the common codes.

COMMON_VARIANCE = 0.3


def genuine_transmission(epsilon: float, photos: int = 4) -> Tensor:
    rng = np.random.default_rng(int(epsilon))
    latents = rng.normal(scale=math.sqrt(COMMON_VARIANCE), size=(photos, CODES, LENGTH))
    latents[:, list(PRIVATE_CODES)] += rng.laplace(
        scale=PAPERS_DELTA / epsilon, size=(photos, len(PRIVATE_CODES), LENGTH)
    )
    return torch.from_numpy(latents)


@pytest.mark.parametrize(
    ("epsilon", "printed"),
    [(1, "24.9"), (5, "4.98"), (10, "2.49"), (30, "0.83"), (100, "0.25"), (800, "0.063")],
)
def test_7_the_channels_error_under_genuine_noise(epsilon: float, printed: str) -> None:
    latents = genuine_transmission(epsilon)
    symbols, gains = normalise_power(pack(latents))
    heard = awgn(symbols, 20.0, rng=torch_rng(14))
    error = (unpack(denormalise_power(heard, gains)).view_as(latents) - latents).numpy()
    expected = 0.1 * math.sqrt(COMMON_VARIANCE + PRIVATE / TOTAL * 2 * (PAPERS_DELTA / epsilon) ** 2)
    assert f"{expected:.{len(printed.split('.')[1])}f}" == printed
    # The power of 4 * 3,584 Laplace samples (kurtosis 6), and the channel's noise on 4 * 14,336 reals, each
    # halved by a root.
    tolerance = 5 * math.sqrt(5 / (4 * PRIVATE) + 2 / (4 * TOTAL)) / 2
    assert root_mean_square(error) == pytest.approx(expected, rel=tolerance)
    # Eq. 10 has no gain: without de-normalising, what is heard is not the latents.
    assert root_mean_square(unpack(heard).view_as(latents).numpy() - latents.numpy()) != pytest.approx(
        expected, rel=0.1
    )


@pytest.mark.parametrize(
    ("epsilon", "left"), [(1, 0.0005), (5, 0.012), (10, 0.046), (30, 0.30), (100, 0.82), (800, 0.987)]
)
def test_7_what_the_best_receiver_can_still_know_of_the_common_codes(epsilon: float, left: float) -> None:
    """Even with all noise on the private codes known to Bob: the explained variance of the best linear
    estimate.
    """
    latents = genuine_transmission(epsilon)
    common = [c for c in range(CODES) if c not in PRIVATE_CODES]
    symbols, gains = normalise_power(pack(latents))
    heard = unpack(denormalise_power(awgn(symbols, 20.0, rng=torch_rng(15)), gains)).view_as(latents)
    correlation = float(
        torch.corrcoef(torch.stack([heard[:, common].flatten(), latents[:, common].flatten()]))[0, 1]
    )
    standard_error = 1 / math.sqrt(4 * len(common) * LENGTH)
    assert correlation == pytest.approx(math.sqrt(left), abs=5 * standard_error + 0.005)
    # With a gain for each block they arrive as without protection: 0.3 / (0.3 + 0.003).
    blocks = code_blocks(PRIVATE_CODES, (CODES, LENGTH))
    symbols, gains = normalise_power_blocks(pack(latents), blocks)
    heard = unpack(denormalise_power_blocks(awgn(symbols, 20.0, rng=torch_rng(15)), gains, blocks)).view_as(
        latents
    )
    correlation = float(
        torch.corrcoef(torch.stack([heard[:, common].flatten(), latents[:, common].flatten()]))[0, 1]
    )
    assert correlation == pytest.approx(math.sqrt(1 / 1.01), abs=5 * standard_error)


# 8. One affine layer is a static key.


def test_8_one_pair_more_than_numbers_in_the_block_gives_the_map() -> None:
    pair, size = random_pair().double(), 24
    known = torch.randn(size + 1, 3, 8, generator=torch_rng(16), dtype=torch.float64)
    solved = np.linalg.solve(with_ones(known.flatten(1).numpy()), pair.protect(known).flatten(1).numpy())
    np.testing.assert_allclose(solved[:size].T, pair.protection.weight, atol=1e-8)
    np.testing.assert_allclose(solved[size], pair.protection.bias, atol=1e-8)
    few = np.linalg.lstsq(
        with_ones(known[:-2].flatten(1).numpy()), pair.protect(known[:-2]).flatten(1).numpy(), rcond=None
    )[0]
    assert np.abs(few[:size].T - pair.protection.weight.numpy()).max() > 0.01  # control: two fewer do not
    assert PRIVATE + 1 == 3585


@pytest.mark.parametrize(("pairs_per_number", "printed"), [(4, "0.115"), (16, "0.103")])
def test_8_known_pairs_break_it_over_a_noisy_channel(pairs_per_number: int, printed: str) -> None:
    """Regression of codes on what was heard, for an orthogonal map of d = 128 numbers at 20 dB; Bob's own
    error is 0.0995.
    """
    d, held_out = 128, 4000
    pairs, rng = pairs_per_number * d, np.random.default_rng(17)
    key = haar(d, rng)

    def hear(codes: Array) -> Array:
        return codes @ key.T + 0.1 * rng.normal(size=codes.shape)

    known, codes = rng.normal(size=(pairs, d)), rng.normal(size=(held_out, d))
    weights = np.linalg.lstsq(with_ones(hear(known)), known, rcond=None)[0]
    error = root_mean_square(with_ones(hear(codes)) @ weights - codes)
    expected = math.sqrt(0.01 / 1.01 * (1 + 1 / pairs + (1 + 1 / pairs) * d / (pairs - d - 2)))
    assert f"{expected:.3f}" == printed
    assert error == pytest.approx(expected, rel=0.02)
    assert root_mean_square(hear(codes) - codes) > 1.3  # who decodes at once, as in Eq. 15, reads nothing


def test_8_two_transmissions_of_one_photo_are_linked() -> None:
    """Correlation of two signals: of the same photo through a fixed map, against a new secret rotation for
    each (control).
    """
    rng, d, photos = np.random.default_rng(18), 128, 300
    codes = rng.normal(size=(photos, d))
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)

    def scores(keys: Callable[[], Array]) -> tuple[Array, Array]:
        first, second = (np.stack([keys() @ c for c in codes]) for _ in range(2))
        first, second = (s + 0.1 / math.sqrt(d) * rng.normal(size=s.shape) for s in (first, second))
        return (first * second).sum(1), (first * np.roll(second, 1, axis=0)).sum(1)

    def area(same: Array, different: Array) -> float:
        """AUC: how often the same photo scores above different ones."""
        return float((same[:, None] > different).mean())

    fixed = haar(d, rng)
    assert area(*scores(lambda: fixed)) == 1.0
    # The standard error of an AUC at chance, with n scores each way, is sqrt((2n + 1) / (12 n^2)).
    chance = math.sqrt((2 * photos + 1) / (12 * photos**2))
    assert area(*scores(lambda: haar(d, rng))) == pytest.approx(0.5, abs=5 * chance)


# 9. An adaptive Eve hears more.


def test_9_clipping_and_denoising_beat_direct_decoding() -> None:
    """Private codes of variance 0.3 under the published noise at nominal 100: errors of three Eves, no
    channel noise.
    """
    rng, scale, prior = np.random.default_rng(19), PAPERS_DELTA / 100, math.sqrt(COMMON_VARIANCE)
    codes = np.clip(rng.normal(scale=prior, size=200_000), BOX.lower, BOX.upper)
    heard = codes + rng.laplace(scale=scale, size=codes.shape)
    direct = root_mean_square(heard - codes)
    clipped = root_mean_square(np.clip(heard, BOX.lower, BOX.upper) - codes)
    gain = codes.var() / (codes.var() + 2 * scale**2)
    denoised = root_mean_square(gain * heard - codes)
    assert direct == pytest.approx(math.sqrt(2) * scale, rel=5 * math.sqrt(5 / len(codes)) / 2)
    assert denoised == pytest.approx(
        math.sqrt(codes.var() * (1 - gain)), rel=5 * math.sqrt(5 / len(codes)) / 2
    )
    assert (direct, clipped, denoised) == pytest.approx((4.98, 1.33, 0.54), rel=0.01)


def test_9_repeated_transmissions_average_the_noise_away() -> None:
    rng, shots, scale = np.random.default_rng(20), 64, 2.0
    codes = rng.normal(size=5000)
    heard = codes + rng.laplace(scale=scale, size=(shots, 5000))
    error = root_mean_square(heard.mean(0) - codes)
    # The kurtosis of a mean of 64 Laplace draws is 3 + 3/64.
    assert error == pytest.approx(math.sqrt(2) * scale / 8, rel=5 * math.sqrt(2.05 / 5000) / 2)
    fixed = codes + rng.laplace(scale=scale, size=5000)  # control: a network that always adds the same
    assert root_mean_square(np.repeat(fixed[None], shots, 0).mean(0) - codes) == pytest.approx(
        math.sqrt(2) * scale, rel=0.1
    )


def test_9_who_steals_the_network_reads_what_bob_reads() -> None:
    pair = random_pair().double()
    inverse = torch.linalg.inv(pair.protection.weight)
    pair.deprotection.weight.copy_(inverse)
    pair.deprotection.bias.copy_(-inverse @ pair.protection.bias)
    photos = torch.randn(200, 3, 8, generator=torch_rng(21), dtype=torch.float64)
    symbols, gains = normalise_power(pack(pair.protect(photos)))
    heard = wiretap(symbols, math.inf, rng_bob=torch_rng(22), rng_eve=torch_rng(23))
    for party in (heard.bob, heard.eve):
        read = pair.deprotect(unpack(denormalise_power(party, gains)).view_as(photos))
        torch.testing.assert_close(read, photos, atol=1e-6, rtol=1e-6)


# 10. Definitions 1 and 2; seen distances are no bound.


def test_10_probabilities_of_single_values_say_nothing() -> None:
    """Laplace noise of scale 1e-6 on 0 and on 1: every single value has probability 0, sets tell the two
    apart.
    """
    noise = stats.laplace(scale=1e-6)

    def probability(lower: float, upper: float, at: float) -> float:
        return float(noise.cdf(upper - at) - noise.cdf(lower - at))

    for y in (0.0, 0.3, 1.0):
        assert probability(y, y, at=0.0) == probability(y, y, at=1.0) == 0.0  # Eq. 1 holds with epsilon 0
    assert probability(-1.0, 0.5, at=0.0) == pytest.approx(1.0)
    assert probability(-1.0, 0.5, at=1.0) == pytest.approx(0.0, abs=1e-300)


def test_10_the_largest_seen_distance_is_not_the_clip_boxs_diameter() -> None:
    """Eq. 18 against Eq. 19 on 500 clipped records of 200 numbers, whose quantiles are the box."""
    rng = np.random.default_rng(24)
    records = rng.normal(size=(500, 200))
    box = ClipBox.from_quantiles(records)
    clipped = box.clip(torch.from_numpy(records)).numpy()
    seen, bound = observed_pairwise_sensitivity(clipped, "l2"), box.l2_sensitivity(200)
    assert seen.value == pytest.approx(
        max(np.linalg.norm(a - b) for a in clipped[:50] for b in clipped), rel=0.2
    )
    assert seen.value < 0.6 * bound.value
    assert (seen.basis.value, bound.basis.value) == ("observed-sensitivity", "proved")


def test_10_an_unseen_photo_breaks_the_seen_distance_and_not_the_clip_bound() -> None:
    rng = np.random.default_rng(25)
    seen_photos, outlier = rng.normal(size=(300, 50)), np.full(50, 8.0)
    seen = observed_pairwise_sensitivity(seen_photos, "l1").value
    box = ClipBox.from_quantiles(seen_photos)

    def loss(a: Array, b: Array, scale: float) -> float:
        """Largest log ratio of the output densities of two records under Laplace noise."""
        return float((stats.laplace.logpdf(a, a, scale) - stats.laplace.logpdf(a, b, scale)).sum())

    others = seen_photos[:20]
    worst = max(loss(outlier, other, seen / 1.0) for other in others)
    assert worst > 3.0  # epsilon 1 was promised
    assert max(loss(a, b, seen / 1.0) for a in others for b in others) <= 1.0  # for the seen ones it held
    clip = [box.clip(torch.from_numpy(x)[None]).numpy()[0] for x in (outlier, *others)]
    assert max(loss(clip[0], other, box.l1_sensitivity(50).value / 1.0) for other in clip[1:]) <= 1.0


# 11. What cannot be repeated from the text.


def test_11_three_readings_of_the_4th_to_8th_codes() -> None:
    shape_texture = ["skin shape", "skin texture", "eyes shape", "eyes texture"]
    assert describe_codes(range(4, 9)) == [*shape_texture, "brows shape"]  # 0-based
    assert describe_codes(range(3, 8)) == ["background texture", *shape_texture]  # 1-based
    local = range(2 + 3, 2 + 8)  # the 4th to 8th of the local codes, which begin after two shared ones
    assert describe_codes(local) == [*shape_texture[1:], "brows shape", "brows texture"]


def test_11_an_optimiser_that_is_a_schedule() -> None:
    named = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    assert issubclass(named, torch.optim.lr_scheduler.LRScheduler)
    assert not issubclass(named, torch.optim.Optimizer)


def test_11_channel_uses() -> None:
    symbols = pack(torch.zeros(1, CODES, LENGTH))
    assert symbols.shape == (1, 7168)
    assert f"{bandwidth_ratio(7168, 512):.5f}" == "0.00911"
    assert bandwidth_ratio(7168, 512) == pytest.approx(7168 / (3 * 512 * 512))


# 12. Which way is better, and compared with what.


class Colour(Verifier):
    """Takes two images for one person if their mean values are near."""

    name, threshold = "colour", -0.1

    def embed(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return -torch.cdist(a, b)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).norm(dim=1)


def test_12_fppsr_to_the_source_counts_the_inversions_errors() -> None:
    """Nothing is protected and the channel is perfect; the inversion misses 30 of 100 photos, and so does
    FPPSR.
    """
    source = torch.zeros(100, 3, 4, 4)
    inverted = source.clone()
    inverted[:30] += 0.5
    received = inverted.clone()
    assert fppsr(source, received, Colour()).mean().item() == pytest.approx(0.30)
    assert fppsr(inverted, received, Colour()).mean().item() == 0.0
    stranger = inverted + 0.9
    assert fppsr(inverted, stranger, Colour()).mean().item() == 1.0  # control


def test_12_the_committed_run_shows_it() -> None:
    """Eve's FPPSR to the source is well above that to the inversion, which is what was sent; Bob's to the
    inversion is 0.
    """
    path = Path(__file__).parents[2] / "results" / "dp-semcom" / "small" / "curves.json"
    run = json.loads(path.read_text())
    assert np.mean(run["direct"]["fppsr_to_inversion"]) == 0.0
    for point in run["points"]:
        assert np.mean(point["bob"]["fppsr_to_inversion"]) < 0.05
        assert np.mean(point["eve"]["fppsr"]) > 0.1 + np.mean(point["eve"]["fppsr_to_inversion"])


# 13. The inversion is not that of the text.


class Painter:
    """Two codes for one grey image: only their sum is seen."""

    def synthesize(self, codes: Tensor) -> Tensor:
        return codes.sum((1, 2))[:, None, None, None].expand(-1, 3, 2, 2)


class Darker:
    """A perceptual term whose optimum is the photo times a factor."""

    name = "darker"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda images: (images - self.factor * photos).square().mean((1, 2, 3))


def test_13_the_official_loss_is_not_the_squared_error() -> None:
    assert (OFFICIAL.perceptual, OFFICIAL.mse, OFFICIAL.prior) == (1.0, 0.1, 1.0)
    photo, start = torch.full((1, 3, 2, 2), 1.0), torch.tensor([[[0.0], [0.0]]])

    def found(settings: InversionSettings, target: float | None = None) -> Tensor:
        term = None if target is None else Darker(target)
        return invert(photo, Painter(), start=start, settings=settings, perceptual=term).codes.flatten()

    text = InversionSettings(steps=300, mse=1.0, perceptual=0.0, prior=0.0)
    assert found(text).sum().item() == pytest.approx(1.0, abs=0.01)
    # A perceptual distance whose optimum is elsewhere (here at half the grey) wins against the squared error:
    # with weights .1, 1 and 1, the sum s solves .1 (s - 1) + (s - .5) + s / 4 = 0, where |c|^2 / 2 = s^2 / 4
    # is the prior's term.
    official = found(OFFICIAL, target=0.5)
    assert official.sum().item() == pytest.approx(0.6 / 1.35, abs=0.01)


def test_13_the_sensitivity_depends_on_the_inversion() -> None:
    """Codes that the image does not show stay where the start put them, unless a prior pulls: another box,
    another Delta f.
    """
    start = torch.randn(64, 2, 1, generator=torch_rng(26))
    photos = torch.zeros(64, 3, 2, 2)
    free = InversionSettings(steps=200, mse=1.0, perceptual=0.0, prior=0.0)
    pulled = InversionSettings(steps=200, mse=1.0, perceptual=0.0, prior=1.0)
    widths = []
    for settings in (free, pulled):
        codes = invert(photos, Painter(), start=start, centre=torch.zeros(1, 2, 1), settings=settings).codes
        box = ClipBox.from_quantiles(codes)
        widths.append(float(box.upper) - float(box.lower))
    assert widths[0] > 10 * widths[1]
