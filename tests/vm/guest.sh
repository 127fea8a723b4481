# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Run by the init of tests/vm/run's guests: says on the console what the guest
# sees, in lines `guest: KEY VALUE`.  Disks: vda read-write, vdb read-only.
# Bytes go both ways over hvc0.

say() {
	echo "guest: $*"
}

# Interrupts so far on lines of /proc/interrupts that match $1
interrupts() {
	awk -v re="$1" '$0 ~ re { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i }
		END { print n + 0 }' /proc/interrupts
}

sum() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

say uname "$(uname -srm)"
say cpus "$(grep -c ^processor /proc/cpuinfo)"
say memory "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
say clocksource "$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
say rtc "$(cat /sys/class/rtc/rtc0/since_epoch)"
say wall "$(date +%s)"
say cmos "$(cat /sys/class/rtc/rtc0/name)"
say tables "$(ls /sys/firmware/acpi/tables | tr '\n' ' ')"
for dir in /sys/bus/pci/devices/*; do
	say pci "${dir##*/}" "$(cat "$dir/vendor")" "$(cat "$dir/device")" \
		"$(cat "$dir/class")"
done
sed 's/^/guest: iomem /' /proc/iomem
sed 's/^/guest: ioport /' /proc/ioports

# A processor that goes and comes back is started anew.
if [ -e /sys/devices/system/cpu/cpu1/online ]; then
	echo 0 >/sys/devices/system/cpu/cpu1/online
	say without-cpu1 "$(cat /sys/devices/system/cpu/online)"
	echo 1 >/sys/devices/system/cpu/cpu1/online
fi
say online "$(cat /sys/devices/system/cpu/online)"
say ticks "$(awk '/LOC:/ { for (i = 2; $i ~ /^[0-9]+$/; i++) printf "%d", ($i > 0) }' /proc/interrupts)"

modprobe qemu_fw_cfg && say fw_cfg "$(cat /sys/firmware/qemu_fw_cfg/rev)"
(cd /sys/firmware/qemu_fw_cfg/by_name && find . -name raw | while read -r raw; do
	say fw_cfg-file "${raw%/raw}" "$(cat "${raw%raw}size")" "$(wc -c <"$raw")"
done)

say rng "$(cat /sys/class/misc/hw_random/rng_current)"
say random "$(head -c 4096 /dev/hwrng | wc -c)" "$(head -c 4096 /dev/hwrng | gzip | wc -c)"

for disk in vda vdb; do
	say $disk size "$(cat /sys/block/$disk/size)"
	say $disk ro "$(cat /sys/block/$disk/ro)"
	say $disk serial "$(cat /sys/block/$disk/serial)"
	say $disk sum "$(sum /dev/$disk)"
done
# tests/vm/run does the same to a copy.
dd if=/dev/vdb of=/dev/vda bs=512 seek=3 skip=5 count=7 conv=fsync 2>/dev/null
dd if=/dev/vdb of=/dev/vda bs=64k seek=8 count=16 conv=fsync 2>/dev/null
dd if=/dev/vdb of=/dev/vda bs=512 seek=8190 count=1 conv=fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
say vda written "$(sum /dev/vda)"
blockdev --setrw /dev/vdb 2>/dev/null
if dd if=/dev/zero of=/dev/vdb bs=4k count=1 conv=fsync 2>/dev/null; then
	say vdb "takes writes"
fi
say vdb after "$(sum /dev/vdb)"

# Far enough ahead: Linux does not notice a second that passes while it sets
# the alarm, and this guest may wait long for a processor.
echo 0 >/sys/class/rtc/rtc0/wakealarm
echo +5 >/sys/class/rtc/rtc0/wakealarm
i=0
while [ "$(interrupts rtc0)" = 0 ] && [ $i -lt 300 ]; do
	sleep 0.1
	i=$((i + 1))
done
say interrupts rtc "$(interrupts rtc0)"
say interrupts serial "$(interrupts ttyS0)"

exec 7<>/dev/hvc0
stty raw -echo <&7
echo "hvc0 ready" >&7
say hvc "$(head -c 20000 <&7 | sha256sum | cut -d ' ' -f 1)"
head -c 100000 /dev/vdb >&7
say interrupts msi "$(interrupts 'PCI-MSI.*virtio')"
say interrupts intx "$(interrupts 'IO-APIC.*virtio')"

dmesg -r | grep '^<[0-4]>' | sed 's/^/guest: warning /'
say end
head -c 1 <&7 >/dev/null
