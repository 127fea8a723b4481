// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtio disk whose driver sends any requests.  The input: a byte of features,
 * one of the number of chains, for each chain one of the number of its buffers
 * and five for each of these (offset, length, direction), and what lies in the
 * buffers, that is, headers and ranges for the most part.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <linux/virtio_blk.h>
#include <stdio.h>

#include "../unit/virtio_rig.h"
#include "virtio/virtio_devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IMAGE (64 << 10)
#define AREA 0x20000U

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

/* A machine for all inputs, on an image that is a file in memory. */
static struct rig *machine(int *image)
{
	static struct disk_config disk;
	static struct rig *rig;
	static char path[40];
	static int fd;
	struct error err;

	if (!rig) {
		fd = memfd_create("image", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, IMAGE))
			abort();
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		disk.path = path;
		if (rig_init(&rig, &virtio_blk_class, &disk, &err))
			abort();
		devices_stop(&rig->vm);
	}
	*image = fd;
	return rig;
}

static void chains(struct rig *rig, struct input *in)
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
		rig_add(rig, 0, bufs, n);
	}
}

static void on_end(void *opaque)
{
	loop_stop(opaque);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct loop_call end = { .fn = on_end };
	uint64_t features;
	struct rig *rig;
	struct stat st;
	int image, i;

	rig = machine(&image);
	end.opaque = rig->vm.loop;
	devices_reset(&rig->vm);
	features = RIG_FEATURES | 1ULL << VIRTIO_BLK_F_FLUSH;
	if (get(&in, 1) & 1)
		features |= 1ULL << VIRTIO_BLK_F_DISCARD |
			    1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	rig_set_status(rig, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	rig_set_status(rig,
		       VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (i = 0; i < 2; i++) {
		rig_write(rig, VIRTIO_PCI_COMMON_GFSELECT, 4, (unsigned)i);
		rig_write(rig, VIRTIO_PCI_COMMON_GF, 4, features >> (32 * i));
	}
	rig_set_status(rig, rig_status(rig) | VIRTIO_CONFIG_S_FEATURES_OK);
	rig_queue(rig, 0);
	chains(rig, &in);
	memset(rig_mem(rig, RIG_DATA, AREA), 0, AREA);
	memcpy(rig_mem(rig, RIG_DATA, AREA), in.data,
	       in.size < AREA ? in.size : AREA);
	rig_driver_ok(rig);

	/* What is taken from the ring in one round, and all that follows. */
	devices_start(&rig->vm);
	loop_post(rig->vm.loop, &end);
	if (loop_run(rig->vm.loop))
		abort();
	devices_stop(&rig->vm);
	if (fstat(image, &st) || st.st_size != IMAGE)
		abort();
	return 0;
}
