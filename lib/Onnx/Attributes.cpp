//===- Attributes.cpp - ONNX attributes to MLIR and back ----------------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "Convert.h"
#include "mlir/IR/Builders.h"
#include "quantopt/Dialect/Onnx/IR/Onnx.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace llvm;
using namespace mlir;
using namespace quantopt;

using AttributeProto = ::onnx::AttributeProto;
using TensorProto = ::onnx::TensorProto;

/// The attribute's type; models of IR versions 1 to 3 leave it out.
static int32_t typeOf(const AttributeProto &attribute) {
  if (attribute.has_type() && attribute.type() != AttributeProto::UNDEFINED)
    return attribute.type();
  if (attribute.has_f())
    return AttributeProto::FLOAT;
  if (attribute.has_i())
    return AttributeProto::INT;
  if (attribute.has_s())
    return AttributeProto::STRING;
  if (attribute.has_t())
    return AttributeProto::TENSOR;
  if (attribute.floats_size())
    return AttributeProto::FLOATS;
  if (attribute.ints_size())
    return AttributeProto::INTS;
  if (attribute.strings_size())
    return AttributeProto::STRINGS;
  return AttributeProto::UNDEFINED;
}

/// Tensors that have no dense form stay bytes: strings, segments, external data.
static bool isDense(const TensorProto &tensor) {
  return tensor.data_type() != TensorProto::STRING && !tensor.has_segment() &&
         tensor.data_location() != TensorProto::EXTERNAL;
}

static Attribute opaque(const AttributeProto &attribute, MLIRContext *context) {
  return quantopt::onnx::ProtoAttr::get(context, attribute.SerializeAsString());
}

/// An attribute whose payload, if it has a tensor, is in the message.
static Expected<Attribute> importAttribute(const AttributeProto &attribute, MLIRContext *context) {
  Builder builder(context);
  if (attribute.has_ref_attr_name())
    return opaque(attribute, context);
  switch (typeOf(attribute)) {
  case AttributeProto::INT:
    return Attribute(builder.getI64IntegerAttr(attribute.i()));
  case AttributeProto::FLOAT:
    return Attribute(builder.getF32FloatAttr(attribute.f()));
  case AttributeProto::STRING:
    return Attribute(builder.getStringAttr(attribute.s()));
  case AttributeProto::INTS: {
    SmallVector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
    return Attribute(builder.getDenseI64ArrayAttr(values));
  }
  case AttributeProto::FLOATS: {
    SmallVector<float> values(attribute.floats().begin(), attribute.floats().end());
    return Attribute(builder.getDenseF32ArrayAttr(values));
  }
  case AttributeProto::STRINGS: {
    SmallVector<StringRef> values(attribute.strings().begin(), attribute.strings().end());
    return Attribute(builder.getStrArrayAttr(values));
  }
  case AttributeProto::TENSOR: {
    if (!isDense(attribute.t()))
      return opaque(attribute, context);
    auto elements = importElements(attribute.t(), std::nullopt, context);
    if (!elements)
      return elements.takeError();
    return Attribute(*elements);
  }
  default:
    return opaque(attribute, context);
  }
}

Expected<DictionaryAttr>
quantopt::importAttributes(const NodeSkeleton &node, MLIRContext *context,
                           llvm::function_ref<Attribute(const TensorProto &, Span)> payloadSymbol) {
  NamedAttrList attributes;
  for (const AttributeProto &attribute : node.proto.attribute()) {
    if (attribute.name().empty())
      return createStringError("an attribute without a name");
    bool inFile = node.payload && attribute.has_t() && !attribute.t().has_raw_data();
    Attribute value;
    if (inFile) {
      value = payloadSymbol(attribute.t(), *node.payload);
      if (!value)
        return createStringError("attribute '" + attribute.name() + "', a tensor of unknown type or bad dimensions");
    } else {
      auto imported = importAttribute(attribute, context);
      if (!imported)
        return createStringError("attribute '" + attribute.name() + "': " + toString(imported.takeError()));
      value = *imported;
    }
    if (attributes.set(attribute.name(), value))
      return createStringError("attribute '" + attribute.name() + "' is given twice");
  }
  return attributes.getDictionary(context);
}

Error quantopt::exportAttribute(NamedAttribute attribute, AttributeProto &result,
                                llvm::function_ref<Expected<TensorProto>(SymbolRefAttr)> tensorOf) {
  result.set_name(attribute.getName().str());
  auto setTensor = [&](Expected<TensorProto> tensor) -> Error {
    if (!tensor)
      return tensor.takeError();
    result.set_type(AttributeProto::TENSOR);
    *result.mutable_t() = std::move(*tensor);
    return Error::success();
  };
  auto unsupported = [&]() -> Error {
    return createStringError("attribute '" + attribute.getName().str() + "' has no ONNX form");
  };
  return llvm::TypeSwitch<Attribute, Error>(attribute.getValue())
      .Case([&](IntegerAttr value) -> Error {
        result.set_type(AttributeProto::INT);
        result.set_i(value.getType().isInteger(1) ? value.getValue().getZExtValue() : value.getValue().getSExtValue());
        return Error::success();
      })
      .Case([&](FloatAttr value) -> Error {
        result.set_type(AttributeProto::FLOAT);
        result.set_f(float(value.getValueAsDouble()));
        return Error::success();
      })
      .Case([&](StringAttr value) -> Error {
        result.set_type(AttributeProto::STRING);
        result.set_s(value.str());
        return Error::success();
      })
      .Case([&](DenseI64ArrayAttr values) {
        result.set_type(AttributeProto::INTS);
        for (int64_t value : values.asArrayRef())
          result.add_ints(value);
        return Error::success();
      })
      .Case([&](DenseF32ArrayAttr values) {
        result.set_type(AttributeProto::FLOATS);
        for (float value : values.asArrayRef())
          result.add_floats(value);
        return Error::success();
      })
      .Case([&](ArrayAttr values) -> Error {
        result.set_type(AttributeProto::STRINGS);
        for (Attribute value : values) {
          auto string = dyn_cast<StringAttr>(value);
          if (!string)
            return unsupported();
          result.add_strings(string.str());
        }
        return Error::success();
      })
      .Case([&](DenseElementsAttr elements) -> Error { return setTensor(exportElements(elements)); })
      .Case([&](SymbolRefAttr symbol) -> Error { return setTensor(tensorOf(symbol)); })
      .Case([&](quantopt::onnx::ProtoAttr proto) -> Error {
        if (!result.ParseFromArray(proto.getBytes().data(), proto.getBytes().size()))
          return createStringError("attribute '" + attribute.getName().str() + "' is not a valid AttributeProto");
        return Error::success();
      })
      .Default([&](Attribute) -> Error { return unsupported(); });
}
