# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/payload/run: vireo on a terminal, which script(1) makes; what
# a test writes to descriptor 5 are the keys that are pressed.

# open_terminal ARG...: `vireo run ARG...` on a new terminal.  In $t: tty (its
# name), pid (of vireo), screen, err (standard error), status, and the
# terminal's mode before and after.
open_terminal() {
	printf '"%s" ' "$program" run "$@" >"$t/command"
	cat >"$t/session" <<-END
	tty >$t/tty
	stty -g >$t/before
	sh -c 'echo \$\$ >$t/pid; exec $(cat "$t/command") 2>$t/err'
	echo \$? >$t/status
	stty -g >$t/after
	END
	mkfifo "$t/keys"
	: >"$t/screen"
	timeout -k 5 60 script -qefc "sh $t/session" /dev/null \
		<"$t/keys" >"$t/screen" 2>&1 &
	script_pid=$!
	started+=("$script_pid")
	exec 5>"$t/keys"
}

on_terminal() {
	open_terminal --kernel "$msg" --memory 16M "$@"
	wait_for 20 has screen '^ready' || fail "the guest does not run"
}

keys() {
	printf '%b' "$1" >&5
}

# closes STATUS: the session ends, vireo with STATUS and the mode as before
closes() {
	wait_for 20 test -s "$t/after" || fail "it has not ended" || return
	exec 5>&-
	ends "$script_pid" 20 || return
	status=$(cat "$t/status")
	want_status "$1" || return
	cmp -s "$t/before" "$t/after" || fail "the terminal's mode is another"
}

is_raw() {
	stty -F "$(cat "$t/tty")" -a >"$t/mode" || return
	grep -q -- '-icanon' "$t/mode" && grep -q -- '-isig' "$t/mode" &&
		grep -q -- '-echo ' "$t/mode"
}

# Keys that mean something to a terminal reach the guest, in both directions.
raw_keys() {
	on_terminal || return
	is_raw || fail "the terminal is not raw" || return
	keys '\003\004\032\034\021\023\rq'
	closes 0 || return
	grep -q $'^\003\004\032\034\021\023\rq' "$t/screen" ||
		fail "some key did not come back"
}

escape_twice() {
	on_terminal || return
	keys 'a\001\001b\001\001q'
	closes 0 && want screen $'^a\001b\001q'
}

escape_help() {
	on_terminal || return
	keys '\001h'
	wait_for 20 has screen 'Ctrl-A' || fail "no help is shown" || return
	keys 'zq'
	closes 0 || return
	# The guest has seen only what came after.
	want_not screen $'\001'
}

escape_stop() {
	on_terminal || return
	keys 'a\001x'
	closes 4 && want_not screen '^bye'
}

escape_reset() {
	on_terminal || return
	keys '\001r'
	wait_for 20 twice_ready || fail "the guest was not reset" || return
	is_raw || fail "the terminal is not raw any more" || return
	keys 'q'
	closes 0
}

twice_ready() {
	[ "$(tr -d '\r' <"$t/screen" | grep -c '^ready')" = 2 ]
}

# The button does nothing to a guest without ACPI; the VM must live on.
escape_button() {
	on_terminal --log info || return
	keys '\001pq'
	closes 0 && want screen '^q$'
}

triple_restores() {
	open_terminal --kernel "$payloads/triple.elf"
	closes 3 && want err 'triple fault'
}

error_restores() {
	open_terminal --kernel "$hello" --rng "$t/none"
	closes 1 && want err 'none'
}

off_restores() {
	open_terminal --kernel "$hello"
	closes 0 && want screen 'hello from the guest'
}

# ended_by SIGNAL STATUS: one signal that stops vireo or that it dies of; the
# machine, which may have a keeper.
ended_by() {
	local pid machine
	on_terminal || return
	pid=$(cat "$t/pid")
	machine=$(pgrep -P "$pid")
	kill "-$1" "${machine:-$pid}"
	closes "$2"
}

# The first presses the power button, the second stops.
ended_by_two() {
	on_terminal --log info || return
	kill "-$1" "$(cat "$t/pid")"
	wait_for 20 has err 'power button' || fail "no power button" || return
	keys a
	wait_for 20 has screen '^a' || fail "the first one stopped it" || return
	kill "-$1" "$(cat "$t/pid")"
	closes "$2"
}

# What is not a terminal has no escape key: bytes are bytes.
no_escape_in_pipe() {
	payload msg < <(printf '\001xq')
	want_status 0 && want out $'^\001xq$'
}

terminal_tests() {
	local test
	run_test "a pipe has no escape key" no_escape_in_pipe
	if ! command -v script >/dev/null; then
		skip "all on a terminal" "script is not installed"
		return
	fi
	run_test "terminal: all keys reach the guest" raw_keys
	run_test "terminal: Ctrl-A twice is Ctrl-A" escape_twice
	run_test "terminal: Ctrl-A h helps" escape_help
	run_test "terminal: Ctrl-A x stops" escape_stop
	run_test "terminal: Ctrl-A r resets" escape_reset
	run_test "terminal: Ctrl-A p presses the power button" escape_button
	run_test "terminal: restored after power off" off_restores
	run_test "terminal: restored after a crash of the guest" triple_restores
	run_test "terminal: restored after an error" error_restores
	run_test "terminal: SIGHUP stops" ended_by HUP 129
	for test in "TERM 143" "INT 130"; do
		# shellcheck disable=SC2086 # two words
		run_test "terminal: the second SIG${test% *} stops" ended_by_two $test
	done
	for test in "SEGV 139" "BUS 135" "ABRT 134" "FPE 136" "ILL 132"; do
		# shellcheck disable=SC2086
		run_test "terminal: restored after SIG${test% *}" ended_by $test
	done
}
