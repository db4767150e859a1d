"""Markdown tables of a result file; with `--into PAGE.md`, written between that page's markers.

    python -m semveil.experiments.kit.tables results/dp-semcom/small/curves.json --into docs/methods/dp-semcom.md

A page's markers are `<!-- tables: curves -->` and `<!-- end -->`; the name is that of the result file.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import semveil.experiments.reproducible  # noqa: F401  declares the measurements, whose revisions are looked at
from semveil.core.errors import SemveilError
from semveil.core.files import write_whole
from semveil.core.registry import Registry
from semveil.core.results import read_result
from semveil.experiments.all_methods.usefulness_figure import usefulness_tables
from semveil.experiments.dp_semcom.competitors_figure import competitors_tables
from semveil.experiments.dp_semcom.figures import inconclusive
from semveil.experiments.dp_semcom.security_table import security_tables
from semveil.experiments.identity_dp.leak_figure import leak_tables
from semveil.experiments.identity_dp.tables import IDENTITY_DP_TABLES
from semveil.experiments.kit.claims import judge, values
from semveil.experiments.kit.keeping import is_outdated
from semveil.experiments.kit.latent_tables import LATENT_TABLES
from semveil.experiments.kit.markdown import markdown
from semveil.experiments.kit.statistics import mean_of_photos
from semveil.experiments.model_cards.comparison_table import comparison_table
from semveil.experiments.noise_image.tables import NOISE_IMAGE_TABLES

OUTDATED = (
    "**Measured before the correction**: by an older revision of this measurement ([results](../../results/README.md#"
    "measured-before-the-correction)); to be made anew."
)


def tables(result: dict[str, Any]) -> str:
    """The tables of a run, as Markdown; those of an older revision say that they are.

    Raises:
        ValueError: no tables are made of this experiment.
    """
    text = TABLES[result["experiment"]](result)
    return f"{OUTDATED}\n\n{text}" if is_outdated(result) else text


def fill(page: str, name: str, text: str) -> str:
    """Put tables between the markers of a page.

    Raises:
        SemveilError: the page has no such markers.

    Example:
        >>> fill("<!-- tables: a -->\\nold\\n<!-- end -->", "a", "new")
        '<!-- tables: a -->\\nnew\\n<!-- end -->'
    """
    pattern = re.compile(rf"(<!-- tables: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise SemveilError(
            f"the page has no '<!-- tables: {name} -->' with '<!-- end -->' after it; add them where it shall stand"
        )
    return pattern.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", page)


def _curves(result: dict[str, Any]) -> str:
    rows = [
        ["Inversion, no channel", "", *_cells(result["inverted"], ("lpips", "lpips_squeeze", "fppsr")), "", ""],
        ["Direct, unprotected", "", *_cells(result["direct"], ("lpips", "lpips_squeeze", "fppsr", "fppsr_to_inversion")), ""],
    ]
    head = ["", "basis", "LPIPS", "LPIPS-Squeeze", "FPPSR to source", "FPPSR to inversion", "fake noise / nominal"]
    for party in ("bob", "eve"):
        for p in result["points"]:
            metrics = _cells(p[party], ("lpips", "lpips_squeeze", "fppsr", "fppsr_to_inversion"))
            noise = p["noise_calibration"]["fit"]["scale"] / p["nominal_scale"]
            who = f"{party.capitalize()}, nominal ε {p['nominal_epsilon']:g}"
            rows.append([who, p["guarantee"]["basis"], *metrics, f"{noise:.3f}"])
    doubt = inconclusive(result)
    claims = [[claim.text, claim.ours, claim.verdict] for claim in judge(result)]
    parts = [markdown(head, rows), *([f"**{doubt}**"] if doubt else []), markdown(["The paper's text", "Here", ""], claims)]
    return "\n\n".join([_about(result), *parts])


def _noise(result: dict[str, Any]) -> str:
    head = [
        "nominal ε", "pair", "fake / nominal scale", "ε' (fitted, no guarantee)", "excess kurtosis", "KS distance",
        "‖W−I‖/‖I‖", "Bob LPIPS", "Eve LPIPS", "Eve FPPSR",
    ]  # fmt: skip
    rows = []
    for p in result["points"]:
        pair = f"{p['noise']} noise, {p['start']} start" if p["noise"] else "genuine Laplace noise"
        bob, eve = _cells(p["bob"], ("lpips",)), _cells(p["eve"], ("lpips", "fppsr"))
        if p["noise_calibration"]:
            fit = p["noise_calibration"]["fit"]
            fitted = [
                f"{fit['scale'] / p['nominal_scale']:.3f}",
                f"{p['noise_calibration']['epsilon_prime']:.4g}",
                f"{fit['excess_kurtosis']:.2f}",
                f"{fit['ks_distance']:.3f}",
                f"{p['distance_from_identity']:.3f}",
            ]
        else:
            guarantee = p["guarantee"]
            fitted = ["1", f"true ε {guarantee['epsilon']:.4g} (basis: {guarantee['basis']}), private codes only", "3", "0", ""]
        rows.append([f"{p['nominal_epsilon']:g}", pair, *fitted, *bob, *eve])
        if "bob_power_blocks" in p:
            cells = _cells(p["bob_power_blocks"], ("lpips",))
            rows.append([f"{p['nominal_epsilon']:g}", f"{pair}, a gain for each block", *fitted, *cells, "", ""])
    return f"{_about(result)}\n\n{markdown(head, rows)}"


def _about(result: dict[str, Any]) -> str:
    config, verifier = result["config"], result["config"]["verifier"]
    seeds = f"{len(result['seeds'])} channel seeds" if len(result["seeds"]) > 1 else f"channel seed {result['seeds'][0]}"
    return (
        f"{config['photos']['description']}; {config['snr_db']:g} dB; {seeds}; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`); recogniser {verifier['name']}, threshold {verifier['threshold']:.4g} "
        f"({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap interval; an interval without width at 0 or 1 "
        "says that no photo differed."
    )


def _cells(columns: dict[str, Any], metrics: Sequence[str]) -> Iterable[str]:
    for metric in metrics:
        found = values(columns, metric)
        mean = None if found is None else mean_of_photos(found)
        yield str(mean) if mean else "not measured"


TABLES: Registry[Any] = Registry("experiment with tables")
TABLES.add("dp-semcom/curves", _curves)
TABLES.add("dp-semcom/noise", _noise)
TABLES.add("dp-semcom/security", security_tables)
TABLES.add("dp-semcom/competitors", competitors_tables)
TABLES.add("identity-dp/leak", leak_tables)
TABLES.add("models/comparison", comparison_table)
TABLES.add("all-methods/usefulness", usefulness_tables)
for _name, _made in (LATENT_TABLES | IDENTITY_DP_TABLES | NOISE_IMAGE_TABLES).items():
    TABLES.add(_name, _made)


def publish(text: str, name: str, page: Path | None) -> None:
    """Print tables, or write them between a page's markers."""
    if page is None:
        print(text)
    else:
        write_whole(page, fill(page.read_text(encoding="utf-8"), name, text))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(
        prog="python -m semveil.experiments.kit.tables", description="Markdown tables of a result file."
    )
    parser.add_argument("result", type=Path, help="such as results/dp-semcom/small/curves.json")
    parser.add_argument("--into", type=Path, help="page with the markers <!-- tables: NAME --> and <!-- end -->")
    given = parser.parse_args(arguments)
    publish(tables(read_result(given.result)), given.result.stem, given.into)


if __name__ == "__main__":
    main()
