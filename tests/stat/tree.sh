# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/stat/run: trees of files as debugfs has them, in $t/root.

# lab_tree: what a lab had while a guest named demo ran, tests/stat/lab.tree:
# after a line `== PATH MODE' comes what is in that file.
lab_tree() {
	local line path= mode _
	while IFS= read -r line; do
		if [[ $line == '== '* ]]; then
			[ -z "$path" ] || exec 6>&-
			read -r _ path mode <<<"$line"
			mkdir -p "$t/root/${path%/*}"
			exec 6>"$t/root/$path"
			chmod "$mode" "$t/root/$path"
		else
			printf '%s\n' "$line" >&6
		fi
	done <tests/stat/lab.tree
	exec 6>&-
}

# kvm_vm PID-FD EXITS [IO_EXITS]: a VM of KVM's
kvm_vm() {
	mkdir -p "$t/root/kvm/$1/vcpu0"
	echo "$2" >"$t/root/kvm/$1/exits"
	echo "${3:-0}" >"$t/root/kvm/$1/io_exits"
	echo 0 >"$t/root/kvm/$1/vcpu0/guest_mode"
	chmod 444 "$t/root/kvm/$1/vcpu0/guest_mode"
}

# vireo_vm PID-N NAME SERVED: a VM of vireo's with two regions
vireo_vm() {
	local dir=$t/root/vireo/vm-$1
	mkdir -p "$dir/vcpu0"
	printf 'name %s\npid %s\ntsc_khz 1000000\n' "$2" "${1%-*}" >"$dir/info"
	printf 'served %s\npassed 3\nuser 5\nuser_io 4\nuser_hlt 1\n' "$3" |
		tee "$dir/exits" >"$dir/vcpu0/exits"
	cat >"$dir/regions" <<-END
	id name    bus range       state reads writes reads_passed writes_passed
	0  serial0 pio 0x3f8-0x3ff on    7     1      0            2
	1  rtc0    pio 0x70-0x71   on    70    10     1            0
	END
	cat >"$dir/queues" <<-END
	id name  index fault in_flight read write flush inline worker bells signals
	1  disk0 0     0     3         20   1     0     18     3      9     8
	2  disk0 1     0     0         40   2     1     38     5      7     6
	depth 1 disk0:
	[1, 2) 21
	latency 1 disk0:
	[4096, 8192) 21
	END
	cat >"$dir/latency" <<-END
	served_time:
	[512, 1024) 80
	[1024, 2048) 8
	user_time:
	served_time 0 serial0:
	[512, 1024) 8
	served_time 1 rtc0:
	[512, 1024) 72
	[1024, 2048) 8
	END
	printf 'user_time:\n[4096, 8192) 5\n' >"$dir/vcpu0/latency"
}

# three_vms: big, small and middle, by what they exit
three_vms() {
	mkdir -p "$t/root/vireo"
	printf 'version 9.9\nexit_path bus\nwhy a test\n' >"$t/root/vireo/version"
	echo 'served 88' >"$t/root/vireo/exits"
	kvm_vm 100-8 5000
	vireo_vm 100-0 small 20
	kvm_vm 101-8 900000
	vireo_vm 101-1 big 70
	kvm_vm 102-8 70000
	vireo_vm 102-2 middle 10
}

# A file's new contents, at once: no reader finds it empty.
replace() {
	cat >"$t/new"
	mv "$t/new" "$t/root/$1"
}
