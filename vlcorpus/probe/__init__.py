"""Probes: small models trained on a corpus to judge it, the tests they take, and the verdict over arms and seeds.

`pack` holds a corpus ready for training, `train` is the loop, `suite` and `evaluate` are the tests, `compare` the
verdict.
"""
