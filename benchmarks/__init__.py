"""The workloads of docs/performance.md, each next to its floor: the least work that any design must do.

`python -m benchmarks NAME --n SIZE` prints one JSON line per figure; floors are measured in the same run. Absolute
times mean little, ratios a lot.
"""
