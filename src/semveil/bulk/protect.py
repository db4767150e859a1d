# SPDX-License-Identifier: Apache-2.0
"""Protection of photos by one call: files and folders into a folder, or arrays and images in memory."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np
from torch import Tensor

from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings, needs_subjects
from semveil.bulk.summary import Summary
from semveil.core.brief import Brief
from semveil.core.model_folders import ModelName
from semveil.core.progress import Progress, quiet
from semveil.core.provenance import commit
from semveil.core.registry import unknown_option
from semveil.data.load_faces import Photos, load_faces, require_one_person
from semveil.link.outputs import AnyPath, ledger_of, open_ledger
from semveil.methods.options import declared_options, plain_numbers
from semveil.methods.registry import DEFAULT_IMAGE_METHOD, METHODS
from semveil.methods.release import Layout
from semveil.privacy.certificate import Certificate
from semveil.privacy.ledger import Booking, Ledger

_SETTINGS = {field.name for field in fields(Settings)} - {"method", "options", "commit"}
# settings without effect on faces in memory
_ON_DISK = sorted(_SETTINGS - {"model", "layout", "face", "subject", "device"})


@dataclass(frozen=True, eq=False, repr=False)
class ProtectedFaces(Brief):
    """Protected faces in memory.

    Attributes:
        images: (B, 3, S, S) about [-1, 1], not clamped.
        certificates: one per image.
        ids: names of the photos and faces, see `load_faces`.
    """

    images: Tensor
    certificates: tuple[Certificate, ...]
    ids: tuple[str, ...]


def protection_settings(method: str, model: ModelName | None = None, **options: Any) -> Settings:
    """Build the settings of a run from keyword arguments.

    Args:
        method: name of a registered image method.
        model: name or folder of the face model; the method's default if None.
        **options: fields of `Settings` by name; all others are options of the method.

    Returns:
        The settings.

    Raises:
        ValueError: the method does not exist, has no such option, or a setting is not valid.

    Example:
        >>> protection_settings("blur", sigma=12.0, face="largest").options
        (('sigma', 12.0),)
    """
    options = plain_numbers(options)
    own = {name: value for name, value in options.items() if name in _SETTINGS}
    rest = tuple(sorted((name, value) for name, value in options.items() if name not in _SETTINGS))
    settings = Settings(method, model, rest, commit=commit(), **own)
    known = declared_options(METHODS[method])
    unknown = [name for name, _ in rest if name not in known]
    if unknown:
        raise ValueError(unknown_option(f"method {method!r}", unknown[0], known, _SETTINGS))
    return settings


@overload
def protect(
    photos: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    method: str | Settings = DEFAULT_IMAGE_METHOD,
    model: ModelName | None = None,
    ledger: Ledger | AnyPath | None = None,
    limit: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Callable[[int, int], None] = ...,
    clip_progress: Progress = ...,
    **options: Any,
) -> Summary: ...
@overload
def protect(
    photos: Photos,
    out: None = None,
    *,
    method: str | Settings = DEFAULT_IMAGE_METHOD,
    model: ModelName | None = None,
    ledger: Ledger | AnyPath | None = None,
    limit: float | None = None,
    progress: Callable[[int, int], None] = ...,
    **options: Any,
) -> ProtectedFaces: ...
def protect(
    photos: Any,
    out: AnyPath | None = None,
    *,
    method: str | Settings = DEFAULT_IMAGE_METHOD,
    model: ModelName | None = None,
    ledger: Ledger | AnyPath | None = None,
    limit: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    clip_progress: Progress = quiet,
    **options: Any,
) -> Summary | ProtectedFaces:
    """Protect the faces in photos and clips.

    Every output has a certificate, and the releases of a subject or of enrolled people are recorded in the
    ledger.

    Args:
        photos: photos, clips and folders, if `out` is given; otherwise anything that `load_faces` takes.
        out: folder for pictures and certificates; a later call resumes, see `protect_photos`.
        method: name of a method that makes pictures, or complete settings.
        model: name or folder of its model; the method's default if None.
        ledger: ledger for the releases; the user's if None and there is a `subject` or a folder `enrolled`.
        limit: a release that takes a person's total epsilon above it is refused.
        workers: number of processes, as for `protect_photos`; only with `out`.
        cluster: address of a Dask scheduler, as for `protect_photos`; only with `out`.
        progress: called with the number of photos and clips done and the total.
        clip_progress: called with the stage of a clip, the number of its frames done and the total.
        **options: options of the method, such as `epsilon`, and fields of `Settings`, such as `face`,
            `subject` or `layout`. In memory, faces are always crops: settings for photos on
            disk are refused.

    Returns:
        With `out` a summary of the run; without it the protected faces.

    Raises:
        ValueError: an option is unknown to the method, or options contradict each other.
        TypeError: arrays or images together with `out`.
        SemveilError: a photo, the ledger or the output is not valid.

    Example:
        >>> import torch
        >>> made = protect(torch.zeros(2, 3, 64, 64), method="dp-pix", epsilon=0.5, size=64)
        >>> made.images.shape, [certificate.guarantee.basis.value for certificate in made.certificates]
        (torch.Size([2, 3, 64, 64]), ['proved', 'proved'])
    """
    if isinstance(method, Settings):
        if model is not None or options:
            name = "model" if model is not None else next(iter(options))
            raise ValueError(f"complete settings are given as the method; set {name} in them")
        settings = method
    else:
        settings = protection_settings(method, model, **options)
    if out is not None:
        asked = settings.subject is not None or settings.enrolled is not None or ledger is not None
        book = ledger if isinstance(ledger, Ledger) else Ledger(ledger) if asked else None
        single = isinstance(photos, str | os.PathLike | Tensor | np.ndarray)
        given = [photos] if single or not isinstance(photos, Iterable) else [*photos]
        for path in given:
            if not isinstance(path, str | os.PathLike):
                raise TypeError(
                    f"with an output folder, photos are paths, got {type(path).__name__}; call protect "
                    "without out, and write the images and certificates that it returns with "
                    "semveil.data.certified.save_certified_png"
                )
        return protect_photos(
            given,
            out,
            settings,
            ledger=book,
            limit=limit,
            workers=workers,
            cluster=cluster,
            progress=progress,
            clip_progress=clip_progress,
        )
    if workers is not None or cluster is not None:
        raise ValueError("workers and cluster are for photos on disk; name an output folder")
    if options.get("layout") == Layout.WHOLE_PHOTO:
        raise ValueError("whole photos are for photos on disk; name an output folder, or leave layout out")
    return _in_memory(photos, settings, ledger, limit, progress)


def _in_memory(
    photos: Photos,
    settings: Settings,
    ledger: Ledger | AnyPath | None,
    limit: float | None,
    progress: Callable[[int, int], None],
) -> ProtectedFaces:
    plain = Settings(settings.method)
    for name in _ON_DISK:
        if getattr(settings, name) != getattr(plain, name):
            raise ValueError(f"{name} is for photos on disk; name an output folder, or leave it out")
    book = ledger_of(settings.subject, ledger, limit)
    method: Any = settings.build()
    faces = load_faces(photos, size=method.size, face=settings.face)
    if settings.subject is not None:
        require_one_person(faces)
    open_ledger(settings.subject, book, limit)  # after the photos: a refused one begins no ledger
    known = {"subjects": [settings.subject] * len(faces)} if needs_subjects(method) else {}
    release = method.protect(faces.images, **known)
    certificates = tuple(
        replace(method.certificate(one), commit=settings.commit) for one in release.singles()
    )
    if book is not None and settings.subject is not None:  # recorded before they are returned: all or none
        book.record_all([Booking(settings.subject, certificate) for certificate in certificates])
    progress(len(certificates), len(certificates))
    return ProtectedFaces(release.images, certificates, faces.ids)
