"""One trace through three languages and three brokers, shown in Jaeger and Tempo: `python -m interop`.

A chain of small services in Node, Python and Java, the servers that they need, the reading back of what they did, and
the programs that the tests let write and read headers in every combination. Never imported by `unbroken`.
"""
