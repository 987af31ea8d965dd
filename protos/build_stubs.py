"""Make the Python stubs of vcci.v1 beside the protos: at every build of the package, and by `make protos`.

`python protos/build_stubs.py image` writes the protos with their comments to standard output, as one
descriptor set: what buf reads. Google's own protos come from the installed googleapis-common-protos.
"""

import sys
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTOS = Path(__file__).parent
GOOGLE = distribution("googleapis-common-protos")
OPERATIONS = "google/longrunning/operations.proto"  # the package has it under another name
INCLUDES = [
    *(PROTOS, files("grpc_tools") / "_proto", GOOGLE.locate_file("")),
    f"{OPERATIONS}={GOOGLE.locate_file(OPERATIONS.replace('.proto', '_proto.proto'))}",
]


def build() -> None:
    """Write *_pb2.py, *_pb2_grpc.py and their .pyi files."""
    outputs = ["python_out=", "grpc_python_out=", "mypy_out=quiet:", "mypy_grpc_out=quiet:"]
    plugins = [f"--plugin={_plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    _protoc(*plugins, *(f"--{output}{PROTOS}" for output in outputs))


def write_image() -> None:
    """Write the descriptor set, imports included, to standard output."""
    _protoc("--include_imports", "--include_source_info", "--descriptor_set_out=/dev/stdout")


def _plugin(name: str) -> Path:
    """Return the script of the mypy-protobuf that is imported here: under build isolation another may be on PATH."""
    scripts = distribution("mypy-protobuf").files or []
    return next(Path(str(script.locate())) for script in scripts if script.name == name)


def _protoc(*options: str) -> None:
    includes = [f"-I{include}" for include in INCLUDES]
    sources = [str(path) for path in sorted(PROTOS.glob("vcci/v1/*.proto"))]
    if protoc.main(["protoc", *includes, *options, *sources]) != 0:
        raise SystemExit("protoc failed: see its messages above")


class StubsHook(BuildHookInterface[Any]):
    """Makes the stubs before hatchling builds a wheel, an editable one too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build()


if __name__ == "__main__":
    write_image() if sys.argv[1:] == ["image"] else build()
