"""Mutation testing of the core: ``python -m tests.mutation [module …]``.

One small change at a time in a module (``mutants``) must make a test of ``tests/core`` fail. pytest collects
the tests once; each mutant is a fork of that process whose functions get the changed code (``forks``), and
runs the tests that come by the changed line, those first that kill much in little time. What nobody notices
is printed, and so is what stands outside functions (a table, a default of a class), which is not tried.
"""
