"""The node catalogue: one folder a family, one file a node type.

`spec` says what a node type is, `context` what its code may use, `registry` finds the types that are installed,
`perform` runs one attempt.
"""
