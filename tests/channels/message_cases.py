# SPDX-License-Identifier: Apache-2.0
"""A small valid message for tests to vary, and bit-exact comparison."""

import dataclasses
import hashlib

import torch
from hypothesis import strategies as st

from semveil.channels import KeyedPart, Message, pack

numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


sources = (
    st.just({"kind": "file"})
    | st.builds(lambda b: {"kind": "passphrase", "salt": b.hex()}, st.binary(min_size=16, max_size=16))
    | st.builds(lambda b: {"kind": "agreement", "offer": b.hex()}, st.binary(max_size=64))
)
keyed_parts = st.builds(
    KeyedPart,
    nonce=st.binary(min_size=32, max_size=32),
    source=sources,
    parameters=st.dictionaries(st.text(), json_values, max_size=3),
    sealed=st.binary(max_size=64),
    authenticated=st.booleans(),
)


def message(images: int = 2, **changes: object) -> Message:
    rng = torch.Generator().manual_seed(0)
    values = {
        "method": "dp-semcom",
        "model": "faces-64",
        "model_hash": hashlib.sha256(b"weights").hexdigest(),
        "image_size": 64,
        "latent_shape": (4, 6),
        "private_codes": (0, 2),
        "clip_lower": torch.tensor(-1.47),
        "clip_upper": torch.full((4, 1), 1.469),
        "gains": torch.rand(images, 1, generator=rng) + 0.5,
        "protection": "nn",
        "calibration": "as_published",
        "nominal_epsilon": 10.0,
        "pair_hash": "b" * 64,
        "guarantee": {
            "epsilon": None,
            "basis": "none",
            "covers": ["private codes"],
            "assumptions": {"bounds": "public"},
        },
        "keyed": None,
        "snr_db": None,
        "symbols": pack(torch.randn(images, 24, generator=rng)),
    }
    return Message(**(values | changes))


def plain(m: Message) -> tuple[object, ...]:
    """All fields, tensors as dtype, shape and bytes, so that equality is bit exact."""
    values = [getattr(m, field.name) for field in dataclasses.fields(m)]
    return tuple(
        (v.dtype, tuple(v.shape), v.numpy().tobytes()) if isinstance(v, torch.Tensor) else v for v in values
    )
