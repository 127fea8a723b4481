# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/stat/run: the live view in a terminal, which tmux is.

in_tmux() {
	tmux -S "$t/tmux" -f /dev/null "$@"
}

# open_view COLUMNS LINES ARG...: vireo-stat on $t/root in a new terminal.  In
# $t: status, and the terminal's mode before and after.
open_view() {
	local columns=$1 lines=$2
	shift 2
	# With job control, as in a user's shell.
	cat >"$t/session" <<-END
	set -m
	stty -g >$t/before
	sh -c 'echo \$\$ >$t/pid; exec $program --root $t/root $*'
	status=\$?
	if [ \$status = 148 ]; then
		stty -g >$t/stopped
		echo it is stopped
		read -r
		fg
		status=\$?
	fi
	echo \$status >$t/status
	stty -g >$t/after
	echo the end
	sleep 60
	END
	in_tmux new-session -d -x "$columns" -y "$lines" "bash $t/session" ||
		fail "tmux does not start" || return
	started+=("$(in_tmux display-message -p '#{pid}')")
}

# What is on the screen, in $t/screen
look() {
	in_tmux capture-pane -p >"$t/screen"
}

sees() {
	look && grep -qE -e "$1" "$t/screen"
}

on_screen() {
	wait_for 20 sees "$1" || fail "'$1' is not on the screen"
}

keys() {
	in_tmux send-keys "$@"
}

view() {
	three_vms
	open_view 100 24 "$@" && on_screen '^vireo-stat '
}

# rows_are WORD...: what the rows under the titles begin with, once it is so
rows_are() {
	rows_begin() {
		look
		[ "$(sed -n '4,/^$/p' "$t/screen" | awk 'NF { print $1 }' |
			head -n "$1" | xargs)" = "$2" ]
	}
	wait_for 20 rows_begin $# "$*" || fail "the rows are not: $*"
}

# closes STATUS: it has ended, and left the terminal as it was
closes() {
	wait_for 20 test -s "$t/after" || fail "it has not ended" || return
	status=$(cat "$t/status")
	want_status "$1" || return
	cmp -s "$t/before" "$t/after" || fail "the terminal's mode is another" ||
		return
	on_screen '^the end$' || return
	# The alternate screen is left, and the cursor shows.
	! grep -q '^NAME' "$t/screen" || fail "the view is still on the screen" ||
		return
	[ "$(in_tmux display-message -p '#{alternate_on}#{cursor_flag}')" = 01 ] ||
		fail "alternate screen and cursor are not as before"
	in_tmux kill-server
}

view_list() {
	view || return
	on_screen '3 VMs  vireo.ko 9.9 by bus  every 1.0 s  rates' || return
	on_screen 'sorted by EXITS/s' || return
	# No rates at first; totals are there.
	keys t
	on_screen '^big +101 +1 +900000 +70 +3 +5 +user_io$' || return
	rows_are big middle small || return
	keys q
	closes 0
}

view_sorts() {
	view || return
	keys t
	rows_are big middle small || return
	keys r
	on_screen 'sorted by EXITS \(reverse\)' && rows_are small middle big || return
	keys s
	on_screen 'sorted by SERVED$' && rows_are big small middle || return
	keys S S
	on_screen 'sorted by VCPUS' || return
	keys S S
	on_screen 'sorted by NAME' && rows_are big middle small || return
	keys r
	rows_are small middle big || return
	# Around the end
	keys S
	on_screen 'sorted by TOP REASON' || return
	keys q
	closes 0
}

# It is drawn again for what has been counted meanwhile.
view_rates() {
	view -i 0.2 || return
	# Where nothing happens the order is that of the processes.
	rows_are small big middle || return
	count_up() {
		n=$((n + 1000))
		echo $((70000 + n)) | replace kvm/102-8/exits
		sees '^middle +102 +1 +[1-9][0-9]+ +0 '
	}
	n=0
	wait_for 20 count_up || fail "no rate is shown" || return
	wait_for 20 count_up_first || fail "the busiest is not the first" || return
	keys q
	closes 0
}

count_up_first() {
	count_up && sed -n 4p "$t/screen" | grep -q ^middle
}

view_enter() {
	view || return
	keys t
	rows_are big middle small || return
	keys Down Enter
	on_screen '^middle  pid 102 .*\[1 regions\]' && rows_are rtc0 serial0 || return
	on_screen '^rtc0 +pio +0x70-0x71 +on +80 +70 +10 +1 ' || return
	keys Tab
	on_screen '\[2 vCPUs\]' && on_screen '^ +0 +10 +3 +5 +user_io$' || return
	keys 3
	on_screen '\[3 counters\]' && on_screen '^exits +kvm +70000 ' || return
	keys Tab
	on_screen '\[4 latency\]' &&
		on_screen '^served_time +512 ns +1.0 us +80 +#{40}$' &&
		on_screen '^rtc0 served_time ' && on_screen '^vcpu 0 user_time' || return
	# Nothing has been served since: there are no bars.
	keys t
	on_screen 'Nothing in this interval' || return
	keys Tab
	on_screen '\[5 queues\]' && on_screen '^disk0 +0 +0( +0){7} +3$' || return
	keys Tab
	on_screen '\[1 regions\]' || return
	# Back, the selection is where it was.
	keys Escape
	on_screen '^NAME' || return
	keys Enter
	on_screen '^middle  pid 102' || return
	keys BSpace q
	closes 0
}

# The selection stays on its VM while the order changes.
view_selection() {
	view || return
	keys t
	rows_are big middle small || return
	keys End
	keys r Enter
	on_screen '^small  pid 100' || return
	keys Left
	on_screen '^NAME' || return
	keys Home Enter
	on_screen '^small  pid 100' || return
	keys Left Down Down Down k Right
	on_screen '^middle  pid 102' || return
	keys q
	closes 0
}

view_vm_ends() {
	view -i 0.1 --vm middle || return
	on_screen '^middle  pid 102 .*\[1 regions\]' || return
	rm -r "$t/root/vireo/vm-102-2" "$t/root/kvm/102-8"
	on_screen 'Virtual machine 102-8 has ended' &&
		on_screen 'There is no virtual machine' || return
	# Another of the name
	kvm_vm 103-8 5
	vireo_vm 103-9 middle 6
	on_screen '^middle +103 ' || return
	keys q
	closes 0
}

view_pauses() {
	view -i 0.1 || return
	keys t p
	on_screen PAUSED || return
	echo 5001 | replace kvm/100-8/exits
	sleep 0.5
	on_screen '^small +100 +1 +5000 ' || return
	keys Space
	on_screen '^small +100 +1 +5001 ' && ! sees PAUSED || fail "still paused" ||
		return
	keys +
	on_screen 'every 0.2 s' || return
	keys -
	on_screen 'every 0.1 s' || return
	keys -
	keys + + +
	on_screen 'every 1.0 s' || return
	keys q
	closes 0
}

view_helps() {
	view || return
	keys h
	on_screen '^Keys of vireo-stat' && ! sees '^NAME' || fail "no help" || return
	keys x
	on_screen '^NAME' || return
	keys '?'
	on_screen '^Keys of vireo-stat' || return
	keys q
	closes 0
}

view_resizes() {
	local i
	for ((i = 0; i < 30; i++)); do
		kvm_vm $((300 + i))-5 $((i + 1))
	done
	view || return
	keys t
	rows_are big middle small || return
	in_tmux resize-window -x 40 -y 10
	at_size() {
		look
		sed -n 10p "$t/screen" |
			grep -qx 'q quit  h help  Enter look into  s sort'
	}
	wait_for 20 at_size || fail "the keys are not in line 10" || return
	# The selection stays in sight.
	keys End
	on_screen '^ +300 +1 +1 ' && ! sees '^big' || fail "it does not scroll" ||
		return
	keys PPage PPage PPage PPage PPage PPage
	rows_are big middle small || return
	for i in "200 60" "1 1" "20 2" "3 200" "100 24"; do
		in_tmux resize-window -x "${i% *}" -y "${i#* }"
		keys Down Up
		sleep 0.2
	done
	rows_are big middle small || return
	keys q
	closes 0
}

# ended_by SIGNAL STATUS
ended_by() {
	view || return
	kill "-$1" "$(cat "$t/pid")"
	closes "$2"
}

view_interrupted() {
	view || return
	keys C-c
	closes 0
}

# To the shell and back
view_stops() {
	view || return
	keys C-z
	on_screen '^it is stopped' || return
	cmp -s "$t/before" "$t/stopped" || fail "the terminal's mode is another" ||
		return
	keys Enter
	on_screen '^NAME' || return
	keys h
	on_screen '^Keys of vireo-stat' || return
	keys q
	closes 0
}

# The terminal goes, and it does not stay behind.
view_hung_up() {
	local pid
	view || return
	pid=$(cat "$t/pid")
	in_tmux kill-server
	wait_for 20 gone "$pid" || fail "it still runs"
}

view_counts() {
	view -i 0.1 -n 3 || return
	closes 0
}

unknown_terminal() {
	three_vms
	cat >"$t/session" <<-END
	TERM=none exec $program --root $t/root
	END
	timeout 20 script -qefc "sh $t/session" /dev/null >"$t/out" 2>&1 </dev/null
	status=$?
	want_status 1 && want out 'TERM.*--once'
}

terminal_tests() {
	local test
	if ! command -v tmux >/dev/null; then
		skip "all on a terminal" "tmux is not installed"
		return
	fi
	for test in list sorts rates enter selection vm_ends pauses helps resizes \
		interrupted stops hung_up counts; do
		run_test "live view: ${test//_/ }" view_$test
		in_tmux kill-server 2>/dev/null
	done
	run_test "live view: restored after SIGTERM" ended_by TERM 143
	run_test "live view: restored after SIGHUP" ended_by HUP 129
	if command -v script >/dev/null; then
		run_test "an unknown terminal" unknown_terminal
	else
		skip "an unknown terminal" "script is not installed"
	fi
}
