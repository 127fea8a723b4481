// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks that the module serves: when it has the queues, how, and that nothing is
 * lost between it and the VMM.  In the module's place are the functions below,
 * which stand for those of fast_queue.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <dirent.h>

#include "blk_rig.h"
#include "block/throttle.h"
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

/* Not a global: fast_of_rig. */
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

const char *fast_queue_none(const struct fastpath *fp, const struct mem *mem)
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

static uint64_t notify(struct fixture *f, unsigned int q)
{
	return rig_bar(f->rig, VIRTIO_PCI_BAR) + VIRTIO_PCI_NOTIFY +
	       VIRTIO_PCI_NOTIFY_STEP * q;
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

/* ---- tests -------------------------------------------------------------------------- */

static void test_served(void **state)
{
	struct fixture *f = *state;
	unsigned int q, round, before;
	struct vireo_queue_add *a;

	f->disk.serial = "number 1";
	f->disk.iops = 500;
	f->disk.bps = 7000;
	f->disk.bps_burst = 9000;
	f->disk.readonly = true;
	start(f);
	assert_int_equal(module.disk.bytes, SECTORS * 512);
	assert_int_equal(module.disk.block_size, 512);
	assert_int_equal(module.disk.flags, VIREO_DISK_READONLY);
	assert_int_equal(module.disk.limits.iops, 500);
	assert_int_equal(module.disk.limits.bps, 7000);
	assert_int_equal(module.disk.limits.bps_burst, 9000);
	assert_memory_equal(module.disk.serial,
			    "number 1\0\0\0\0\0\0\0\0\0\0\0", 20);
	assert_int_equal(served(), 2);
	/* A doorbell is the module's, or the accelerator's. */
	assert_int_equal(rig_bells(f->rig), 0);
	for (q = 0; q < 2; q++) {
		a = &module.queues[q].add;
		assert_int_equal(a->flags, VIREO_QUEUE_DOORBELL);
		assert_int_equal(a->bell_bus, VIREO_BUS_MMIO);
		assert_int_equal(a->bell_addr, notify(f, q));
		assert_int_equal(a->bell_len, VIRTIO_PCI_NOTIFY_STEP);
		assert_int_equal(a->num, RIG_NUM);
		assert_int_equal(a->features, FEATURES);
		assert_int_equal(a->desc, RIG_DESC(q));
		assert_int_equal(a->avail, RIG_AVAIL(q));
		assert_int_equal(a->used, RIG_USED(q));
		assert_int_equal(a->next_avail, 0);
		assert_string_equal(a->name, "disk0");
		rung(a->kick_fd);
		before = f->rig->msis[q];
		for (round = 0; round < 40; round++)
			reads(f, q, round, true);
		assert_int_equal(f->rig->msis[q], before + 40);
		/* Rung in another way, it is told. */
		rig_write(f->rig, VIRTIO_PCI_NOTIFY + 4 * q, 2, q);
		rig_run(f->rig);
		assert_true(rung(a->kick_fd));
	}
}

/* Where doorbells cannot come to the module, the accelerator signals it. */
static void test_no_bell(void **state)
{
	struct fixture *f = *state;
	unsigned int q;

	module.fast.caps = VIREO_CAP_QUEUE_BLK;
	start(f);
	assert_int_equal(served(), 2);
	assert_int_equal(rig_bells(f->rig), 2);
	for (q = 0; q < 2; q++) {
		assert_int_equal(module.queues[q].add.flags, 0);
		assert_int_equal(module.queues[q].add.bell_addr, 0);
		rung(module.queues[q].add.kick_fd);
		rig_ring(f->rig, q);
		assert_true(rung(module.queues[q].add.kick_fd));
		reads(f, q, 3, true);
	}
}

/* Nothing is lost or done twice, whoever had the queue when it came. */
static void test_stop(void **state)
{
	struct fixture *f = *state;
	unsigned int round, n;

	f->disk.iothreads = 1;
	start(f);
	for (round = 0; round < 100; round++) {
		for (n = 0; n < 4; n++)
			add(f, 0, n, VIRTIO_BLK_T_IN);
		if (round & 1)
			assert_int_equal(module_works(), 4);
		devices_stop(&f->rig->vm);
		assert_int_equal(served(), 0);
		rig_run(f->rig);
		assert_int_equal(rig_used(f->rig, 0, NULL), round & 1 ? 4 : 0);
		devices_start(&f->rig->vm);
		while (served() < 2)
			rig_run(f->rig);
		if (!(round & 1)) {
			assert_int_equal(module_works(), 4);
			assert_int_equal(rig_used(f->rig, 0, NULL), 4);
		}
		for (n = 0; n < 4; n++)
			read_ok(f, n);
	}
}

static void test_reset(void **state)
{
	struct fixture *f = *state;
	unsigned int round;

	start(f);
	for (round = 0; round < 20; round++) {
		reads(f, 1, round, true);
		add(f, 1, 5, VIRTIO_BLK_T_IN);
		rig_set_status(f->rig, 0);
		rig_run(f->rig);
		assert_int_equal(rig_status(f->rig), 0);
		assert_int_equal(served(), 0);
		rig_drive(f->rig, FEATURES | 1ULL << VIRTIO_BLK_F_MQ);
		assert_int_equal(served(), 2);
		assert_int_equal(module.queues[1].add.next_avail, 0);
	}
	devices_stop(&f->rig->vm);
	devices_reset(&f->rig->vm);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(served(), 0);
	assert_int_equal(rig_bells(f->rig), 0);
}

/* One queue alone is reset, and enabled again. */
static void test_reset_queue(void **state)
{
	struct fixture *f = *state;

	make(f);
	rig_drive(f->rig, FEATURES | 1ULL << VIRTIO_F_RING_RESET |
				  1ULL << VIRTIO_BLK_F_MQ);
	reads(f, 1, 1, true);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	rig_write(f->rig, 58, 2, 1);
	rig_run(f->rig);
	assert_int_equal(served(), 1);
	assert_true(module.queues[0].on);
	rig_queue(f->rig, 1);
	rig_run(f->rig);
	assert_int_equal(served(), 2);
	reads(f, 1, 2, true);
	reads(f, 0, 3, true);
}

/* ---- what it does not serve ------------------------------------------------------ */

static void falls_back(struct fixture *f, uint64_t features)
{
	make(f);
	rig_drive(f->rig, features);
	assert_int_equal(served(), 0);
	assert_int_equal(module.adds, 0);
	assert_int_equal(rig_bells(f->rig), 1);
	reads(f, 0, 7, false);
	assert_int_equal(f->rig->msis[0], 1);
}

static void test_none(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	module.none = "no module";
	falls_back(f, FEATURES);
	assert_int_equal(module.disk.bytes, 0);
}

static void test_not_direct(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	f->disk.cache = BLOCK_CACHE_WRITEBACK;
	falls_back(f, FEATURES);
	assert_int_equal(module.disk.bytes, 0);
}

static void test_no_disk(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	module.create_fails = -EOPNOTSUPP;
	falls_back(f, FEATURES);
	assert_int_equal(module.disk.bytes, SECTORS * 512);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	module.add_fails = -ENOSPC;
	falls_back(f, FEATURES);
}

static void test_features(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	module.fast.queue_features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	falls_back(f, FEATURES);
	/* A driver that does without. */
	rig_drive(f->rig, FEATURES & ~(1ULL << VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(served(), 1);
	reads(f, 0, 2, true);
}

/* A driver with interrupts by the pin. */
static void test_intx(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 1;
	make(f);
	rig_negotiate(f->rig, FEATURES);
	rig_queue(f->rig, 0);
	rig_driver_ok(f->rig);
	rig_run(f->rig);
	assert_int_equal(served(), 0);
	reads(f, 0, 1, false);
	assert_true(f->rig->pin);
	rig_read(f->rig, VIRTIO_PCI_ISR_STATUS, 1);
	/* Only now it finds out that there is something better. */
	rig_msix_on(f->rig);
	rig_run(f->rig);
	assert_int_equal(served(), 1);
	reads(f, 0, 2, true);
	assert_false(f->rig->pin);
	assert_int_equal(f->rig->msis[0], 1);
}

/* ---- wires ------------------------------------------------------------------------- */

/* While MSI-X is off, who serves has to tell the pin. */
static void test_msix_off(void **state)
{
	struct fixture *f = *state;

	start(f);
	reads(f, 0, 1, true);
	rig_cfg_write(f->rig, msix_control(f), 2, 0);
	/* This one is signalled to nobody. */
	add(f, 0, 2, VIRTIO_BLK_T_IN);
	assert_int_equal(module_works(), 1);
	rig_run(f->rig);
	assert_int_equal(served(), 0);
	assert_true(f->rig->pin);
	assert_int_equal(rig_used(f->rig, 0, NULL), 1);
	rig_read(f->rig, VIRTIO_PCI_ISR_STATUS, 1);
	reads(f, 0, 3, false);
	assert_true(f->rig->pin);
	rig_read(f->rig, VIRTIO_PCI_ISR_STATUS, 1);
	rig_cfg_write(f->rig, msix_control(f), 2, PCI_MSIX_FLAGS_ENABLE);
	rig_run(f->rig);
	assert_int_equal(served(), 2);
	reads(f, 0, 4, true);
}

static void test_masked(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	start(f);
	reads(f, 0, 1, true);
	before = f->rig->msis[0];
	table_write(f, 0, 12, 1);
	assert_false(pending(f, 0));
	reads(f, 0, 2, true);
	assert_true(pending(f, 0));
	assert_false(pending(f, 1));
	assert_int_equal(f->rig->msis[0], before);
	table_write(f, 0, 12, 0);
	rig_run(f->rig);
	assert_int_equal(f->rig->msis[0], before + 1);
	assert_false(pending(f, 0));
	/* The function's mask is likewise, and moves no queue. */
	rig_cfg_write(f->rig, msix_control(f), 2,
		      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	rig_run(f->rig);
	before = f->rig->msis[0];
	reads(f, 0, 3, true);
	assert_true(pending(f, 0));
	assert_int_equal(f->rig->msis[0], before);
	rig_cfg_write(f->rig, msix_control(f), 2, PCI_MSIX_FLAGS_ENABLE);
	rig_run(f->rig);
	assert_true(f->rig->msis[0] > before);
	assert_false(pending(f, 0));
	assert_int_equal(served(), 2);
}

/* The message changes, and then the vector. */
static void test_vector(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	reads(f, 0, 1, true);
	fd = module.queues[0].add.call_fd;
	table_write(f, 0, 8, 5);
	reads(f, 0, 2, true);
	assert_int_equal(f->rig->msis[5], 1);
	assert_int_equal(module.dels, 0);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	rig_run(f->rig);
	assert_int_not_equal(module.queues[0].add.call_fd, fd);
	f->rig->msis[1] = 0;
	reads(f, 0, 3, true);
	assert_int_equal(f->rig->msis[1], 1);
	/* None at all: the driver polls. */
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, VIRTIO_NO_VECTOR);
	rig_run(f->rig);
	assert_int_equal(served(), 1);
	reads(f, 0, 4, false);
}

/* No route for another message: the queue comes back, and no interrupt is lost. */
static void test_no_route(void **state)
{
	struct fixture *f = *state;

	start(f);
	reads(f, 0, 1, true);
	f->rig->no_routes = true;
	table_write(f, 0, 8, 6);
	add(f, 0, 2, VIRTIO_BLK_T_IN);
	assert_int_equal(module_works(), 1);
	rig_run(f->rig);
	assert_int_equal(served(), 1);
	assert_true(f->rig->msis[6] >= 1);
	assert_int_equal(rig_used(f->rig, 0, NULL), 1);
	reads(f, 0, 3, false);
	assert_true(f->rig->msis[6] >= 2);
}

static void test_bar_moves(void **state)
{
	struct fixture *f = *state;
	uint64_t new;

	start(f);
	new = rig_bar(f->rig, VIRTIO_PCI_BAR) + 0x100000;
	rig_cfg_write(f->rig, PCI_BASE_ADDRESS_4, 4, (uint32_t) new);
	rig_run(f->rig);
	assert_int_equal(rig_bar(f->rig, VIRTIO_PCI_BAR), new);
	assert_int_equal(module.queues[1].add.bell_addr, notify(f, 1));
	reads(f, 1, 1, true);
	/* Where nobody can ring, nobody need hear; nothing is lost. */
	rig_cfg_write(f->rig, PCI_COMMAND, 2, 0);
	rig_run(f->rig);
	assert_int_equal(served(), 0);
	rig_cfg_write(f->rig, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	rig_run(f->rig);
	assert_int_equal(served(), 2);
	reads(f, 1, 2, true);
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A guest that never rests; the queues still work then, and nothing leaks. */
static void test_restless(void **state)
{
	struct fixture *f = *state;
	unsigned int i, files, what, nr;

	start(f);
	srandom(1);
	reads(f, 0, 1, true);
	reads(f, 1, 1, true);
	files = open_files();
	for (i = 0; i < 20000; i++) {
		what = (unsigned int)random() % 8;
		nr = (unsigned int)random() % 3;
		if (what < 4)
			table_write(f, nr, what == 0 ? 8 : 12,
				    (uint32_t)random() & (what ? 1 : 7));
		else if (what == 4)
			rig_cfg_write(f->rig, msix_control(f), 2,
				      (uint32_t)random() & 0xc000);
		else if (what == 5)
			rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, nr);
		else if (what == 6)
			rig_write(f->rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, nr);
		else if (!(i % 16))
			rig_write(f->rig, VIRTIO_PCI_NOTIFY + 4 * (nr & 1), 2,
				  0);
		if (!(i % 100)) {
			rig_run(f->rig);
			module_works();
		}
	}
	rig_cfg_write(f->rig, msix_control(f), 2, PCI_MSIX_FLAGS_ENABLE);
	for (i = 0; i < 2; i++) {
		table_write(f, i, 12, 0);
		table_write(f, i, 8, i);
		rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		rig_write(f->rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, i);
	}
	rig_run(f->rig);
	assert_int_equal(served(), 2);
	for (i = 0; i < 2; i++) {
		f->rig->msis[i] = 0;
		reads(f, i, 4, true);
		assert_int_equal(f->rig->msis[i], 1);
	}
	assert_in_range(open_files(), files, files + 1);
}

/* ---- failures ---------------------------------------------------------------------- */

static void test_broken(void **state)
{
	struct fixture *f = *state;
	struct vring_avail *avail;

	start(f);
	reads(f, 0, 1, true);
	avail = rig_mem(f->rig, RIG_AVAIL(0), 6 + 2 * RIG_NUM);
	avail->ring[avail->idx % RIG_NUM] = 999;
	avail->idx++;
	module_works();
	rig_run(f->rig);
	assert_true(rig_status(f->rig) & VIRTIO_CONFIG_S_NEEDS_RESET);
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	assert_int_equal(rig_status(f->rig), 0);
	assert_int_equal(served(), 0);
	rig_drive(f->rig, FEATURES);
	reads(f, 0, 1, true);
}

static void test_error(void **state)
{
	struct fixture *f = *state;
	struct blk_status st;

	start(f);
	module.fail = true;
	add(f, 0, 1, VIRTIO_BLK_T_OUT);
	assert_int_equal(module_works(), 1);
	rig_run(f->rig);
	assert_int_equal(*status(f, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->watch.io_errors, 1);
	assert_string_equal(f->watch.last.device, "disk0");
	assert_true(f->watch.last.write);
	assert_false(f->watch.last.stops);
	assert_int_equal(f->watch.last.err, EIO);
	virtio_blk_status(f->rig->dev, &st);
	assert_int_equal(st.failed, EIO);
	add(f, 0, 2, VIRTIO_BLK_T_IN);
	module_works();
	rig_run(f->rig);
	assert_int_equal(f->watch.io_errors, 2);
	assert_false(f->watch.last.write);
	rig_used(f->rig, 0, NULL);
	module.fail = false;
	reads(f, 0, 3, true);
	assert_int_equal(f->watch.io_errors, 2);
}

/* Held, handed over and tried again, by either. */
static void error_stops(struct fixture *f, bool refused)
{
	unsigned int tries = 100, used = 0;

	f->disk.on_error = ON_ERROR_STOP;
	start(f);
	assert_true(module.queues[0].add.flags & VIREO_QUEUE_HOLD_ERRORS);
	module.fail = true;
	add(f, 0, 1, VIRTIO_BLK_T_IN);
	add(f, 0, 2, VIRTIO_BLK_T_IN);
	assert_int_equal(module_works(), 0);
	rig_run(f->rig);
	assert_int_equal(f->watch.io_errors, 1);
	assert_true(f->watch.last.stops);
	devices_stop(&f->rig->vm);
	assert_int_equal(rig_used(f->rig, 0, NULL), 0);
	/* It goes on, and fails once more. */
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(module.queues[0].nr_held, 1);
	assert_int_equal(*status(f, 1), UNTOUCHED);
	/* Heard, and nothing more. */
	rung(module.queues[0].add.kick_fd);
	devices_stop(&f->rig->vm);
	module.fail = false;
	module.add_fails = refused ? -ENOMEM : 0;
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(served(), refused ? 0 : 2);
	assert_int_equal(module_works(), refused ? 0 : 2);
	while ((used += rig_used(f->rig, 0, NULL)) < 2 && tries--)
		rig_run(f->rig);
	assert_int_equal(used, 2);
	read_ok(f, 1);
	read_ok(f, 2);
	reads(f, 0, 3, !refused);
}

static void test_stops(void **state)
{
	error_stops(*state, false);
}

static void test_stops_refused(void **state)
{
	error_stops(*state, true);
}

/* What is held goes with its ring. */
static void test_stops_reset(void **state)
{
	struct fixture *f = *state;

	f->disk.on_error = ON_ERROR_STOP;
	start(f);
	module.fail = true;
	add(f, 0, 1, VIRTIO_BLK_T_IN);
	module_works();
	devices_stop(&f->rig->vm);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	module.fail = false;
	rig_drive(f->rig, FEATURES);
	assert_int_equal(module.queues[0].add.nr_held, 0);
	reads(f, 0, 2, true);
}

/* ---- changes while it is in use ------------------------------------------------------ */

static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct throttle_limit l[THROTTLE_KINDS] = {
		[THROTTLE_OPS] = { 1000, 50 },
		[THROTTLE_BYTES] = { 1 << 20, 0 },
	};

	start(f);
	virtio_blk_limit(f->rig->dev, l);
	assert_int_equal(module.set.flags, VIREO_DISK_SET_LIMITS);
	assert_int_equal(module.set.limits.iops, 1000);
	assert_int_equal(module.set.limits.iops_burst, 50);
	assert_int_equal(module.set.limits.bps, 1 << 20);
	reads(f, 0, 1, true);
	/* These it does not know. */
	l[THROTTLE_OPS].rate = l[THROTTLE_OPS].burst = 0;
	l[THROTTLE_OPS_READ].rate = 1000;
	virtio_blk_limit(f->rig->dev, l);
	rig_run(f->rig);
	assert_int_equal(served(), 0);
	reads(f, 0, 2, false);
	l[THROTTLE_OPS_READ].rate = 0;
	virtio_blk_limit(f->rig->dev, l);
	rig_run(f->rig);
	assert_int_equal(served(), 2);
	assert_int_equal(module.set.limits.iops, 0);
	reads(f, 0, 3, true);
}

static void test_resize(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };

	start(f);
	assert_int_equal(virtio_blk_resize(f->rig->dev, 128 * 512, &err), 0);
	assert_int_equal(module.set.flags, VIREO_DISK_SET_BYTES);
	assert_int_equal(module.set.bytes, 128 * 512);
	assert_int_equal(virtio_blk_resize(f->rig->dev, 16 * 512, &err), 0);
	assert_int_equal(module.set.bytes, 16 * 512);
	assert_int_equal(module.sets, 3);
	reads(f, 0, 1, true);
}

int main(void)
{
#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, setup_module, teardown_module)
	const struct CMUnitTest tests[] = {
		TEST(test_served),	  TEST(test_no_bell),
		TEST(test_stop),	  TEST(test_reset),
		TEST(test_reset_queue),	  TEST(test_none),
		TEST(test_not_direct),	  TEST(test_no_disk),
		TEST(test_refused),	  TEST(test_features),
		TEST(test_intx),	  TEST(test_msix_off),
		TEST(test_masked),	  TEST(test_vector),
		TEST(test_no_route),	  TEST(test_bar_moves),
		TEST(test_restless),	  TEST(test_broken),
		TEST(test_error),	  TEST(test_stops),
		TEST(test_stops_refused), TEST(test_stops_reset),
		TEST(test_limits),	  TEST(test_resize),
	};

	return cmocka_run_group_tests_name("blk_kernel", tests, NULL, NULL);
}
