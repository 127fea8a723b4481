# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/cli/run: vireo console, from pipes and on a terminal, which
# script(1) makes; what a test writes to descriptor 5 are the keys.

# attach NAME: in $t: tty, pid (of vireo console), screen, status, and the
# terminal's mode before and after.
attach() {
	rm -f "$t"/{tty,pid,status,before,after,keys}
	cat >"$t/session" <<-END
	tty >$t/tty
	stty -g >$t/before
	sh -c 'echo \$\$ >$t/pid; exec "$program" console "$1"'
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
	wait_for 20 has screen 'attached' || fail "it does not attach"
}

keys() {
	printf '%b' "$1" >&5
}

on_screen() {
	wait_for 20 has screen "$1" || fail "'$1' is not on the screen"
}

# closes STATUS: the session ends so, with the terminal's mode as before
closes() {
	wait_for 20 test -s "$t/after" || fail "it has not ended" || return
	exec 5>&-
	ends "$script_pid" 20 || return
	status=$(cat "$t/status")
	want_status "$1" || return
	cmp -s "$t/before" "$t/after" || fail "the terminal's mode is another"
}

console_attaches() {
	fresh
	detach a || return
	attach a && on_screen '^ready' || return
	stty -F "$(cat "$t/tty")" -a >"$t/mode"
	want mode '-icanon' && want mode '-isig' && want mode '-echo ' || return
	# Keys that mean something to a terminal reach the guest.
	keys 'ABC\003\032\001\001'
	on_screen $'ABC\003\032\001' || return
	keys '\001d'
	closes 0 && on_screen '\[a: detached\]' && is a running || return
	# Who attaches again sees what was, and goes on.
	attach a && on_screen $'ABC\003\032\001' || return
	keys '\001h'
	on_screen 'Ctrl-A d' || return
	keys 'xyz'
	on_screen 'xyz' || return
	keys 'q'
	on_screen '^bye' && closes 0 && on_screen '\[a: has ended\]' || return
	wait_for 20 eval '[ ! -e "$dir/a.qmp" ]' && listed ""
}

console_keys() {
	fresh
	detach a || return
	attach a && on_screen '^ready' || return
	keys '\001r'
	ready_again() {
		[ "$(tr -d '\r' <"$t/screen" | grep -c '^ready')" = 2 ]
	}
	wait_for 20 ready_again || fail "it was not reset" || return
	keys '\001p'
	on_screen '^power button' && closes 0 || return
	detach b && attach b && on_screen '^ready' || return
	keys '\001x'
	closes 0 && want_not screen '^bye' && listed ""
}

# ended_by SIGNAL STATUS: of the client; the machine goes on
console_ended_by() {
	fresh
	detach a || return
	attach a && on_screen '^ready' || return
	kill "-$1" "$(cat "$t/pid")"
	closes "$2" && is a running
}

# The machine is killed while somebody looks.
console_killed() {
	fresh
	detach a || return
	attach a && on_screen '^ready' || return
	kill -KILL "$(pid a)"
	closes 0 && on_screen '\[a: has ended\]'
}

# Two see the same; one that is stopped holds nobody back.
console_shared() {
	local stopped
	fresh
	detach a || return
	attach a && on_screen '^ready' || return
	timeout 60 "$program" console a </dev/null >"$t/stopped" &
	stopped=$!
	started+=("$stopped")
	wait_for 20 has stopped ready || fail "two cannot attach" || return
	kill -STOP "$(pgrep -P $stopped)"
	keys l
	on_screen '^00000063 a long line' && on_screen 'long end' || return
	kill -CONT "$(pgrep -P $stopped)"
	wait_for 20 has stopped 'long end' || fail "the other sees nothing" || return
	keys q
	closes 0 && ends $stopped 20 && want_status 0
}

# A pipe has no escape key.
console_pipe() {
	fresh
	detach a || return
	{ printf 'a\001dbq'; sleep 20; } | timeout 20 "$program" console a \
		>"$t/out" 2>"$t/err"
	want out $'^a\001dbq' && want out '^bye$' && same err ""
}

console_elsewhere() {
	local pid
	fresh
	mkfifo "$t/keys"
	timeout 60 "$program" run --name a --kernel "$alive" --memory 16M \
		<"$t/keys" >"$t/first" 2>&1 &
	pid=$!
	started+=("$pid")
	exec 5>"$t/keys"
	wait_for 20 has first ready || fail "the guest does not run" || return
	refused 1 'a has its console on .*--console socket' console a || return
	vireo stop a
	exec 5>&-
	want_status 0 && ends $pid 20 && want_status 0
}

# The console of one that is not detached, by its name or by a path
console_socket() {
	local pid
	fresh
	timeout 60 "$program" run --name a --kernel "$alive" --memory 16M \
		--console "$1" </dev/null >"$t/first" 2>&1 &
	pid=$!
	started+=("$pid")
	wait_for 20 test -S "$2" || fail "there is no $2" || return
	if [ "$1" = socket ]; then
		printf q | timeout 20 "$program" console a >"$t/out"
	else
		vireo stop a --force
	fi
	ends $pid 20 || return
	[ ! -e "$2" ] || fail "it left $2"
}

console_tests() {
	local test
	run_test "console: from a pipe" console_pipe
	run_test "console: not on a socket" console_elsewhere
	run_test "console: --console socket" console_socket socket "$dir/a.console"
	run_test "console: --console unix:" console_socket "unix:$tmp/sock" "$tmp/sock"
	if ! command -v script >/dev/null; then
		skip "all on a terminal" "script is not installed"
		return
	fi
	run_test "console: attaches, detaches and attaches" console_attaches
	run_test "console: keys for the machine" console_keys
	run_test "console: of one that is killed" console_killed
	run_test "console: shared with one that is stopped" console_shared
	for test in "HUP 129" "TERM 143" "INT 130" "QUIT 131" "SEGV 139"; do
		# shellcheck disable=SC2086 # two words
		run_test "console: restored after SIG${test% *}" console_ended_by $test
	done
}
