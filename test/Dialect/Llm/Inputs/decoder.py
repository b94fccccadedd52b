"""Prints a decoder of N layers in the llm dialect, with the sizes of SmolLM2-135M and a KV cache: decoder.py N"""

import sys

HIDDEN, INTERMEDIATE, VOCABULARY, HEADS, KV_HEADS, HEAD = 576, 1536, 49152, 9, 3, 64
globals_, body, arguments, results = [], [], ["%ids: tensor<?x?xi64>"], []
offset = 0


def tensor(*sizes, element="f32"):
    return f"tensor<{'x'.join(map(str, sizes))}x{element}>"


STREAM = tensor("?", "?", HIDDEN)
WIDE = tensor("?", "?", INTERMEDIATE)
QUERY, CACHE = tensor("?", HEADS, "?", HEAD), tensor("?", KV_HEADS, "?", HEAD)
TABLE = tensor("?", "?", HEAD)


def weight(name, *sizes):
    global offset
    value, length = "%" + name.replace(".", "_"), 4
    for size in sizes:
        length *= size
    globals_.append(f"param.global @{name} : {tensor(*sizes)} from @file [offset = {offset}, length = {length}]")
    body.append(f"  {value} = param.load @{name} : {tensor(*sizes)}")
    offset += length
    return value


def op(result, name, operands, types, result_type, attributes="", node=""):
    location = f' loc("{node}")' if node else ""
    body.append(
        f"  {result} = llm.{name} {', '.join(operands)}{attributes} : ({', '.join(types)}) -> {result_type}{location}"
    )
    return result


def norm(result, x, name):
    scale = weight(name, HIDDEN)
    body.append(
        f"  {result} = llm.rms_norm {x} scale {scale} : {tensor(HIDDEN)} {{eps = 1.0e-5 : f64}} : {STREAM} -> {STREAM}"
    )
    return result


def linear(x, name, inputs, outputs, x_type, y_type):
    node = f"/model/{name}/MatMul"
    return op(
        f"%{name.replace('.', '_')}_out",
        "linear",
        [x, weight(name, outputs, inputs)],
        [x_type, tensor(outputs, inputs)],
        y_type,
        node=node,
    )


def layer(x, l):
    joint_q, joint_kv = tensor("?", "?", HEADS * HEAD), tensor("?", "?", KV_HEADS * HEAD)
    n = norm(f"%{l}_n1", x, f"{l}.norm1")
    q = linear(n, f"{l}.q", HIDDEN, HEADS * HEAD, STREAM, joint_q)
    k = linear(n, f"{l}.k", HIDDEN, KV_HEADS * HEAD, STREAM, joint_kv)
    v = linear(n, f"{l}.v", HIDDEN, KV_HEADS * HEAD, STREAM, joint_kv)
    q = op(f"%{l}_q4", "split_heads", [q], [joint_q], QUERY)
    k = op(f"%{l}_k4", "split_heads", [k], [joint_kv], CACHE)
    v = op(f"%{l}_v4", "split_heads", [v], [joint_kv], CACHE)
    q = op(f"%{l}_qr", "rope", [q, "%cos", "%sin"], [QUERY, TABLE, TABLE], QUERY)
    k = op(f"%{l}_kr", "rope", [k, "%cos", "%sin"], [CACHE, TABLE, TABLE], CACHE)
    present = []
    for name, rows in (("k", k), ("v", v)):
        state = f'{{llm.state = "{l}.{name}"}}'
        arguments.append(f"%{l}_past_{name}: {CACHE} {state}")
        present.append(op(f"%{l}_now_{name}", "kv_append", [f"%{l}_past_{name}", rows], [CACHE, CACHE], CACHE))
        results.append((present[-1], CACHE, state))
    a = op(f"%{l}_a", "attention", [q, *present], [QUERY, CACHE, CACHE], QUERY, " {scale = 0.125 : f64}")
    a = op(f"%{l}_am", "merge_heads", [a], [QUERY], joint_q)
    o = linear(a, f"{l}.o", HEADS * HEAD, HIDDEN, joint_q, STREAM)
    x = op(f"%{l}_x1", "residual_add", [x, o], [STREAM, STREAM], STREAM, node=f"/model/{l}/Add")
    n = norm(f"%{l}_n2", x, f"{l}.norm2")
    g = linear(n, f"{l}.gate", HIDDEN, INTERMEDIATE, STREAM, WIDE)
    u = linear(n, f"{l}.up", HIDDEN, INTERMEDIATE, STREAM, WIDE)
    h = op(f"%{l}_h", "swiglu", [g, u], [WIDE, WIDE], WIDE)
    d = linear(h, f"{l}.down", INTERMEDIATE, HIDDEN, WIDE, STREAM)
    return op(f"%{l}_x2", "residual_add", [x, d], [STREAM, STREAM], STREAM, node=f"/model/{l}/Add_1")


def main():
    arguments.extend([f"%cos: {TABLE}", f"%sin: {TABLE}"])
    embedding, logits = weight("embed", VOCABULARY, HIDDEN), tensor("?", "?", VOCABULARY)
    x = op("%x", "embedding", ["%ids", embedding], ["tensor<?x?xi64>", tensor(VOCABULARY, HIDDEN)], STREAM)
    for index in range(int(sys.argv[1])):
        x = layer(x, f"l{index}")
    n = norm("%final", x, "norm")
    op("%logits", "linear", [n, embedding], [STREAM, tensor(VOCABULARY, HIDDEN)], logits, node="/lm_head/MatMul")
    results.insert(0, ("%logits", logits, ""))
    print('param.file @file "model.data"', *globals_, sep="\n")
    types = ", ".join(f"{type_} {state}".strip() for _, type_, state in results)
    print(f"func.func @main({', '.join(arguments)}) -> ({types}) attributes {{rot.strict}} {{", *body, sep="\n")
    print(f"  return {', '.join(v for v, *_ in results)} : {', '.join(t for _, t, _ in results)}\n}}")


main()
