# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the suite has set
# Part of tests/vm/run: a stock guest's drivers with each kind of ring and each
# transport that --virtio offers.

# As init loads it, it has no options.
legacy_driver='rmmod virtio_pci
	insmod $(find /lib/modules -name "virtio_pci.ko*") force_legacy=1'

# start_virtio NAME OPTIONS [APPEND [FIRST]]: it writes to its disk and reads it
# again; FIRST is what else it does, before
start_virtio() {
	truncate -s 4M "$tmp/$1.img"
	# shellcheck disable=SC2016 # for the guest's shell
	with_run "${4-}"'
	for dev in /sys/bus/virtio/devices/*; do
		echo "guest: virtio $(readlink -f $dev) $(cat $dev/features)"
	done
	dd if=/dev/urandom of=/tmp/data bs=64k count=48 2>/dev/null
	dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/vda bs=4k count=768 2>/dev/null | cmp - /tmp/data && echo "guest: same data"
	# Reset, and driven again.
	bdf=$(ls /sys/bus/virtio/drivers/virtio_blk | grep virtio)
	echo $bdf >/sys/bus/virtio/drivers/virtio_blk/unbind
	echo $bdf >/sys/bus/virtio/drivers/virtio_blk/bind
	echo "guest: sum $(sha256sum </dev/vda | cut -d" " -f 1)"
	echo "guest: random $(head -c 4096 /dev/hwrng | wc -c)"
	echo "guest: hvc" >/dev/hvc0 && sleep 1
	grep virtio /proc/interrupts | sed "s/^/guest: irq /"
	dmesg -r | grep "^<[0-4]>"' --disk "$tmp/$1.img" --rng \
		--virtio-console "file:$tmp/$1.hvc" --virtio "$2" --cpus 2
	[ -z "${3-}" ] || run_args[${#run_args[@]}-1]+=" $3"
	start "$1" "${run_args[@]}"
}

# virtio_works NAME REGEX COUNT: its drivers had the data right, and so many
# devices match, each in a line `path features'
virtio_works() {
	from "$1"
	ended "$1" 0 || return
	want out '^guest: same data' && want out '^guest: random 4096' || return
	want out "^guest: sum $(sha256sum <"$tmp/$1.img" | cut -d ' ' -f 1)" || return
	tr -d '\r' <"$tmp/$1.hvc" | grep -q '^guest: hvc' ||
		fail "nothing came out of hvc0" || return
	[ "$(tr -d '\r' <"$t/out" | grep -cE "^guest: virtio .*$2")" = "$3" ] ||
		fail "not $3 devices match '$2'" || return
	tr -d '\r' <"$t/out" | grep -aE '<[0-4]>\[' |
		grep -vE "$(harmless)" >"$t/warnings"
	same warnings ""
}

# Features are shown from bit 0 on: 32 is VERSION_1, 34 RING_PACKED.
virtio_tests() {
	start_virtio packed pci,packed
	start_virtio mmio mmio
	run_test "virtio: packed rings" virtio_works packed 'pci.* .{32}1.1' 3
	run_test "virtio: on no bus" virtio_works mmio 'LNRO0005.* .{32}1.0' 3
	start_virtio mmio-packed mmio,packed
	start_virtio transitional pci,transitional
	run_test "virtio: on no bus, packed rings" \
		virtio_works mmio-packed 'LNRO0005.* .{32}1.1' 3
	run_test "virtio: transitional devices" \
		virtio_works transitional 'pci.* .{32}1.0' 3
	start_virtio legacy pci,transitional "" "$legacy_driver"
	start_virtio legacy-pin pci,transitional pci=nomsi "$legacy_driver"
	run_test "virtio: legacy driver" virtio_works legacy 'pci.* .{32}0.0' 3
	run_test "virtio: legacy driver, without messages" \
		virtio_works legacy-pin 'pci.* .{32}0.0' 3
}
