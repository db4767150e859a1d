# SPDX-License-Identifier: Apache-2.0
"""Options are declared once, on a method's constructor, and read from texts."""

from typing import Annotated

import pytest

from semveil.methods.options import Option, declared_options, read_options
from semveil.methods.registry import image_methods


class Example:
    """An example."""

    name = "example"

    def __init__(
        self,
        model: str = "faces-64",
        *,
        noise_scale: Annotated[float | None, Option("Scale.")] = None,
        draws: Annotated[int, Option("How many.")] = 1,
        weights: Annotated[str, Option("Which.", choices=("uniform", "optimal"))] = "uniform",
        published: Annotated[bool, Option("As published.")] = False,
        key: bytes | None = None,
    ) -> None: ...


def test_options_are_what_is_marked() -> None:
    declared = declared_options(Example)
    assert [option.flag for option in declared.values()] == [
        "--noise-scale",
        "--draws",
        "--weights",
        "--published",
    ]
    assert [option.kind for option in declared.values()] == [float, int, str, bool]
    assert [option.default for option in declared.values()] == [None, 1, "uniform", False]


def test_texts_become_values() -> None:
    texts = {"--noise-scale": "5e-1", "--draws": "3", "--weights": "optimal", "--published": "true"}
    assert read_options(Example, texts) == {
        "noise_scale": 0.5,
        "draws": 3,
        "weights": "optimal",
        "published": True,
    }


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("--noise-scal", "1", r"method 'example' has no option --noise-scal \(did you mean '--noise-scale'"),
        ("--key", "x", "has no option --key"),
        ("--noise-scale", "much", "takes a number, got 'much'"),
        ("--noise-scale", "inf", "takes a finite number"),
        ("--draws", "1.5", "takes a whole number, got '1.5'"),
        (
            "--weights",
            "optimum",
            r"has no choice 'optimum' \(did you mean 'optimal'\?\); allowed: uniform, optimal",
        ),
        ("--published", "yes", "is true or false"),
    ],
)
def test_texts_that_do_not_fit_say_why(flag: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_options(Example, {flag: text})


def test_declarations_that_no_text_can_give_are_bugs() -> None:
    class Listed:
        def __init__(self, *, codes: Annotated[tuple[int, ...], Option("Codes.")] = ()) -> None: ...

    class Required:
        def __init__(self, *, scale: Annotated[float, Option("Scale.")]) -> None: ...

    with pytest.raises(TypeError, match="must be an int"):
        declared_options(Listed)
    with pytest.raises(TypeError, match="needs a default"):
        declared_options(Required)


@pytest.mark.parametrize("name", list(image_methods()))
def test_every_method_declares_itself(name: str) -> None:
    method = image_methods()[name]
    assert method.name == name
    assert method.__doc__
    assert all(hasattr(method, part) for part in ("protect", "certificate"))
    for option in declared_options(method).values():
        assert option.option.help.endswith(".")
