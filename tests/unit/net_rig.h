/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card at a stream, of which the test is the other end. */
#ifndef TEST_NET_RIG_H
#define TEST_NET_RIG_H

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "virtio_rig.h"
#include "virtio/net.h"

#define F(bit) (1ULL << (bit))
#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)
#define CONTROL (MERGE | F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_RX))
#define HDR sizeof(struct virtio_net_hdr_v1)

enum { RX, TX, CTRL };

static const uint8_t our_mac[] = { 0x52, 0x54, 0, 1, 2, 3 };

struct net_rig {
	struct rig *rig;
	struct net_config cfg;
	char path[64];
	int listener, peer;
	uint64_t next; /* memory for the next buffer */
};

static inline struct virtio_nic *nic_of(struct net_rig *f)
{
	return nic_of_dev(f->rig->dev);
}

/* @path_only: nobody listens. */
static inline void net_rig_open(struct net_rig *f, enum net_kind kind,
				uint64_t features)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(f->path, "/tmp/vireo-test-net-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	strcat(f->path, "/s");
	strcpy(sa.sun_path, f->path);
	if (kind == NET_PASST) {
		assert_int_equal(bind(f->listener, (struct sockaddr *)&sa,
				      sizeof(sa)),
				 0);
		assert_int_equal(listen(f->listener, 1), 0);
	}
	f->cfg.kind = kind;
	f->cfg.path = f->path;
	if (!f->cfg.mac)
		f->cfg.mac = (char *)(uintptr_t) "52:54:00:01:02:03";
	f->rig = rig_new(&virtio_net_class, &f->cfg);
	f->peer = -1;
	if (kind == NET_PASST) {
		f->peer = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
		assert_true(f->peer >= 0);
	}
	f->next = RIG_DATA;
	rig_drive(f->rig, features);
}

static inline void net_rig_close(struct net_rig *f)
{
	rig_free(f->rig);
	close(f->listener);
	if (f->peer >= 0)
		close(f->peer);
	unlink(f->path);
	*strrchr(f->path, '/') = '\0';
	rmdir(f->path);
}

/* Byte @i of frame @n: from 52:54:00:09:09:09 to @mac. */
static inline void net_frame(uint8_t *frame, size_t len, const uint8_t *mac,
			     unsigned int n)
{
	static const uint8_t from[] = { 0x52, 0x54, 0, 9, 9, 9, 8, 0 };
	size_t i;

	for (i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 3 + n);
	memcpy(frame, mac, 6);
	memcpy(frame + 6, from, 8);
}

static inline void net_to_guest(struct net_rig *f, const void *frame,
				size_t len)
{
	uint32_t head = htobe32((uint32_t)len);

	assert_int_equal(write(f->peer, &head, 4), 4);
	assert_int_equal(write(f->peer, frame, len), len);
	rig_run(f->rig);
}

/* What the card has sent; 0: nothing. */
static inline size_t net_from_guest(struct net_rig *f, void *frame)
{
	uint32_t head;

	if (read(f->peer, &head, 4) != 4)
		return 0;
	head = be32toh(head);
	assert_true(head <= NET_FRAME_MAX);
	assert_int_equal(read(f->peer, frame, head), head);
	return head;
}

/* A receive buffer of @len bytes; its address. */
static inline uint64_t net_give(struct net_rig *f, uint32_t len)
{
	struct rig_buf buf = { f->next, len, true };

	memset(rig_mem(f->rig, f->next, len), 0xee, len);
	f->next += len;
	rig_add(f->rig, RX, &buf, 1);
	rig_kick(f->rig, RX);
	return buf.addr;
}

/* Sends a frame with header @hdr, in two buffers that are cut at @cut. */
static inline void net_send(struct net_rig *f,
			    const struct virtio_net_hdr_v1 *hdr,
			    const void *frame, uint32_t len, uint32_t cut)
{
	uint32_t all = (uint32_t)HDR + len;
	struct rig_buf bufs[] = {
		{ RIG_DATA + 0x80000, cut, false },
		{ RIG_DATA + 0x80000 + cut, all - cut, false },
	};
	uint8_t *mem = rig_mem(f->rig, RIG_DATA + 0x80000, all);

	memcpy(mem, hdr, HDR);
	memcpy(mem + HDR, frame, len);
	rig_add(f->rig, TX, bufs, 2);
	rig_kick(f->rig, TX);
}

/* A command; its answer, or 0xee if there is none. */
static inline uint8_t net_ask(struct net_rig *f, uint8_t class, uint8_t cmd,
			      const void *data, uint32_t len)
{
	const uint64_t at = RIG_DATA + 0xc0000;
	struct rig_buf bufs[] = { { at, 2, false },
				  { at + 2, len, false },
				  { at + 2 + len, 1, true } };
	uint8_t *mem = rig_mem(f->rig, at, len + 3);

	mem[0] = class;
	mem[1] = cmd;
	memcpy(mem + 2, data, len);
	mem[2 + len] = 0xee;
	rig_add(f->rig, CTRL, bufs, 3);
	rig_kick(f->rig, CTRL);
	return mem[2 + len];
}

static inline uint16_t net_link(struct net_rig *f)
{
	return (uint16_t)rig_read(f->rig,
				  VIRTIO_PCI_DEVICE +
					  offsetof(struct virtio_net_config,
						   status),
				  2);
}

static inline bool net_broken(struct net_rig *f)
{
	return rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

#endif
