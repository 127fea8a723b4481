// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drivers that do what the specification forbids, to every kind of device, with
 * rings of both kinds and all features of rings: nothing may be touched that is
 * not the guest's, a ring that cannot be right is said to need a reset, and after
 * that reset the device works.
 *
 * tests/unit/run takes this program from build/asan, where ASan and UBSan watch.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hostile.h"
#include "virtio/virtio_devices.h"

/* ---- kinds of devices -------------------------------------------------------- */

static char image[] = "/tmp/vireo-test-hostile-XXXXXX";
#define SECTORS 64

static const void *blk_config(void)
{
	static struct disk_config disk = { .path = image };

	return &disk;
}

static unsigned int blk_ask(struct rig *rig, struct rig_buf *bufs)
{
	const struct virtio_blk_outhdr hdr = { .sector = 3 };

	memcpy(rig_mem(rig, RIG_DATA, 16), &hdr, 16);
	memset(rig_mem(rig, RIG_DATA + 0x1000, 513), 0xee, 513);
	bufs[0] = (struct rig_buf){ RIG_DATA, 16, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 512, true };
	bufs[2] = (struct rig_buf){ RIG_DATA + 0x1200, 1, true };
	return 3;
}

/* A hostile request may have written to the image. */
static bool blk_answered(struct rig *rig, uint32_t len)
{
	return len == 513 && *(uint8_t *)rig_mem(rig, RIG_DATA + 0x1200, 1) ==
				     VIRTIO_BLK_S_OK;
}

static const void *rng_config(void)
{
	static struct rng_config rng = { .present = true };

	return &rng;
}

static unsigned int rng_ask(struct rig *rig, struct rig_buf *bufs)
{
	(void)rig;
	bufs[0] = (struct rig_buf){ RIG_DATA, 32, true };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 32, true };
	return 2;
}

static bool rng_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 64;
}

static const void *vcon_config(void)
{
	static char none[] = "none";
	static struct vcon_config vcon = { .target = none };

	return &vcon;
}

static unsigned int vcon_ask(struct rig *rig, struct rig_buf *bufs)
{
	memcpy(rig_mem(rig, RIG_DATA, 5), "hello", 5);
	bufs[0] = (struct rig_buf){ RIG_DATA, 3, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 3, 2, false };
	return 2;
}

static bool vcon_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 0;
}

/* ---- network cards, by the queue that is attacked ------------------------------ */

#define FRAME 60

/* The other ends, one of each card. */
static struct net_end {
	struct net_config cfg;
	struct sockaddr_un at;
	int listener, peer;
} ends[3];

static const void *net_config(struct net_end *e)
{
	e->at.sun_family = AF_UNIX;
	snprintf(e->at.sun_path, sizeof(e->at.sun_path), "%s.net-%d", image,
		 (int)(e - ends));
	e->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (e->listener < 0 ||
	    bind(e->listener, (struct sockaddr *)&e->at, sizeof(e->at)) ||
	    listen(e->listener, 1))
		abort();
	e->cfg.kind = NET_PASST;
	e->cfg.path = e->at.sun_path;
	e->peer = -1;
	return &e->cfg;
}

static int net_peer(struct net_end *e)
{
	if (e->peer < 0)
		e->peer = accept4(e->listener, NULL, NULL, SOCK_NONBLOCK);
	return e->peer;
}

static void net_ends_close(void)
{
	struct net_end *e;

	for (e = ends; e < ends + 3; e++) {
		close(e->peer);
		close(e->listener);
		unlink(e->at.sun_path);
	}
}

static const void *net_rx_config(void)
{
	return net_config(&ends[0]);
}

static const void *net_tx_config(void)
{
	return net_config(&ends[1]);
}

static const void *net_control_config(void)
{
	return net_config(&ends[2]);
}

/* A frame for each time that it is asked; no more than find room. */
static void net_rx_stir(struct rig *rig)
{
	static const uint8_t frame[4 + FRAME] = { 0, 0, 0, FRAME, 0x52, 0x54 };

	(void)rig;
	if (write(net_peer(&ends[0]), frame, sizeof(frame)) < 0)
		assert_int_equal(errno, EAGAIN);
}

/* What it has sent is read, or there would be no end of waiting. */
static void net_tx_stir(struct rig *rig)
{
	char buf[4096];

	(void)rig;
	while (read(net_peer(&ends[1]), buf, sizeof(buf)) > 0)
		;
}

static unsigned int net_rx_ask(struct rig *rig, struct rig_buf *bufs)
{
	(void)rig;
	bufs[0] = (struct rig_buf){ RIG_DATA, 20, true };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 100, true };
	return 2;
}

static bool net_rx_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == sizeof(struct virtio_net_hdr_v1) + FRAME;
}

static unsigned int net_tx_ask(struct rig *rig, struct rig_buf *bufs)
{
	memset(rig_mem(rig, RIG_DATA, 80), 0, 80);
	bufs[0] = (struct rig_buf){ RIG_DATA, 20, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 20, 60, false };
	return 2;
}

static bool net_tx_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 0;
}

static unsigned int net_control_ask(struct rig *rig, struct rig_buf *bufs)
{
	memcpy(rig_mem(rig, RIG_DATA, 4), "\0\0\1\xee", 4);
	bufs[0] = (struct rig_buf){ RIG_DATA, 3, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 3, 1, true };
	return 2;
}

static bool net_control_answered(struct rig *rig, uint32_t len)
{
	return len == 1 &&
	       *(uint8_t *)rig_mem(rig, RIG_DATA + 3, 1) == VIRTIO_NET_OK;
}

#define NET_FEATURES                                               \
	(H_F(VIRTIO_NET_F_MRG_RXBUF) | H_F(VIRTIO_NET_F_CTRL_VQ) | \
	 H_F(VIRTIO_NET_F_CTRL_RX))

static const struct hostile_kind kinds[] = {
	{ "blk", &virtio_blk_class, blk_config, 0, blk_ask, blk_answered, 0,
	  NULL },
	{ "rng", &virtio_rng_class, rng_config, 0, rng_ask, rng_answered, 0,
	  NULL },
	{ "console", &virtio_console_class, vcon_config, 1, vcon_ask,
	  vcon_answered, 0, NULL },
	{ "net-rx", &virtio_net_class, net_rx_config, 0, net_rx_ask,
	  net_rx_answered, NET_FEATURES, net_rx_stir },
	{ "net-tx", &virtio_net_class, net_tx_config, 1, net_tx_ask,
	  net_tx_answered, NET_FEATURES, net_tx_stir },
	{ "net-control", &virtio_net_class, net_control_config, 2,
	  net_control_ask, net_control_answered, NET_FEATURES, NULL },
	{ 0 }
};

int main(void)
{
	static const struct hostile_case *const tables[] = {
		hostile_ring_cases,
		hostile_register_cases,
		NULL,
	};
	int fd = mkstemp(image), failed;

	if (fd < 0 || ftruncate(fd, SECTORS * 512))
		return 1;
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	failed = hostile_run("hostile", kinds, tables);
	net_ends_close();
	unlink(image);
	return failed;
}
