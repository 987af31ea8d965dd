"""Modes of transport, and what part of the life of energy a factor is about, by the words of its code and name."""

import re

MODES = {
    "road": "road van vans hgv hgvs truck trucks trucking truckload lorry lorries rigid artic articulated",
    "rail": "rail railway railroad train trains",
    "inland waterway": "inland barge barges waterway waterways",
    "sea": "sea ship ships shipping maritime ocean ferry ferries tanker tankers roro ropax vessel vessels",
    "air": "air aircraft airfreight aviation flight flights",
    "pipeline": "pipeline pipelines",
}
NOT_TOLD = "not told"
_MODE = {word: mode for mode, words in MODES.items() for word in words.split()}
_WORD = re.compile(r"[a-z]+")
_ENERGY_PROVISION = re.compile(r"well[ -_]to[ -_](tank|pump|wake)|\bwtt\b|(\b|_)upstream(\b|_)")


def mode_of(key: str, name: str) -> str:
    """Return the mode that the first telling word of a factor's key (behind its source) or name stands for."""
    words = _WORD.findall(f"{key.partition(':')[2]} {name}".lower().replace("_", " "))
    return next((_MODE[word] for word in words if word in _MODE), NOT_TOLD)


def is_energy_provision(key: str, name: str) -> bool:
    """Whether a factor is about providing energy only (well to tank): its lines stand beside those of the operation."""
    return bool(_ENERGY_PROVISION.search(f"{key} {name}".lower()))
