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

static const struct hostile_kind kinds[] = {
	{ "blk", &virtio_blk_class, blk_config, 0, blk_ask, blk_answered, 0,
	  NULL },
	{ "rng", &virtio_rng_class, rng_config, 0, rng_ask, rng_answered, 0,
	  NULL },
	{ "console", &virtio_console_class, vcon_config, 1, vcon_ask,
	  vcon_answered, 0, NULL },
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
	failed = hostile_run("hostile", kinds, tables);
	unlink(image);
	return failed;
}
