# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Run by the init of the guest of tests/vm/hotplug.sh, which has vda: says what
# comes and goes in lines `guest: KIND NAME RESULT` and `guest: KIND gone`,
# while something reads and writes vda all the time.

say() {
	echo "guest: $*"
}

# disk SERIAL SUM: as vdb
disks() {
	while :; do
		until [ -b /dev/vdb ]; do sleep 0.1; done
		serial=$(cat /sys/block/vdb/serial)
		# Written and read back, past what the cache has.
		head -c 65536 /dev/urandom >/tmp/written
		dd if=/tmp/written of=/dev/vdb bs=4k seek=16 conv=fsync 2>/dev/null
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/dev/vdb bs=4k skip=16 count=16 2>/dev/null | cmp -s - /tmp/written ||
			say disk "$serial" differs
		say disk "$serial" "$(dd if=/dev/vdb bs=4k count=16 2>/dev/null | sha256sum | cut -d ' ' -f 1)"
		while [ -e /sys/block/vdb ]; do sleep 0.1; done
		say disk gone
	done
}

# net ADDRESS
nets() {
	while :; do
		until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
		address=$(cat /sys/class/net/eth0/address)
		ifconfig eth0 10.9.9.1 up
		say net "$address" up
		while [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
		say net gone
	done
}

has_rng() {
	read -r rngs </sys/class/misc/hw_random/rng_available
	case $rngs in
	*virtio_rng*) ;;
	*) return 1 ;;
	esac
}

# rng bytes BYTES
rngs() {
	while :; do
		until has_rng; do sleep 0.1; done
		say rng bytes "$(head -c 64 /dev/hwrng | wc -c)"
		while has_rng; do sleep 0.1; done
		say rng gone
	done
}

load() {
	while :; do
		dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null
		dd if=/dev/zero of=/dev/vda bs=4k count=16 conv=fsync 2>/dev/null
	done
}

say slots "$(ls /sys/bus/pci/slots | wc -l)"
disks &
nets &
rngs &
load &
say watches
wait
