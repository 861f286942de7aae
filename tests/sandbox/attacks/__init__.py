"""Attacks on the sandbox as data, a runner for them, and the tests that hold the promise.

`python -m tests.sandbox.attacks --help` runs them by hand; README.md says which test holds which
case of the list.
"""
