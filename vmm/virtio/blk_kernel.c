// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * aio=kernel: the module serves a disk's queues, from the driver's DRIVER_OK
 * until a reset or a stop.  Here is what hands them over and takes them back, and
 * what hears of failures.
 *
 * Whatever the module cannot do is done by blk.c, as for any other disk: of the
 * whole disk, if that is so from the beginning, or of a queue as its driver has
 * set it up.  Which it is, and why, is said once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../config.h"
#include "../fast_queue.h"
#include "../vm.h"
#include "blk.h"

#define BIT64(n) (1ULL << (n))

/* Those that change how a ring or a request looks. */
#define FEATURES                                                               \
	(BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_DISCARD) |             \
	 BIT64(VIRTIO_BLK_F_WRITE_ZEROES) |                                    \
	 BIT64(VIRTIO_RING_F_INDIRECT_DESC) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_RING_PACKED))

/* A guest may set its disk up in another way any number of times. */
#define TOLD_MAX 16

static const struct fastpath *fast_of(const struct virtio_blk *blk)
{
	return &blk->vpci.pci.dev.vm->fast;
}

/* What has changed, of who serves the disk. */
static void tell(struct virtio_blk *blk, const char *why)
{
	const char *id = blk->vpci.pci.dev.id;
	bool news;

	pthread_mutex_lock(&blk->kernel.lock);
	news = (!blk->kernel.told || why != blk->kernel.why) &&
	       blk->kernel.told < TOLD_MAX;
	blk->kernel.told += news;
	blk->kernel.why = why;
	pthread_mutex_unlock(&blk->kernel.lock);
	if (news && why)
		log_info(id, "not aio=kernel: %s; so aio=%s", why,
			 blk->block->aio == AIO_LIBAIO ? "libaio" : "threads");
	else if (news)
		log_info(id, "vireo.ko serves it");
}

/* ---- the disk --------------------------------------------------------------- */

/* False if they are of a kind that the module has not. */
static bool limits_get(struct virtio_blk *blk, struct vireo_disk_limits *out)
{
	struct throttle_limit l[THROTTLE_KINDS];

	throttle_get(&blk->throttle, l);
	*out = (struct vireo_disk_limits){
		.iops = l[THROTTLE_OPS].rate,
		.iops_burst = l[THROTTLE_OPS].burst,
		.bps = l[THROTTLE_BYTES].rate,
		.bps_burst = l[THROTTLE_BYTES].burst,
	};
	return !l[THROTTLE_OPS_READ].rate && !l[THROTTLE_OPS_WRITE].rate &&
	       !l[THROTTLE_BYTES_READ].rate && !l[THROTTLE_BYTES_WRITE].rate;
}

static int disk_create(struct virtio_blk *blk)
{
	const struct block *block = blk->block;
	struct vireo_disk_create create = {
		.flags = (block->readonly ? VIREO_DISK_READONLY : 0) |
			 (block->writethrough ? VIREO_DISK_WRITETHROUGH : 0),
		.fd = block->fd,
		.block_size = block->block_size,
		.bytes = block_size(block),
	};

	limits_get(blk, &create.limits);
	memcpy(create.serial, blk->serial, sizeof(create.serial));
	return fast_disk_create(&create);
}

/* Why the module can serve no queue of the disk, or NULL. */
static const char *disk_open(struct virtio_blk *blk)
{
	struct vm *vm = blk->vpci.pci.dev.vm;
	const char *why = fast_queue_open(&vm->fast, &vm->mem);
	unsigned int i;
	int fd;

	if (why)
		return why;
	if (vm->cfg->virtio.transport != VIRTIO_PCI)
		return "it is not on PCI";
	if (blk->block->format != &raw_format)
		return "the image is not raw";
	if (!blk->block->direct)
		return "the image is not open with O_DIRECT";
	fd = disk_create(blk);
	if (fd < 0)
		return strerror(-fd);
	blk->kernel.fd = fd;
	for (i = 0; i < blk->vpci.vdev.nr_queues; i++) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			return "it has no eventfd";
		blk->queues[i].kernel.event.fd = fd;
	}
	return NULL;
}

static void disk_close(struct virtio_blk *blk)
{
	struct loop_fd *event;
	unsigned int i;

	if (blk->kernel.fd < 0)
		return;
	for (i = 0; i < blk->vpci.vdev.nr_queues; i++) {
		event = &blk->queues[i].kernel.event;
		if (event->fd >= 0)
			close(event->fd);
		event->fd = -1;
	}
	close(blk->kernel.fd);
	blk->kernel.fd = -1;
}

void blk_kernel_open(struct virtio_blk *blk)
{
	const char *why;

	pthread_mutex_init(&blk->kernel.lock, NULL);
	blk->kernel.fd = -1;
	if (blk->disk->aio != AIO_KERNEL)
		return;
	why = disk_open(blk);
	if (!why)
		return;
	disk_close(blk);
	tell(blk, why);
}

void blk_kernel_close(struct virtio_blk *blk)
{
	disk_close(blk);
	pthread_mutex_destroy(&blk->kernel.lock);
}

void blk_kernel_resized(struct virtio_blk *blk, uint64_t size)
{
	struct vireo_disk_set set = { .flags = VIREO_DISK_SET_BYTES,
				      .bytes = size };
	int rc;

	if (blk->kernel.fd < 0)
		return;
	rc = fast_disk_set(blk->kernel.fd, &set);
	if (rc)
		log_error(blk->vpci.pci.dev.id,
			  "vireo.ko does not change its size: %s",
			  strerror(-rc));
}

/* Of limits that the module does not know, blk.c takes care. */
void blk_kernel_limited(struct virtio_blk *blk)
{
	struct device *dev = &blk->vpci.pci.dev;
	struct vireo_disk_set set = { .flags = VIREO_DISK_SET_LIMITS };
	bool odd;
	int rc;

	if (blk->kernel.fd < 0)
		return;
	odd = !limits_get(blk, &set.limits);
	rc = odd ? 0 : fast_disk_set(blk->kernel.fd, &set);
	if (rc)
		log_error(dev->id, "vireo.ko does not change its limits: %s",
			  strerror(-rc));
	odd |= rc != 0;
	if (odd ==
	    __atomic_exchange_n(&blk->kernel.odd_limits, odd, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_lock(&dev->lock);
	virtio_rewire_all(&blk->vpci.vdev);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- what the module tells --------------------------------------------------- */

static const char *fault_text(uint32_t fault)
{
	static const char *const texts[] = {
		[VIREO_QUEUE_BAD_INDEX] = "more chains than the ring has",
		[VIREO_QUEUE_BAD_HEAD] = "bad descriptor index",
		[VIREO_QUEUE_BAD_CHAIN] = "bad chain of descriptors",
		[VIREO_QUEUE_BAD_LEN] = "bad length of a chain",
		[VIREO_QUEUE_BAD_ADDR] = "buffer outside of RAM",
		[VIREO_QUEUE_BAD_INDIRECT] = "bad indirect table",
		[VIREO_QUEUE_BAD_REQUEST] = "request without header or status",
	};

	if (fault >= sizeof(texts) / sizeof(texts[0]) || !texts[fault])
		return "bad ring";
	return texts[fault];
}

static enum block_op op_of(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return BLOCK_READ;
	case VIRTIO_BLK_T_FLUSH:
		return BLOCK_FLUSH;
	case VIRTIO_BLK_T_DISCARD:
		return BLOCK_DISCARD;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return BLOCK_ZERO;
	default:
		return BLOCK_WRITE;
	}
}

_Static_assert((int)BLOCK_READ == VIREO_QUEUE_READ &&
		       (int)BLOCK_WRITE == VIREO_QUEUE_WRITE &&
		       (int)BLOCK_FLUSH == VIREO_QUEUE_FLUSH &&
		       (int)BLOCK_DISCARD == VIREO_QUEUE_DISCARD &&
		       (int)BLOCK_ZERO == VIREO_QUEUE_ZERO &&
		       BLOCK_NR_OPS == VIREO_QUEUE_KINDS,
	       "kinds of requests are the same");

/* By one thread at a time, while another reads. */
static void add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

static void add_counts(struct blk_count *to, const struct vireo_queue_counts *c)
{
	const struct vireo_queue_count *k;
	unsigned int i;

	for (i = 0; i < BLOCK_NR_OPS; i++, to++) {
		k = &c->kinds[i];
		add(&to->ops, k->ops);
		add(&to->bytes, k->bytes);
		add(&to->ns, k->ns);
		add(&to->failed, k->failed);
		add(&to->invalid, k->invalid);
	}
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void blk_kernel_count(struct blk_queue *q, struct blk_status *status)
{
	struct vireo_queue_state state = { .flags = 0 };
	const struct blk_count *c;
	struct blk_count *sum;
	unsigned int i;

	/* The queue may come back meanwhile, and what it did with it. */
	pthread_mutex_lock(&q->blk->kernel.lock);
	state.id = q->kernel.id;
	if (q->kernel.on && !fast_queue_state(fast_of(q->blk), &state))
		q->kernel.counts = state.counts;
	add_counts(status->counts, &q->kernel.counts);
	for (i = 0; i < BLOCK_NR_OPS; i++) {
		c = &q->counts[i];
		sum = &status->counts[i];
		sum->ops += get(&c->ops);
		sum->bytes += get(&c->bytes);
		sum->ns += get(&c->ns);
		sum->failed += get(&c->failed);
		sum->invalid += get(&c->invalid);
	}
	status->highest = higher(status->highest, q->kernel.counts.highest);
	status->highest = higher(status->highest, get(&q->highest));
	pthread_mutex_unlock(&q->blk->kernel.lock);
}

/* [queue] All of it is the queue's own, now that it is back. */
static void keep_counts(struct blk_queue *q,
			const struct vireo_queue_counts *counts)
{
	pthread_mutex_lock(&q->blk->kernel.lock);
	add_counts(q->counts, counts);
	__atomic_store_n(&q->highest, higher(q->highest, counts->highest),
			 __ATOMIC_RELAXED);
	memset(&q->kernel.counts, 0, sizeof(q->kernel.counts));
	pthread_mutex_unlock(&q->blk->kernel.lock);
}

/* [queue] Failures that nobody has heard of, and a ring that is broken. */
static void look(struct blk_queue *q)
{
	struct vireo_queue_state state = { .id = q->kernel.id };

	if (fast_queue_state(fast_of(q->blk), &state))
		return;
	pthread_mutex_lock(&q->blk->kernel.lock);
	q->kernel.counts = state.counts;
	pthread_mutex_unlock(&q->blk->kernel.lock);
	if (state.errors != q->kernel.errors) {
		q->kernel.errors = state.errors;
		blk_failed(q, op_of(state.error_type),
			   state.error_sector * BLOCK_SECTOR, (int)state.error);
	}
	if (state.fault)
		virtio_break(q->vq, fault_text(state.fault));
}

static void on_event(void *opaque, uint32_t events)
{
	struct blk_queue *q = opaque;
	uint64_t count;

	(void)events;
	if (read(q->kernel.event.fd, &count, sizeof(count)) > 0)
		look(q);
}

/* ---- queues, in their loops ---------------------------------------------------- */

/* Heads of what is held; @heads has room for all of a ring. */
static uint32_t held_heads(const struct blk_queue *q, uint16_t *heads)
{
	const struct blk_req *req;
	uint32_t n = 0;

	for (req = q->held; req; req = req->next)
		heads[n++] = req->chain.head;
	return n;
}

/* Why the module is not to serve the queue as it was set up. */
static const char *unfit(const struct blk_queue *q)
{
	const struct virtio_blk *blk = q->blk;
	uint64_t features = blk->vpci.vdev.driver_features & FEATURES;

	if (features & ~fast_of(blk)->queue_features)
		return q->vq->ring.at.packed ? "the ring is packed" :
					       "the driver's features";
	/* A held request is known by its head, which is not enough there. */
	if (q->vq->ring.at.packed && blk->disk->on_error == ON_ERROR_STOP)
		return "the ring is packed, with on-error=stop";
	if (__atomic_load_n(&blk->kernel.odd_limits, __ATOMIC_ACQUIRE))
		return "it has limits of reading or writing";
	return NULL;
}

static void set_on(struct blk_queue *q, bool on, uint32_t id)
{
	pthread_mutex_lock(&q->blk->kernel.lock);
	q->kernel.on = on;
	q->kernel.id = id;
	pthread_mutex_unlock(&q->blk->kernel.lock);
}

static int queue_add(struct blk_queue *q, const struct virtio_wires *wires)
{
	const struct virtio_blk *blk = q->blk;
	const struct ring *ring = &q->vq->ring;
	const struct ring_place place = ring_place(ring);
	bool bell = fast_of(blk)->caps & VIREO_CAP_QUEUE_BELL;
	uint16_t heads[VIREO_QUEUE_MAX_NUM];
	struct vireo_queue_add add = {
		.flags = blk->disk->on_error == ON_ERROR_STOP ?
				 VIREO_QUEUE_HOLD_ERRORS :
				 0,
		.disk_fd = blk->kernel.fd,
		.num = ring->at.num,
		.features = blk->vpci.vdev.driver_features & FEATURES,
		.desc = ring->at.desc,
		.avail = ring->at.avail,
		.used = ring->at.used,
		.next_avail = place.avail,
		.next_used = place.used,
		.call_fd = wires->call_fd,
		.kick_fd = wires->kick_fd,
		.event_fd = q->kernel.event.fd,
		.nr_held = held_heads(q, heads),
		.index = q->vq->index,
	};
	int rc;

	if (add.nr_held)
		add.held = (uintptr_t)heads;
	snprintf(add.name, sizeof(add.name), "%s", blk->vpci.pci.dev.id);
	if (bell) {
		add.flags |= VIREO_QUEUE_DOORBELL;
		add.bell_bus = wires->bell_bus == BUS_PIO ? VIREO_BUS_PIO :
							    VIREO_BUS_MMIO;
		add.bell_len = wires->bell_len;
		add.bell_addr = wires->bell;
	}
	/* One of the two: who rings in between comes through the bus. */
	virtio_doorbell(q->vq, !bell);
	rc = fast_queue_add(fast_of(blk), &add);
	if (!rc)
		set_on(q, true, add.id);
	return rc;
}

static const char *queue_hand_over(struct blk_queue *q)
{
	struct virtio_wires wires;
	const char *why = unfit(q);
	int rc;

	if (!why)
		why = virtio_wires(q->vq, &wires);
	if (why)
		return why;
	q->kernel.event.events = EPOLLIN;
	q->kernel.event.fn = on_event;
	q->kernel.event.opaque = q;
	rc = loop_fd_add(q->lane->loop, &q->kernel.event);
	if (rc)
		return strerror(-rc);
	q->kernel.errors = 0;
	rc = queue_add(q, &wires);
	if (rc) {
		loop_fd_del(q->lane->loop, &q->kernel.event);
		return strerror(-rc);
	}
	/* It has what is held, too. */
	blk_drop_held(q);
	return NULL;
}

bool blk_kernel_attach(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_blk *blk = blk_of_vdev(vdev);
	const char *why;

	if (blk->kernel.fd < 0)
		return false;
	why = queue_hand_over(&blk->queues[index]);
	tell(blk, why);
	return !why;
}

void blk_kernel_detach(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_blk *blk = blk_of_vdev(vdev);
	struct blk_queue *q = &blk->queues[index];
	uint16_t heads[VIREO_QUEUE_MAX_NUM];
	struct vireo_queue_del del = {
		.id = q->kernel.id,
		.held = (uintptr_t)heads,
		.nr_held = VIREO_QUEUE_MAX_NUM,
	};
	struct ring_place place;
	uint32_t i;
	int rc;

	look(q);
	set_on(q, false, 0);
	rc = fast_queue_del(fast_of(blk), &del);
	loop_fd_del(q->lane->loop, &q->kernel.event);
	if (rc) {
		log_error(blk->vpci.pci.dev.id,
			  "vireo.ko does not give queue %u back: %s", index,
			  strerror(-rc));
		virtio_break(q->vq, "its queue is lost");
		return;
	}
	keep_counts(q, &del.counts);
	place.avail = del.next_avail;
	place.used = del.next_used;
	ring_resume(&q->vq->ring, place);
	for (i = 0; i < del.nr_held && i < VIREO_QUEUE_MAX_NUM; i++)
		blk_take_held(q, heads[i]);
}
