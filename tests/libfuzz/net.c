// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtio network card whose driver sends any frames and commands, and gives any
 * buffers for what comes.  The input: a byte of features; for each of the three
 * queues one of the number of its chains, for each chain one of the number of its
 * buffers and five for each of these (offset, length, direction); two bytes of the
 * length of what comes from the other end, that, and what lies in the buffers.
 */
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../unit/virtio_rig.h"
#include "virtio/virtio_devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AREA 0x20000U
#define F(bit) (1ULL << (bit))

struct input {
	const uint8_t *data;
	size_t size;
};

static uint32_t get(struct input *in, unsigned int bytes)
{
	uint32_t val = 0;

	for (; bytes && in->size; bytes--, in->size--)
		val = val << 8 | *in->data++;
	return val;
}

/* A machine for all inputs, at a link where each finds its place anew. */
static struct rig *machine(struct sockaddr_un *sa)
{
	static struct net_config cfg;
	static char path[64];
	static struct rig *rig;
	struct error err;

	if (!rig) {
		signal(SIGPIPE, SIG_IGN);
		snprintf(path, sizeof(path), "/tmp/vireo-fuzz-net-%d",
			 getpid());
		cfg.kind = NET_LINK;
		cfg.path = path;
		if (rig_init(&rig, &virtio_net_class, &cfg, &err))
			abort();
		devices_stop(&rig->vm);
	}
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(sa->sun_path, path);
	return rig;
}

static void chains(struct rig *rig, struct input *in, unsigned int q)
{
	unsigned int i, n, chains = get(in, 1) % 6;
	struct rig_buf bufs[4];

	while (chains--) {
		n = 1 + get(in, 1) % 4;
		for (i = 0; i < n; i++) {
			bufs[i].addr = RIG_DATA + get(in, 2);
			bufs[i].len = get(in, 2);
			bufs[i].write = get(in, 1) & 1;
		}
		rig_add(rig, q, bufs, n);
	}
}

static void negotiate(struct rig *rig, unsigned int choice)
{
	uint64_t features = RIG_FEATURES | F(VIRTIO_NET_F_CTRL_VQ);
	unsigned int i;

	if (choice & 1)
		features |= F(VIRTIO_NET_F_MRG_RXBUF);
	if (choice & 2)
		features |= F(VIRTIO_NET_F_CTRL_RX) |
			    F(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			    F(VIRTIO_NET_F_CTRL_MAC_ADDR) |
			    F(VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (choice & 4)
		features |= F(VIRTIO_NET_F_CTRL_VLAN);
	rig_set_status(rig, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	rig_set_status(rig,
		       VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (i = 0; i < 2; i++) {
		rig_write(rig, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		rig_write(rig, VIRTIO_PCI_COMMON_GF, 4, features >> (32 * i));
	}
	rig_set_status(rig, rig_status(rig) | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void on_end(void *opaque)
{
	loop_stop(opaque);
}

/* What is ready now, and all that follows from it at once. */
static void round_of(struct rig *rig, struct loop_call *end)
{
	loop_post(rig->vm.loop, end);
	if (loop_run(rig->vm.loop))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct loop_call end = { .fn = on_end };
	struct sockaddr_un sa;
	struct rig *rig;
	unsigned int q;
	size_t len;
	int peer;

	rig = machine(&sa);
	end.opaque = rig->vm.loop;
	devices_reset(&rig->vm);
	negotiate(rig, get(&in, 1));
	for (q = 0; q < 3; q++) {
		rig_queue(rig, q);
		chains(rig, &in, q);
	}
	peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (peer < 0)
		abort();
	len = get(&in, 2);
	if (len > in.size)
		len = in.size;
	/* Many who came while the ring was broken may be waiting. */
	if (!connect(peer, (struct sockaddr *)&sa, sizeof(sa)) && len &&
	    write(peer, in.data, len) != (ssize_t)len)
		abort();
	in.data += len;
	in.size -= len;
	memset(rig_mem(rig, RIG_DATA, AREA), 0, AREA);
	memcpy(rig_mem(rig, RIG_DATA, AREA), in.data,
	       in.size < AREA ? in.size : AREA);
	rig_driver_ok(rig);

	devices_start(&rig->vm);
	for (q = 0; q < 3; q++)
		round_of(rig, &end);
	/* The next input's peer is another one. */
	close(peer);
	for (q = 0; q < 3; q++)
		round_of(rig, &end);
	devices_stop(&rig->vm);
	return 0;
}
