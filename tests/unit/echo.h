/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio device that gives chains back, for tests of all around it. */
#ifndef TEST_ECHO_H
#define TEST_ECHO_H

#include "virtio_rig.h"

#define OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define TEST_FEATURE (1ULL << 3)
#define TEST_BUDGET 4
#define BOTH_QUEUES 2

struct echo {
	struct virtio_pci vpci;
	uint32_t config[3];
	unsigned int served;
	unsigned int resets;
	unsigned int queue_resets[BOTH_QUEUES];
	struct ring_chain chains[BOTH_QUEUES];
};

static inline struct echo *echo_of(struct rig *rig)
{
	return container_of(rig->dev, struct echo, vpci.pci.dev);
}

/* Gives every chain back with its length. */
static inline bool echo_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct echo *echo = container_of(vdev, struct echo, vpci.vdev);
	struct ring_chain *chain = &echo->chains[index];
	struct virtio_queue *vq = &vdev->queues[index];
	unsigned int n;

	__atomic_fetch_add(&echo->served, 1, __ATOMIC_RELAXED);
	for (n = 0; n < TEST_BUDGET; n++) {
		if (!virtio_pop(vq, chain))
			break;
		virtio_push(vq, chain, chain->write_len);
	}
	virtio_signal(vq);
	return n == TEST_BUDGET;
}

static inline void echo_reset(struct virtio_dev *vdev)
{
	container_of(vdev, struct echo, vpci.vdev)->resets++;
}

static inline void echo_reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	container_of(vdev, struct echo, vpci.vdev)->queue_resets[index]++;
}

static const struct virtio_class echo_virtio_class = {
	.id = 2, /* of which there are transitional ones */
	.nr_queues = BOTH_QUEUES,
	.queue_size = 64,
	.pci_class = 0x00ff00,
	.serve = echo_serve,
	.reset = echo_reset,
	.reset_queue = echo_reset_queue,
};

static inline int echo_realize(struct device *dev, const void *config,
			       struct error *err)
{
	struct echo *echo = container_of(dev, struct echo, vpci.pci.dev);

	(void)config;
	echo->config[0] = 0x11223344;
	echo->config[1] = 0x55667788;
	echo->config[2] = 0x99aabbcc;
	echo->vpci.vdev.config = echo->config;
	echo->vpci.vdev.config_len = sizeof(echo->config);
	echo->vpci.vdev.features = TEST_FEATURE;
	return virtio_pci_init(&echo->vpci, &echo_virtio_class, err);
}

static inline void echo_unrealize(struct device *dev)
{
	virtio_pci_destroy(&container_of(dev, struct echo, vpci.pci.dev)->vpci);
}

static const struct dev_class echo_class = {
	.name = "echo",
	.size = sizeof(struct echo),
	.realize = echo_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.unrealize = echo_unrealize,
};

static const struct rig_buf one = { RIG_DATA, 100, true };

static inline int setup(void **state)
{
	*state = rig_new(&echo_class, NULL);
	return 0;
}

static inline int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#endif
