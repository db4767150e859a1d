# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests: a full one, and a strategy for many."""

from hypothesis import strategies as st

from semveil.privacy.certificate import Bounds, Certificate, OutputHash
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, GaussianNoise, Guarantee, MetricForm, Norm, Sensitivity

CLEAR = ("the hair codes, sent in clear",)
CLAIM = Guarantee(
    2.0,
    "the skin codes",
    Basis.PROVED,
    delta=1e-6,
    not_covered=CLEAR,
    assumptions=("fair bits",),
    metric=MetricForm(0.5, Norm.L1),
)
FULL = Certificate(
    release="symbols",
    method="dp-semcom",
    protection="laplace",
    guarantee=CLAIM,
    images=2,
    model="faces-64",
    model_hash="0f" * 32,
    mechanism="per-coordinate-laplace",
    calibration="corrected",
    nominal_epsilon=2.0,
    scale=4.0,
    grid_step=2.0**-12,
    bounds=Bounds(
        -1.0, 3.0, "0.5 % and 99.5 % quantiles of 8,000 public records (https://example.org/faces.npz)"
    ),
    sensitivity=Sensitivity(8.0, "l1", 2, source="width of the clip box"),
    bounds_hash="1e" * 32,
    private_codes=(4, 5),
    part_budgets={"skin": 1.5, "shared": 0.5},
    caveats=("codes-in-clear",),
    output=OutputHash("ab" * 32),
    commit="0" * 40 + "+changes",
)

numbers = st.floats(0, 1e6)
texts = st.sampled_from(["the skin codes", "grüße, alle Codes", "x" * 300])
parts = st.one_of(
    st.builds(
        Part,
        st.just(Kind.CODES),
        st.just("0f" * 32),
        st.sets(st.integers(0, 27), min_size=1).map(tuple),
        st.just(28),
    ),
    st.builds(Part, st.just(Kind.IDENTITY), st.just("1f" * 32), size=st.integers(1, 512)),
    st.builds(
        Part,
        st.sampled_from([Kind.CROP, Kind.SURROUNDINGS, Kind.ATTRIBUTES]),
        note=st.sampled_from(["", ", coarse"]),
    ),
    texts.map(Part.of),
)
claims = st.one_of(
    st.builds(
        Guarantee,
        numbers,
        texts,
        st.sampled_from([Basis.PROVED, Basis.COMPUTATIONAL, Basis.SIMULATION, Basis.OBSERVED_SENSITIVITY]),
        delta=st.floats(0, 0.999),
        not_covered=st.lists(texts, max_size=2).map(tuple),
        assumptions=st.lists(texts, max_size=2).map(tuple),
        metric=st.none() | st.builds(MetricForm, numbers, st.sampled_from(list(Norm))),
    ),
    st.builds(Guarantee, st.none(), texts, st.sampled_from(list(Basis)), reason=texts),
    st.builds(
        lambda epsilon, sigma, coverage: Guarantee(
            epsilon, "x", Basis.PROVED, delta=1e-5, gaussian=GaussianNoise(1.0, sigma)
        ).about(coverage),
        numbers,
        st.floats(1e-3, 1e3),
        st.builds(Coverage, parts.map(lambda part: (part,)), st.lists(parts, max_size=2).map(tuple)),
    ),
)
certificates = st.builds(
    Certificate,
    release=st.sampled_from(["image", "symbols", "data set"]),
    method=st.just("dp-semcom"),
    protection=st.sampled_from(["nn", "rotation"]),
    guarantee=claims,
    images=st.integers(1, 10**6),
    scale=st.none() | st.floats(1e-9, 1e9),
    sensitivity=st.none()
    | st.builds(Sensitivity, numbers, st.sampled_from(list(Norm)), st.integers(1, 10**6), source=texts),
    bounds=st.none() | st.builds(Bounds, st.floats(-9, 0), st.floats(0, 9), texts, st.booleans()),
    private_codes=st.none() | st.lists(st.integers(0, 27)).map(tuple),
)
