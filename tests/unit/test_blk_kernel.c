// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks that the module serves: when it has the queues, how, and that nothing is
 * lost between it and the VMM.
 */
#include <dirent.h>

#include "blk_kernel_rig.h"
#include "block/throttle.h"

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
		assert_int_equal(a->bell_bus, VIREO_BUS_PIO);
		assert_int_equal(a->bell_addr, rig_bell_addr(f->rig, q));
		assert_int_equal(a->bell_len, VIRTIO_PCI_BELL_STEP);
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
	rig_cfg_write(f->rig, PCI_BASE_ADDRESS_2, 4, 0x3000);
	rig_run(f->rig);
	assert_int_equal(module.queues[1].add.bell_bus, VIREO_BUS_PIO);
	assert_int_equal(module.queues[1].add.bell_addr,
			 0x3000 + VIRTIO_PCI_BELL_STEP);
	reads(f, 1, 1, true);
	/* Without ports it is memory. */
	rig_cfg_write(f->rig, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	new = rig_bar(f->rig, VIRTIO_PCI_BAR) + 0x100000;
	rig_cfg_write(f->rig, PCI_BASE_ADDRESS_4, 4, (uint32_t) new);
	rig_run(f->rig);
	assert_int_equal(rig_bar(f->rig, VIRTIO_PCI_BAR), new);
	assert_int_equal(module.queues[1].add.bell_bus, VIREO_BUS_MMIO);
	assert_int_equal(module.queues[1].add.bell_addr,
			 new + VIRTIO_PCI_NOTIFY + VIRTIO_PCI_NOTIFY_STEP);
	assert_int_equal(module.queues[1].add.bell_len, VIRTIO_PCI_NOTIFY_STEP);
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

/* What was done is told, whoever did it and whoever has the queue now. */
static void test_counts(void **state)
{
	struct fixture *f = *state;
	struct blk_status st;
	unsigned int round;

	start(f);
	for (round = 1; round < 20; round++) {
		module.add_fails = round % 3 ? 0 : -ENOMEM;
		devices_stop(&f->rig->vm);
		virtio_blk_status(f->rig->dev, &st);
		assert_int_equal(st.counts[BLOCK_READ].ops, 2 * (round - 1));
		devices_start(&f->rig->vm);
		rig_run(f->rig);
		reads(f, 0, 1, round % 3);
		reads(f, 1, 2, round % 3);
		virtio_blk_status(f->rig->dev, &st);
		assert_int_equal(st.counts[BLOCK_READ].ops, 2 * round);
		assert_int_equal(st.counts[BLOCK_READ].bytes, 1024 * round);
		assert_true(st.counts[BLOCK_READ].ns >= 1000 * round);
	}
	assert_int_equal(st.highest, 0);
	add(f, 0, 9, VIRTIO_BLK_T_OUT);
	module_works();
	rig_run(f->rig);
	virtio_blk_status(f->rig->dev, &st);
	assert_int_equal(st.counts[BLOCK_WRITE].bytes, 512);
	assert_int_equal(st.highest, 10 * 512);
	rig_set_status(f->rig, 0);
	rig_run(f->rig);
	virtio_blk_status(f->rig->dev, &st);
	assert_int_equal(st.counts[BLOCK_WRITE].ops, 1);
	assert_int_equal(st.highest, 10 * 512);
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
		TEST(test_counts),
	};

	return cmocka_run_group_tests_name("blk_kernel", tests, NULL, NULL);
}
