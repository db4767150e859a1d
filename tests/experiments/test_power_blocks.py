# SPDX-License-Identifier: Apache-2.0
"""With a gain for each block common codes survive genuine noise; with one gain for all they drown (errata
dp-semcom 7).
"""

import torch

from semveil.core.rng import streams
from semveil.experiments.dp_semcom.power_blocks import blocks_link
from semveil.link.eves import over_the_air
from semveil.methods.dp_semcom import DPSemCom
from semveil.models.face import load_model


def test_common_codes_survive(tiny_model_folder) -> None:
    model = load_model(str(tiny_model_folder))
    method = DPSemCom(model, protection="laplace", epsilon=10.0)
    codes = model.box.clip(model.public_latents(20, rng=torch.Generator().manual_seed(0)))
    run = streams(0)
    images, apart = blocks_link(method, codes, snr_db=20.0, noise=run["dp"], channel=run["bob"])
    together = method.heard_codes(over_the_air(method.send_codes(codes, rng=run["dp"]), 20.0, run["bob"]))
    common = [code for code in range(28) if code not in method.private_codes]
    lost = {
        name: float((heard - codes)[:, common].square().mean())
        for name, heard in (("apart", apart), ("together", together))
    }
    spread = float(codes[:, common].square().mean())
    # 20 dB: the channel's noise on a block has a hundredth of the block's own power
    assert abs(lost["apart"] / (spread / 100) - 1) < 0.1 and lost["together"] > 100 * lost["apart"]
    assert images.shape == (20, 3, model.size, model.size) and images.isfinite().all()
