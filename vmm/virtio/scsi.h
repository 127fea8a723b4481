/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the virtio-scsi device: scsi.c has its life and the request
 * queues, scsi_loop.c the thread that serves them, scsi_wait.c those that wait,
 * scsi_control.c task management and events, scsi_target.c what is attached, and
 * changes while the machine runs.
 *
 * All of it, and all of its queues, belong to one loop: that of an I/O thread
 * of the controller's, or the main thread's.  What the main thread asks for it
 * has that loop do, and waits (loop_sync).
 *
 * Locks: none beyond those of virtio.h and of limits (throttle.h), but that
 *   fault, moves   of a target are exchanged between both threads (atomic)
 *   failed         is the main thread's
 */
#ifndef VIREO_VIRTIO_SCSI_H
#define VIREO_VIRTIO_SCSI_H

/* What a driver may make of them: as far as anybody has use for. */
#define VIRTIO_SCSI_CDB_SIZE 255
#define VIRTIO_SCSI_SENSE_SIZE 252
#include <linux/virtio_scsi.h>

#include "../block/throttle.h"
#include "../config.h"
#include "../scsi/scsi.h"
#include "../vm.h"
#include "pci.h"
#include "virtio_devices.h"

#define SCSI_QUEUE_SIZE 128
#define SCSI_MAX_QUEUES CONFIG_MAX_SCSI_QUEUES
/* More have little use, and each costs the guest memory. */
#define SCSI_QUEUES_BY_DEFAULT 16

#define SCSI_KEPT_EVENTS 8

/* Queues (virtio 1.2, 5.6.2). */
enum { SCSI_QUEUE_CONTROL, SCSI_QUEUE_EVENT, SCSI_QUEUE_REQUEST };

struct virtio_scsi;

/* With one unit, of number 0. */
struct scsi_target {
	struct virtio_scsi *scsi;
	unsigned int number;
	char id[SCSI_TARGET_ID_MAX];
	struct scsi_lun lun;
	unsigned int in_flight;
	bool removed;	       /* goes when nothing is in flight */
	struct loop_call bury; /* in the main thread */
	unsigned int moves;    /* of the tray, that nobody was told of */
	bool told_open;	       /* the main thread's */
	struct loop_call tell; /* in the main thread */
	uint32_t notify;       /* asynchronous events that the driver wants */
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest;
	/* scsi_wait.c */
	enum on_error on_error;
	struct throttle throttle;
	struct scsi_req *waiting; /* for the limits */
	struct loop_timer wait;
	struct scsi_req *held;	   /* failed; wait for the VM to go on */
	uint32_t fault;		   /* BLK_FAULT of the last failure, or 0 */
	int failed;		   /* an errno, since the VM was last started */
	struct loop_call on_fault; /* in the main thread */
};

struct scsi_req {
	struct scsi_cmd cmd;
	struct scsi_target *target;
	struct scsi_req *next, **prev; /* of those in flight; next: free ones */
	struct scsi_req *idle_next;    /* of the target's waiting or held */
	unsigned int queue;
	uint64_t tag;
	bool awaited;	  /* by the task management function */
	uint8_t response; /* if it is cancelled */
	uint64_t data_len;
	struct iovec data[RING_MAX_IOV];
	struct ring_chain chain;
};

struct scsi_queue {
	struct virtio_queue *vq;
	struct loop_call signal; /* deferred to the end of a round */
};

struct virtio_scsi {
	struct virtio_pci vpci;
	struct virtio_scsi_config config;
	struct scsi_queue queues[SCSI_QUEUE_REQUEST + SCSI_MAX_QUEUES];
	struct scsi_target *targets[SCSI_TARGETS];
	struct loop *loop;
	struct iothread *iothread; /* NULL: the main thread */
	struct loop_poller poller;
	struct scsi_req *free;
	struct scsi_req *in_flight; /* and those that wait */
	unsigned int nr_in_flight;
	unsigned int idle; /* of these, those that wait */
	bool draining;
	struct loop_call retry;
	struct log_limit io_log;
	/*
	 * All engines: later no thread can be made.  Those that are not there
	 * are NULL, but that of threads is.
	 */
	struct aio *aio[AIO_THREADS + 1];

	/* The one function under way: no other is looked at before it ends. */
	bool managing;
	unsigned int awaited; /* requests that it waits for */
	struct ring_chain function;
	/* An event was lost, for want of a buffer. */
	bool missed;
	/* Those that happened while the machine stood still. */
	struct virtio_scsi_event kept[SCSI_KEPT_EVENTS];
	unsigned int nr_kept;
	/* While it is saved or loaded: what of the targets is state. */
	struct scsi_saved {
		bool present;
		bool write_cache;
		bool stopped;
		bool locked;
		bool tray_open;
		uint8_t attentions;
		uint8_t media_event;
		uint32_t notify;
	} saved[SCSI_TARGETS];
};

static inline struct virtio_scsi *to_scsi(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_scsi, vpci.vdev);
}

static inline struct virtio_scsi *scsi_of(const struct device *dev)
{
	return container_of(dev, struct virtio_scsi, vpci.pci.dev);
}

static inline struct loop *scsi_main_loop(const struct virtio_scsi *scsi)
{
	return scsi->vpci.pci.dev.vm->loop;
}

/* scsi.c */

/* The target of an address, of any unit; NULL: there is none (5.6.6.1). */
struct scsi_target *scsi_find(const struct virtio_scsi *scsi,
			      const uint8_t lun[8], unsigned int *unit);
bool scsi_serve_requests(struct virtio_scsi *scsi, unsigned int queue);
/* Interrupts at the end of the round. */
void scsi_signal_later(struct virtio_scsi *scsi, unsigned int queue);
/* A request that was dropped. */
void scsi_forget(struct scsi_req *req);

/* scsi_loop.c */
/* Its loop, that does not run yet. */
int scsi_loop_make(struct virtio_scsi *scsi, const struct config *cfg,
		   struct error *err);
int scsi_loop_begin(struct device *dev, struct error *err);
/* The loop is the caller's from then on. */
void scsi_loop_end(struct virtio_scsi *scsi);
void scsi_loop_close(struct virtio_scsi *scsi);

/* scsi_wait.c */
void scsi_wait_init(struct scsi_target *target,
		    const struct disk_config *config);
void scsi_wait_destroy(struct scsi_target *target);
/* Waits until nothing is in flight but what is held. */
void scsi_drain(struct virtio_scsi *scsi);
/* Drops what is held of a request queue, or of all: 0. */
void scsi_drop_held(struct virtio_scsi *scsi, unsigned int queue);
/* Ends requests that wait and are cancelled. */
void scsi_end_cancelled(struct scsi_target *target);
/* Submits what is held once more. */
void scsi_retry(void *scsi);

/* scsi_control.c */
bool scsi_serve_control(struct virtio_scsi *scsi);
void scsi_serve_events(struct virtio_scsi *scsi);
/* The control queue is reset, and the function that it waits for is gone. */
void scsi_drop_function(struct virtio_scsi *scsi);
/* One of the requests that scsi->awaited counts has ended. */
void scsi_awaited_ended(struct virtio_scsi *scsi);
void scsi_event(struct virtio_scsi *scsi, const struct scsi_target *target,
		uint32_t event, uint32_t reason);

/* scsi_target.c */
/* In the main thread: at the first free number, which it returns. */
int scsi_target_add(struct virtio_scsi *scsi, const struct disk_config *config,
		    bool cdrom, struct error *err);
void scsi_target_put(struct scsi_target *target); /* one request less */
/* In the main thread, and nothing is in flight. */
void scsi_target_free(struct scsi_target *target);

#endif
