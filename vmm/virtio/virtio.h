/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core of a virtio device (virtio 1.2, 2 and 3): features, the status
 * machine, queues.  A device below it sees queues of chains; a transport above
 * it (pci.c) shows the registers to the guest.
 *
 *                 DRIVER_OK                   bad ring
 *        SETUP -----------------> LIVE ---------------------> BROKEN
 *          ^  \                    |                            |
 *          |   \ bad ring          | driver writes status 0     |
 *          |    `------------------|--------------------------->|
 *          |      loop: done       v                            |
 *          `------------------ RESETTING <----------------------'
 *
 * In SETUP the registers, that is vCPU threads, own the queues.  In all other
 * phases the device's loop does: only it touches rings, and the registers of
 * queues are frozen.  The driver reads its old status until the loop has given
 * the queues back.  BROKEN is what the driver sees as NEEDS_RESET.
 *
 * Locks:
 *   dev->lock   mutex   all of struct virtio_dev and of its queues but the
 *                       rings; taken by the bus around register access and by
 *                       the loop for what it shares with the registers.
 *                       phase is written under it; the loop, which alone
 *                       leaves RESETTING, may read it without.
 * Functions marked [loop] are called in the device's loop with no lock held,
 * those marked [lock] with dev->lock held.
 */
#ifndef VIREO_VIRTIO_H
#define VIREO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../device.h"
#include "../log.h"
#include "../loop.h"
#include "ring.h"

struct virtio_dev;

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#define VIRTIO_NO_VECTOR 0xffff
/* Chains that a queue serves in one go before others have their turn. */
#define VIRTIO_BUDGET 64

struct virtio_queue {
	struct virtio_dev *vdev;
	uint16_t index;
	uint16_t vector;
	bool enabled;
	struct ring_layout at; /* as the driver has set it up */
	struct ring ring;      /* owned by the loop but in SETUP */
	struct loop_fd doorbell;
	bool doorbell_on; /* the accelerator signals it */
};

/* What a kind of device is to the core. */
struct virtio_class {
	uint16_t id; /* virtio 1.2, 5 */
	uint16_t nr_queues;
	uint16_t queue_size;
	uint32_t pci_class;
	/*
	 * [loop] Serves queue @index; true if it stopped at VIRTIO_BUDGET and
	 * wants to be called again.
	 */
	bool (*serve)(struct virtio_dev *vdev, unsigned int index);
	/*
	 * [loop] Drops what it holds of the rings; returns with no I/O in
	 * flight.  May be NULL.
	 */
	void (*reset)(struct virtio_dev *vdev);
};

struct virtio_transport {
	/* [lock] Interrupts the driver. */
	void (*signal_queue)(struct virtio_dev *vdev, struct virtio_queue *vq);
	void (*signal_config)(struct virtio_dev *vdev);
	/* [lock] Status or configuration changed, not by the driver. */
	void (*show)(struct virtio_dev *vdev);
	/* [lock] The device was reset: so are the transport's registers. */
	void (*reset)(struct virtio_dev *vdev);
	/* [loop] The rings are in use; they no longer are. */
	void (*live)(struct virtio_dev *vdev);
	void (*dead)(struct virtio_dev *vdev);
};

enum virtio_phase {
	VIRTIO_SETUP,
	VIRTIO_LIVE,
	VIRTIO_BROKEN,
	VIRTIO_RESETTING,
};

struct virtio_dev {
	const struct virtio_class *class;
	const struct virtio_transport *transport;
	struct device *dev;
	struct loop *loop;
	struct virtio_queue *queues;
	/* Device-specific configuration; owned by the device. */
	const void *config;
	size_t config_len;
	uint64_t features; /* offered */
	uint64_t driver_features;
	uint8_t status;
	uint8_t config_generation;
	enum virtio_phase phase;
	uint32_t kicked; /* queues that wait to be served, by bit */
	struct loop_call call;
	bool started;	/* the loop's */
	bool announced; /* the loop's: transport->live was called */
	struct log_limit guest_log;
};

/*
 * Makes the queues; features of the core are added to vdev->features.  The
 * first virtio_reset completes it.  -ENOMEM.
 */
int virtio_init(struct virtio_dev *vdev, const struct virtio_class *class,
		const struct virtio_transport *transport, struct device *dev);
void virtio_destroy(struct virtio_dev *vdev);

/* Power-on state; the device is stopped. */
void virtio_reset(struct virtio_dev *vdev);
void virtio_start(struct virtio_dev *vdev);
void virtio_stop(struct virtio_dev *vdev);

/* For transports: what the driver does to registers. [lock] */
uint32_t virtio_features_read(const struct virtio_dev *vdev, uint32_t select);
void virtio_features_write(struct virtio_dev *vdev, uint32_t select,
			   uint32_t val);
void virtio_status_write(struct virtio_dev *vdev, uint8_t status);
void virtio_kick(struct virtio_dev *vdev, unsigned int index);
/* The queue if its registers may be written now, or NULL. */
struct virtio_queue *virtio_queue_setup(struct virtio_dev *vdev,
					unsigned int index);
/* Serves a queue that was kicked. [loop] */
void virtio_serve(struct virtio_dev *vdev, unsigned int index);

/* For devices. [loop] */
bool virtio_is_live(const struct virtio_dev *vdev);
bool virtio_has(const struct virtio_dev *vdev, unsigned int feature);
/* True with the next chain; false if there is none or the ring is broken. */
bool virtio_pop(struct virtio_queue *vq, struct ring_chain *chain);
void virtio_push(struct virtio_queue *vq, const struct ring_chain *chain,
		 uint32_t len);
/* Interrupts the driver if it wants that for what was pushed. */
void virtio_signal(struct virtio_queue *vq);
/* The driver broke the rules beyond what a reply could say. */
void virtio_break(struct virtio_queue *vq, const char *why);
/* Has the loop serve a queue; from any thread, without the lock. */
void virtio_serve_later(struct virtio_dev *vdev, unsigned int index);
/* The device has changed its configuration under the lock. [lock] */
void virtio_config_changed(struct virtio_dev *vdev);

#endif
