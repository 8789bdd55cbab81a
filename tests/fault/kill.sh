#!/bin/bash
# kill.sh [NAME CALL KILL]: SIGKILL at every system call of every command that changes something
# (TORTURE=quick: a sample of them): the state is old or new, and the rules hold.
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"
faults kill "$@"
