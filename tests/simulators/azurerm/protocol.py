"""Terraform's plugin protocol 5, as far as azurerm speaks it: its messages, made from a table instead of generated code.

The numbers are those of `docs/plugin-protocol/tfplugin5.8.proto` in Terraform's repository. Messages that carry nothing that
a provider without functions, ephemeral resources and deferrals needs are left out; what a newer
Terraform sends beside is skipped.
"""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "tfplugin5"
SERVICE = f"{PACKAGE}.Provider"

# message: "field=number:type", `*` repeats; `map(Message)` has strings as keys. A dotted name is nested in the one before.
_MESSAGES = {
    "DynamicValue": "msgpack=1:bytes json=2:bytes",
    "Diagnostic": "severity=1:int32 summary=2:string detail=3:string attribute=4:AttributePath",
    "AttributePath": "steps=1:*AttributePath.Step",
    "AttributePath.Step": "attribute_name=1:string? element_key_string=2:string? element_key_int=3:int64?",
    "Stop": "",
    "Stop.Request": "",
    "Stop.Response": "Error=1:string",
    "RawState": "json=1:bytes flatmap=2:map(string)",
    "Schema": "version=1:int64 block=2:Schema.Block",
    "Schema.Block": "version=1:int64 attributes=2:*Schema.Attribute block_types=3:*Schema.NestedBlock",
    "Schema.Attribute": "name=1:string type=2:bytes required=4:bool optional=5:bool computed=6:bool sensitive=7:bool "
    "write_only=10:bool",
    "Schema.NestedBlock": "type_name=1:string block=2:Schema.Block nesting=3:int32 min_items=4:int64 max_items=5:int64",
    "ServerCapabilities": "plan_destroy=1:bool get_provider_schema_optional=2:bool move_resource_state=3:bool",
    "GetProviderSchema": "",
    "GetProviderSchema.Request": "",
    "GetProviderSchema.Response": "provider=1:Schema resource_schemas=2:map(Schema) data_source_schemas=3:map(Schema) "
    "diagnostics=4:*Diagnostic provider_meta=5:Schema server_capabilities=6:ServerCapabilities",
    "PrepareProviderConfig": "",
    "PrepareProviderConfig.Request": "config=1:DynamicValue",
    "PrepareProviderConfig.Response": "prepared_config=1:DynamicValue diagnostics=2:*Diagnostic",
    "UpgradeResourceState": "",
    "UpgradeResourceState.Request": "type_name=1:string version=2:int64 raw_state=3:RawState",
    "UpgradeResourceState.Response": "upgraded_state=1:DynamicValue diagnostics=2:*Diagnostic",
    "ValidateResourceTypeConfig": "",
    "ValidateResourceTypeConfig.Request": "type_name=1:string config=2:DynamicValue",
    "ValidateResourceTypeConfig.Response": "diagnostics=1:*Diagnostic",
    "ValidateDataSourceConfig": "",
    "ValidateDataSourceConfig.Request": "type_name=1:string config=2:DynamicValue",
    "ValidateDataSourceConfig.Response": "diagnostics=1:*Diagnostic",
    "Configure": "",
    "Configure.Request": "terraform_version=1:string config=2:DynamicValue",
    "Configure.Response": "diagnostics=1:*Diagnostic",
    "ReadResource": "",
    "ReadResource.Request": "type_name=1:string current_state=2:DynamicValue private=3:bytes",
    "ReadResource.Response": "new_state=1:DynamicValue diagnostics=2:*Diagnostic private=3:bytes",
    "PlanResourceChange": "",
    "PlanResourceChange.Request": "type_name=1:string prior_state=2:DynamicValue proposed_new_state=3:DynamicValue "
    "config=4:DynamicValue prior_private=5:bytes",
    "PlanResourceChange.Response": "planned_state=1:DynamicValue requires_replace=2:*AttributePath planned_private=3:bytes "
    "diagnostics=4:*Diagnostic legacy_type_system=5:bool",
    "ApplyResourceChange": "",
    "ApplyResourceChange.Request": "type_name=1:string prior_state=2:DynamicValue planned_state=3:DynamicValue "
    "config=4:DynamicValue planned_private=5:bytes",
    "ApplyResourceChange.Response": "new_state=1:DynamicValue private=2:bytes diagnostics=3:*Diagnostic "
    "legacy_type_system=4:bool",
    "ImportResourceState": "",
    "ImportResourceState.Request": "type_name=1:string id=2:string",
    "ImportResourceState.ImportedResource": "type_name=1:string state=2:DynamicValue private=3:bytes",
    "ImportResourceState.Response": "imported_resources=1:*ImportResourceState.ImportedResource diagnostics=2:*Diagnostic",
    "ReadDataSource": "",
    "ReadDataSource.Request": "type_name=1:string config=2:DynamicValue",
    "ReadDataSource.Response": "state=1:DynamicValue diagnostics=2:*Diagnostic",
}

# The service's methods, by the message that holds their request and response.
METHODS = {
    "GetSchema": "GetProviderSchema",
    "PrepareProviderConfig": "PrepareProviderConfig",
    "ValidateResourceTypeConfig": "ValidateResourceTypeConfig",
    "ValidateDataSourceConfig": "ValidateDataSourceConfig",
    "UpgradeResourceState": "UpgradeResourceState",
    "Configure": "Configure",
    "ReadResource": "ReadResource",
    "PlanResourceChange": "PlanResourceChange",
    "ApplyResourceChange": "ApplyResourceChange",
    "ImportResourceState": "ImportResourceState",
    "ReadDataSource": "ReadDataSource",
    "Stop": "Stop",
}

ERROR, WARNING = 1, 2
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "bool": _Field.TYPE_BOOL,
}


def _typed(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _describe(message: Any, path: str, fields: str) -> None:
    for name, number, kind in re.findall(r"(\w+)=(\d+):(\S+)", fields):
        field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind.startswith("map("):
            entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            _typed(entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL), "string")
            _typed(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), kind[4:-1])
            field.label = _Field.LABEL_REPEATED
            _typed(field, f"{path}.{entry.name}")
            continue
        if kind.endswith("?"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="selector")
            field.oneof_index = 0
        elif kind.startswith("*"):
            field.label = _Field.LABEL_REPEATED
        _typed(field, kind.strip("*?"))


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="simulated_tfplugin5.proto", package=PACKAGE, syntax="proto3")
    described: dict[str, Any] = {}
    for path, fields in _MESSAGES.items():
        parent, _, name = path.rpartition(".")
        described[path] = (described[parent].nested_type if parent else file.message_type).add(name=name)
        _describe(described[path], path, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        path: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{path}")) for path in _MESSAGES
    }


MESSAGES = _messages()
DynamicValue = MESSAGES["DynamicValue"]
Diagnostic = MESSAGES["Diagnostic"]
AttributePath = MESSAGES["AttributePath"]
Schema = MESSAGES["Schema"]


def request(method: str) -> Any:
    """The class of a method's request."""
    return MESSAGES[f"{METHODS[method]}.Request"]


def response(method: str) -> Any:
    """The class of a method's response."""
    return MESSAGES[f"{METHODS[method]}.Response"]
