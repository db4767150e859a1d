# SPDX-License-Identifier: Apache-2.0
"""Commands with options from a file, and with help that fits the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from semveil.cli.options import OptionError
from semveil.core.registry import suggest

CONFIG = "--config"
OPTIONS_TABLE = "options"  # table of command options in a training's settings file


def params_of(function: Any) -> list[Any]:
    """Typer parameters declared by a function's signature.

    Args:
        function: annotated like a command; it is not called.
    """
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return list(typer.main.get_command(app).params)


def _config(
    config: Annotated[
        Path | None,
        typer.Option(
            CONFIG, help="TOML file of options; those on the command line win.", metavar="FILE.toml"
        ),
    ] = None,
) -> None: ...


class Command(TyperCommand):
    """A command with `--config FILE.toml`.

    The file names options as on the command line, without the leading dashes: `snr-db = 15` or `snr_db = 15`.
    Commands with settings files (`semveil train`) take their options from the table `[options]`.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The declared parameters and `--config`, unless the command declares it itself.

        Args:
            ctx: typer's context.
        """
        own = super().get_params(ctx)
        if self.has_settings:
            return own
        at = len(own) - sum(param.name == "help" for param in own)
        return [*own[:at], *params_of(_config), *own[at:]]

    def look_ahead(self, ctx: Any, args: Sequence[str], file: Mapping[str, Any]) -> None:
        """Hook to find out what the parameters depend on, before they are parsed; does nothing by default.

        Args:
            ctx: typer's context; results go into `ctx.meta`.
            args: words of the command line after the command.
            file: options from `--config`, by name.
        """

    @property
    def has_settings(self) -> bool:
        """Whether the command declares `--config` itself, for training settings."""
        return any(param.name == "config" for param in self.params)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line with the options of `--config` as defaults.

        Args:
            ctx: typer's context; its defaults and parameters are set.
            args: words of the command line after the command.

        Returns:
            Arguments that were not parsed.

        Raises:
            OptionError: a file name is read as an option, the file names an unknown option or gives one
                twice, a value has the wrong type, or a path is empty.
        """
        words = list(args)  # parsing empties `args`
        try:
            return self._parsed(ctx, args)
        except Exception as error:
            taken = next((word for word in words if word.startswith("-") and Path(word).exists()), None)
            if taken is not None and hasattr(error, "option_name"):
                raise OptionError(
                    f"{taken!r} is read as options; for the file of that name write ./{taken}"
                ) from None
            # an error raised before typer's own parsing, which would add the command
            if getattr(error, "ctx", self) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            _name_value(error, ctx, words)
            raise

    def _parsed(self, ctx: Any, args: list[str]) -> list[str]:
        path = value_of(CONFIG, args)
        file = {} if path is None else _read(Path(path))
        if self.has_settings:
            file = file.get(OPTIONS_TABLE, {})
        self.look_ahead(ctx, args, file)
        ctx.default_map = {
            **(ctx.default_map or {}),
            **_values(file, self.get_params(ctx), str(path), ctx.command_path),
        }
        self._refuse_empty_paths(ctx, args)
        rest = super().parse_args(ctx, args)
        if not self.has_settings:
            ctx.params.pop("config", None)
        return rest

    def _refuse_empty_paths(self, ctx: Any, args: Sequence[str]) -> None:
        """Refuse "" as a path: `Path("")` is the current folder, so parsed values no longer show it."""
        given = {**ctx.default_map, **self.make_parser(ctx).parse_args(list(args))[0]}
        hints = get_type_hints(self.callback, include_extras=True)
        for param in self.get_params(ctx):
            value = given.get(param.name)
            texts = value if isinstance(value, list | tuple) else [value]
            if "" in texts and _takes_path(hints.get(param.name)):
                name = param.opts[0] if param.param_type_name == "option" else param.metavar or param.name
                raise OptionError(f"{name} is empty; name a file or folder ('.' is the current folder)")

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write help that fits the screen.

        Args:
            ctx: typer's context.
            formatter: typer's formatter.
        """
        _write_help(self, ctx, formatter)


class Group(TyperGroup):
    """A group of `Command`s, with help that fits the screen, which it prints without a command too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words up to the command's name; without any, print help.

        Args:
            ctx: typer's context.
            args: words of the command line after the group.

        Returns:
            Arguments that were not parsed.
        """
        if not args and not self.invoke_without_command:
            print(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write help that fits the screen.

        Args:
            ctx: typer's context.
            formatter: typer's formatter.
        """
        _write_help(self, ctx, formatter)


def _write_help(command: Any, ctx: Any, formatter: Any) -> None:
    from semveil.cli.help import command_help, in_colour  # imports rich, which is slow

    if in_colour():
        ctx.color = True  # otherwise typer strips colours where stdout is no terminal, despite FORCE_COLOR
    formatter.write(command_help(command, ctx))


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """Value of an option on an unparsed command line; the last one if it is repeated, None if it is absent.

    Args:
        flag: with its dashes, such as `--method`.
        words: words of the command line; those after `--` are ignored.

    Example:
        >>> value_of("--method", ["a.jpg", "--method=blur"]), value_of("--method", ["a.jpg"])
        ('blur', None)
    """
    found = None
    for word, following in zip(words, [*words[1:], None], strict=False):
        if word == "--":
            break
        if word == flag and following is not None:
            found = following
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found


def _name_value(error: Any, ctx: Any, words: Sequence[str]) -> None:
    """Add the value that was refused to an error of an option; typer names the option only."""
    param = getattr(error, "param", None)
    if param is None or param.param_type_name != "option" or param.multiple:
        return  # which of several values it is, is not known
    given = [value_of(flag, words) for flag in param.opts]
    value = next(filter(None, given), (ctx.default_map or {}).get(param.name))
    if value is not None and repr(value) not in error.message:
        error.message = f"{error.message.rstrip('.')}, got {value!r}"


def _takes_path(hint: Any) -> bool:
    return hint is Path or any(map(_takes_path, get_args(hint)))


def _read(path: Path) -> dict[str, Any]:
    from semveil.core.config import read_toml

    return read_toml(path, "options file")


def _values(file: Mapping[str, Any], params: Sequence[Any], path: str, command: str) -> dict[str, Any]:
    """Values by parameter name, in the form in which the command line gives them."""
    if not isinstance(file, Mapping):
        raise OptionError(f"[{OPTIONS_TABLE}] in {path!r} is a table of options, got {file!r}")
    named = {
        flag.lstrip("-"): param
        for param in params
        if param.param_type_name == "option" and param.name not in ("help", "config")
        for flag in param.opts
    }
    values: dict[str, Any] = {}
    for key, value in file.items():
        name = key.replace("_", "-")
        if name not in named:
            raise OptionError(f"{command} has no option {key!r}{suggest(name, named)}, which {path!r} names")
        param = named[name]
        if param.name in values:
            raise OptionError(f"{path!r} gives option --{name} twice")
        values[param.name] = _value(value, param, f"{key} in {path!r}")
    return values


def _value(value: Any, param: Any, where: str) -> Any:
    if getattr(param, "is_flag", False):
        if not isinstance(value, bool):
            raise OptionError(f"{where} must be true or false, got {value!r}")
        return value
    if isinstance(value, bool):
        raise OptionError(f"{where} takes a value, got {str(value).lower()}")
    if getattr(param, "multiple", False):
        return [_text(item) for item in (value if isinstance(value, list) else [value])]
    return _text(value)


def _text(value: Any) -> str:
    """Value as written on the command line: lists as a,b and tables as a=1,b=2."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={_text(item)}" for name, item in value.items())
    return str(value)
