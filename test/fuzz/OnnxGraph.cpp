//===- OnnxGraph.cpp - fuzzes ONNX models by changes of their graphs ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#include "ImportModel.h"
#include "onnx-ml.pb.h"
#include <random>

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  quantopt::importFuzzedModel({reinterpret_cast<const char *>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {
/// Makes one change to a model.
class Mutator {
public:
  Mutator(ModelProto &model, unsigned seed) : model(model), generator(seed) {}

  void mutate() {
    GraphProto &graph = *model.mutable_graph();
    if (graph.node_size() == 0 || below(8) == 0)
      return mutateTensor(graph);
    NodeProto &node = *graph.mutable_node(below(graph.node_size()));
    switch (below(12)) {
    case 0: // another edge as input
      if (node.input_size())
        node.set_input(below(node.input_size()), anyEdge(graph));
      return;
    case 1:
      if (node.input_size() > 1)
        node.mutable_input()->SwapElements(below(node.input_size()), below(node.input_size()));
      return;
    case 2:
      if (below(2) && node.input_size())
        node.mutable_input()->RemoveLast();
      else
        node.add_input(below(3) ? anyEdge(graph) : "");
      return;
    case 3:
      graph.mutable_node()->SwapElements(below(graph.node_size()), below(graph.node_size()));
      return;
    case 4:
      graph.mutable_node()->DeleteSubrange(below(graph.node_size()), 1);
      return;
    case 5: { // a copy that computes something of its own
      NodeProto copy = node;
      for (std::string &output : *copy.mutable_output())
        output += "'";
      *graph.add_node() = std::move(copy);
      return;
    }
    case 6:
      node.set_op_type(graph.node(below(graph.node_size())).op_type());
      return;
    case 7:
      node.set_domain(graph.node(below(graph.node_size())).domain());
      return;
    case 8:
      return mutateInterface(graph);
    case 9: { // the node as a subgraph of itself
      NodeProto inner = node;
      AttributeProto &attribute = *node.add_attribute();
      attribute.set_name("then_branch");
      attribute.set_type(AttributeProto::GRAPH);
      *attribute.mutable_g()->add_node() = std::move(inner);
      return;
    }
    case 10:
      if (node.output_size())
        node.set_output(below(node.output_size()), below(2) ? anyEdge(graph) : "");
      else
        node.add_output("extra");
      return;
    default:
      return mutateAttribute(node);
    }
  }

private:
  size_t below(size_t bound) { return bound ? generator() % bound : 0; }

  int64_t anyNumber() {
    static constexpr int64_t numbers[] = {0, 1, -1, 2, 3, 4, 7, 16, 64, 127, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN};
    return numbers[below(std::size(numbers))];
  }

  std::string anyEdge(const GraphProto &graph) {
    switch (below(3)) {
    case 0:
      if (graph.initializer_size())
        return graph.initializer(below(graph.initializer_size())).name();
      [[fallthrough]];
    case 1:
      if (graph.input_size())
        return graph.input(below(graph.input_size())).name();
      [[fallthrough]];
    default: {
      const NodeProto &node = graph.node(below(graph.node_size()));
      return node.output_size() ? node.output(below(node.output_size())) : "nothing";
    }
    }
  }

  void mutateTensor(TensorProto &tensor) {
    switch (below(5)) {
    case 0:
      tensor.set_data_type(below(28));
      return;
    case 1:
      if (tensor.dims_size())
        tensor.set_dims(below(tensor.dims_size()), anyNumber());
      return;
    case 2:
      if (below(2) && tensor.dims_size())
        tensor.mutable_dims()->RemoveLast();
      else
        tensor.add_dims(below(2) ? 1 : anyNumber());
      return;
    case 3:
      if (tensor.has_raw_data() && !tensor.raw_data().empty())
        (*tensor.mutable_raw_data())[below(tensor.raw_data().size())] = char(generator());
      return;
    default:
      if (tensor.external_data_size())
        tensor.mutable_external_data(below(tensor.external_data_size()))->set_value(std::to_string(anyNumber()));
      else if (tensor.has_raw_data())
        tensor.mutable_raw_data()->resize(below(2 * tensor.raw_data().size() + 2));
      return;
    }
  }

  void mutateTensor(GraphProto &graph) {
    if (graph.initializer_size())
      mutateTensor(*graph.mutable_initializer(below(graph.initializer_size())));
  }

  void mutateAttribute(NodeProto &node) {
    if (!node.attribute_size() || below(6) == 0) {
      AttributeProto &attribute = *node.add_attribute();
      static constexpr const char *names[] = {"axis", "axes", "perm", "to", "num_heads", "keepdims", "block_size"};
      attribute.set_name(names[below(std::size(names))]);
      attribute.set_type(AttributeProto::INT);
      attribute.set_i(anyNumber());
      return;
    }
    AttributeProto &attribute = *node.mutable_attribute(below(node.attribute_size()));
    switch (below(6)) {
    case 0:
      node.mutable_attribute()->DeleteSubrange(below(node.attribute_size()), 1);
      return;
    case 1:
      attribute.set_type(AttributeProto::AttributeType(below(15)));
      return;
    case 2:
      attribute.set_f(float(anyNumber()));
      return;
    case 3:
      if (attribute.ints_size())
        attribute.set_ints(below(attribute.ints_size()), anyNumber());
      else
        attribute.add_ints(anyNumber());
      return;
    case 4:
      if (attribute.has_t())
        mutateTensor(*attribute.mutable_t());
      return;
    default:
      attribute.set_i(anyNumber());
      return;
    }
  }

  void mutateInterface(GraphProto &graph) {
    auto *values = below(3) == 0 ? graph.mutable_output()
                   : below(2)    ? graph.mutable_input()
                                 : graph.mutable_value_info();
    if (values->empty())
      return;
    auto &value = *values->Mutable(below(values->size()));
    if (below(6) == 0) {
      value.set_name(anyEdge(graph));
      return;
    }
    auto &type = *value.mutable_type()->mutable_tensor_type();
    if (below(3) == 0) {
      type.set_elem_type(below(28));
      return;
    }
    auto &shape = *type.mutable_shape();
    if (!shape.dim_size() || below(4) == 0)
      shape.add_dim()->set_dim_value(anyNumber());
    else if (below(4) == 0)
      shape.mutable_dim()->RemoveLast();
    else
      shape.mutable_dim(below(shape.dim_size()))->set_dim_value(anyNumber());
  }

  ModelProto &model;
  std::minstd_rand generator;
};
} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  ModelProto model;
  if (!model.ParseFromArray(data, size))
    return LLVMFuzzerMutate(data, size, maxSize);
  Mutator(model, seed).mutate();
  std::string bytes = model.SerializeAsString();
  if (bytes.size() > maxSize)
    return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}
