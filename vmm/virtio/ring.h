/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues, split and packed (virtio 1.2, 2.7 and 2.8), with indirect
 * descriptors and notification by event index.  Only ring_split.c and
 * ring_packed.c know how a ring lies in memory; a device sees chains of buffers
 * that have been checked.
 *
 * Rings are hostile: every descriptor is copied once, every index, length and
 * address is bounded, and the first fault ends the ring (a negative result)
 * until it is started again.
 *
 * A ring has no lock: one thread at a time owns it (see virtio.h).
 */
#ifndef VIREO_VIRTIO_RING_H
#define VIREO_VIRTIO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mem;
struct vring_avail;
struct vring_desc;
struct vring_packed_desc;
struct vring_packed_desc_event;
struct vring_used;

#define RING_MAX_NUM 1024
/* Buffers of one chain: a request of 128 and a little more. */
#define RING_MAX_IOV 130

/* In a packed ring, avail is the driver's event suppression, used the device's. */
struct ring_layout {
	uint16_t num;
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
	bool packed;	/* VIRTIO_F_RING_PACKED was negotiated */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC was negotiated */
	bool event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
};

struct ring {
	const struct mem *mem;
	struct ring_layout at;
	union {
		struct {
			const struct vring_desc *desc;
			const struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *packed;
			const struct vring_packed_desc_event *driver;
			struct vring_packed_desc_event *device;
		};
	};
	const char *fault; /* what was wrong, once something was */
	/* Split: they count on; packed: descriptors, less than at.num. */
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t in_flight; /* chains popped and not pushed yet */
	uint16_t signalled; /* split: next_used at the last ring_should_signal */
	uint16_t pushed;    /* packed: descriptors since then, or many */
	bool avail_wrap;    /* packed: what the driver's flags are */
	bool used_wrap;
	bool no_notify; /* the driver was told not to notify */
	bool polled;	/* the owner looks: ring_pop asks for no notification */
};

/*
 * One request: @nr_read buffers that the driver filled, then @nr_write that
 * the device may fill.  The memory may change at any time under its reader.
 */
struct ring_chain {
	uint16_t head;	  /* by which the driver knows it */
	uint16_t nr_desc; /* packed: descriptors that it takes in the ring */
	uint16_t nr_read;
	uint16_t nr_write;
	uint32_t read_len;
	uint32_t write_len;
	struct iovec iov[RING_MAX_IOV];
};

/* -EINVAL or -EFAULT, with ring->fault, if this cannot be a ring. */
int ring_start(struct ring *ring, const struct mem *mem,
	       const struct ring_layout *layout);

/*
 * Takes the next chain: 1; 0 if there is none, and then, unless ring->polled,
 * the driver will notify when it adds one; -EINVAL with ring->fault if the ring
 * is broken.
 */
int ring_pop(struct ring *ring, struct ring_chain *chain);

/* Whether ring_pop would return something else than 0. */
bool ring_pending(const struct ring *ring);

/*
 * Asks to be notified of the next chain that is added.  As ring_pending: true
 * if there was something by then, of which no notification may come.
 */
bool ring_want_notify(struct ring *ring);

/*
 * Gives a chain back, as ring_pop gave it, with the number of bytes written
 * into its start.
 */
void ring_push(struct ring *ring, const struct ring_chain *chain, uint32_t len);

/* Whether the driver wants an interrupt for what was pushed since last time. */
bool ring_should_signal(struct ring *ring);

/*
 * Where the owner of a ring is: what it takes next, and where it gives back next.
 * A packed ring's have the wrap counter in bit 15 (virtio 1.2, 2.9).
 */
struct ring_place {
	uint16_t avail;
	uint16_t used;
};

struct ring_place ring_place(const struct ring *ring);
/*
 * Goes on where another owner has come to, of whom no more is known.  Nothing is
 * in flight then.
 */
void ring_resume(struct ring *ring, struct ring_place place);
/* Of a split ring: the last @nr chains are yet to be popped, after all. */
void ring_put_back(struct ring *ring, unsigned int nr);
/*
 * Takes a chain that another owner took and did not give back: 1, or -EINVAL as
 * ring_pop.  Of split rings: in a packed one a head alone does not say where it
 * is.
 */
int ring_retake(struct ring *ring, uint16_t head, struct ring_chain *chain);

/* Copies between @buf and the start of buffers; return the bytes copied. */
size_t iov_get(const struct iovec *iov, unsigned int nr, void *buf, size_t len);
size_t iov_put(const struct iovec *iov, unsigned int nr, const void *buf,
	       size_t len);
/* Drops @len bytes, no more than there are, from the start or the end. */
void iov_trim_front(struct iovec **iov, unsigned int *nr, size_t len);
void iov_trim_back(struct iovec *iov, unsigned int *nr, size_t len);

#endif
