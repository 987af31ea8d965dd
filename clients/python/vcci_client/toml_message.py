"""TOML files that hold the fields of a message of the contract, by their names."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from vcci_client.errors import FileProblem

M = TypeVar("M", bound=Message)


def load_message(path: Path, parse: Callable[[Mapping[str, Any]], M]) -> M:
    """Read a file by `parse`, which takes the document; raise FileProblem when it is not one."""
    try:
        return parse(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, FileProblem) as error:
        raise FileProblem(f"{path}: {error}") from error


def parse_message(document: Mapping[str, Any], message: M, as_json: Callable[[str, Any], Any]) -> M:
    """Fill the message from a document; raise FileProblem when it has other fields.

    `as_json` writes a value, given with the name of its field, as the contract's JSON has it.
    """
    try:
        return ParseDict(_translated("", document, as_json), message)
    except ParseError as error:
        raise FileProblem(str(error)) from error


def _translated(name: str, value: Any, as_json: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _translated(key, each, as_json) for key, each in value.items()}
    if isinstance(value, list):
        return [_translated(name, each, as_json) for each in value]
    return as_json(name, value)
