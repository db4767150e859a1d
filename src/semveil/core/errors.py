# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can act on: one printable line each, with an exit code for the command line.

Anything else that escapes the library is a bug in it or in the calling code and keeps its traceback.

| exit code | cause |
|---|---|
| 1 | any error without its own code |
| 2 | the command line itself |
| 3 | a photo that cannot be read |
| 4 | the faces in a photo: none, several, too small |
| 5 | an output that cannot be written |
| 6 | a message that cannot be read |
| 7 | a key, passphrase or sealed part that is missing, unsafe or does not fit |
| 8 | a certificate or ledger that is missing, damaged or does not fit |
"""

from typing import ClassVar


def printable(text: str) -> str:
    """Escape every non-printable character (line ends, control sequences, invalid bytes) of a text.

    Args:
        text: any string, lone surrogates included.

    Example:
        >>> print(printable("grüße\\n\\x1b[31m.png"))
        grüße\\n\\x1b[31m.png
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error reports exhausted memory.

    Besides `MemoryError` this recognises torch's message; torch has no exception class for it on the CPU.

    Args:
        error: any exception.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("can't allocate memory: 9 bytes"))
        (True, True)
    """
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


class SemveilError(Exception):
    """Base of all errors whose message alone is sufficient for a user to act on.

    Args:
        message: names the given value, the allowed ones and the fix; non-printable characters are escaped.

    Example:
        >>> str(SemveilError("no photo at 'a\\nb'")), SemveilError.exit_code
        ("no photo at 'a\\\\nb'", 1)
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class PhotoError(SemveilError):
    """A photo is missing, unreadable, damaged, too large or of an unsupported format."""

    exit_code = 3


class FaceError(SemveilError):
    """The faces in a photo do not match the request."""

    exit_code = 4


class NoFaceError(FaceError):
    """No face was found."""


class FaceChoiceError(FaceError):
    """Several faces were found and none was chosen, or the chosen one does not exist."""


class FaceTooSmallError(FaceError):
    """The chosen face has too few pixels for the model."""


class FaceTooLargeError(FaceError):
    """The chosen face has many more pixels than the model generates."""


class OutputError(SemveilError):
    """An output file cannot be written."""

    exit_code = 5


class KeyProblem(SemveilError):
    """A key, passphrase or sealed part is missing, unsafe or does not fit."""

    exit_code = 7
