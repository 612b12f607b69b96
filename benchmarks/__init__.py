"""How fast, how small, how deep: `python -m benchmarks` measures the engine beside its peers."""
