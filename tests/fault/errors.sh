#!/bin/bash
# errors.sh [NAME CALL ERROR [ever]]: every system call of every such command fails, with each of
# twelve errors, once and for ever (TORTURE=quick: a sample of them).
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"
faults errors "$@"
