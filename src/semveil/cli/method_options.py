# SPDX-License-Identifier: Apache-2.0
"""A method's options as options of `semveil protect`, declared once in the method's constructor."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from semveil.cli import options
from semveil.cli.command import Command, params_of, value_of
from semveil.cli.methods import option_text
from semveil.core.registry import suggest

METHOD = "--method"
_CHOSEN = "semveil.method"
_TEXTS = "semveil.method-options"
_METAVARS = {int: "N", float: "X", str: "NAME"}
_FORMS = {"--pseudonym": "FILE", "--budget": "GROUP=E,..."}  # metavars of texts that are not names
_GENERAL = ("Each method has options", "Example:")  # paragraphs of the help replaced when a method is named
USUAL = {  # options of a method that promise something
    "identity-dp": "--epsilon 1",
    "latent-dp": "--subspace 16 --epsilon 4",
    "dp-image": "--subspace 16 --epsilon 4",
}


class MethodCommand(Command):
    """A command with the options of the method named on its command line or in its file."""

    def look_ahead(self, ctx: Any, args: Sequence[str], file: Mapping[str, Any]) -> None:
        """Determine the method from the command line or the file.

        Args:
            ctx: typer's context; the method's name goes into `ctx.meta`.
            args: words of the command line after the command.
            file: options from `--config`, by name.

        Raises:
            ValueError: there is no such method, or it does not protect photos.
        """
        name = value_of(METHOD, args) or file.get("method")
        if name is None and (
            {"-h", "--help", "--methods"} & set(args) or all(word.startswith("-") for word in args)
        ):
            return  # help and usage errors do not wait for torch

        from semveil.methods.registry import DEFAULT_IMAGE_METHOD, LINK, check_image_method

        name = DEFAULT_IMAGE_METHOD if name is None else str(name)
        if name == LINK:
            raise options.OptionError(
                f"{LINK} does not protect pictures; it is a link: use semveil transmit or semveil send"
            )
        check_image_method(name)
        ctx.meta[_CHOSEN] = name

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's parameters, with those of the method after `--method`.

        Args:
            ctx: typer's context.
        """
        params = super().get_params(ctx)
        after = 1 + next(i for i, param in enumerate(params) if param.name == "method")
        return [*params[:after], *_method_params(ctx), *params[after:]]

    def help_text(self, ctx: Any) -> str:
        """The command's help; if a method is named, what it hides and leaves, and examples for it only.

        Args:
            ctx: typer's context.
        """
        name = ctx.meta.get(_CHOSEN)
        if name is None:
            return self.help or ""

        from semveil.methods.listing import listed

        method = listed(name)
        kept = [
            part
            for part in inspect.cleandoc(self.help or "").split("\n\n")
            if not part.lstrip().startswith(_GENERAL)
        ]
        example = f"Example: semveil protect face.jpg --method {name} {USUAL.get(name, '')}".rstrip()
        seen = f"Method {name} hides {method.hides}. It leaves {method.leaves}."
        if method.by_default:
            seen += f" By default: {method.by_default}."
        return "\n\n".join(
            [*kept, seen, example, f"Example: semveil protect holiday/ --method {name} --out protected/"]
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; the method's options are kept as text in `ctx.meta`, see `chosen_method`.

        Args:
            ctx: typer's context.
            args: words of the command line after the command.

        Returns:
            Arguments that were not parsed.

        Raises:
            OptionError: the method has no such option, an option is given twice, or as for
                `Command.parse_args`.
        """
        try:
            rest = super().parse_args(ctx, args)
        except Exception as error:
            unknown = getattr(error, "option_name", None)  # typer's class for it moved between versions
            if ctx.meta.get(_CHOSEN) is None or type(error).__name__ != "NoSuchOption" or unknown is None:
                raise
            raise options.OptionError(_unknown(ctx, self, str(unknown))) from None
        ctx.meta[_TEXTS] = {}
        for param in _method_params(ctx):
            value = ctx.params.pop(param.name)
            if value not in (None, [], ()):
                ctx.meta[_TEXTS][param.opts[0]] = _text(param.opts[0], value)
        return rest


def _method_params(ctx: Any) -> list[Any]:
    name = ctx.meta.get(_CHOSEN)
    return [] if name is None else params_of(_holder(name))


def chosen_method(context: typer.Context) -> tuple[str | None, dict[str, str]]:
    """The method named on a command line, and its options as text.

    Args:
        context: context of a parsed `MethodCommand`.

    Returns:
        Name of the method, None if none is needed; and text by flag.
    """
    return context.meta.get(_CHOSEN), context.meta[_TEXTS]


def _text(flag: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if len(value) > 1:
        raise options.OptionError(f"option {flag} is given twice")
    return str(value[0])


def _unknown(ctx: Any, command: Command, flag: str) -> str:
    from semveil.methods.options import declared_options
    from semveil.methods.registry import METHODS

    name = ctx.meta[_CHOSEN]
    has = [declared.flag for declared in declared_options(METHODS[name]).values()]
    flags = [option for param in command.get_params(ctx) for option in param.opts]
    it_has = f"it has {', '.join(has)}" if has else "it has none"
    return f"method {name!r} has no option {flag}{suggest(flag, flags)}; {it_has}"


def _holder(name: str) -> Callable[..., None]:
    """Build a function whose signature declares the options of a method."""
    from semveil.methods.options import declared_options
    from semveil.methods.registry import METHODS

    def holder(**values: Any) -> None: ...

    parameters = []
    for declared in declared_options(METHODS[name]).values():
        looks: dict[str, Any] = {"help": option_text(declared), "rich_help_panel": f"Options of {name}"}
        if declared.kind is bool:
            flags = f"{declared.flag}/--no-{declared.flag.removeprefix('--')}"
            hint: Any = Annotated[bool | None, typer.Option(flags, **looks)]
        else:
            looks |= {
                "metavar": _FORMS.get(declared.flag, _METAVARS[declared.kind]),
                "autocompletion": options.one_of(*declared.option.choices),
            }
            hint = Annotated[list[str] | None, typer.Option(declared.flag, **looks)]
        parameters.append(
            inspect.Parameter(declared.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        )
    holder.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    holder.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return holder
