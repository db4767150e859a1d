# SPDX-License-Identifier: Apache-2.0
"""Noise in a public subspace: what it reads of a photo, its laws, its claims; the public gallery."""

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from semveil.mechanisms import ExactRelease, gaussian_delta
from semveil.mechanisms.exponential import Exponential
from semveil.methods.dp_image import DPImage
from semveil.methods.gallery import BLOCK, Gallery
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel, from_face_model, load_latent_model
from semveil.methods.options import read_options
from semveil.methods.subspace import Subspace, subspace_of
from semveil.methods.subspace_noise import BallGaussian, DirectionPrivUnitG, InSubspace, ball_radius
from semveil.models.face import load_model
from semveil.models.prior import LatentPrior
from semveil.privacy.certificate import Certificate
from semveil.privacy.composition import compose
from semveil.privacy.explain import explain
from semveil.privacy.guarantee import Basis
from semveil.privacy.ledger import Ledger

MODEL = LatentModel.example()
SPACE = subspace_of(MODEL, 4)
FALSE_ALARM = 1e-5
LAWS = ("laplace", "gaussian", "privunit-g")
CHOICES = ("exponential", "nearest")
BLACK, WHITE = (
    torch.full((1, 3, 2, 2), -1.0, dtype=torch.float64),
    torch.full((1, 3, 2, 2), 1.0, dtype=torch.float64),
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def methods(epsilon: float = 3.0) -> dict[str, DPImage | LatentDP]:
    """Both methods with every law."""
    return {
        **{f"dp-image {law}": DPImage(MODEL, epsilon=epsilon, subspace=4, noise=law) for law in LAWS},
        **{f"latent-dp {law}": LatentDP(MODEL, epsilon=epsilon, subspace=4, mechanism=law) for law in LAWS},
        **{
            f"latent-dp {law}": LatentDP(MODEL, epsilon=epsilon, subspace=4, mechanism=law, gallery=40)
            for law in CHOICES
        },
    }


ALL = methods()


def shown(method: DPImage | LatentDP, latents: Tensor, seed: int | None = 0) -> Tensor:
    found = method.protect_latents(latents, rng=None if seed is None else rng(seed)).latents
    assert found is not None
    return found


class TestSubspace:
    def test_it_is_the_priors_principal_directions(self) -> None:
        """Against numpy's eigenvectors of the covariance that the prior states."""
        prior = LatentPrior.fit(
            torch.randn(500, 3, 4, generator=rng(1)) * torch.arange(1.0, 13.0).view(3, 4), rank=8
        )
        space = Subspace.of_prior(prior, 4, of="a test")
        factors = prior.factors.double().flatten(1).numpy()
        _, vectors = np.linalg.eigh(factors.T @ factors)
        directions = space.directions.flatten(1).numpy()
        np.testing.assert_allclose(directions @ directions.T, np.eye(4), atol=1e-12)
        assert np.abs(directions @ vectors[:, ::-1][:, :4]).diagonal() == pytest.approx(np.ones(4), abs=1e-6)
        covariance = factors.T @ factors + np.diag(prior.residual.double().flatten().numpy() ** 2)
        expected = np.sqrt(np.einsum("ri,ij,rj->r", directions, covariance, directions))
        np.testing.assert_allclose(space.deviations.numpy(), expected, rtol=1e-9)

    def test_the_bundled_priors_own_latents_have_its_deviations(self) -> None:
        model = load_latent_model()
        space, count = subspace_of(model, 32), 4000
        assert model.prior is not None
        coordinates = space.coordinates(model.prior.sample(count, rng=rng(2)))
        ratio = coordinates.var(0) / space.deviations.square()
        low, high = stats.chi2.ppf([FALSE_ALARM, 1 - FALSE_ALARM], count - 1) / (count - 1)
        assert low < ratio.min() and ratio.max() < high

    def test_its_box_cuts_off_the_stated_share(self) -> None:
        coordinates = torch.randn(200_000, 4, generator=rng(3), dtype=torch.float64) * SPACE.deviations
        outside = (SPACE.box(10.0).clip(coordinates) != coordinates).double().mean(0)
        assert (outside - 0.2).abs().max() < 5 * math.sqrt(0.2 * 0.8 / 200_000)

    def test_the_digest_binds_every_number_and_the_model(self) -> None:
        assert SPACE.digest == subspace_of(LatentModel.example(), 4).digest != subspace_of(MODEL, 5).digest
        for name in ("centre", "directions", "deviations"):
            changed = getattr(SPACE, name).clone()
            changed.view(-1)[-1] += 1e-3
            assert replace(SPACE, **{name: changed}).digest != SPACE.digest
        other = InSubspace(SPACE, replace(MODEL, digest="0f" * 32))
        assert other.digest != InSubspace(SPACE, MODEL).digest

    def test_a_face_models_prior_is_used_as_it_is(self, tiny_model_folder: Path) -> None:
        model = load_model(str(tiny_model_folder))
        space = subspace_of(from_face_model(model), 4)
        assert model.prior is not None
        torch.testing.assert_close(space.centre, model.prior.mean.double())
        with pytest.raises(ValueError, match="has 4 directions, got 5"):
            subspace_of(from_face_model(model), 5)

    @pytest.mark.parametrize("rank", [0, 3, 65])
    def test_ranks_out_of_range_are_refused(self, rank: int) -> None:
        with pytest.raises(ValueError, match="4 to 64 directions"):
            DPImage(MODEL, subspace=rank)


@pytest.mark.parametrize("name", list(ALL))
def test_only_the_clipped_coordinates_of_a_photo_are_read(name: str) -> None:
    """Photos that agree in them give the same picture for the same noise, however they differ else."""
    method = ALL[name]
    inside = SPACE.latents(torch.tensor([[0.3, -0.2, 0.1, 0.4]]) * SPACE.deviations)
    beside = inside + 50 * SPACE.residual(torch.randn(1, 3, 4, generator=rng(7), dtype=torch.float64))
    assert (beside - inside).abs().max() > 10
    torch.testing.assert_close(shown(method, inside), shown(method, beside), atol=1e-9, rtol=0)
    far = SPACE.latents(torch.tensor([[30.0, -20.0, 10.0, 40.0]]) * SPACE.deviations)
    farther = SPACE.latents(torch.tensor([[60.0, -40.0, 20.0, 80.0]]) * SPACE.deviations)
    torch.testing.assert_close(shown(method, far), shown(method, farther), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", [name for name in ALL if name.split()[1] in LAWS])
def test_pictures_stay_in_the_subspace_and_its_bounds(name: str) -> None:
    method = ALL[name]
    found = shown(method, MODEL.public_latents(300, rng(5)).double() * 9, None)
    assert SPACE.residual(found).abs().max() < 1e-9
    scaled = SPACE.coordinates(found) / SPACE.deviations
    if isinstance(method.law, DirectionPrivUnitG):
        torch.testing.assert_close(
            scaled.norm(dim=1), torch.full((300,), 2.0, dtype=torch.float64), atol=1e-6, rtol=0
        )
    elif isinstance(method.law, BallGaussian):
        assert scaled.norm(dim=1).max() <= ball_radius(4)
    else:
        assert method.box is not None
        torch.testing.assert_close(
            method.box.clip(SPACE.coordinates(found)), SPACE.coordinates(found), atol=1e-9, rtol=0
        )


@pytest.mark.parametrize("simulated", [False, True])
def test_normal_noise_between_the_clippings_has_the_calibrated_spread(simulated: bool) -> None:
    """At a budget where the noise is small, a record in the middle stays in the ball: all of the noise is
    seen.
    """
    method, count = DPImage(MODEL, epsilon=150.0, subspace=4, noise="gaussian"), 6000
    assert isinstance(method.law, BallGaussian)
    sigma = method.law.mechanism.sigma
    found = shown(method, SPACE.centre.expand(count, -1, -1), 1 if simulated else None)
    noise = (SPACE.coordinates(found) / SPACE.deviations).flatten().numpy()
    assert 6 * sigma < ball_radius(4)
    assert stats.kstest(noise, stats.norm(scale=sigma).cdf).pvalue > FALSE_ALARM
    assert stats.kstest(noise, stats.norm(scale=1.1 * sigma).cdf).pvalue < FALSE_ALARM


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize(
    "method", [DPImage(MODEL, epsilon=9.0, subspace=4), LatentDP(MODEL, epsilon=9.0, subspace=4, clip=10.0)]
)
def test_laplace_noise_reaches_the_far_end_as_often_as_it_should(
    method: DPImage | LatentDP, simulated: bool
) -> None:
    """P[the upper end is shown | lower end put in] = exp(-S / b) / 2."""
    assert method.box is not None
    widths = torch.as_tensor(method.box.upper) - torch.as_tensor(method.box.lower)
    scales = widths.sum() / 9.0 if isinstance(method, DPImage) else 4 * widths / 9.0
    low = SPACE.latents(torch.as_tensor(method.box.lower)[None] - 5).expand(4000, -1, -1)
    ends = (
        SPACE.coordinates(shown(method, low, 4 if simulated else None))
        > torch.as_tensor(method.box.upper) - 1e-9
    )
    expected = 0.5 * torch.exp(-widths / scales)
    pvalues = [
        stats.binomtest(int(k), 4000, float(p)).pvalue for k, p in zip(ends.sum(0), expected, strict=True)
    ]
    assert min(pvalues) > FALSE_ALARM
    wrong = 0.5 * torch.exp(-2 * widths / scales)
    assert (
        min(stats.binomtest(int(k), 4000, float(p)).pvalue for k, p in zip(ends.sum(0), wrong, strict=True))
        < FALSE_ALARM
    )


@pytest.mark.parametrize("simulated", [False, True])
def test_directions_follow_privunit_g(simulated: bool) -> None:
    """Within the cap with the odds that epsilon allows, by the normal law's tail."""
    from semveil.audit.laws import cosine_law

    method, count = LatentDP(MODEL, epsilon=3.0, subspace=4, mechanism="privunit-g"), 3000
    pole = SPACE.latents(SPACE.deviations[None] * torch.tensor([[0.0, 7.0, 0.0, 0.0]]))
    found = (
        SPACE.coordinates(shown(method, pole.expand(count, -1, -1), 2 if simulated else None))
        / SPACE.deviations
        / 2
    )
    reference = cosine_law("privunit-g", 4, 3.0, [np.eye(4)[1]] * 2).reference(
        0, 20_000, np.random.default_rng(0)
    )["cosine"]
    assert stats.ks_2samp(found[:, 1].numpy(), reference).pvalue > FALSE_ALARM
    weaker = cosine_law("privunit-g", 4, 2.0, [np.eye(4)[1]] * 2).reference(
        0, 20_000, np.random.default_rng(0)
    )["cosine"]
    assert stats.ks_2samp(found[:, 1].numpy(), weaker).pvalue < FALSE_ALARM


class TestResidual:
    def test_it_is_the_priors_mean_or_a_draw_that_is_new_each_time(self) -> None:
        method = LatentDP(MODEL, mechanism="none", subspace=4, residual="draw")
        same = MODEL.public_latents(1, rng(3)).double().expand(2, -1, -1)
        first, second = SPACE.residual(shown(method, same, None))
        assert (first - second).abs().max() > 1e-3
        plain = LatentDP(MODEL, mechanism="none", subspace=4)
        assert SPACE.residual(shown(plain, same, None)).abs().max() < 1e-12

    def test_the_draw_never_sees_the_photo(self) -> None:
        method = DPImage(MODEL, epsilon=3.0, subspace=4, residual="draw")
        black, white = (SPACE.residual(shown(method, 10 * photo.flatten(2), 5)) for photo in (BLACK, WHITE))
        torch.testing.assert_close(black, white, atol=1e-9, rtol=0)
        public = SPACE.residual(
            torch.cat([shown(method, 10 * WHITE.flatten(2), seed) for seed in range(300)])
        )
        expected = SPACE.residual(MODEL.public_latents(5000, rng(1)))
        ratio = float(public.square().sum((1, 2)).mean() / expected.square().sum((1, 2)).mean())
        # 8 of 12 directions are left, each of unit variance
        assert abs(ratio - 1) < 5 * math.sqrt(2 / 8 / 300)


class TestClaims:
    @pytest.mark.parametrize("name", list(ALL))
    def test_the_budget_covers_all_of_the_photo(self, name: str) -> None:
        claim = ALL[name].guarantee()
        assert claim.basis == Basis.PROVED and claim.covers == "all codes" and not claim.not_covered
        assert claim.epsilon == pytest.approx(3.0) and claim.whole_record_epsilon == claim.epsilon
        assert ALL[name].guarantee(simulated=True).basis == Basis.SIMULATION

    @pytest.mark.parametrize("name", list(ALL))
    def test_the_certificate_names_the_subspace_by_its_digest(self, name: str) -> None:
        method = ALL[name]
        made = method.certificate(method.protect(WHITE))
        assert Certificate.from_json(made.to_json()) == made
        assert made.bounds_hash == SPACE.digest and SPACE.digest in " ".join(explain(made))
        assert made.mechanism in name or made.mechanism == "per-coordinate-laplace"
        assert made.nominal_epsilon == 3.0
        assert method.model_digest == InSubspace(SPACE, MODEL).digest

    def test_normal_noise_is_calibrated_to_twice_the_radius_at_its_delta(self) -> None:
        method = DPImage(MODEL, epsilon=2.0, subspace=4, noise="gaussian", delta=1e-4)
        made = method.certificate(method.protect(WHITE))
        assert made.sensitivity is not None and made.scale is not None and made.bounds is not None
        assert (
            made.sensitivity.value == pytest.approx(2 * stats.chi(4).ppf(0.9))
            and made.sensitivity.norm == "l2"
        )
        assert made.guarantee.delta == 1e-4
        assert gaussian_delta(2.0, made.scale / made.sensitivity.value) == pytest.approx(1e-4, rel=1e-3)
        assert made.guarantee.gaussian is not None, "several releases compose by their law"

    def test_opposite_photos_are_brought_within_the_sensitivity(self) -> None:
        latents = torch.randn(400, 3, 4, generator=rng(4), dtype=torch.float64) * torch.logspace(
            -2, 3, 400
        ).view(-1, 1, 1)
        for dtype in (torch.float32, torch.float64):
            law = DPImage(MODEL, epsilon=2.0, subspace=4, noise="gaussian").law
            assert isinstance(law, BallGaussian)
            clipped = law.clip(SPACE.coordinates(latents).to(dtype))
            assert clipped.dtype == dtype
            assert torch.cdist(clipped.double(), -clipped.double()).max() <= law.sensitivity.value
            assert clipped.double().norm(dim=1).max() > 0.999 * law.radius

    def test_releases_add_up_in_the_ledger_with_those_of_all_latents(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "ledger.jsonl")
        for method in (ALL["dp-image laplace"], ALL["latent-dp nearest"], LatentDP(MODEL, epsilon=2.0)):
            ledger.record("ada", method.certificate(method.protect(WHITE)))
        total = ledger.total("ada")
        assert total.epsilon == pytest.approx(8.0) and total.basis == Basis.PROVED and not total.not_covered
        part = DPImage(MODEL, epsilon=1.0, styles="identity")
        assert compose(ALL["dp-image laplace"].guarantee(), part.guarantee()).epsilon is None

    def test_the_ceiling_guarantees_nothing_and_is_the_clipped_photo(self) -> None:
        method = LatentDP(MODEL, mechanism="none", subspace=4, clip=10.0)
        latents = MODEL.public_latents(5, rng(9)).double()
        assert method.guarantee().epsilon is None and method.guarantee().basis == Basis.NONE
        coordinates = SPACE.box(10.0).clip(SPACE.coordinates(latents))
        torch.testing.assert_close(shown(method, latents), SPACE.latents(coordinates))

    def test_released_coordinates_lie_on_the_stated_grid_and_floats_do_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        method = DPImage(MODEL, epsilon=300.0, subspace=4)
        step = method.certificate(method.protect(WHITE)).grid_step
        assert step is not None

        def off_grid() -> float:
            found = SPACE.coordinates(shown(method, SPACE.centre.expand(50, -1, -1), None)) / step
            return float((found - found.round()).abs().max())

        assert off_grid() < 1e-6
        monkeypatch.setattr(ExactRelease, "__call__", lambda self, x: self.mechanism(x, rng=rng()))
        assert off_grid() > 1e-2


class TestGallery:
    GALLERY = Gallery(MODEL, SPACE, BLOCK + 40)

    def test_a_face_is_drawn_anew_from_its_number_alone(self) -> None:
        chosen = torch.tensor([BLOCK + 3, 7, BLOCK - 1])
        faces = self.GALLERY.latents(chosen)
        again = Gallery(MODEL, SPACE, BLOCK + 40).latents(chosen)
        assert torch.equal(faces, again) and not torch.equal(faces[0], faces[1])
        towards = SPACE.coordinates(faces) / SPACE.deviations
        found = towards / towards.norm(dim=1, keepdim=True)
        torch.testing.assert_close(found.float(), self.GALLERY.directions[chosen])

    def test_utilities_are_cosines_in_a_range_of_one(self) -> None:
        coordinates = SPACE.coordinates(torch.cat([BLACK, WHITE]).flatten(2))
        found = self.GALLERY.utilities(coordinates)
        assert found.shape == (2, BLOCK + 40) and 0 <= found.min() < 0.2 < 0.8 < found.max() <= 1
        towards = coordinates / SPACE.deviations
        cosine = torch.nn.functional.cosine_similarity(
            towards[:1], SPACE.coordinates(self.GALLERY.latents(torch.tensor([BLOCK + 3]))) / SPACE.deviations
        )
        assert float(found[0, BLOCK + 3]) == pytest.approx(float(1 + cosine) / 2, abs=1e-6)

    @pytest.mark.parametrize("simulated", [False, True])
    @pytest.mark.parametrize("mechanism", CHOICES)
    def test_faces_are_shown_as_often_as_the_closed_form_has_it(
        self, mechanism: str, simulated: bool
    ) -> None:
        method, count = (
            LatentDP(MODEL, epsilon=6.0, subspace=4, mechanism=mechanism, gallery=12, residual="draw"),
            3000,
        )
        assert isinstance(method.gallery, Gallery) and method.choice is not None
        latents = 10 * WHITE.flatten(2)
        utilities = method.utilities(SPACE.coordinates(latents))[0].numpy()
        if mechanism == "nearest":
            near = np.argsort(-utilities)[: method.choice.near]  # type: ignore[union-attr]
            weights = np.ones(12)
            weights[near] = math.exp(6.0)
        else:
            weights = np.exp(3.0 * utilities)
        expected = weights / weights.sum() * count
        faces = method.gallery.latents(torch.arange(12)).flatten(1)
        found = shown(method, latents.expand(count, -1, -1), 3 if simulated else None).flatten(1).float()
        distances = torch.cdist(found.double(), faces.double())
        assert distances.min(1).values.max() < 1e-4, "nothing but the gallery is shown"
        counts = np.bincount(distances.argmin(1).numpy(), minlength=12)
        assert stats.chisquare(counts, expected).pvalue > FALSE_ALARM
        assert stats.chisquare(counts, np.roll(expected, 1)).pvalue < FALSE_ALARM

    def test_a_face_is_shown_with_its_own_residual_or_without_and_clipped(self) -> None:
        for residual in ("mean", "draw"):
            method = LatentDP(
                MODEL, epsilon=60.0, subspace=4, mechanism="nearest", gallery=40, residual=residual
            )
            assert isinstance(method.gallery, Gallery)
            face = method.gallery.latents(torch.tensor([5])).double()
            expected = SPACE.latents(method.box.clip(SPACE.coordinates(face))) if residual == "mean" else face
            torch.testing.assert_close(shown(method, face, None), expected, atol=1e-5, rtol=0)

    def test_a_hundred_thousand_faces_take_little_memory(self) -> None:
        """Embeddings of 64 numbers; and the Python objects of an exact choice, measured on a tenth of the
        faces.
        """
        model = replace(
            MODEL,
            latent_shape=(16, 4),
            public_latents=lambda n, r: torch.randn(n, 16, 4, generator=r),
            prior=None,
        )
        gallery = Gallery(model, subspace_of(model, 64), 100_000)
        kept = sum(x.nbytes for x in vars(gallery).values() if isinstance(x, Tensor))
        utilities = gallery.utilities(torch.ones(1, 64))
        assert utilities.shape == (1, 100_000)
        tracemalloc.start()
        Exponential(4.0).release(utilities[:, :10_000])
        choosing = 10 * tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 25e6 < kept < 27e6 and kept + utilities.nbytes + choosing < 300e6

    def test_galleries_too_large_for_their_way_are_refused(self) -> None:
        with pytest.raises(ValueError, match="compare them in a subspace"):
            LatentDP(MODEL, mechanism="exponential", gallery=20_000)
        with pytest.raises(ValueError, match="2 to 100,000 faces"):
            LatentDP(MODEL, mechanism="nearest", gallery=100_001, subspace=4)


@pytest.mark.parametrize(
    "options",
    [
        {"noise": "gaussian"},
        {"residual": "draw"},
        {"noise": "uniform", "subspace": 4},
        {"residual": "none", "subspace": 4},
        {"subspace": 4, "styles": "identity"},
        {"subspace": 4, "sensitivity": "observed"},
        {"subspace": 4, "noise": "gaussian", "scale": 1.0},
        {"subspace": 4, "noise": "privunit-g", "clip": 10.0},
        {"subspace": 4, "noise": "privunit-g", "delta": 1e-6},
        {"subspace": 4, "delta": 1e-6},
        {"subspace": 4, "clip": 0.0},
        {"subspace": 4, "clip": 50.0},
    ],
    ids=str,
)
def test_dp_image_refuses_what_does_not_go_together(options: dict) -> None:
    with pytest.raises(ValueError):
        DPImage(MODEL, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"mechanism": "gaussian"},
        {"mechanism": "nearest"},
        {"residual": "draw"},
        {"subspace": 4, "budget": "red=1,others=1"},
        {"subspace": 4, "calibration": "as_published"},
        {"subspace": 4, "mechanism": "laplace", "delta": 1e-6},
        {"subspace": 4, "mechanism": "privunit-g", "gallery": 10},
    ],
    ids=str,
)
def test_latent_dp_refuses_what_does_not_go_together(options: dict) -> None:
    with pytest.raises(ValueError):
        LatentDP(MODEL, **options)


def test_options_come_from_the_command_line() -> None:
    chosen = read_options(
        DPImage, {"--subspace": "32", "--noise": "gaussian", "--delta": "1e-7", "--residual": "draw"}
    )
    assert chosen == {"subspace": 32, "noise": "gaussian", "delta": 1e-7, "residual": "draw"}


def test_draws_that_a_test_accepts_work_in_a_subspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "semveil.methods.dp_image.ACCEPTANCE", {"face": lambda picture: bool(picture.sum() > 0)}
    )
    method = DPImage(MODEL, epsilon=3.0, subspace=4, accept="face", draws=0)
    release = method.protect(torch.zeros(5, 3, 2, 2))
    assert all(picture.sum() > 0 for picture in release.images)
    assert release.guarantee.epsilon == pytest.approx(6.0)


def test_photos_that_cannot_be_clipped_are_refused() -> None:
    for name in ALL:
        with pytest.raises(ValueError, match="NaN or infinite"):
            ALL[name].protect_latents(torch.full((1, 3, 4), math.nan))
