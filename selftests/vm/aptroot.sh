# shellcheck shell=bash
# A private apt: packages of any Debian suite, looked up and unpacked but
# never installed, with lists and downloads below the cache.
#
# Sourced after lib.sh.  The mirrors are those of the machine's own apt
# sources; the machine's apt state is neither used nor touched.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# machine_sources: one "URI suite" line for each source of the machine's apt,
# from one-line files and deb822 files alike.
machine_sources() {
	local etc=${PARLEY_APT_ETC:-/etc/apt} file

	for file in "$etc/sources.list" "$etc"/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		awk '$1 == "deb" {
			i = 2
			if ($i ~ /^\[/) {
				while (i <= NF && $i !~ /\]$/)
					i++
				i++
			}
			print $i, $(i + 1)
		}' "$file"
	done
	for file in "$etc"/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk '
		function emit(	u, s, i, j) {
			u = split(uris, uri, " ")
			s = split(suites, suite, " ")
			for (i = 1; on && i <= u; i++)
				for (j = 1; j <= s; j++)
					print uri[i], suite[j]
			uris = suites = ""
			on = 1
		}
		BEGIN { on = 1 }
		/^#/ { next }
		/^[ \t]*$/ { emit(); key = ""; next }
		/^[^ \t]/ {
			key = tolower($0)
			sub(/:.*/, "", key)
			sub(/^[^:]*:[ \t]*/, "")
		}
		key == "uris" { uris = uris " " $0 }
		key == "suites" { suites = suites " " $0 }
		key == "enabled" && tolower($1) == "no" { on = 0 }
		END { emit() }' "$file"
	done
}

# mirror main|security: the URI that serves this machine's own release.
mirror() {
	local codename suite uri

	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	suite=$codename
	[ "$1" = main ] || suite=$codename-security
	uri=$(machine_sources | awk -v s="$suite" '$2 == s { print $1; exit }')
	if [ -z "$uri" ] && [ "$1" != main ]; then
		# Mirrors keep the two side by side.
		uri=$(mirror main)
		uri=${uri%/}-security
	fi
	[ -n "$uri" ] ||
		die "apt's sources on this machine name no mirror for $suite"
	printf '%s\n' "$uri"
}

# apt_private SUITE COMMAND...: an apt tool over SUITE alone.
apt_private() {
	APT_CONFIG=$CACHE/apt/$1/apt.conf "${@:2}"
}

# apt_root SUITE: makes the lists of SUITE ready.  Called only before something
# is fetched; what lists older than a day name may be gone from the mirror.
apt_root() {
	with_lock "apt-$1" apt_root_locked "$1"
}

apt_root_locked() {
	local suite=$1 root=$CACHE/apt/$1 tmp

	if [ -n "$(find "$root/ready" -mmin -1440 2>/dev/null)" ]; then
		return 0
	fi
	[ -r "$KEYRING" ] || die "$KEYRING is missing"
	log "reading the package lists of $suite"
	rm -rf "$root"
	mkdir -p "$root/lists/partial" "$root/cache/archives/partial" \
		"$root/state" "$CACHE/logs"
	: >"$root/status"
	{
		printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' \
			"$KEYRING" "$(mirror main)" "$suite"
		if [ "$suite" != sid ]; then
			printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' \
				"$KEYRING" "$(mirror security)" \
				"$suite-security"
		fi
	} >"$root/sources.list"
	# How the machine reaches the network (proxies and so on) is kept, its
	# hooks are not.  A mirror may lag behind what Valid-Until grants sid.
	tmp=$(apt-config dump | grep '^Acquire::' || true)
	cat >"$root/apt.conf" <<-END
		$tmp
		Dir::Etc::Parts "/dev/null";
		Dir::Etc::Main "/dev/null";
		Dir::Etc::SourceList "$root/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$root/state";
		Dir::State::Lists "$root/lists";
		Dir::State::Status "$root/status";
		Dir::Cache "$root/cache";
		APT::Architecture "amd64";
		APT::Architectures "amd64";
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
		Acquire::Retries "3";
	END
	run_logged "$CACHE/logs/apt-$suite.log" \
		apt_private "$suite" apt-get -q update ||
		die "could not read the package lists of $suite"
	# apt-get update succeeds with a warning when it reached nothing.
	if grep -q '^[WE]: Failed to fetch' "$CACHE/logs/apt-$suite.log"; then
		tail -n 5 "$CACHE/logs/apt-$suite.log" >&2
		die "could not fetch the package lists of $suite"
	fi
	touch "$root/ready"
}

# apt_version SUITE PACKAGE: its newest version.
apt_version() {
	apt_private "$1" apt-cache show --no-all-versions "$2" |
		sed -n 's/^Version: //p;/^Version/q'
}

# apt_dependency SUITE PACKAGE REGEX: the first dependency that matches.
apt_dependency() {
	apt_private "$1" apt-cache depends "$2" |
		awk -v r="^$3\$" '$1 == "Depends:" && $2 ~ r { print $2; exit }'
}

# apt_unpack SUITE DIR PACKAGE...: downloads (apt checks signed hashes) and
# unpacks below DIR.
apt_unpack() {
	local suite=$1 dir=$2 download deb

	shift 2
	download=$(mktemp -d "$CACHE/.new.deb.XXXXXX")
	# One log for each process: entries may be made side by side.
	run_logged "$CACHE/logs/download.$BASHPID.log" \
		apt_download "$suite" "$download" "$@" ||
		die "could not download: $*"
	rm -f "$CACHE/logs/download.$BASHPID.log"
	mkdir -p "$dir"
	for deb in "$download"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -p -f - -C "$dir" --warning=no-timestamp \
				--keep-directory-symlink --no-same-owner
	done
	rm -rf "$download"
}

apt_download() {
	cd "$2" && apt_private "$1" apt-get -q download "${@:3}"
}
