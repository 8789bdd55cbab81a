"""Comparison (c): the plain way in Python: load, append, dump with an indent, durably."""
import fcntl
import json
import os
import sys

path = sys.argv[1]
with open(path + ".lock", "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    with open(path) as file:
        state = json.load(file)
    state["boosts"].append({
        "boost_id": "00000000-0000-4000-8000-00000000beef", "source_node": "any",
        "target_node": "gpu-master", "resource_type": "CPU", "amount": 2.0,
        "allocated_at": "2026-01-23T20:00:23.954754+00:00",
        "expires_at": "2099-01-01T00:00:00.000000+00:00",
        "ray_placement_group": None, "is_active": True})
    with open(path + ".tmp", "w") as file:
        json.dump(state, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".tmp", path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(directory)
