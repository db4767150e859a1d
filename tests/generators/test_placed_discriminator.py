"""The discriminator of placed patches: the same patch is judged by where it is."""

import torch

from semveil.generators.placed_discriminator import PlacedDiscriminator


def test_a_patch_has_another_score_elsewhere() -> None:
    """A constant picture has interior patches that differ by their place alone; with equal places they would be equal."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = PlacedDiscriminator(scales=1, width=4, layers=2).eval()
    scores = judge(torch.zeros(1, 3, 64, 64))[0][0, 0, 8:-8, 8:-8]
    assert scores.std() > 1e-3
    with torch.no_grad():
        judge.patches.judges[0].parts[0].weight[:, 3:] = 0
    assert judge(torch.zeros(1, 3, 64, 64))[0][0, 0, 8:-8, 8:-8].std() < 1e-6


def test_both_scales_judge_each_image_alone() -> None:
    judge = PlacedDiscriminator(scales=2, width=4, layers=3).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    together, alone = judge(images), judge(images[1:])
    assert len(together) == 2
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:], b, atol=1e-5, rtol=1e-4)
