# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: a guest with all devices, in which guest.sh looks at
# all of them.

# The kernel unpacks archives that follow each other one after the other.
make_full_initrd() {
	full_initrd=$tmp/initrd
	(cd tests/vm && printf '%s\n' guest.sh scsi_guest.sh net_guest.sh hotplug_guest.sh | cpio -o -H newc --quiet -R 0:0) |
		gzip | cat $initrd - >"$full_initrd"
}

# start_full NAME ARG...: the serial port goes to the file console, and hvc0
# to standard input and output.  Of the host, $tmp/NAME keeps what it saw:
# began, the time; expected.img and ro.img, what the disks must be afterwards;
# sum, that of the first disk at the start.
start_full() {
	local name=$1 dir=$tmp/$1 i
	local files=$tmp/files-$1
	shift
	mkdir -p "$files"
	# An odd number of sectors.
	head -c $((8191 * 512)) /dev/urandom >"$files/rw.img"
	head -c $((2 << 20)) /dev/urandom >"$files/ro.img"
	cp "$files/ro.img" "$files/ro-before.img"
	head -c 20000 /dev/urandom >"$files/input"
	sha256sum <"$files/rw.img" >"$files/sum"
	cp "$files/rw.img" "$files/expected.img"
	for i in "bs=512 seek=3 skip=5 count=7" "bs=64k seek=8 count=16" \
		"bs=512 seek=8190 count=1"; do
		# shellcheck disable=SC2086 # words
		dd if="$files/ro.img" of="$files/expected.img" conv=notrunc $i 2>/dev/null
	done
	date +%s >"$files/began"
	start "$name" --initrd "$full_initrd" \
		--append 'console=ttyS0 quiet run="sh /guest.sh"' \
		--console "file:$dir/console" --virtio-console stdio \
		--disk "$files/rw.img,serial=vireo-test-serial-01" \
		--disk "$files/ro.img,ro" --rng "$@"
}

# While the guest waits for input the host looks at it; see guest.sh.
lead() {
	local name=$1 dir=$tmp/$1 pid=${pids[$1]} stat
	from "$name"
	reaches "$name" out '^hvc0 ready' || return
	stat=$(vm_dir "$pid")
	cat "/proc/$pid/smaps_rollup" >"$dir/smaps"
	cat "/proc/$pid/smaps" | grep -E '^(ShmemPmdMapped|Shared_Hugetlb|Private_Hugetlb): +[1-9]' >"$dir/huge"
	[ ! -r $stats/memory ] || cat $stats/memory >"$dir/memory"
	if [ -d "$stat" ]; then
		cat "$stat/info" >"$dir/info"
		cat "$stat/regions" >"$dir/regions"
		cat "$stat/exits" >"$dir/exits-1"
	fi
	cat "$tmp/files-$name/input" >&"${keys[$name]}"
	reaches "$name" console '^guest: end$' || return
	[ ! -d "$stat" ] || cat "$stat/exits" >"$dir/exits-2"
	type_in "$name" x
	ended "$name" 0 || return
	date +%s >"$tmp/files-$name/ended"
	from "$name"
	same err "" || return
	want console 'vireo-guest: exit 0' && want console 'reboot: Power down'
}

# full_tests NAME LABEL CPUS MIB
full_tests() {
	local name=$1 label=$2 test
	run_test "$label: boots, runs and powers off" lead "$name"
	if ! grep -q '^guest: end' "$tmp/$name/console" 2>/dev/null; then
		skip "$label: what the guest sees" "it did not get that far"
		return
	fi
	for test in no_warning "processors $3" "memory $4" clock disk_read \
		disk_write disk_read_only disk_serial random hvc_out hvc_in \
		pci_functions msi resources acpi fw_cfg rtc_alarm; do
		# shellcheck disable=SC2086 # words
		run_test "$label: $(tr _ ' ' <<<"${test%% *}")" about "$name" full_$test
	done
}

about() {
	local name=$1
	shift
	from "$name"
	files=$tmp/files-$name
	"$@"
}

# says KEY: what `guest: KEY` was followed by, the last time
says() {
	tr -d '\r' <"$t/console" | sed -n "s/^guest: $1 //p" | tail -n 1
}

# equal KEY VALUE
equal() {
	[ "$(says "$1")" = "$2" ] || fail "$1 is '$(says "$1")', not '$2'"
}

# between KEY LOW HIGH
between() {
	local n
	n=$(says "$1")
	[ -n "$n" ] && [ "$n" -ge "$2" ] && [ "$n" -le "$3" ] ||
		fail "$1 is '$n', not from $2 to $3"
}

# Warnings that only say that a guest had to wait for its host's processor.
harmless() {
	echo 'clocksource: Long readout interval|hrtimer: interrupt took'
}

full_no_warning() {
	tr -d '\r' <"$t/console" |
		grep -E '^guest: warning |WARNING:|BUG:|Oops|Call Trace|unchecked MSR|Kernel panic' |
		grep -vE "$(harmless)" >"$t/warnings"
	same warnings ""
}

full_processors() {
	local list=0
	[ "$1" = 1 ] || list=0-$(($1 - 1))
	equal cpus "$1" && equal online "$list" || return
	[ "$1" = 1 ] || equal without-cpu1 "0,2-$(($1 - 1))" || return
	equal ticks "$(printf "%0$1d" 0 | tr 0 1)"
}

# In KiB; the kernel keeps a part for itself.
full_memory() {
	between memory $(($1 * 1024 * 75 / 100)) $(($1 * 1024))
}

# The guest took the time between two looks at the host's clock.
full_clock() {
	local began ended
	began=$(cat "$files/began") ended=$(cat "$files/ended")
	equal cmos "rtc_cmos 00:01" || return
	between rtc $((began - 1)) "$ended" && between wall $((began - 1)) "$ended" &&
		equal clocksource kvm-clock
}

full_disk_read() {
	equal "vda size" 8191 && equal "vdb size" 4096 && equal "vda ro" 0 || return
	equal "vda sum" "$(cut -d ' ' -f 1 "$files/sum")" || return
	equal "vdb sum" "$(sha256sum <"$files/ro-before.img" | cut -d ' ' -f 1)"
}

full_disk_write() {
	cmp "$files/rw.img" "$files/expected.img" >"$t/cmp" ||
		fail "the image is not what the guest wrote" || return
	equal "vda written" "$(sha256sum <"$files/expected.img" | cut -d ' ' -f 1)"
}

full_disk_read_only() {
	equal "vdb ro" 1 && want_not console '^guest: vdb takes writes' || return
	cmp "$files/ro.img" "$files/ro-before.img" >"$t/cmp" ||
		fail "the read-only image was changed"
}

full_disk_serial() {
	equal "vda serial" vireo-test-serial-01
}

# Random bytes do not compress.
full_random() {
	local bytes packed
	equal rng virtio_rng.0 || return
	read -r bytes packed <<<"$(says random)"
	[ "$bytes" = 4096 ] && [ "$packed" -ge 4096 ] ||
		fail "$bytes bytes from /dev/hwrng, packed $packed"
}

full_hvc_out() {
	cmp <(tail -c 100000 "$t/out") <(head -c 100000 "$files/ro.img") >"$t/cmp" ||
		fail "hvc0's output is not what the guest wrote"
}

full_hvc_in() {
	equal hvc "$(sha256sum <"$files/input" | cut -d ' ' -f 1)"
}

full_pci_functions() {
	tr -d '\r' <"$t/console" | sed -n 's/^guest: pci //p' >"$t/functions"
	same functions "0000:00:00.0 0x8086 0x29c0 0x060000
0000:00:01.0 0x1af4 0x1042 0x018000
0000:00:02.0 0x1af4 0x1042 0x018000
0000:00:03.0 0x1af4 0x1044 0x00ff00
0000:00:04.0 0x1af4 0x1043 0x078000
0000:00:1f.0 0x8086 0x2918 0x060100"
}

full_msi() {
	between "interrupts msi" 10 1000000 && equal "interrupts intx" 0 || return
	between "interrupts serial" 1 1000000
}

full_resources() {
	want console '^guest: iomem b0000000-b[0-9a-f]+ : PCI MMCONFIG' &&
		want console '^guest: iomem fec00000-fec003ff : IOAPIC 0' &&
		want console '^guest: iomem .* : virtio-pci-modern' &&
		want console '^guest: ioport .*03f8-03ff : serial' &&
		want console '^guest: ioport .*0600-0603 : ACPI PM1a_EVT_BLK' &&
		want console '^guest: ioport .*0608-060b : ACPI PM_TMR'
}

full_acpi() {
	equal tables "APIC DSDT FACP FACS MCFG data dynamic "
}

full_fw_cfg() {
	between fw_cfg 1 3 || return
	# Each file is as long as the directory says.
	tr -d '\r' <"$t/console" | sed -n 's/^guest: fw_cfg-file //p' >"$t/fw_cfg"
	awk '$2 != $3 { bad = 1 } END { exit bad }' "$t/fw_cfg" ||
		fail "a file of fw_cfg is not as long as it should be"
}

full_rtc_alarm() {
	between "interrupts rtc" 1 100
}

# ---- what the host saw ------------------------------------------------------

# value FILE NAME: of a line `NAME VALUE`
value() {
	sed -n "s/^$2 //p" "$t/$1"
}

counted() {
	from "$1"
	serves || { why="$no_service"; return 4; }
	want info "^name $1\$" && want info "^pid ${pids[$1]}\$" &&
		want regions '^[0-9]+ +serial.* pio +0x3f8-0x3ff' || return
	[ "$(value exits-1 served)" -gt 1000 ] || fail "few accesses served" ||
		return
	[ "$(value exits-2 served)" -gt "$(value exits-1 served)" ] ||
		fail "no access served while the guest said much" || return
	[ "$(value exits-2 post)" -gt "$(value exits-1 post)" ] ||
		fail "no access posted while the guest said much" || return
	[ ! -e "$(vm_dir "${pids[$1]}")" ] || fail "its directory stays"
}

# Shared memory has huge pages only where the host allows it.
thp=/sys/kernel/mm/transparent_hugepage/shmem_enabled

allow_thp() {
	thp_before=$(sed -n 's/.*\[\(.*\)\].*/\1/p' $thp 2>/dev/null)
	[ -z "$thp_before" ] || echo advise >$thp
}

restore_thp() {
	[ -z "$thp_before" ] || echo "$thp_before" >$thp
}

thp_used() {
	from "$1"
	[ -n "$thp_before" ] || { why="no $thp"; return 4; }
	want huge ShmemPmdMapped
}

# object_used NAME MIB: all of the guest's memory is of the module and there,
# most of it in huge pages: there are not always that many at hand.
object_used() {
	from "$1"
	serves || { why="$no_service"; return 4; }
	awk -v pid="${pids[$1]}" -v bytes=$(($2 << 20)) '
		NR == 1 {
			for (i = 1; i <= NF; i++)
				column[$i] = i
		}
		$column["pid"] == pid && $column["bytes"] == bytes &&
			$column["resident"] == bytes &&
			$column["huge"] > bytes / 2 { found = 1 }
		END { exit !found }' "$t/memory" || fail "$(cat "$t/memory")"
}

hugetlb_used() {
	from "$1"
	want huge Hugetlb
}

reserve_huge_pages() {
	huge_before=$(cat /proc/sys/vm/nr_hugepages 2>/dev/null) || return
	echo $((huge_before + $1)) >/proc/sys/vm/nr_hugepages
	[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge "$1" ]
}

release_huge_pages() {
	[ -z "$huge_before" ] || echo "$huge_before" >/proc/sys/vm/nr_hugepages
}
