# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Sourced by tests/vm/run: a stock guest with SCSI disks and a CD-ROM drive,
# which are changed while it runs.

make_iso() {
	local dir=$tmp/iso
	rm -rf "$dir"
	mkdir "$dir"
	echo "$1" >"$dir/name.txt"
	head -c 2000000 /dev/urandom >"$dir/big.bin"
	genisoimage -quiet -R -o "$tmp/$1.iso" "$dir" >"$tmp/genisoimage" 2>&1
	sha256sum <"$dir/big.bin" | cut -d ' ' -f 1 >"$tmp/$1.sum"
}

disk_sum() {
	sha256sum <"$tmp/$1" | cut -d ' ' -f 1
}

start_scsi() {
	command -v genisoimage >/dev/null ||
		{ why="no genisoimage (tools/setup)"; return 4; }
	make_iso first && make_iso second || fail "no ISO images" || return
	head -c 2M /dev/urandom >"$tmp/disk.img"
	truncate -s 64M "$tmp/disk.img"
	head -c 1M /dev/urandom >"$tmp/ro.img"
	head -c 3M /dev/urandom >"$tmp/more.img"
	disk_sum disk.img >"$tmp/disk.sum"
	start scsi --kernel "$images/vmlinuz" --initrd "$full_initrd" \
		--append 'console=ttyS0 quiet run="sh /scsi_guest.sh"' \
		--memory 256M --cpus 2 --scsi "$tmp/disk.img,serial=DISK-0" \
		--scsi "$tmp/ro.img,serial=DISK-1,ro" --cdrom "$tmp/first.iso"
	from scsi
	reaches scsi out 'vireo-guest: ready'
}

# in_guest FUNCTION: of scsi_guest.sh
in_guest() {
	from scsi
	type_in scsi "$1\n"
	reaches scsi out "^guest: done $1\$" || return
	tr -d '\r' <"$tmp/scsi/out" | sed -n 's/^guest: //p' >"$t/said"
}

scsi_devices() {
	in_guest devices || return
	want said '^device 0 0 VIREO DISK ' && want said '^device 0 5 VIREO CD-ROM ' &&
		want said '^disk size 131072$' && want said '^disk ro 0$' &&
		want said '^disk cache write back 1$' &&
		want said '^disk rotational 0$' && want said '^disk discard 2147483648$' &&
		want said '^disk zeroes 33554432$' && want said '^disk provisioning unmap$' &&
		want said "^disk sum $(cat "$tmp/disk.sum")\$" && want said '^ro 1$' &&
		want said "^ro sum $(disk_sum ro.img)\$" && want said '^queues 2$'
}

scsi_files() {
	in_guest files || return
	want said '^files same$' && want said '^files trimmed$' &&
		want said '^cache write through$' && want_not said ' failed$' || return
	# The partition begins at sector 63 or 2048.
	local start
	start=$(od -An -t u4 -j $((0x1be + 8)) -N 4 "$tmp/disk.img" | tr -d ' ')
	dd if="$tmp/disk.img" of="$tmp/part.img" bs=512 skip="$start" 2>"$t/dd"
	/sbin/e2fsck -fn "$tmp/part.img" >"$t/e2fsck" 2>&1 || fail "it is not clean" || return
	[ "$(/sbin/debugfs -R 'cat /mark' "$tmp/part.img" 2>/dev/null)" = kept ] ||
		fail "what it wrote is not on the disk"
}

scsi_cdrom() {
	in_guest cdrom || return
	want said '^cd first$' && want said "^cd sum $(cat "$tmp/first.sum")\$" &&
		want said '^cd drive close tray;open tray;lock tray;'
}

# Mounted, it is locked: it opens only by force.
scsi_eject() {
	from scsi
	! ask scsi eject '{"device": "scsi0-cd2"}' || fail "it is not locked" || return
	want answers 'is locked and force was not specified' || return
	in_guest leave || return
	want said '^cd left$' || return
	wait_for 60 ask scsi eject '{"device": "scsi0-cd2"}' || fail "it stays locked" || return
	ask scsi query-block || return
	want answers '"tray_open": true' || return
	! ask scsi blockdev-change-medium \
		"{\"device\": \"scsi0-cd2\", \"filename\": \"$tmp/second.iso\"}" ||
		fail "it opens a path" || return
	want answers 'the machine is locked in' || return
	ask scsi add-fd '{"fdset-id": 1}' "$tmp/second.iso" || return
	ask scsi blockdev-change-medium \
		'{"device": "scsi0-cd2", "filename": "/dev/fdset/1"}' || return
	in_guest again || return
	want said '^cd second$'
}

scsi_hotplug() {
	from scsi
	ask scsi add-fd '{"fdset-id": 2}' "$tmp/more.img" || return
	ask scsi x-vireo-scsi-add \
		'{"path": "/dev/fdset/2", "serial": "DISK-2"}' || return
	want answers '"id": "scsi0-hd3"' || return
	in_guest more || return
	want said "^more 6144 $(disk_sum more.img)\$" || return
	ask scsi x-vireo-scsi-remove '{"id": "scsi0-hd3"}' || return
	in_guest less || return
	want said '^less$'
}

scsi_is_stopped() {
	: >"$t/answers"
	ask scsi query-status && grep -q '"io-error"' "$t/answers"
}

# One that comes while the machine is paused, and cannot be read at first
scsi_hotplug_stops() {
	local status
	from scsi
	cp "$tmp/more.img" "$tmp/failing.img"
	ask scsi add-fd '{"fdset-id": 3}' "$tmp/failing.img" && ask scsi stop &&
		ask scsi x-vireo-scsi-add '{"path": "/dev/fdset/3",
			"serial": "DISK-2", "on-error": "stop", "iops": 500}' ||
		fail "it is not added" || return
	truncate -s 0 "$tmp/failing.img"
	ask scsi cont
	wait_for 60 scsi_is_stopped
	status=$?
	cat "$tmp/more.img" >"$tmp/failing.img"
	[ $status = 0 ] || fail "it does not stop" || return
	ask scsi cont || return
	in_guest more || return
	want said "^more 6144 $(disk_sum more.img)\$" || return
	ask scsi query-block || return
	want answers '"iops": 500' || return
	ask scsi x-vireo-scsi-remove '{"id": "scsi0-hd3"}' || return
	in_guest less
}

scsi_resize() {
	from scsi
	ask scsi block_resize '{"device": "scsi0-hd0", "size": 102400000}' || return
	in_guest larger || return
	want said '^larger 200000$'
}

scsi_end() {
	in_guest reset || return
	want said '^reads$' || return
	# The kernel tells of what was done to its disks, too.
	local usual='Power-on or device reset|Capacity data has changed|timestamps until'
	grep '^warning' "$t/said" | grep -vE "$(harmless)|$usual" >"$t/warnings"
	same warnings "" || return
	ask scsi quit
	ended scsi 4
}

scsi_tests() {
	run_test "SCSI: starts" start_scsi
	[ -n "${pids[scsi]-}" ] || return
	run_test "SCSI: disks and a drive" scsi_devices
	run_test "SCSI: a file system" scsi_files
	run_test "SCSI: a CD-ROM" scsi_cdrom
	run_test "SCSI: eject and change" scsi_eject
	run_test "SCSI: a disk more, and less" scsi_hotplug
	run_test "SCSI: a disk more that fails" scsi_hotplug_stops
	run_test "SCSI: a larger disk" scsi_resize
	run_test "SCSI: no warning" scsi_end
}
