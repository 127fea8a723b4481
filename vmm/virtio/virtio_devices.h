/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classes of the virtio devices. */
#ifndef VIREO_VIRTIO_DEVICES_H
#define VIREO_VIRTIO_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "../block/block.h"
#include "../device.h"

struct chardev;
struct throttle;

/* config: struct disk_config */
extern const struct dev_class virtio_blk_class;
/* config: struct rng_config */
extern const struct dev_class virtio_rng_class;
/* config: struct vcon_config */
extern const struct dev_class virtio_console_class;

/* What a disk has done of a kind since it was made. */
struct blk_count {
	uint64_t ops;
	uint64_t bytes;
	uint64_t ns; /* that they took, added up */
	uint64_t failed;
	uint64_t invalid; /* refused: outside of the disk, or read-only */
};

struct blk_status {
	const struct block *block;
	const struct disk_config *config;
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest; /* byte written, and one more */
	int failed;	  /* an errno, if something did since the last start */
};

/* Its limits. */
struct throttle *virtio_blk_throttle(struct device *dev);
/* The main thread; as block_resize.  The guest is told. */
int virtio_blk_resize(struct device *dev, uint64_t size, struct error *err);

void virtio_blk_status(const struct device *dev, struct blk_status *status);
const struct chardev *virtio_console_chardev(const struct device *dev);

#endif
