"""Compares the nodes, initializers and values of two models as bytes: python compare.py A.onnx B.onnx"""

import sys

import onnx


def serialized(messages, key):
    return {key(message): message.SerializeToString() for message in messages}


def report(kind, before, after):
    for name in before.keys() - after.keys():
        print(f"{kind} {name}: removed")
    for name in after.keys() - before.keys():
        print(f"{kind} {name}: added")
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    for name in changed:
        print(f"{kind} {name}: changed")
    print(f"{kind}: {len(before.keys() & after.keys()) - len(changed)} unchanged")


def main():
    a, b = (onnx.load(path, load_external_data=False) for path in sys.argv[1:3])
    report("node", *(serialized(m.graph.node, lambda n: n.output[0]) for m in (a, b)))
    report("initializer", *(serialized(m.graph.initializer, lambda t: t.name) for m in (a, b)))
    report("input", *(serialized(m.graph.input, lambda v: v.name) for m in (a, b)))
    report("output", *(serialized(m.graph.output, lambda v: v.name) for m in (a, b)))
    report("value_info", *(serialized(m.graph.value_info, lambda v: v.name) for m in (a, b)))
    for model in (a, b):
        model.ClearField("graph")
    print("rest:", "same" if a.SerializeToString() == b.SerializeToString() else "changed")


if __name__ == "__main__":
    main()
