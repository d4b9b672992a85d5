"""The workloads of docs/performance.md, each next to its floor: the least work that any design must do, measured in
the same run. `python -m benchmarks NAME --n SIZE` prints one JSON line per figure; absolute times mean little, ratios a lot.
"""
