/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core of a virtio device (virtio 1.2, 2 and 3): features, the status
 * machine, queues.  A device below it sees queues of chains; a transport above
 * it (pci.c, mmio.c) shows the registers to the guest.
 *
 *                 DRIVER_OK                   bad ring
 *        SETUP -----------------> LIVE ---------------------> BROKEN
 *          ^  \                    |                            |
 *          |   \ bad ring          | driver writes status 0     |
 *          |    `------------------|--------------------------->|
 *          |      loops: done      v                            |
 *          `------------------ RESETTING <----------------------'
 *
 * In SETUP the registers, that is vCPU threads, own the queues.  In all other
 * phases each queue belongs to a loop, its own or the device's: only that loop
 * touches the ring, and the registers of queues are frozen.  A reset waits for
 * each of these loops to let go of its queues (quiesce), then the device's loop
 * gives them back; the driver reads its old status until then.  BROKEN is what
 * the driver sees as NEEDS_RESET.  While LIVE, one queue can be reset by itself
 * (2.6.1): its loop gives it back, and the driver may enable it again.
 *
 * A legacy driver, who cannot be told to wait, waits in its write of status 0.
 *
 * While a queue is up its loop may leave serving it to somebody else, if its class
 * has one (attach): then the loop only passes on what it is told, and takes the
 * queue back before anything else becomes of it.
 *
 * Of the ring's features, IN_ORDER is offered by classes whose requests end in
 * the order in which they began, and RING_PACKED where the configuration says
 * so.  NOTIFICATION_DATA is not, as a doorbell is an eventfd that has no data;
 * nor are ACCESS_PLATFORM and ORDER_PLATFORM, as devices here see memory just as
 * processors do.
 *
 * The device's loop is the main thread's.  Other loops run, in threads of their
 * own, from before the device's first start until after its last stop.
 *
 * Locks:
 *   dev->lock   mutex   all of struct virtio_dev and of its queues but what is
 *                       a loop's; taken by the bus around register access and
 *                       by loops for what they share with the registers.
 *                       phase is written under it and read without;
 *                       the device's loop alone leaves RESETTING.
 * Functions marked [queue] are called in the queue's loop, those marked [loop]
 * in the device's, with no lock held; those marked [lock] with dev->lock held.
 * Popping, pushing and serving take no lock, and so does interrupting by a
 * message that the accelerator sends.
 */
#ifndef VIREO_VIRTIO_H
#define VIREO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bus.h"
#include "../device.h"
#include "../log.h"
#include "../loop.h"
#include "../state.h"
#include "ring.h"

struct virtio_dev;

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#define VIRTIO_NO_VECTOR 0xffff
/* Chains that a queue serves in one go before others have their turn. */
#define VIRTIO_BUDGET 64

/* How a queue's driver rings and is interrupted, for who serves it elsewhere. */
struct virtio_wires {
	enum bus_kind bell_bus;
	uint64_t bell;	       /* a write to this address is its doorbell, */
	unsigned int bell_len; /* or to one of so many bytes from there */
	int kick_fd;	       /* this one, too, is signalled to ring */
	int call_fd;	       /* is to be signalled to interrupt */
};

struct virtio_queue {
	struct virtio_dev *vdev;
	/* Who serves it; the device may set it before its first reset. */
	struct loop *loop;
	uint16_t index;
	uint16_t vector; /* written under the lock, read without */
	bool enabled;
	bool kicked;	/* waits to be served; atomic */
	bool busy;	/* from DRIVER_OK until its loop let go of it; atomic */
	bool resetting; /* by itself, while its loop has not let go; atomic */
	bool rewired;	/* its wires are others than they were; atomic */
	struct ring_layout at; /* as the driver has set it up */

	/* [queue], but in SETUP */
	struct ring ring;
	struct loop_call call;
	bool up;	/* the ring is in use */
	bool elsewhere; /* and not here: the class has attached it */
	/*
	 * Made when it is first used, and kept.  The accelerator signals it
	 * until a reset: what it counts while nobody listens is heard later.
	 */
	struct loop_fd doorbell;
	bool doorbell_ready;	 /* [lock] there is somebody to hear it */
	bool doorbell_on;	 /* [lock] the accelerator signals it */
	struct ring_place place; /* while it is saved or loaded */
};

/* What a kind of device is to the core. */
struct virtio_class {
	uint16_t id; /* virtio 1.2, 5 */
	uint16_t nr_queues;
	uint16_t queue_size;
	uint32_t pci_class;
	bool in_order; /* chains are pushed in the order of popping */
	/*
	 * What it holds of a ring while it is stopped was popped last, and may be
	 * popped once more where the machine goes on.
	 */
	bool replays;
	/*
	 * [queue] Serves queue @index; true if it stopped at VIRTIO_BUDGET and
	 * wants to be called again.
	 */
	bool (*serve)(struct virtio_dev *vdev, unsigned int index);
	/*
	 * [queue] Returns with no I/O of the queue in flight: for a stop, after
	 * which it may go on, and before a reset.  May be NULL.
	 */
	void (*quiesce)(struct virtio_dev *vdev, unsigned int index);
	/*
	 * [queue] Somebody outside of this process, the module, is to serve the
	 * queue, of which nothing is in flight, and whose ring nobody touches
	 * until detach has given it back (ring_resume).  False: nobody does, and
	 * the queue's loop serves it.  May be NULL.
	 */
	bool (*attach)(struct virtio_dev *vdev, unsigned int index);
	void (*detach)(struct virtio_dev *vdev, unsigned int index);
	/*
	 * [queue] Drops what it holds of the queue's ring, which is reset by
	 * itself, after quiesce.  May be NULL.
	 */
	void (*reset_queue)(struct virtio_dev *vdev, unsigned int index);
	/*
	 * [loop] Drops what it holds of the rings, of which none is in use any
	 * more.  May be NULL.
	 */
	void (*reset)(struct virtio_dev *vdev);
	/*
	 * [lock] The driver writes to the configuration, of which @off may be
	 * anything.  May be NULL.
	 */
	void (*config_write)(struct virtio_dev *vdev, uint64_t off,
			     unsigned int size, uint64_t val);
};

struct virtio_transport {
	/* [queue] Interrupts the driver. */
	void (*signal_queue)(struct virtio_dev *vdev, struct virtio_queue *vq);
	/* [lock] */
	void (*signal_config)(struct virtio_dev *vdev);
	/* [lock] Status or configuration changed, not by the driver. */
	void (*show)(struct virtio_dev *vdev);
	/*
	 * [lock] The device was reset, or a queue: so are the transport's
	 * registers, and no doorbell rings.
	 */
	void (*reset)(struct virtio_dev *vdev);
	void (*reset_queue)(struct virtio_queue *vq);
	/*
	 * [lock] The accelerator signals the queue's doorbell, until a reset; or
	 * it no longer does.
	 */
	void (*doorbell)(struct virtio_queue *vq, bool on);
	/*
	 * [lock] All but kick_fd; NULL, or why there is no such way.  Calls
	 * virtio_rewire if there is another later.
	 */
	const char *(*wires)(struct virtio_queue *vq,
			     struct virtio_wires *wires);
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
	/* The device may set both before virtio_init; 0: as its class says. */
	uint16_t nr_queues;
	uint16_t queue_size;
	struct virtio_queue *queues;
	/* Device-specific configuration; owned by the device. */
	const void *config;
	size_t config_len;
	uint64_t features; /* offered */
	uint64_t driver_features;
	uint8_t status;
	uint8_t config_generation;
	enum virtio_phase phase;
	unsigned int busy; /* queues that are; atomic */
	pthread_cond_t reset_done;
	struct loop_call call;
	bool started; /* written by the main thread; atomic */
	struct log_limit guest_log;
};

/*
 * Makes the queues; features of the core are added to vdev->features.  The
 * first virtio_reset completes it.  -ENOMEM.
 */
int virtio_init(struct virtio_dev *vdev, const struct virtio_class *class,
		const struct virtio_transport *transport, struct device *dev);
void virtio_destroy(struct virtio_dev *vdev);

/*
 * For state tables, with the device stopped: struct virtio_dev as a part, and what
 * prepare and loaded call.  -EBUSY if requests that failed wait here.
 */
extern const struct state_field virtio_state_fields[];
int virtio_state_prepare(struct virtio_dev *vdev, struct error *err);
int virtio_state_loaded(struct virtio_dev *vdev, struct error *err);
/*
 * [lock] Its registers have been loaded, and of each queue that is enabled the
 * place: goes on from there.  False if there is no such ring; see its fault.
 */
bool virtio_go_on(struct virtio_dev *vdev, const char **fault);

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
/*
 * Resets the device, and returns when that is done, or when vCPUs are to park:
 * then it is done before they run again.  The lock is let go of meanwhile.
 */
void virtio_reset_wait(struct virtio_dev *vdev);
/* What drivers of before virtio 1.0 do, who know no FEATURES_OK (3.1.2). */
uint32_t virtio_legacy_features(const struct virtio_dev *vdev);
void virtio_legacy_status_write(struct virtio_dev *vdev, uint8_t status);
void virtio_legacy_kick(struct virtio_dev *vdev, unsigned int index);
void virtio_queue_enable(struct virtio_queue *vq);
void virtio_queue_reset(struct virtio_dev *vdev, unsigned int index);
/* The queue if its registers may be written now, or NULL. */
struct virtio_queue *virtio_queue_setup(struct virtio_dev *vdev,
					unsigned int index);
/* How to serve the queue elsewhere has changed. */
void virtio_rewire(struct virtio_queue *vq);
/* Serves a queue that was kicked. [queue] */
void virtio_serve(struct virtio_dev *vdev, unsigned int index);

/* For devices. */
bool virtio_is_live(const struct virtio_dev *vdev);
bool virtio_has(const struct virtio_dev *vdev, unsigned int feature);
/* True with the next chain; false if there is none or the ring is broken. [queue] */
bool virtio_pop(struct virtio_queue *vq, struct ring_chain *chain);
void virtio_push(struct virtio_queue *vq, const struct ring_chain *chain,
		 uint32_t len);
/* Interrupts the driver if it wants that for what was pushed. [queue] */
void virtio_signal(struct virtio_queue *vq);
/*
 * Polling: while it is on, virtio_pop does not ask for the doorbell when it
 * finds nothing.  Once it is off, a chain may have come that nobody rang for:
 * then true. [queue]
 */
void virtio_poll_on(struct virtio_queue *vq);
bool virtio_poll_off(struct virtio_queue *vq);
/* Whether there is something to pop, or a fault to find. [queue] */
bool virtio_pending(const struct virtio_queue *vq);
/* The driver broke the rules beyond what a reply could say. [queue] */
void virtio_break(struct virtio_queue *vq, const char *why);
/* Has its loop serve a queue; from any thread, with the lock or without. */
void virtio_serve_later(struct virtio_dev *vdev, unsigned int index);
/* For attach: NULL, or why the queue cannot be served elsewhere. [queue] */
const char *virtio_wires(struct virtio_queue *vq, struct virtio_wires *wires);
/* For attach: whether the accelerator signals kick_fd. [queue] */
void virtio_doorbell(struct virtio_queue *vq, bool on);
/* All queues: as virtio_rewire. [lock] */
void virtio_rewire_all(struct virtio_dev *vdev);
/* For transports: at @off, which may be anything. [lock] */
void virtio_config_write(struct virtio_dev *vdev, uint64_t off,
			 unsigned int size, uint64_t val);
/* The device has changed its configuration under the lock. [lock] */
void virtio_config_changed(struct virtio_dev *vdev);

#endif
