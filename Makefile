# SPDX-License-Identifier: GPL-2.0
# What people type.  "make help" lists it; kbuild reads Kbuild, not this file.

# The kernel that "make" builds for: the running one, or KDIR's.
KDIR ?= /lib/modules/$(shell uname -r)/build

# Where "make install" puts things; the module goes where depmod looks.
DESTDIR ?=
PREFIX ?= /usr/local

# The tests: KERNEL=6.1 and TEST=accept or TEST=accept.case narrow them.
KERNEL ?=
TEST ?=
export TEST V BENCH MODE ADD

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
VM := selftests/vm
TOOLS := $(patsubst %/Makefile,%,$(wildcard tools/*/Makefile))
BUILD := build/host

all: module tools

module:
	@test -d "$(KDIR)" || { \
		echo "No kernel headers in $(KDIR): install linux-headers-$$(uname -r) or set KDIR=" >&2; \
		exit 1; }
	$(MAKE) -C "$(KDIR)" M="$(CURDIR)" modules

tools: $(TOOLS:%=%.build)

%.build:
	@mkdir -p $(BUILD)/$*
	$(MAKE) -C $* O="$(CURDIR)/$(BUILD)/$*"

install: module tools $(TOOLS:%=%.install)
	$(MAKE) -C "$(KDIR)" M="$(CURDIR)" \
		$(if $(DESTDIR),INSTALL_MOD_PATH="$(DESTDIR)") modules_install
	install -D -m 644 include/uapi/linux/parley.h \
		"$(DESTDIR)$(PREFIX)/include/linux/parley.h"
	for page in $(wildcard Documentation/man/*.[1-9]); do \
		install -D -m 644 $$page \
			"$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit 1; \
	done

%.install: %.build
	$(MAKE) -C $* O="$(CURDIR)/$(BUILD)/$*" DESTDIR="$(DESTDIR)" \
		PREFIX="$(PREFIX)" install

dkms:
	@command -v dkms >/dev/null || { echo "dkms is not installed" >&2; exit 1; }
	rm -rf /usr/src/parley-$(VERSION)
	mkdir -p /usr/src/parley-$(VERSION)
	cp -r Kbuild Makefile dkms.conf include net /usr/src/parley-$(VERSION)
	find /usr/src/parley-$(VERSION) -type f \( -name '*.o' -o -name '*.ko' \
		-o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \) -delete
	if [ -n "$$(dkms status parley/$(VERSION))" ]; then \
		dkms remove -m parley -v $(VERSION) --all; \
	fi
	dkms install -m parley -v $(VERSION)

demo:
	@$(VM)/run.sh demo $(KERNEL)

check:
	@$(VM)/selftest.sh
	@$(VM)/run.sh test $(KERNEL)

check-debug:
	@$(VM)/run.sh test $(or $(KERNEL),debug)

check-kcsan:
	@$(VM)/run.sh test kcsan

coverage:
	@$(VM)/run.sh test gcov

coverage-docs:
	@$(VM)/run.sh coverage-docs

check-time:
	@DAYS=$(DAYS) $(VM)/run.sh time $(KERNEL)

fuzz:
	@FUZZ_SECONDS="$(if $(SECONDS),$(SECONDS),7200)" SEED="$(SEED)" \
		REPLAY="$(REPLAY)" REPEAT="$(REPEAT)" $(VM)/run.sh fuzz $(KERNEL)

bench:
	@$(VM)/run.sh bench $(KERNEL)

bench-docs:
	@$(VM)/run.sh bench-docs $(KERNEL)

ratio:
	@$(VM)/run.sh ratio $(KERNEL)

# "make soak SECONDS=180": make's own, not the shell's variable of that name.
soak:
	@SOAK_SECONDS=$(SECONDS) $(VM)/run.sh soak $(KERNEL)

shell:
	@$(VM)/run.sh shell $(KERNEL)

lint:
	@$(VM)/lint.sh $(KERNEL)

model:
	@$(VM)/model.sh

refresh:
	@$(VM)/cache.sh refresh

clean-cache:
	@$(VM)/cache.sh clean

clean:
	rm -rf build
	@if [ -d "$(KDIR)" ]; then \
		$(MAKE) -C "$(KDIR)" M="$(CURDIR)" clean; \
	fi

help:
	@echo "make               the module for the running kernel (KDIR=) and the tools"
	@echo "make install       both, the UAPI header and the man pages (DESTDIR=, PREFIX=)"
	@echo "make dkms          the module through dkms"
	@echo "make demo          a VM in which calls are accepted, refused, timed out"
	@echo "make check         the tests in a VM on every stock kernel (KERNEL=, TEST=, V=1)"
	@echo "make check-debug   the same and KUnit, with KASAN, lockdep, kmemleak (TEST=)"
	@echo "                   KERNEL=debug-sid: on the newest kernel instead, built here, too"
	@echo "make check-kcsan   the tests with many threads, where KCSAN looks for data races (TEST=)"
	@echo "make coverage      the same, and which lines and branches of the module ran (TEST=, ADD=1)"
	@echo "make coverage-docs the same, written to Documentation/coverage.rst"
	@echo "make check-time    the tests of time, where it is counted (KERNEL=, TEST=, DAYS=)"
	@echo "make fuzz          random calls, on the same kernel (SECONDS=, SEED=, REPLAY=FILE)"
	@echo "make bench         what things cost beside other families (KERNEL=, MODE=, BENCH=)"
	@echo "make bench-docs    the same, written to Documentation/bench.*"
	@echo "make ratio         redis, nginx, iperf3 on parley and on TCP (KERNEL=)"
	@echo "make soak          storms and redis, memory flat at the end (SECONDS=3600, KERNEL=)"
	@echo "make lint          checkpatch, sparse, W=1, kernel-doc, shellcheck, UAPI checks"
	@echo "make model         a call's life, searched by spin in all configurations"
	@echo "make shell         a prompt in the VM (KERNEL=)"
	@echo "make refresh       look for newer kernels; otherwise the cache is used as it is"
	@echo "make clean         remove what was built; clean-cache: what was fetched, too"

.PHONY: all module tools install dkms demo check check-debug check-kcsan
.PHONY: check-time coverage coverage-docs bench bench-docs fuzz ratio soak shell lint
.PHONY: model refresh
.PHONY: clean clean-cache help
