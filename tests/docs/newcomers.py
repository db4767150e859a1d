# SPDX-License-Identifier: Apache-2.0
"""Twenty and some questions that newcomers ask, with the page that answers each."""

from typing import NamedTuple


class Question(NamedTuple):
    """A question as the page of questions has it; page and anchor that answer it; a phrase of theirs; words
    to search for.
    """

    text: str
    answer: str
    phrase: str
    search: str


QUESTIONS = (
    Question(
        "How do I install it without CUDA?",
        "index.md#install",
        "download.pytorch.org/whl/cpu",
        "install torch CUDA",
    ),
    Question("Which method should I use?", "which-method.md", "| you want | take |", "method purpose"),
    Question("Which epsilon is sensible?", "epsilon.md", "## Which to take", "epsilon means"),
    Question(
        "How do I protect a folder of photos?",
        "photos.md",
        "semveil protect holiday/",
        "protect photos folders",
    ),
    Question("Can I protect a video?", "video.md", "semveil protect clip.mp4", "protect clips"),
    Question("How do I use it from Python?", "tutorials/examples.md", "semveil.protect(", "python examples"),
    Question(
        "Does it run on Windows or a Mac?",
        "packaging.md#systems",
        "macOS arm64, Windows x86-64",
        "Windows macOS systems",
    ),
    Question("Is there a page for the browser?", "web.md", "semveil web", "page browser"),
    Question(
        "Does anything leave my machine?", "web.md#whose-photos-and-for-how-long", "127.0.0.1", "whose photos"
    ),
    Question(
        "Is blurring enough?",
        "which-method.md",
        "trained on blur see through it",
        "blur anonymous recognisers",
    ),
    Question(
        "Will somebody still recognise the person?",
        "methods/identity-dp.md#measured-leakage",
        "EdgeFace",
        "leakage measured",
    ),
    Question(
        "What does the certificate say?",
        "tutorials/protect.md#another-face-in-the-same-photo",
        "portrait.png.certificate.json",
        "another face same photo",
    ),
    Question(
        'What does "no finite epsilon" mean?',
        "guarantees.md#without-protection-and-the-papers-networks",
        "no $\\epsilon$ is finite",
        "without protection networks",
    ),
    Question(
        "May I publish several pictures of one person?",
        "guarantees.md#repeated-releases",
        "add up",
        "repeated releases",
    ),
    Question("How can I check a claim myself?", "tutorials/question.md", "## Audit a claim", "audit claim"),
    Question("What is wrong in the papers?", "errata.md", "What published methods get wrong", "errata"),
    Question("Why was a face not found?", "photos.md#face-detectors", "YuNet", "face detectors"),
    Question(
        "Can I get the original back?",
        "photos.md#restoring-originals",
        "semveil restore",
        "restore original faces",
    ),
    Question("How does Bob get the key?", "guarantees.md#what-keys-do", "**Passphrase.**", "keys passphrase"),
    Question("Why do new faces look soft?", "models.md", "CelebAMask-HQ-512x512.pt", "official weights 512"),
    Question("Does it use my GPU?", "devices.md#where-networks-compute", "--device", "GPU networks compute"),
    Question("How fast is it?", "speed.md", "CPU seconds", "speed benchmark"),
    Question("May a company use it?", "model-card.md#data-and-terms", "research", "terms data research"),
    Question(
        "How do I reproduce a figure of a paper?", "results.md", "semveil reproduce", "reproduce figure"
    ),
    Question("Where is equation 19 in the code?", "equations.md", "Eqs. 18, 19", "equation line"),
    Question("How do I add a noise mechanism?", "how-to/mechanism.md", "MECHANISMS.add", "add mechanism"),
    Question("How do I train my own models?", "devices.md#trainings", "semveil train", "trainings"),
)
