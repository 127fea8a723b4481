# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: devices that come and go in a stock guest, PLUG_ROUNDS
# times, while it reads and writes another disk.

# start_plugs NAME on|off: with the module or without
start_plugs() {
	modprobe tun 2>/dev/null
	head -c 4M /dev/urandom >"$tmp/$1.img"
	head -c 2M /dev/urandom >"$tmp/$1-plug.img"
	start "$1" --kernel "$images/vmlinuz" --initrd "$full_initrd" \
		--append 'console=ttyS0 quiet run="sh /hotplug_guest.sh"' \
		--memory 256M --cpus 2 --hotplug --module "$2" --disk "$tmp/$1.img"
	from "$1"
	reaches "$1" out '^guest: slots 30$'
}

plugs() {
	from "$1"
	timeout -k 5 3000 tests/vm/hotplug.py \
		"${XDG_RUNTIME_DIR:-/run}/vireo/$1.qmp" "$tmp/$1/out" \
		"$tmp/$1-plug.img" "${PLUG_ROUNDS:-3}" >"$t/plugs" 2>&1 ||
		fail "it fails" || return
	echo "# $(tail -n 1 "$t/plugs")"
	# Without warnings: what the guest's kernel says of a fault
	want_not out 'WARNING|BUG:|Call Trace|Oops|cannot '
}

# By the command line, and what is still there goes with a reset.
plug_commands() {
	local sum
	from "$1"
	sum=$(head -c 65536 "$tmp/$1-plug.img" | sha256sum | cut -d ' ' -f 1)
	"$program" attach "$1" disk "$tmp/$1-plug.img" --id more --serial COMMAND \
		>"$t/attached" 2>&1 || fail "attach fails" || return
	want attached '^more$' && reaches "$1" out "^guest: disk COMMAND $sum\$" || return
	"$program" detach "$1" more --timeout 300 >"$t/detached" 2>&1 ||
		fail "detach fails" || return
	ask "$1" query-block || return
	want_not answers '"more"' || return
	ask "$1" quit
	ended "$1" 4
}

plug_tests() {
	local mode name
	for mode in off on; do
		name=plug-$mode
		if [ $mode = on ] && ! serves; then
			skip "devices come and go, with the module" "${no_service}"
			continue
		fi
		run_test "module $mode: a guest with slots" start_plugs "$name" $mode
		[ -n "${pids[$name]-}" ] || continue
		run_test "module $mode: devices come and go" plugs "$name"
		run_test "module $mode: attach and detach" plug_commands "$name"
	done
}
