# SPDX-License-Identifier: Apache-2.0
"""The stream is ChaCha20's, the normals are normal, and every bit is as published."""

import hashlib
import math
import os
import subprocess
import sys
from itertools import islice
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import plain
from scipy import stats

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream, log

DIGEST = """
import hashlib
from semveil.keys import KeyStream
print(hashlib.sha256(KeyStream(bytes(range(32))).normals(100_000).astype("<f8").tobytes()).hexdigest())
"""


def test_the_stream_is_that_of_rfc_8439(vectors: dict[str, Any]) -> None:
    for vector in vectors["rfc8439_a1"]:
        stream = KeyStream(bytes.fromhex(vector["key"]))
        blocks = stream.integers(8 * (vector["counter"] + 1)).reshape(-1, 8)
        assert blocks[-1].astype("<u8").tobytes().hex() == vector["keystream"]


def test_published_vectors(vectors: dict[str, Any]) -> None:
    for vector in vectors["keystream"]:
        key = bytes.fromhex(vector["key"])
        assert [f"{word:016x}" for word in KeyStream(key).integers(4).tolist()] == vector["integers"]
        assert [value.hex() for value in KeyStream(key).normals(6).tolist()] == vector["normals"]
        digest = hashlib.sha256(KeyStream(key).normals(100_000).astype("<f8").tobytes()).hexdigest()
        assert digest == vector["sha256_of_100000_normals"]


def test_plain_python_gives_the_same_bits(vectors: dict[str, Any]) -> None:
    key = hashlib.sha256(b"plain").digest()
    assert KeyStream(key).integers(100).tolist() == list(islice(plain.words(key), 100))
    assert KeyStream(key).normals(20_001).tolist() == list(islice(plain.normals(plain.words(key)), 20_001))


@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("plainest", [False, True])
def test_no_simd_level_and_no_thread_count_changes_a_bit(
    vectors: dict[str, Any], threads: str, plainest: bool
) -> None:
    umath = pytest.importorskip("numpy._core._multiarray_umath")
    switchable = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    if plainest:
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(switchable)
    done = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, env=environment, timeout=60
    )
    (expected,) = (v for v in vectors["keystream"] if v["key"] == bytes(range(32)).hex())
    assert done.stdout.strip() == expected["sha256_of_100000_normals"], done.stderr


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 700), max_size=8))
def test_parts_are_the_whole(counts: list[int]) -> None:
    for read in (KeyStream.integers, KeyStream.normals):
        stream = KeyStream(bytes(32))
        parts = [read(stream, count) for count in counts]
        assert np.array_equal(np.concatenate([*parts, []]), read(KeyStream(bytes(32)), sum(counts)))


def test_normals_over_many_rounds_are_the_same_in_parts() -> None:
    whole, stream = KeyStream(bytes(32)).normals(90_001), KeyStream(bytes(32))
    assert np.array_equal(np.concatenate([stream.normals(45_001), stream.normals(45_000)]), whole)


@settings(max_examples=40, deadline=None)
@given(calls=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=8))
def test_integers_go_on_exactly_where_normals_stopped(calls: list[tuple[bool, int]]) -> None:
    stream, source = KeyStream(bytes(32)), plain.words(bytes(32))
    gaussian = plain.normals(source)
    for normal, count in calls:
        read, expected = (stream.normals, gaussian) if normal else (stream.integers, source)
        assert read(count).tolist() == list(islice(expected, count))


@pytest.mark.parametrize("sizes", [[], [1], [3, 4, 5], [20_001, 1, 0, 40_000]])
@pytest.mark.parametrize("before", [0, 1, 2, 7])
def test_backwards_pieces_are_those_of_forwards(sizes: list[int], before: int) -> None:
    forwards, backwards = KeyStream(bytes(32)), KeyStream(bytes(32))
    for stream in (forwards, backwards):
        stream.integers(3)
        stream.normals(before)  # an odd one leaves a normal over
    expected = [forwards.normals(size) for size in sizes]
    found = list(backwards.normals_backwards(sizes))
    assert all(np.array_equal(a, b) for a, b in zip(expected, reversed(found), strict=True))
    assert np.array_equal(forwards.normals(9), backwards.normals(9))
    assert np.array_equal(forwards.integers(9), backwards.integers(9))


def test_the_logarithm_is_within_one_unit_in_the_last_place() -> None:
    rng = np.random.default_rng(0)
    near_one = 1 - rng.random(4000) * 2.0 ** -rng.integers(1, 53, 4000)
    x = np.concatenate(
        [rng.random(4000), near_one, 2.0 ** -rng.uniform(0, 106, 4000), [2.0**-106, 0.5, math.sqrt(0.5)]]
    )
    x = x[x < 1]
    with flint.ctx.workprec(200):
        exact = [flint.arb(value).log() for value in x.tolist()]
        errors = [
            abs(float(value - truth)) / math.ulp(float(truth))
            for value, truth in zip(map(flint.arb, log(x)), exact, strict=True)
        ]
    assert max(errors) < 1
    assert log(np.ones(1))[0] == 0


def test_rounding_moves_a_normal_by_less_than_2_to_the_minus_53_on_average() -> None:
    count = 10_000
    found, source, errors = KeyStream(bytes(32)).normals(count), plain.words(bytes(32)), []
    with flint.ctx.workprec(200):
        while len(errors) < count:
            v = [2 * (next(source) >> 11) + 1 - 2**53 for _ in range(2)]
            if (square := v[0] ** 2 + v[1] ** 2) < 2**106:
                s = flint.arb(square) / 2**106
                f = (-2 * s.log() / s).sqrt()
                errors += [abs(float(flint.arb(found[len(errors) + i]) - f * v[i] / 2**53)) for i in range(2)]
    assert np.mean(errors) < 2.0**-53


def is_standard_normal(sample: np.ndarray) -> bool:
    """Kolmogorov and Smirnov, and four moments within five standard errors."""
    n = len(sample)
    moments = zip((0, 1, 0, 3), (1, 2, 15, 96), range(1, 5), strict=True)
    near = all(abs((sample**k).mean() - mean) < 5 * math.sqrt(variance / n) for mean, variance, k in moments)
    return near and stats.kstest(sample, "norm").pvalue > 1e-4


def test_normals_are_normal_and_independent() -> None:
    sample = KeyStream(hashlib.sha256(b"law").digest()).normals(400_000)
    assert is_standard_normal(sample)
    assert is_standard_normal(sample[0::2])
    assert is_standard_normal(sample[1::2])
    for a, b in ((sample[0::2], sample[1::2]), (sample[:-1], sample[1:])):
        for transform in (lambda x: x, np.square, np.abs):
            assert abs(np.corrcoef(transform(a), transform(b))[0, 1]) < 5 / math.sqrt(len(a))
    tails = stats.binomtest(int((np.abs(sample) > 3).sum()), len(sample), 2 * stats.norm.sf(3))
    assert tails.pvalue > 1e-4


def test_a_wrong_law_is_found() -> None:
    sample = KeyStream(hashlib.sha256(b"law").digest()).normals(400_000)
    assert not is_standard_normal(sample * 1.02)
    assert not is_standard_normal(sample + 0.02)
    assert not is_standard_normal(np.clip(sample, -2.5, 2.5))


def test_bytes_are_uniform() -> None:
    counts = np.bincount(
        KeyStream(hashlib.sha256(b"bytes").digest()).integers(100_000).view(np.uint8), minlength=256
    )
    assert stats.chisquare(counts).pvalue > 1e-4


def test_different_keys_give_unrelated_normals() -> None:
    a, b = (KeyStream(bytes([i] * 32)).normals(100_000) for i in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(len(a))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_keys_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(KeyProblem, match=f"needs a key of 32 bytes, got {length}"):
        KeyStream(bytes(length))


def test_negative_counts_and_more_than_a_key_gives_are_refused() -> None:
    for read in (KeyStream.integers, KeyStream.normals):
        with pytest.raises(ValueError, match="at least 0, got -1"):
            read(KeyStream(bytes(32)), -1)
    stream = KeyStream(bytes(32))
    stream._left = 10  # type: ignore[attr-defined]
    stream.integers(10)
    with pytest.raises(ValueError, match="256 GiB"):
        stream.integers(1)


def test_printing_a_stream_shows_no_key() -> None:
    assert repr(KeyStream(bytes(range(32)))) == "KeyStream(...)"
