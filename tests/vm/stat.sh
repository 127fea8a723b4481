# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: what vireo-stat shows of guests that run.

stat_program=${VIREO_STAT:-build/vireo-stat}

start_seen() {
	start seen --kernel $images/vmlinuz --initrd $initrd --memory 256M \
		--cpus 2 --module on --append "console=ttyS0 quiet"
	start unseen --kernel $images/vmlinuz --initrd $initrd --memory 128M \
		--module off --append "console=ttyS0 quiet"
}

# stats ARG...: output in $t/stat
stats() {
	timeout -k 5 60 "$stat_program" "$@" >"$t/stat" 2>"$t/stat-err" </dev/null ||
		fail "vireo-stat fails: $(head -n 1 "$t/stat-err")"
}

# All that only grows, of debugfs, as `source name value'
grown() {
	local file
	sed 's/^/vireo /' "$(vm_dir "${pids[seen]}")/exits"
	for file in /sys/kernel/debug/kvm/"${pids[seen]}"-*/*; do
		[ ! -f "$file" ] || [ "$(stat -c %a "$file")" != 644 ] ||
			case $file in
			*_hist | */max_* | */mmu_rmaps_stat) ;;
			*) echo "kvm ${file##*/} $(cat "$file")" ;;
			esac
	done
}

# Each number is from what debugfs said before to what it said afterwards.
stat_json() {
	from seen
	reaches seen out 'guest:/# ' || return
	reaches unseen out 'guest:/# ' || return
	grown >"$t/low"
	stats --json --once || return
	grown >"$t/high"
	jq -r '.vms[] | select(.name == "seen") | ["kvm", "vireo"][] as $source |
		.[$source] | to_entries[] | "\($source) \(.key) \(.value)"' \
		<"$t/stat" >"$t/shown" || return
	awk '
	FILENAME ~ /shown$/ { shown[$1 " " $2] = $3; next }
	FILENAME ~ /low$/ { low[$1 " " $2] = $3; next }
	{
		name = $1 " " $2
		if (shown[name] == "" || shown[name] < low[name] || shown[name] > $3)
			print name, low[name], shown[name], $3
		n[$1]++
	}
	END { if (n["kvm"] < 30 || n["vireo"] < 30) print "too few", n["kvm"], n["vireo"] }
	' "$t/shown" "$t/low" "$t/high" >"$t/wrong"
	same wrong "" || return
	jq -c '.vms[] | select(.name == "seen") | [.pid,
		([.regions[].name] | contains(["serial0", "rtc0"])),
		(.vcpus | length), .vireo.served > 1000,
		(.histograms.served_time | map(.count) | add) > 1000]' \
		<"$t/stat" >"$t/facts"
	same facts "[${pids[seen]},true,2,true,true]"
}

stat_once() {
	from seen
	stats --once --vm seen || return
	want stat '^seen +[0-9]+ +2 +[0-9]{4,} +[0-9]{4,} +[0-9]+ +[0-9-]+ +[a-z]' &&
		want stat '^serial0 +pio +0x3f8-0x3ff +on +[1-9]' &&
		want stat '^served_time +[0-9.]+ [num]*s +' &&
		want stat '^io_exits +kvm +[1-9]' || return
	# vireo.ko does not know it: the process's arguments have the name.
	stats --once --vm "${pids[unseen]}" || return
	want stat '^unseen +[0-9]+ +1 +[1-9][0-9]* +- +- +- ' && want_not stat REGION
}

stat_rates() {
	local line
	from seen
	type_in seen 'while :; do echo line after line; done\r'
	reaches seen out '^line after line' || return
	timeout -k 5 60 "$stat_program" --json -i 0.5 --vm seen >"$t/stat" &
	started+=($!)
	served_now() {
		tail -n 1 "$t/stat" | jq -e '.vms[0] | .rates.vireo.served > 10 and
			(.regions[] | select(.name == "serial0")
			| .rates.vireo.writes > 10)'
	}
	wait_for 50 served_now >/dev/null || fail "the busy port has no rate"
}

# The real terminal, and a guest that goes while it is looked into
stat_live() {
	local tmux=(tmux -S "$t/tmux" -f /dev/null)
	from seen
	command -v tmux >/dev/null || { why="tmux is not installed"; return 4; }
	"${tmux[@]}" new-session -d -x 120 -y 40 \
		"$stat_program -i 0.5 --vm seen; echo ended; sleep 60" || return
	started+=("$("${tmux[@]}" display-message -p '#{pid}')")
	on_tmux() {
		"${tmux[@]}" capture-pane -p >"$t/screen" && grep -qE "$1" "$t/screen"
	}
	# The busiest region is above the others.
	busiest() {
		on_tmux 'SERVED/s' && sed -n 4p "$t/screen" |
			grep -qE '^serial0 +pio +0x3f8-0x3ff +on +[1-9]'
	}
	wait_for 60 busiest || fail "serial0 is not the busiest region" || return
	"${tmux[@]}" send-keys 4
	wait_for 30 on_tmux '^served_time .*#' || fail "no latencies" || return
	kill -KILL "${pids[seen]}"
	ended seen 137
	wait_for 30 on_tmux 'has ended' || fail "the end is not seen" || return
	"${tmux[@]}" send-keys q
	wait_for 30 on_tmux '^ended$' || fail "it does not quit"
}

stat_without_module() {
	from unseen
	kill -0 "${pids[unseen]}" || return
	unload_module || return
	stats --json --once || return
	jq -c '[.host.version, (.vms | length), .vms[0].pid, .vms[0].kvm.exits > 0]' \
		<"$t/stat" >"$t/facts"
	same facts "[null,1,${pids[unseen]},true]" || return
	kill -KILL "${pids[unseen]}"
	ended unseen 137 || return
	stats --once || return
	[ "$(wc -l <"$t/stat")" = 1 ] || fail "there is a VM left"
}

stat_tests() {
	[ -x "$stat_program" ] || die "no $stat_program (make tools)"
	serves || { skip "vireo-stat" "$no_service"; return; }
	start_seen
	run_test "vireo-stat: JSON agrees with debugfs" stat_json
	run_test "vireo-stat: tables" stat_once
	run_test "vireo-stat: rates" stat_rates
	run_test "vireo-stat: live" stat_live
	run_test "vireo-stat: without the module" stat_without_module
}
