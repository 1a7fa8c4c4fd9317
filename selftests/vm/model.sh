#!/bin/bash
# "make model": the model of a call's life, with spin installed.
#
#	model.sh [ARG...]	as for selftests/model/model.sh

# shellcheck source-path=SCRIPTDIR source=all.sh
. "$(dirname "${BASH_SOURCE[0]}")/all.sh"

need_packages model
exec "$TREE/selftests/model/model.sh" "$@"
