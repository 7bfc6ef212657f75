"""Fuzzing of everything that the core reads: ``python -m tests.fuzz --help``.

From valid examples of every event kind, workload, log line and policy come broken ones, by changes of their
JSON trees and of their bytes; and from nothing come streams of events that are all valid one by one. Checked
is that

- only the documented errors come out, each with a short message that says where and why;
- time and memory stay in proportion to the input;
- what is accepted round-trips, and runs: on a session in any mode, after a reload the same way, as the
  reference in ``tests.reference`` runs it; and what is rejected changes nothing.

A finding is printed with the smallest input that still shows it. Every example is made from the seed and its
number alone. With ``atheris`` in the environment ``--guided`` lets coverage choose what is changed further.
"""
