# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Run by the init of tests/vm/net.sh's guests, with the configuration of eth0 as
# arguments: it does what is typed, a function and its arguments a line.

say() {
	echo "guest: $*"
}

sum() {
	sha256sum | cut -d ' ' -f 1
}

# What eth0 is
card() {
	say card "$(cat /sys/class/net/eth0/address)" \
		mtu "$(cat /sys/class/net/eth0/mtu)" \
		queues "$(find /sys/class/net/eth0/queues -name 'rx-*' | wc -l)"
	for dev in /sys/bus/virtio/drivers/virtio_net/virtio*; do
		say features "$(cat "$dev/features")"
	done
}

carrier() {
	say carrier "$(cat /sys/class/net/eth0/carrier)"
}

# until_carrier VALUE
until_carrier() {
	for _ in $(seq 100); do
		[ "$(cat /sys/class/net/eth0/carrier)" != "$1" ] || break
		sleep 0.1
	done
	carrier
}

dhcp() {
	printf '%s\n' '#!/bin/sh' '[ "$1" = bound ] || exit 0' \
		'ifconfig $interface $ip netmask $subnet' \
		'route add default gw $router' \
		'echo "guest: bound $ip $subnet $router $dns"' >/tmp/bound
	chmod +x /tmp/bound
	ifconfig eth0 up
	udhcpc -i eth0 -n -q -f -t 10 -s /tmp/bound 2>&1 | grep '^guest'
}

static() {
	ifconfig eth0 "$1" netmask 255.255.255.0 up
}

reaches() {
	if ping -c 3 -w 20 "$1" >/tmp/ping 2>&1; then
		say reaches "$1"
	else
		say no way to "$1": "$(tail -n 2 /tmp/ping)"
	fi
}

# What others fetch, at port 80
serve() {
	mkdir -p /tmp/www
	head -c "$1" /dev/urandom >/tmp/www/data
	say serves "$(sum </tmp/www/data)"
	httpd -h /tmp/www
}

fetch() {
	say fetched "$(wget -q -O - "$1" | sum)"
}

# In both directions at once, so many
fetch_many() {
	for i in $(seq "$2"); do
		wget -q -O - "$1" | sum >"/tmp/many-$i" &
	done
	wait
	say many "$(cat /tmp/many-* | sort | uniq -c)"
}

interrupts() {
	say interrupts "$(grep -c 'virtio[0-9]*-input' /proc/interrupts)"
	grep 'virtio[0-9]*-input' /proc/interrupts | while read -r line; do
		say interrupt "$line"
	done
}

warnings() {
	dmesg -r | grep '^<[0-4]>' | sed 's/^/guest: warning /'
}

say ready
# shellcheck disable=SC2162 # nobody types backslashes
while read line; do
	[ "$line" != end ] || break
	$line
	say "done $line"
done
