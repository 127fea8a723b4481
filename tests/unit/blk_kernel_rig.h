/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with a disk that the module serves.  In the module's place are
 * functions that stand for those of fast_queue.c.  Included once per program.
 */
#ifndef TEST_BLK_KERNEL_RIG_H
#define TEST_BLK_KERNEL_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>

#include "blk_rig.h"
#include "fast_queue.h"

#define MAX_QUEUES 4
#define FEATURES                                                       \
	((1ULL << VIRTIO_F_VERSION_1) | (1ULL << VIRTIO_BLK_F_FLUSH) | \
	 (1ULL << VIRTIO_RING_F_EVENT_IDX) |                           \
	 (1ULL << VIRTIO_RING_F_INDIRECT_DESC))

#define HDR(n) (RIG_DATA + 0x2000 * (n))
#define STATUS(n) (HDR(n) + 0x100)
#define BUF(n) (HDR(n) + 0x1000)

/* ---- the module --------------------------------------------------------------- */

struct queue {
	bool on;
	struct vireo_queue_add add;
	struct ring ring;
	uint16_t held[8];
	unsigned int nr_held;
	struct vireo_queue_state state;
};

/* What fast_queue.c would reach: there is one. */
struct module {
	struct fastpath fast; /* of the VM */
	struct rig *rig;
	const char *none;
	int create_fails, add_fails;
	struct vireo_disk_create disk;
	struct vireo_disk_set set;
	unsigned int sets, adds, dels;
	struct queue queues[MAX_QUEUES];
	bool fail; /* requests, with EIO */
};

static struct module module;

const char *fast_queue_open(struct fastpath *fp, const struct mem *mem)
{
	(void)fp;
	(void)mem;
	return module.none;
}

int fast_disk_create(struct vireo_disk_create *create)
{
	module.disk = *create;
	return module.create_fails ? module.create_fails : dup(create->fd);
}

int fast_disk_set(int disk_fd, struct vireo_disk_set *set)
{
	assert_true(disk_fd >= 0);
	module.set = *set;
	module.sets++;
	return 0;
}

static struct queue *queue_of(uint32_t id)
{
	assert_in_range(id, 1, MAX_QUEUES);
	assert_true(module.queues[id - 1].on);
	return &module.queues[id - 1];
}

int fast_queue_add(const struct fastpath *fp, struct vireo_queue_add *add)
{
	const struct ring_layout at = {
		.num = (uint16_t)add->num,
		.desc = add->desc,
		.avail = add->avail,
		.used = add->used,
		.event_idx = add->features >> VIRTIO_RING_F_EVENT_IDX & 1,
		.indirect = add->features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
	};
	struct queue *q = &module.queues[add->index];

	assert_ptr_equal(fp, &module.rig->vm.fast);
	if (module.add_fails)
		return module.add_fails;
	assert_in_range(add->index, 0, MAX_QUEUES - 1);
	assert_false(q->on);
	assert_true(add->features & 1ULL << VIRTIO_F_VERSION_1);
	assert_int_equal(add->features & ~fp->queue_features, 0);
	assert_true(fcntl(add->call_fd, F_GETFD) >= 0);
	assert_true(fcntl(add->kick_fd, F_GETFD) >= 0);
	assert_true(fcntl(add->event_fd, F_GETFD) >= 0);
	*q = (struct queue){ .on = true, .add = *add };
	assert_int_equal(ring_start(&q->ring, &module.rig->vm.mem, &at), 0);
	ring_resume(&q->ring,
		    (struct ring_place){ add->next_avail, add->next_used });
	assert_in_range(add->nr_held, 0, 8);
	assert_int_equal(!add->held, !add->nr_held);
	memcpy(q->held, (void *)(uintptr_t)add->held, 2 * add->nr_held);
	q->nr_held = add->nr_held;
	add->id = add->index + 1;
	module.adds++;
	return 0;
}

int fast_queue_del(const struct fastpath *fp, struct vireo_queue_del *del)
{
	struct queue *q = queue_of(del->id);
	struct ring_place place = ring_place(&q->ring);

	(void)fp;
	del->next_avail = place.avail;
	del->next_used = place.used;
	assert_true(del->nr_held >= q->nr_held);
	del->nr_held = q->nr_held;
	memcpy((void *)(uintptr_t)del->held, q->held, 2 * q->nr_held);
	del->counts = q->state.counts;
	q->on = false;
	module.dels++;
	return 0;
}

int fast_queue_state(const struct fastpath *fp, struct vireo_queue_state *state)
{
	(void)fp;
	*state = queue_of(state->id)->state;
	return 0;
}

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, 8), 8);
}

/* A request of one sector, as add() makes it. */
static bool carry_out(struct queue *q, const struct ring_chain *chain)
{
	const struct virtio_blk_outhdr *hdr = chain->iov[0].iov_base;
	off_t at = (off_t)hdr->sector * 512;
	struct vireo_queue_count *c;
	ssize_t n;

	if (module.fail) {
		q->state.errors++;
		q->state.error = EIO;
		q->state.error_type = hdr->type;
		q->state.error_sector = hdr->sector;
		signal_fd(q->add.event_fd);
		if (q->add.flags & VIREO_QUEUE_HOLD_ERRORS) {
			q->held[q->nr_held++] = chain->head;
			return false;
		}
	}
	n = hdr->type == VIRTIO_BLK_T_IN ?
		    pread(module.disk.fd, chain->iov[1].iov_base, 512, at) :
		    pwrite(module.disk.fd, chain->iov[1].iov_base, 512, at);
	assert_int_equal(n, 512);
	*(uint8_t *)chain->iov[2].iov_base = module.fail ? VIRTIO_BLK_S_IOERR :
							   VIRTIO_BLK_S_OK;
	ring_push(&q->ring, chain, 513);
	c = &q->state.counts.kinds[hdr->type == VIRTIO_BLK_T_OUT];
	c->ops++;
	c->bytes += 512;
	c->ns += 1000;
	if (hdr->type == VIRTIO_BLK_T_OUT)
		q->state.counts.highest = (hdr->sector + 1) * 512;
	return true;
}

/* What the module's threads do meanwhile; the number of requests. */
static unsigned int module_works(void)
{
	struct ring_chain chain;
	unsigned int n = 0, i;
	struct queue *q;
	int ret = 1;

	for (q = module.queues; q < module.queues + MAX_QUEUES; q++) {
		if (!q->on)
			continue;
		while (!module.fail && q->nr_held) {
			assert_int_equal(ring_retake(&q->ring, q->held[0],
						     &chain),
					 1);
			for (i = 1; i < q->nr_held; i++)
				q->held[i - 1] = q->held[i];
			q->nr_held--;
			n += carry_out(q, &chain);
		}
		while (!q->nr_held && !q->state.fault &&
		       (ret = ring_pop(&q->ring, &chain)) > 0)
			n += carry_out(q, &chain);
		if (ret < 0) {
			q->state.fault = VIREO_QUEUE_BAD_HEAD;
			signal_fd(q->add.event_fd);
		}
		if (ring_should_signal(&q->ring))
			signal_fd(q->add.call_fd);
	}
	return n;
}

static unsigned int served(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX_QUEUES; i++)
		n += module.queues[i].on;
	return n;
}

/* ---- a machine with it ------------------------------------------------------------ */

static int setup_module(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	f->disk.aio = AIO_KERNEL;
	f->disk.queues = 2;
	memset(&module, 0, sizeof(module));
	module.fast.vm_fd = -1;
	module.fast.queue_fd = -1;
	module.fast.caps = VIREO_CAP_QUEUE_BLK | VIREO_CAP_QUEUE_BELL;
	module.fast.queue_features = FEATURES;
	return 0;
}

static int teardown_module(void **state)
{
	int rc = teardown(state);

	assert_int_equal(served(), 0);
	assert_int_equal(module.adds, module.dels);
	return rc;
}

static void make(struct fixture *f)
{
	struct error err = { "" };

	if (rig_init_on(&f->rig, &rig_accel_irqfd_ops, &virtio_blk_class,
			&f->disk, &err))
		fail_msg("%s", err.text);
	module.rig = f->rig;
	f->rig->vm.fast = module.fast;
	rig_watch(f->rig, &f->watch);
}

static void start(struct fixture *f)
{
	make(f);
	rig_drive(f->rig, FEATURES | 1ULL << VIRTIO_BLK_F_MQ);
}

static uint8_t *status(struct fixture *f, unsigned int n)
{
	return rig_mem(f->rig, STATUS(n), 1);
}

/* Request @n, of sector @n, on queue @q. */
static uint16_t add(struct fixture *f, unsigned int q, unsigned int n,
		    uint32_t type)
{
	const struct virtio_blk_outhdr hdr = { .type = type, .sector = n };
	const struct rig_buf bufs[3] = {
		{ HDR(n), sizeof(hdr), false },
		{ BUF(n), 512, type == VIRTIO_BLK_T_IN },
		{ STATUS(n), 1, true },
	};

	struct vring_avail *avail =
		rig_mem(f->rig, RIG_AVAIL(q), 6 + 2 * RIG_NUM);

	/* An interrupt for this one. */
	avail->ring[RIG_NUM] = f->rig->used_seen[q];
	memcpy(rig_mem(f->rig, HDR(n), sizeof(hdr)), &hdr, sizeof(hdr));
	*status(f, n) = UNTOUCHED;
	return rig_add(f->rig, q, bufs, 3);
}

static void read_ok(struct fixture *f, unsigned int n)
{
	const uint8_t *buf = rig_mem(f->rig, BUF(n), 512);

	assert_int_equal(*status(f, n), VIRTIO_BLK_S_OK);
	assert_int_equal(buf[0], pattern(n, 0));
	assert_int_equal(buf[511], pattern(n, 511));
}

/* Reads sector @n by queue @q, which the module serves, or does not. */
static void reads(struct fixture *f, unsigned int q, unsigned int n, bool there)
{
	unsigned int tries = 100;

	add(f, q, n, VIRTIO_BLK_T_IN);
	if (there) {
		assert_int_equal(module_works(), 1);
		rig_run(f->rig);
	} else {
		assert_int_equal(module_works(), 0);
		rig_kick(f->rig, q);
		while (*status(f, n) == UNTOUCHED && tries--)
			rig_run(f->rig);
	}
	assert_int_equal(rig_used(f->rig, q, NULL), 1);
	read_ok(f, n);
}

static unsigned int msix_control(struct fixture *f)
{
	return rig_cap(f->rig, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS;
}

static void table_write(struct fixture *f, unsigned int nr, unsigned int off,
			uint32_t val)
{
	bus_write(&f->rig->vm.mmio, &f->rig->hint,
		  rig_bar(f->rig, VIRTIO_PCI_BAR_MSIX) + 16 * nr + off, 4, val);
}

static bool pending(struct fixture *f, unsigned int nr)
{
	return bus_read(&f->rig->vm.mmio, &f->rig->hint,
			rig_bar(f->rig, VIRTIO_PCI_BAR_MSIX) + 2048, 8) >>
		       nr &
	       1;
}

static bool rung(int fd)
{
	uint64_t count;

	return read(fd, &count, 8) == 8;
}

#endif
