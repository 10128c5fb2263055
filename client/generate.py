"""Generates the documents of the Python client from the OpenAPI document: `python -m client.generate`."""

import json
import re
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client import CollectorRegistry

from servicio_ml import bootstrap
from servicio_ml.api.service import build_service
from servicio_ml.serving.app import build_app
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.rest import drift, enqueue, explain, feedback
from servicio_ml.serving.rest.models import build_model_routes
from servicio_ml.settings import Settings

TARGET = Path(__file__).parent / "src" / "servicio_ml_client" / "documents.py"
ROOTS = (
    *("DriftState", "EnqueuedMessage", "ExplanationState", "FeedbackReceipts", "ModelState", "Problem"),
    "SchemaState",
)
"""Schemas that the client reads; those that they name are generated with them."""
INLINE_NAMES = {("Problem", "errors"): "Fault"}
"""Names for objects that are described in place, by the schema and the property that hold them."""
TYPES = {None: "Any", "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
REFERENCE = "#/components/schemas/"
LINE_WIDTH = 110
HEADER = '''"""Documents of the API, generated from its OpenAPI document by `make docs`; do not edit them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A JSON object of the API; what a newer server adds to it is ignored."""

    model_config = ConfigDict(frozen=True)
'''
Schema = Mapping[str, Any]


def build_document() -> dict[str, Any]:
    """Build the OpenAPI document of the routes that the client calls, without any model."""
    with TemporaryDirectory() as name:
        settings, metrics = Settings(state_dir=Path(name)), Metrics(CollectorRegistry())
        registry = bootstrap.connect_registry(Path(name) / "registry.sock", b"")
        journal = bootstrap.open_journal(settings)
        bin_counts, plans = BinCountsFolder(Path(name) / "bins"), bootstrap.open_traffic_plans(settings)
        service = build_service(settings, registry, journal, bin_counts, metrics, plans)
        routers = (
            build_model_routes(
                service, registry.set_model_tag, lambda: None, dict, bootstrap.open_traffic_plans(settings)
            ),
            explain.build_routes(service),
            feedback.build_routes(service, time.time),
            drift.build_routes(service, time.time),
            enqueue.build_routes(service, None),
        )
        document = build_app(service, routers).openapi()
        service.predictor.close()
        journal.close()
    return document


def generate(document: Schema) -> str:
    """Generate the module of the documents."""
    schemas = _name_inline_objects(document["components"]["schemas"])
    classes: dict[str, str] = {}
    for name in ROOTS:
        _add_class(name, schemas, classes)
    return "\n\n".join((HEADER, *classes.values()))


def _name_inline_objects(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    named = dict(schemas)
    for (holder, name), title in INLINE_NAMES.items():
        found = named[holder]
        field = found["properties"][name]
        named[title] = {"description": "A value that is refused.", **field["items"]}
        changed = {**field, "items": {"$ref": REFERENCE + title}}
        named[holder] = {**found, "properties": {**found["properties"], name: changed}}
    return named


def _add_class(name: str, schemas: Mapping[str, Schema], classes: dict[str, str]) -> None:
    """Add a class after those that its properties name."""
    if name in classes:
        return
    schema = schemas[name]
    for named in re.findall(rf"{REFERENCE}(\w+)", str(schema)):
        _add_class(named, schemas, classes)
    classes[name] = _build_class(name, schema)


def _build_class(name: str, schema: Schema) -> str:
    description = _build_docstring(schema["description"], "")
    if "enum" in schema:
        return f"{name} = {_build_type(schema)}\n{description}"
    lines = [
        line
        for key, field in schema["properties"].items()
        for line in _build_field(key, field, required=key in schema["required"])
    ]
    return "\n".join((f"class {name}(Document):", textwrap.indent(description, "    "), *lines, ""))


def _build_field(name: str, field: Schema, *, required: bool) -> Iterator[str]:
    kind = _build_type(field)
    yield f"    {name}: {kind}" if required else f"    {name}: {kind} | None = None"
    if "description" in field:
        yield textwrap.indent(_build_docstring(field["description"], "    "), "    ").rstrip()


def _build_docstring(text: str, indent: str) -> str:
    width = LINE_WIDTH - len(indent)
    if len(text) + 6 <= width:
        return f'"""{text}"""\n'
    first, *others = textwrap.wrap(text, width - 3)
    return "\n".join((f'"""{first}', *others, '"""', ""))


def _build_type(schema: Schema) -> str:
    """Build the annotation of a schema; limits are left to the server, which checks them."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    if "enum" in schema:
        return f"Literal[{', '.join(map(json.dumps, schema['enum']))}]"
    if "anyOf" in schema:
        return " | ".join(map(_build_type, schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        return _build_array_type(schema)
    if kind == "object":
        return f"dict[str, {_build_type(schema['additionalProperties'])}]"
    return "datetime" if schema.get("format") == "date-time" else TYPES[kind]


def _build_array_type(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"tuple[{', '.join(map(_build_type, schema['prefixItems']))}]"
    return f"list[{_build_type(schema['items'])}]"


if __name__ == "__main__":
    TARGET.write_text(generate(build_document()))
