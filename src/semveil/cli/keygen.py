# SPDX-License-Identifier: Apache-2.0
"""`semveil keygen`: a shared key, or an identity for key agreement."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.console import show
from semveil.core.errors import OutputError

if TYPE_CHECKING:
    from semveil.keys import PublicIdentity


def keygen(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Key file to write; with --agreement, FILE.secret and FILE.public.", metavar="FILE"
        ),
    ] = None,
    agreement: Annotated[
        bool,
        typer.Option("--agreement", help="Make an identity (X25519 and ML-KEM-768) instead of a shared key."),
    ] = False,
    shown: Annotated[
        Path | None,
        typer.Option("--show", help="Print the fingerprint of a public file.", metavar="FILE.public"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a key for two, or an identity for agreeing on keys.

    A key has 256 bits, and both sides keep it. With identities each side keeps its own secret and hands over
    its public file.

    Example: semveil keygen --out alice-bob.key

    Example: semveil keygen --agreement --out alice
    """
    if (out is None) == (shown is None):
        raise options.OptionError(
            "give --out FILE to make a key, or --show FILE.public to print a fingerprint"
        )
    if shown is not None and agreement:
        raise options.OptionError("--agreement makes an identity; leave it out with --show")

    from semveil.keys import read_public_identity

    if shown is not None:
        public = read_public_identity(shown)
        show({"kind": "public", **_named(public)}, [_fingerprint(public)], as_json=as_json)
    elif out is not None:
        _make_identity(out, as_json=as_json) if agreement else _make_key(out, as_json=as_json)


def _make_key(out: Path, *, as_json: bool) -> None:
    from semveil.keys import Secret, write_secret

    options.check_output_file(out)
    write_secret(out, Secret.generate())
    lines = [
        f"Written: {out}, a key of 256 bits that only you may read.",
        "It opens everything that is made with it, past messages too. For a link give the other side a copy "
        "by a way that nobody else can read.",
    ]
    show({"kind": "key", "written": [str(out)]}, lines, as_json=as_json)


def _make_identity(out: Path, *, as_json: bool) -> None:
    from semveil.keys import Identity, write_identity, write_public_identity

    secret_file, public_file = (out.with_name(f"{out.name}.{half}") for half in ("secret", "public"))
    for path in (secret_file, public_file):
        options.check_output_file(path)
        if path.exists() or path.is_symlink():
            raise OutputError(f"{str(path)!r} exists and keys are never overwritten; name another file")
    identity = Identity.generate()
    write_identity(secret_file, identity)
    try:
        write_public_identity(public_file, identity.public)
    except BaseException:
        secret_file.unlink()
        raise
    written = [str(secret_file), str(public_file)]
    lines = [
        f"Written: {secret_file}, which only you may read and nobody else should have, and {public_file} for "
        "the other side.",
        _fingerprint(identity.public),
        "Let the other side run `semveil keygen --show` on the file they got, and compare by voice or in "
        "person.",
    ]
    show({"kind": "agreement", **_named(identity.public), "written": written}, lines, as_json=as_json)


def _named(public: "PublicIdentity") -> dict[str, Any]:
    return {"suite": public.suite, "fingerprint": public.fingerprint()}


def _fingerprint(public: "PublicIdentity") -> str:
    return f"Fingerprint ({public.suite}): {public.fingerprint()}"
