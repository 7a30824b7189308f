"""The settings of a run, and how to do it again."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

import chainrule
from chainrule.data.bundled import BUNDLED
from chainrule.report.markup import Html, join, table, tag
from chainrule.report.work import Work
from chainrule.train.tabular import Settings
from chainrule.train.tabular.results import fingerprint, settings_file


def repeating_section(work: Work) -> Html:
    """The command, the settings.toml, and what else the result depends on."""
    settings = work.study.settings
    typed = command(settings)
    file = settings.data in BUNDLED or not settings.data
    where = "" if file else f", in the folder from which {settings.data} is found,"
    facts = [
        ["chainrule", chainrule.__version__],
        ["Python", platform.python_version()],
        ["NumPy", np.__version__],
        ["machine", f"{platform.system()} {platform.machine()}"],
        ["SHA-256 of the numbers trained on and held out", tag("code", fingerprint(work.study))],
    ]
    text = (
        "The same settings, data and versions give the same weights to the last bit on the same "
        "kind of machine."
    )
    return join(
        [
            tag("p", f"Either of these{where} does this run again:"),
            tag("pre", tag("code", "chainrule train --config settings.toml")),
            tag("pre", tag("code", typed)) if typed else None,
            tag("p", text),
            tag("h3", "settings.toml"),
            tag("pre", tag("code", settings_file(work.study)), tabindex=0),
            tag("h3", "Made with"),
            table(["", ""], facts, words=(0, 1)),
        ],
        "\n",
    )


def command(settings: Settings) -> str:
    """The command line of these settings: the data, and each option that is not at its default.

    Empty where the command line cannot say it: no name of the data, or class names with commas.

    >>> command(Settings("disease", "heart", layers=(32, 16), optimizer="adam"))
    'chainrule train heart --target disease --layers 32,16 --optimizer adam'
    """
    weights = settings.class_weight
    spelled = isinstance(weights, Mapping) and any("," in c or c != c.strip() for c in weights)
    if not settings.data or settings.data.startswith("-") or spelled:
        return ""
    words = ["chainrule", "train", os.fspath(settings.data)]
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if field.name == "data" or value == field.default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        for text in _spelled(value, several=field.name in ("numeric", "categorical", "drop")):
            if text.startswith("-"):
                words.append(f"{option}={text}")
            else:
                words += [option, text] if text else [option]
    return shlex.join(words)


def _spelled(value: Any, several: bool) -> list[str]:
    """The values of an option, as often as it is to be given; "" for one that is a switch."""
    if value is True:
        return [""]
    if several:
        return list(value)
    if isinstance(value, tuple):
        return [",".join(map(str, value)) or "none"]
    if isinstance(value, Mapping):
        return [",".join(f"{name}={weight!r}" for name, weight in value.items())]
    return [str(value)]
