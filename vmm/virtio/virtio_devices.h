/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classes of the virtio devices. */
#ifndef VIREO_VIRTIO_DEVICES_H
#define VIREO_VIRTIO_DEVICES_H

#include "../device.h"

/* config: struct disk_config */
extern const struct dev_class virtio_blk_class;
/* config: struct rng_config */
extern const struct dev_class virtio_rng_class;
/* config: struct vcon_config */
extern const struct dev_class virtio_console_class;

#endif
