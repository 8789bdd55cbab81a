#!/bin/bash
# twofaults.sh [NAME/CALL/FAULT CALL FAULT]: all that one fault left behind, and a fault in the
# command that comes next (TORTURE=quick: a sample of it).
set -u
# shellcheck source=tests/fault/common
. "$(dirname "$0")/common"
faults twofaults "$@"
