# SPDX-License-Identifier: Apache-2.0
"""Protectors of dp-semcom's private block: the paper's trained pair, genuine noise, keyed, or none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from semveil.channels import KeyedPart, MessageError
from semveil.keys import TAG_BYTES, MessageKeys, new_nonce
from semveil.mechanisms import Mechanism
from semveil.mechanisms.exact.release import noisy, release_of
from semveil.methods.shared_key import SharedKey
from semveil.privacy.guarantee import Guarantee
from semveil.protection.keyed import KeyedProtection
from semveil.protection.linear_pass import linear_pass
from semveil.protection.pair import TrainedPair


@dataclass(frozen=True, eq=False)
class SentBlock:
    """Transmitted form of a private block.

    Attributes:
        block: (B, m, D).
        seal: with keyed protection: encrypts the side information and binds it to the given bytes, the rest
            of the message; None otherwise.
    """

    block: Tensor
    seal: Callable[[bytes], KeyedPart] | None = None


class Protector(Protocol):
    """Interface that protects private blocks (B, m, D) for Alice and removes the protection for Bob."""

    name: str

    def protect(self, block: Tensor, *, rng: torch.Generator | None = None) -> SentBlock:
        """Alice: the transmitted form of a private block.

        Args:
            block: (B, m, D), clipped.
            rng: source of simulated noise; genuine noise comes from the operating system where None.
        """
        ...

    def deprotect(self, received: Tensor, keyed: KeyedPart | None, bound: bytes) -> Tensor:
        """Bob: his estimate of the private block, (B, m, D).

        Args:
            received: (B, m, D), with channel noise.
            keyed: nonce and sealed side information of keyed protection; None otherwise.
            bound: the bytes that `SentBlock.seal` was called with.

        Raises:
            MessageError: with keyed protection: no side information, other parameters, or the wrong length.
            KeyProblem: the key is not Alice's, or the side information was altered.
        """
        ...

    def interpret(self, received: Tensor) -> Tensor:
        """Private block (B, m, D) as decoded with the public model but no secret.

        Args:
            received: (B, m, D), with channel noise.
        """
        ...

    def guarantee(self, covers: str, not_covered: Sequence[str], *, simulated: bool) -> Guarantee:
        """Guarantee against a receiver of the symbols.

        Args:
            covers: the protected part, in words.
            not_covered: parts in clear, in words.
            simulated: the noise came from a seeded stream.
        """
        ...


class Unprotected:
    """Transmits the block unchanged."""

    name = "none"

    def protect(self, block: Tensor, *, rng: torch.Generator | None = None) -> SentBlock:
        """The block unchanged.

        Args:
            block: (B, m, D), clipped.
            rng: ignored.
        """
        return SentBlock(block)

    def deprotect(self, received: Tensor, keyed: KeyedPart | None, bound: bytes) -> Tensor:
        """The received block unchanged.

        Args:
            received: (B, m, D), with channel noise.
            keyed: ignored.
            bound: ignored.
        """
        return received

    def interpret(self, received: Tensor) -> Tensor:
        """The received block unchanged.

        Args:
            received: (B, m, D), with channel noise.
        """
        return received

    def guarantee(self, covers: str, not_covered: Sequence[str], *, simulated: bool) -> Guarantee:
        """No guarantee.

        Args:
            covers: ignored.
            not_covered: ignored.
            simulated: ignored.
        """
        return Guarantee.none(
            "nothing", reason="the latents are sent as they are", not_covered=("the whole photo",)
        )


class Trained:
    """Protector with a trained pair of networks, such as the paper's ([DPSC] Eqs. 8, 12)."""

    def __init__(self, pair: TrainedPair) -> None:
        self.pair, self.name = pair, pair.settings.protection

    def protect(self, block: Tensor, *, rng: torch.Generator | None = None) -> SentBlock:
        """The block after the protection network.

        Args:
            block: (B, m, D), clipped.
            rng: ignored.
        """
        return SentBlock(self.pair.protect(block))

    def deprotect(self, received: Tensor, keyed: KeyedPart | None, bound: bytes) -> Tensor:
        """The received block after the deprotection network.

        Args:
            received: (B, m, D), with channel noise.
            keyed: ignored.
            bound: ignored.
        """
        return self.pair.deprotect(received)

    def interpret(self, received: Tensor) -> Tensor:
        """The received block unchanged.

        Args:
            received: (B, m, D), with channel noise.
        """
        return received

    def guarantee(self, covers: str, not_covered: Sequence[str], *, simulated: bool) -> Guarantee:
        """No guarantee: the protection network is deterministic.

        Args:
            covers: the protected part, in words.
            not_covered: parts in clear, in words.
            simulated: ignored.
        """
        reason = (
            "the protection network is deterministic: two photos give two different signals with certainty"
        )
        return Guarantee.none(covers, reason=reason, not_covered=not_covered)


class Noisy:
    """Protector with genuine noise, which nobody can remove, not even Bob.

    A law without an exact sampler can be simulated but not released.

    Args:
        name: name of the protection.
        mechanism: the noise law.
        sensitivity: sensitivity of the private block, in the law's norm.
    """

    def __init__(self, name: str, mechanism: Mechanism, sensitivity: Any) -> None:
        self.name, self.mechanism, self.sensitivity = name, mechanism, sensitivity
        self.release = release_of(mechanism)

    def protect(self, block: Tensor, *, rng: torch.Generator | None = None) -> SentBlock:
        """The block with noise; its gradient is that of the identity.

        Args:
            block: (B, m, D), clipped.
            rng: source of simulated noise; genuine noise comes from the operating system where None.
        """
        if rng is not None:
            return SentBlock(self.mechanism(block, rng=rng))
        noise = noisy(self.mechanism, self.release, block.detach())
        return SentBlock(linear_pass(block, noise, lambda gradient: gradient))

    def deprotect(self, received: Tensor, keyed: KeyedPart | None, bound: bytes) -> Tensor:
        """The received block unchanged: Bob cannot remove the noise.

        Args:
            received: (B, m, D), with channel noise.
            keyed: ignored.
            bound: ignored.
        """
        return received

    def interpret(self, received: Tensor) -> Tensor:
        """The received block unchanged.

        Args:
            received: (B, m, D), with channel noise.
        """
        return received

    def guarantee(self, covers: str, not_covered: Sequence[str], *, simulated: bool) -> Guarantee:
        """Guarantee of the noise mechanism.

        Args:
            covers: the protected part, in words.
            not_covered: parts in clear, in words.
            simulated: the noise came from a seeded stream.
        """
        law = self.mechanism if simulated or self.release is None else self.release
        return law.guarantee(self.sensitivity, covers=covers, not_covered=not_covered)


class Keyed:
    """Protector that only the holder of a key can undo, with a fresh nonce for every message.

    Args:
        protection: rotation or modulo.
        key: key shared with Bob.
        context: model, codes and bounds to which the keys are bound; JSON-ready.
        authenticate: seal the side information so that Bob detects tampering and wrong keys. Without it,
            every key opens the message to some face, so that nobody can prove which is the right one.
    """

    def __init__(
        self,
        protection: KeyedProtection,
        key: SharedKey,
        context: Mapping[str, Any],
        *,
        authenticate: bool = True,
    ) -> None:
        self.protection, self.key, self.context, self.authenticate = protection, key, context, authenticate
        self.name = protection.name

    def protect(self, block: Tensor, *, rng: torch.Generator | None = None) -> SentBlock:
        """The block under a fresh nonce; `seal` encrypts the side information.

        Args:
            block: (B, m, D), clipped.
            rng: ignored.
        """
        nonce = new_nonce()
        keys = self._keys(nonce, len(block))
        done = self.protection.protect(block, [keys.keystream(image) for image in range(len(block))])

        def seal(bound: bytes) -> KeyedPart:
            return KeyedPart(
                nonce=nonce,
                source=self.key.source,
                parameters=self.protection.parameters(),
                sealed=keys.seal(done.side, bound) if self.authenticate else keys.mask(done.side),
                authenticated=self.authenticate,
            )

        return SentBlock(done.sent, seal)

    def deprotect(self, received: Tensor, keyed: KeyedPart | None, bound: bytes) -> Tensor:
        """The block recovered with the key.

        Args:
            received: (B, m, D), with channel noise.
            keyed: nonce and sealed side information.
            bound: the bytes that `SentBlock.seal` was called with.

        Raises:
            MessageError: no side information, other parameters or authentication, or the wrong length for the
                block.
            KeyProblem: the key is not Alice's, or the side information was altered.
        """
        if keyed is None:
            raise MessageError(
                f"protection {self.name} needs the nonce and side information that Alice sent, got none"
            )
        own = dict(self.protection.parameters())
        if dict(keyed.parameters) != own:
            raise MessageError(f"the message was protected with {dict(keyed.parameters)}, not {own}")
        if keyed.authenticated != self.authenticate:
            raise MessageError(
                "the message is deniable, so nothing shows tampering; accept it with --deniable"
                if self.authenticate
                else "the message is authenticated; leave --deniable out"
            )
        # Before any key is tried: the cipher does not commit to its key, and a long text can be made to open
        # under many.
        length = len(received) * self.protection.side_bytes + (TAG_BYTES if self.authenticate else 0)
        if len(keyed.sealed) != length:
            raise MessageError(
                f"the sealed side information of {len(received)} images has {length} bytes, here are "
                f"{len(keyed.sealed)}; the message is damaged or forged"
            )
        keys = self._keys(keyed.nonce, len(received))
        side = keys.open(keyed.sealed, bound) if self.authenticate else keys.unmask(keyed.sealed)
        return self.protection.deprotect(
            received, side, [keys.keystream(image) for image in range(len(received))]
        )

    def interpret(self, received: Tensor) -> Tensor:
        """The block as far as the public description of the protection allows without the key.

        Args:
            received: (B, m, D), with channel noise.
        """
        return self.protection.interpret(received)

    def guarantee(self, covers: str, not_covered: Sequence[str], *, simulated: bool) -> Guarantee:
        """Computational guarantee of the protection.

        Args:
            covers: the protected part, in words.
            not_covered: parts in clear, in words.
            simulated: ignored.
        """
        return self.protection.guarantee(covers, not_covered=not_covered)

    def _keys(self, nonce: bytes, images: int) -> MessageKeys:
        context = {
            **self.context,
            "protection": self.name,
            "parameters": dict(self.protection.parameters()),
            "source": dict(self.key.source),
            "authenticated": self.authenticate,
            "images": images,
        }
        return MessageKeys(self.key.secret, nonce, context)
