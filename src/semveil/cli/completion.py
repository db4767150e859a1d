# SPDX-License-Identifier: Apache-2.0
"""Shell completion of names, without importing torch.

Registries that are filled by modules of networks have their names here too; a test compares them. Names that
other packages add come from their entry points.
"""

from collections.abc import Callable, Iterable

ATTACKS = (
    "direct", "denoise", "prior-search", "impute", "linear", "learned-same", "learned-deep", "stolen",
    "multi-shot", "known-plaintext", "recordings", "glass-box", "generative-prior",
)  # fmt: skip
FIGURES = {
    "all-methods": "usefulness",
    "dp-image": "fig4 fig5 fig7 fig8 fig9 fig10 fig11 sensitivities table1",
    "dp-semcom": "bandwidth channels cliff competitors fig3 fig4 fig5 fig6 mismatch noise security snr",
    "identity-dp": "cosines fig4 fig5 fig6 fig7 fig8 fig10 fig11 leak looks readings table1 table2 table3",
    "latent-dp": "clipping encoders fig4 fig6 fig7 fig8",
    "models": "face-model identity-model",
    "noise-image": "attack fig3 fig4 fig5 table3 table4 variants",
}
AUDITED = {  # first part of an audit target, and the rest where there is one
    "": "laplace l2-laplace gaussian per-coordinate-laplace rotation modulo dp-sgd ledger group-photo "
    "noise-image blur mosaic pixel-noise dp-pix dp-svd",
    "sphere": "laplace l2-laplace von-mises-fisher privunit privunit-g",
    "release": "laplace l2-laplace gaussian per-coordinate-laplace sphere/laplace sphere/l2-laplace "
    "sphere/von-mises-fisher sphere/privunit sphere/privunit-g",
    "dp-semcom": "nn nn-encrypted learned rotation modulo laplace l2-laplace gaussian none",
    "dp-image": "all identity clip observed draws subspace-laplace subspace-gaussian subspace-privunit-g",
    "latent-dp": "uniform proportional least-variance least-absolute-error exponential budget none "
    "subspace-laplace subspace-gaussian subspace-privunit-g subspace-exponential subspace-nearest",
    "identity-dp": "laplace l2-laplace von-mises-fisher privunit privunit-g as-published repel "
    "private-attributes pseudonym",
    "search": "dp-image/all latent-dp/uniform latent-dp/exponential",
}


def joined(table: dict[str, str]) -> list[str]:
    """Names of a table of first parts and what follows them.

    Args:
        table: such as `FIGURES`; an empty first part stands for none.

    Example:
        >>> joined({"": "blur", "dp-image": "fig4 fig5"})
        ['blur', 'dp-image/fig4', 'dp-image/fig5']
    """
    return [f"{first}/{rest}".lstrip("/") for first, names in table.items() for rest in names.split()]


def _from(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [name for name in dict.fromkeys(names()) if name.startswith(incomplete)]

    return complete


def _added(group: str) -> list[str]:
    """Names that other packages add."""
    from semveil.core.plugins import plugins

    return [plugin.name for plugin in plugins(group)]


def _folders(*cards: str) -> list[str]:
    from semveil.core.model_folders import folders_with

    return [name for card in cards for name in folders_with(card)]


def _face_models() -> list[str]:
    from semveil.core.model_folders import FACE_CARD, OFFICIAL_MODEL

    return [*_folders(FACE_CARD), OFFICIAL_MODEL]


def _identity_models() -> list[str]:
    from semveil.core.model_folders import IDENTITY_CARD

    return _folders(IDENTITY_CARD)


def _all_models() -> list[str]:
    from semveil.core.model_folders import KINDS

    return [*_face_models(), *_folders(*KINDS.values())]


def _weights() -> list[str]:
    from semveil.core.weights import CATALOGUE

    return list(CATALOGUE)


def _methods() -> list[str]:
    from semveil.methods.registry import METHODS

    return list(METHODS)


def _image_methods() -> list[str]:
    from semveil.methods.registry import image_method_names

    return image_method_names()


face_model = _from(_face_models)
any_model = _from(_all_models)
identity_model = _from(_identity_models)
weights = _from(_weights)
model_or_weights = _from(lambda: [*_all_models(), *_weights()])
method = _from(_methods)
image_method = _from(_image_methods)
attack = _from(lambda: [*ATTACKS, *_added("semveil.attacks")])
figure = _from(lambda: joined(FIGURES))
audited = _from(lambda: [*joined(AUDITED), *_added("semveil.mechanisms")])
