# shellcheck shell=bash
# Brings in every part of the harness, in the order they need each other.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=packages.sh
. "$VM_DIR/packages.sh"
# shellcheck source=aptroot.sh
. "$VM_DIR/aptroot.sh"
# shellcheck source=source.sh
. "$VM_DIR/source.sh"
# shellcheck source=libbpf.sh
. "$VM_DIR/libbpf.sh"
# shellcheck source=sid.sh
. "$VM_DIR/sid.sh"
# shellcheck source=debug-kernel.sh
. "$VM_DIR/debug-kernel.sh"
# shellcheck source=kernel.sh
. "$VM_DIR/kernel.sh"
# shellcheck source=btf.sh
. "$VM_DIR/btf.sh"
# shellcheck source=build.sh
. "$VM_DIR/build.sh"
# shellcheck source=coverage.sh
. "$VM_DIR/coverage.sh"
# shellcheck source=apps.sh
. "$VM_DIR/apps.sh"
# shellcheck source=initramfs.sh
. "$VM_DIR/initramfs.sh"

mkdir -p "$CACHE/logs" "$BUILD"
