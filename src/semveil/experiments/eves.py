"""What an eavesdropper of dp-semcom has, put together for the attacks: her observation, public knowledge, known pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semveil.attacks import ATTACKS, Attack, KnownPairs, Observation, PublicKnowledge, Stolen
from semveil.channels import awgn, noise_power
from semveil.methods.dp_semcom import KEYED, DPSemCom, Transmission

CHUNK = 500  # transmissions simulated at once


@dataclass(frozen=True, eq=False)
class Eve:
    """Attributes: observation, public and pairs as attacks take them."""

    observation: Observation
    public: PublicKnowledge
    pairs: KnownPairs


def listen(
    method: DPSemCom,
    heard: Transmission,
    *,
    snr_db: float,
    latents: Tensor,
    known: Tensor,
    codes: Tensor | None = None,
    shots: int = 1,
    rng: torch.Generator | None = None,
) -> Eve:
    """Eve on her own channel.

    Args:
        method: Alice's; Eve learns of it what is public. Further transmissions use its key with new nonces.
        heard: the message under attack, as it came through her channel.
        snr_db: of her channel.
        latents: (N, K, D) of public faces.
        known: (M, K, D) latents of photos that she made Alice send, or found out, before.
        codes: (B, K, D) of the photos under attack, for Alice to send again; Eve does not see them.
        shots: how often Alice sends the photos in all.
        rng: of Eve's channel.
    """

    def once_more(codes: Tensor) -> Tensor:
        return method.heard_codes(over_the_air(method.send_codes(codes), snr_db, rng))

    again = [once_more(codes) for _ in range(shots - 1)] if codes is not None else []
    scale = method.calibration.scale if method.protection == "laplace" and method.budget is None else None
    public = PublicKnowledge(
        private_codes=method.private_codes,
        box=method.model.box,
        latents=latents,
        synthesize=method.model.generator.synthesize,
        interpret=method.protector.interpret,
    )
    variance = noise_power(snr_db) / 2 / heard.gains.square()  # de-normalisation raises the noise by 1 / gain
    observation = Observation(method.heard_codes(heard), variance, scale, torch.stack(again) if again else None)
    pairs = torch.cat([once_more(part) for part in known.split(CHUNK)])
    return Eve(observation, public, KnownPairs(pairs, method.model.box.clip(known)))


def over_the_air(sent: Transmission, snr_db: float, rng: torch.Generator | None) -> Transmission:
    """A transmission after its channel."""
    return replace(sent, symbols=awgn(sent.symbols, snr_db, rng=rng))


def attacks_on(method: DPSemCom, sent: Transmission, eve: Eve) -> Iterator[Attack]:
    """All attacks that apply.

    `stolen` is one where Bob has a network to steal, or a key: the latter is no attack that keyed protection withstands but
    the control that shows the attack's machinery at work.
    """
    for attack in (ATTACKS[name] for name in ATTACKS):
        if "deprotect" in attack.needs:
            if method.protection in (*KEYED, "nn"):
                yield Stolen(lambda block: method.protector.deprotect(block, sent.keyed, sent.bound()))
        elif "repeats" not in attack.needs or eve.observation.repeats is not None:
            yield attack()
