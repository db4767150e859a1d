# SPDX-License-Identifier: Apache-2.0
"""Every command line on a page and every example of a help text is one that the program has: commands,
arguments, options and their values, methods, and names of experiments.
"""

import re
import shlex
from functools import cache
from typing import Any

import pytest
import typer
from docs.pages import pages, text

from semveil.cli import options
from semveil.cli.main import app
from semveil.cli.method_options import METHOD, MethodCommand
from semveil.experiments.kit.experiment import find
from semveil.methods.options import declared_options
from semveil.methods.registry import DEFAULT_IMAGE_METHOD, METHODS, image_method_names

EVERYWHERE = {"--help", "-h", "--debug", "--version", "--install-completion", "--show-completion"}
OTHER_PROGRAMS = {"--only", "--agreement", "--people"}  # of the files in benchmarks/
PLACEHOLDER = re.compile(r"^[A-Z]+$|[A-Z]{3,}|\.\.\.")  # COMMAND, METHOD/FIGURE: not names of anything
WORD = re.compile(r"[a-z][a-z0-9-]*(/[a-z0-9-]+)?")  # a name; not a file, a number or a setting
OPEN = {"model", "device"}  # parameters that take more than the names with which the shell completes them
OWN = ("logistic", "impulsive")  # names that the page on extending registers


def unfolded(page: str) -> str:
    """The page's text; an inline command that is broken over two lines is one line again."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", lambda found: f"`{' '.join(found[1].split())}`", text(page))


def commands_on(page: str) -> list[str]:
    """Command lines of blocks and of the text, without comments and with the lines that a backslash joins."""
    written = unfolded(page).replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"^```.*?^```|^ {4,}.*$", written, re.M | re.S))
    lines = re.findall(r"^ *(?:\$ )?(?:[A-Z_]+=\S+ )*semveil +(.+)$", blocks, re.M)
    inline = re.findall(r"`(?:[A-Z_]+=\S+ )*semveil +([^`\n]+)`", written)
    return [re.sub(r"\s+#.*| [|>&].*", "", line) for line in (*lines, *inline)]


@cache
def root() -> Any:
    return typer.main.get_command(app)


def mistake(line: str) -> str | None:
    """What is wrong with the words after `semveil`; None where nothing is."""
    words = shlex.split(line)
    command, rest, path = root(), words, []
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if PLACEHOLDER.search(rest[0]):
            return None
        if rest[0] not in command.commands:
            return None if not path and not re.fullmatch(r"[a-z-]+", rest[0]) else f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
        path.append(command.name)
    known = EVERYWHERE | {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    if path == ["protect"]:
        name = rest[rest.index("--method") + 1] if "--method" in rest[:-1] else DEFAULT_IMAGE_METHOD
        if not PLACEHOLDER.search(name):
            if name not in METHODS:
                return f"no method {name}"
            for option in declared_options(METHODS[name]).values():
                known |= {option.flag, option.flag.replace("--", "--no-", 1)}
    for word in rest:
        flag = word.partition("=")[0]
        if re.match(r"--?[a-z]", flag) and flag not in known:
            return f"{' '.join(path)} has no option {flag}"
    if hasattr(command, "commands"):
        return None
    if path == ["reproduce"] and rest and not rest[0].startswith("-") and not there_is_an_experiment(rest[0]):
        return None if PLACEHOLDER.search(rest[0]) else f"no experiment {rest[0]}"
    return wrong_value(command, path, rest)


def wrong_value(command: Any, path: list[str], rest: list[str]) -> str | None:
    """What is wrong with the values of a command's options and arguments, before the command itself runs."""
    context = typer.Context(command, info_name=" ".join(["semveil", *path]))
    if rest and rest[-1].startswith("-"):
        rest = rest[:-1]  # the text names the option and not its value, as in `semveil send --iq`
    try:
        command.look_ahead(context, rest, {})
        given, left, _ = command.make_parser(context).parse_args(list(rest))
        for param in command.get_params(context):
            value = given.get(param.name)
            values = value if isinstance(value, list | tuple) else [value]
            if not all(isinstance(one, str) and not PLACEHOLDER.search(one) for one in values):
                continue  # absent, a flag, or no value of anything
            param.process_value(context, value)
            for one in values:
                if unknown := unknown_name(context, param, one):
                    return f"{param.opts[0]} has no {unknown}"
    except Exception as error:  # of the parser, or a SemveilError of a value
        return getattr(error, "message", None) or str(error)
    return f"{left} is too much" if left else None


def unknown_name(context: Any, param: Any, value: str) -> str | None:
    """The first name in a value with which the shell would not complete it; None where all are known."""
    if any(own in value for own in OWN):
        return None
    if param.opts[-1].endswith("channel"):
        options.channel(param.opts[-1], value)
    elif param._custom_shell_complete is not None and param.name not in OPEN:
        for word in filter(WORD.fullmatch, value.split(",")):
            names = [item.value for item in param.shell_complete(context, word)]
            if word not in names and not any(name.startswith(f"{word}/") for name in names):  # all of a kind
                return word
    return None


def there_is_an_experiment(name: str) -> bool:
    try:
        find(name)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("page", [page for page in pages() if page != "changes.md"])
def test_each_command_on_a_page_is_one_that_there_is(page):
    wrong = {line: found for line in commands_on(page) if (found := mistake(line)) is not None}
    assert wrong == {}


@cache
def all_flags() -> set[str]:
    """Of every command, and of every method as options of `protect`."""
    flags, commands = set(EVERYWHERE), [root()]
    while commands:
        command = commands.pop()
        flags |= {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        commands.extend(getattr(command, "commands", {}).values())
    for name in METHODS:
        for option in declared_options(METHODS[name]).values():
            flags |= {option.flag, option.flag.replace("--", "--no-", 1)}
    return flags


def other_flags(page: str) -> set[str]:
    """Options that the text names on their own, such as `--private all`, and that no command has."""
    named = re.findall(r"`(--[a-z][a-z-]*)", unfolded(page))
    return set(named) - all_flags() - OTHER_PROGRAMS


@pytest.mark.parametrize("page", [page for page in pages() if page != "changes.md"])
def test_each_option_in_the_text_is_one_of_a_command(page):
    assert other_flags(page) == set()


def helps() -> dict[str, str]:
    """Help texts by command, and those of `protect` by method."""
    found, commands = {}, [("semveil", root())]
    while commands:
        name, command = commands.pop()
        found[name] = command.help
        commands.extend((f"{name} {verb}", one) for verb, one in getattr(command, "commands", {}).items())
        for method in image_method_names() if isinstance(command, MethodCommand) else ():
            context = typer.Context(command)
            command.look_ahead(context, [METHOD, method], {})
            found[f"{name} {METHOD} {method}"] = command.help_text(context)
    return found


def examples(text: str) -> list[str]:
    return re.findall(r"^ *Example: semveil (.+)$", text, re.M)


@pytest.mark.parametrize("command", sorted(helps()))
def test_each_example_of_a_help_text_is_one_that_there_is(command: str):
    found = examples(helps()[command])
    assert found and {line: wrong for line in found if (wrong := mistake(line)) is not None} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("protekt a.jpg", "no command protekt"),
        ("send a.jpg --private-code 0", "send has no option --private-code"),
        ("protect a.jpg --method blur --epsilon 1", "protect has no option --epsilon"),
        ("protect a.jpg --method blurr", "no method blurr"),
        ("reproduce dp-semcom/fig33 --preset small", "no experiment dp-semcom/fig33"),
        ("models fetch lpips-alex", "no command fetch"),
        ("receive m.svl --channel raleigh --out bob.png", "no channel named 'raleigh'"),
        ("attack m.svl --channel rayleigh:csi=best", "no csi named 'best'"),
        ("attack m.svl --attack linear --attack inpute", "--attack has no inpute"),
        ("audit --mechanism release/laplas", "--mechanism has no release/laplas"),
        ("protect a.jpg --method latent-dp --mechanism closest", "--mechanism has no closest"),
        ("protect a.jpg --audio mute", "--audio has no mute"),
        ("send a.jpg b.jpg --out m.svl", "['b.jpg'] is too much"),
        ("receive m.svl --snr-db high --out bob.png", "valid"),
    ],
)
def test_a_command_that_is_not_there_is_noticed(line, found):
    assert found in (mistake(line) or "")


def test_an_option_that_is_not_there_is_noticed():
    assert "--subspace" in all_flags() and "--sub-space" not in all_flags()


def test_the_commands_of_a_page_are_found():
    assert len(commands_on("photos.md")) > 15
    assert any("--pseudonym faces.key" in line for line in commands_on("photos.md"))
