#!/bin/sh
# Comparison (d): the plain way in shell: flock, jq, sync, mv, sync.
set -e
exec 9>"$1.lock"
flock 9
jq '.boosts += [{boost_id: "00000000-0000-4000-8000-00000000beef", source_node: "any",
    target_node: "gpu-master", resource_type: "CPU", amount: 2.0,
    allocated_at: "2026-01-23T20:00:23.954754+00:00",
    expires_at: "2099-01-01T00:00:00.000000+00:00", ray_placement_group: null,
    is_active: true}]' "$1" >"$1.tmp"
sync "$1.tmp"
mv "$1.tmp" "$1"
sync "$(dirname "$1")"
