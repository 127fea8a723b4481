// SPDX-License-Identifier: GPL-2.0-or-later
/* A virtio disk with threads of its own: queues, stops, failures, limits. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <sys/stat.h>

/* To reach the lock of the main loop; the library's is not linked then. */
#include "loop.c"
#include "blk_rig.h"
#include "block/throttle.h"
#include "iothread.h"

/* Of request @n on queue @q; 16 descriptors have room for 5. */
#define HDR(q, n) (RIG_DATA + 0x10000 * (q) + 0x2000 * (n))
#define STATUS(q, n) (HDR(q, n) + 0x100)
#define BUF(q, n) (HDR(q, n) + 0x1000)

static int setup_thread(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	f->disk.iothreads = 1;
	f->disk.queues = 1;
	return 0;
}

static void start(struct fixture *f)
{
	struct error err = { "" };

	if (rig_init_on(&f->rig, &rig_accel_irqfd_ops, &virtio_blk_class,
			&f->disk, &err))
		fail_msg("%s", err.text);
	rig_watch(f->rig, &f->watch);
	rig_drive(f->rig,
		  1ULL << VIRTIO_BLK_F_FLUSH |
			  (f->disk.queues > 1 ? 1ULL << VIRTIO_BLK_F_MQ : 0));
}

static uint8_t *status(struct fixture *f, unsigned int q, unsigned int n)
{
	return rig_mem(f->rig, STATUS(q, n), 1);
}

static void add(struct fixture *f, unsigned int q, unsigned int n,
		uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };
	const struct rig_buf bufs[3] = {
		{ HDR(q, n), sizeof(hdr), false },
		{ BUF(q, n), 512, type == VIRTIO_BLK_T_IN },
		{ STATUS(q, n), 1, true },
	};

	memcpy(rig_mem(f->rig, HDR(q, n), sizeof(hdr)), &hdr, sizeof(hdr));
	*status(f, q, n) = UNTOUCHED;
	rig_add(f->rig, q, bufs, 3);
}

/* As the accelerator would, and no more: the main loop does not run. */
static void ring_bell(struct fixture *f, unsigned int q)
{
	uint64_t addr = rig_bell_addr(f->rig, q);
	uint64_t one = 1;
	unsigned int i, tries = 5000;
	int fd = -1;

	/* The queue's thread hangs it up in its own time. */
	while (fd < 0 && tries--) {
		pthread_mutex_lock(&f->rig->bell_lock);
		for (i = 0; i < 8; i++)
			if (f->rig->bells[i].addr == addr)
				fd = f->rig->bells[i].fd;
		pthread_mutex_unlock(&f->rig->bell_lock);
		if (fd < 0)
			usleep(1000);
	}
	assert_int_equal(write(fd, &one, 8), 8);
}

/* Whether @n requests come back; only the disk's threads run. */
static bool come_back(struct fixture *f, unsigned int q, unsigned int n)
{
	unsigned int tries = 0, used = 0;

	while ((used += rig_used(f->rig, q, NULL)) < n && tries++ < 5000)
		usleep(1000);
	return used == n;
}

static void wait_used(struct fixture *f, unsigned int q, unsigned int n)
{
	assert_true(come_back(f, q, n));
}

static void read_ok(struct fixture *f, unsigned int q, unsigned int n,
		    unsigned int sector)
{
	const uint8_t *buf = rig_mem(f->rig, BUF(q, n), 512);

	assert_int_equal(*status(f, q, n), VIRTIO_BLK_S_OK);
	assert_int_equal(buf[0], pattern(sector, 0));
	assert_int_equal(buf[511], pattern(sector, 511));
}

/* Each queue, whoever serves it. */
static void queues(struct fixture *f)
{
	unsigned int q, n, round;

	start(f);
	for (round = 0; round < 20; round++) {
		for (q = 0; q < f->disk.queues; q++) {
			for (n = 0; n < 5; n++)
				add(f, q, n, VIRTIO_BLK_T_IN, q * 5 + n);
			ring_bell(f, q);
		}
		for (q = 0; q < f->disk.queues; q++) {
			if (f->disk.iothreads)
				wait_used(f, q, 5);
			else
				while (*status(f, q, 4) == UNTOUCHED)
					rig_run(f->rig);
			for (n = 0; n < 5; n++)
				read_ok(f, q, n, q * 5 + n);
		}
	}
}

static void test_queues(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 4;
	f->disk.iothreads = 2;
	queues(f);
	assert_true(rig_read(f->rig, VIRTIO_PCI_COMMON_DF, 4) &
		    1 << VIRTIO_BLK_F_MQ);
	assert_int_equal(rig_read(f->rig,
				  VIRTIO_PCI_DEVICE +
					  offsetof(struct virtio_blk_config,
						   num_queues),
				  2),
			 4);
	assert_string_equal(f->rig->vm.iothreads->name, "io-disk0-0");
	assert_string_equal(f->rig->vm.iothreads->next->name, "io-disk0-1");
	assert_null(f->rig->vm.iothreads->next->next);
}

/* Each has a doorbell and a message of its own, and one more is the device's. */
static void test_many_queues(void **state)
{
	struct fixture *f = *state;
	unsigned int cap;

	f->disk.queues = CONFIG_MAX_DISK_QUEUES;
	f->disk.iothreads = 2;
	f->rig = rig_new(&virtio_blk_class, &f->disk);
	rig_watch(f->rig, &f->watch);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_NUMQ, 2), 256);
	cap = rig_cap(f->rig, PCI_CAP_ID_MSIX, 0);
	assert_int_equal(rig_cfg_read(f->rig, cap + PCI_MSIX_FLAGS, 2) &
				 PCI_MSIX_FLAGS_QSIZE,
			 256);
	assert_true((rig_cfg_read(f->rig, cap + PCI_MSIX_PBA, 4) & ~7U) >=
		    257 * PCI_MSIX_ENTRY_SIZE);
	cap = rig_cap(f->rig, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_NOTIFY_CFG);
	assert_true(rig_cfg_read(f->rig, cap + VIRTIO_PCI_CAP_LENGTH, 4) >=
		    255 * VIRTIO_PCI_NOTIFY_STEP + 2);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 255);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_Q_NOFF, 2), 255);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 256);
	assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
}

static void test_main_thread(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 2;
	f->disk.iothreads = 0;
	queues(f);
	assert_null(f->rig->vm.iothreads);
}

static void test_polling(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 2;
	f->disk.poll = 1000;
	queues(f);
}

static void test_threads(void **state)
{
	struct fixture *f = *state;

	f->disk.queues = 2;
	f->disk.aio = AIO_THREADS;
	queues(f);
}

static void test_io_uring(void **state)
{
	struct fixture *f = *state;

	if (!aio_has(AIO_IO_URING))
		skip();
	f->disk.queues = 2;
	f->disk.aio = AIO_IO_URING;
	queues(f);
}

/* A stop comes back with nothing in flight, and nothing is lost. */
static void test_stop(void **state)
{
	struct fixture *f = *state;
	unsigned int round, n, used;

	start(f);
	for (round = 0; round < 200; round++) {
		for (n = 0; n < 5; n++)
			add(f, 0, n,
			    n & 1 ? VIRTIO_BLK_T_FLUSH : VIRTIO_BLK_T_IN, n);
		ring_bell(f, 0);
		if (round & 1)
			usleep(20);
		devices_stop(&f->rig->vm);
		used = rig_used(f->rig, 0, NULL);
		/* Nobody touches the guest's memory now. */
		usleep(50);
		assert_int_equal(rig_used(f->rig, 0, NULL), 0);
		devices_start(&f->rig->vm);
		wait_used(f, 0, 5 - used);
		read_ok(f, 0, 0, 0);
		read_ok(f, 0, 4, 4);
	}
}

static void test_reset(void **state)
{
	struct fixture *f = *state;
	unsigned int round, n;

	start(f);
	for (round = 0; round < 50; round++) {
		for (n = 0; n < 5; n++)
			add(f, 0, n, VIRTIO_BLK_T_IN, n);
		ring_bell(f, 0);
		rig_set_status(f->rig, 0);
		n = 0;
		while (rig_status(f->rig) && n++ < 500)
			rig_run(f->rig);
		assert_int_equal(rig_status(f->rig), 0);
		rig_drive(f->rig, 1ULL << VIRTIO_BLK_F_FLUSH);
	}
	add(f, 0, 0, VIRTIO_BLK_T_IN, 9);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	read_ok(f, 0, 0, 9);
}

/*
 * The data plane waits for nothing that the rest of the VMM holds: with the
 * main loop standing still and all its locks taken, and the device's own, I/O
 * goes on for two seconds, and the driver is interrupted for it.
 */
static void test_no_shared_lock(void **state)
{
	struct fixture *f = *state;
	struct device *dev;
	struct vm *vm;
	uint64_t end;
	bool good;
	unsigned int n, rounds = 0;

	f->disk.queues = 2;
	start(f);
	vm = &f->rig->vm;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_lock(&vm->lock);
	pthread_mutex_lock(&vm->loop->lock);
	pthread_mutex_lock(&vm->mem.lock);
	pthread_mutex_lock(&vm->irqs.lock);
	for (dev = vm->devices; dev; dev = dev->next)
		pthread_mutex_lock(&dev->lock);

	end = loop_now() + 2000000000ULL;
	do {
		for (n = 0; n < 5; n++)
			add(f, rounds & 1, n,
			    n == 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, n);
		memset(rig_mem(f->rig, BUF(rounds & 1, 2), 512), 3, 512);
		ring_bell(f, rounds & 1);
		good = come_back(f, rounds & 1, 5);
		rounds++;
	} while (good && loop_now() < end);

	for (dev = vm->devices; dev; dev = dev->next)
		pthread_mutex_unlock(&dev->lock);
	pthread_mutex_unlock(&vm->irqs.lock);
	pthread_mutex_unlock(&vm->mem.lock);
	pthread_mutex_unlock(&vm->loop->lock);
	pthread_mutex_unlock(&vm->lock);
	assert_true(good);
	print_message("%u requests\n", rounds * 5);
	read_ok(f, 0, 4, 4);
	read_ok(f, 1, 4, 4);
	rig_routes(f->rig);
	assert_true(f->rig->msis[0] >= rounds / 2);
	assert_true(f->rig->msis[1] >= rounds / 2);
}

static void test_on_error_report(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(ftruncate(f->fd, 512), 0);
	add(f, 0, 0, VIRTIO_BLK_T_IN, 5);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	assert_int_equal(*status(f, 0, 0), VIRTIO_BLK_S_IOERR);
	rig_run(f->rig);
	assert_int_equal(f->watch.io_errors, 1);
	assert_false(f->watch.last.stops);
	assert_false(f->watch.last.write);
	assert_int_equal(f->watch.last.err, EIO);
	assert_string_equal(f->watch.last.device, "disk0");
}

/* It is tried again when the VM goes on, and the guest never knows. */
static void test_on_error_stop(void **state)
{
	struct fixture *f = *state;
	struct blk_status st;

	f->disk.on_error = ON_ERROR_STOP;
	start(f);
	assert_int_equal(ftruncate(f->fd, 512), 0);
	add(f, 0, 0, VIRTIO_BLK_T_IN, 5);
	add(f, 0, 1, VIRTIO_BLK_T_IN, 0);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	read_ok(f, 0, 1, 0);
	rig_wait_error(&f->watch);
	assert_true(f->watch.last.stops);
	assert_int_equal(*status(f, 0, 0), UNTOUCHED);
	virtio_blk_status(f->rig->dev, &st);
	assert_int_equal(st.failed, EIO);

	/* As the VM does then; still in vain, and once more. */
	devices_stop(&f->rig->vm);
	devices_start(&f->rig->vm);
	f->watch.io_errors = 0;
	rig_wait_error(&f->watch);
	assert_int_equal(*status(f, 0, 0), UNTOUCHED);
	devices_stop(&f->rig->vm);
	assert_int_equal(ftruncate(f->fd, SECTORS * 512), 0);
	devices_start(&f->rig->vm);
	wait_used(f, 0, 1);
	assert_int_equal(*status(f, 0, 0), VIRTIO_BLK_S_OK);

	/* What is held at a reset is gone. */
	assert_int_equal(ftruncate(f->fd, 512), 0);
	f->watch.io_errors = 0;
	add(f, 0, 0, VIRTIO_BLK_T_IN, 5);
	ring_bell(f, 0);
	rig_wait_error(&f->watch);
	devices_stop(&f->rig->vm);
	devices_reset(&f->rig->vm);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(*status(f, 0, 0), UNTOUCHED);
}

/* And so is what is held of a queue that is reset by itself. */
static void test_queue_reset(void **state)
{
	struct fixture *f = *state;
	unsigned int n = 0;

	f->disk.on_error = ON_ERROR_STOP;
	start(f);
	rig_drive(f->rig, 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << 40);
	assert_int_equal(ftruncate(f->fd, 512), 0);
	add(f, 0, 0, VIRTIO_BLK_T_IN, 5);
	ring_bell(f, 0);
	rig_wait_error(&f->watch);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	rig_write(f->rig, 58, 2, 1);
	while (rig_read(f->rig, 58, 2) && n++ < 500)
		rig_run(f->rig);
	rig_queue(f->rig, 0);
	rig_run(f->rig);
	devices_stop(&f->rig->vm);
	assert_int_equal(ftruncate(f->fd, SECTORS * 512), 0);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(*status(f, 0, 0), UNTOUCHED);
	assert_int_equal(rig_used(f->rig, 0, NULL), 0);
	add(f, 0, 1, VIRTIO_BLK_T_IN, 0);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	assert_int_equal(*status(f, 0, 1), VIRTIO_BLK_S_OK);
}

static uint64_t capacity(struct fixture *f)
{
	return rig_read(f->rig, VIRTIO_PCI_DEVICE, 4) |
	       rig_read(f->rig, VIRTIO_PCI_DEVICE + 4, 4) << 32;
}

static void test_resize(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	struct stat st;
	unsigned int before;

	start(f);
	before = f->rig->msis[1];
	assert_int_equal(virtio_blk_resize(f->rig->dev, 100 * 512, &err), 0);
	assert_int_equal(capacity(f), 100);
	rig_routes(f->rig);
	assert_int_equal(f->rig->msis[1], before + 1);
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, 100 * 512);
	add(f, 0, 0, VIRTIO_BLK_T_OUT, 99);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	assert_int_equal(*status(f, 0, 0), VIRTIO_BLK_S_OK);

	assert_int_equal(virtio_blk_resize(f->rig->dev, 8 * 512, &err), 0);
	assert_int_equal(capacity(f), 8);
	add(f, 0, 0, VIRTIO_BLK_T_IN, 8);
	ring_bell(f, 0);
	wait_used(f, 0, 1);
	assert_int_equal(*status(f, 0, 0), VIRTIO_BLK_S_IOERR);

	assert_int_equal(virtio_blk_resize(f->rig->dev, 1000, &err), -EINVAL);
	assert_non_null(strstr(err.text, "multiple of 512"));
	assert_int_equal(capacity(f), 8);
	/* Grown by somebody else: 0 takes what is there. */
	assert_int_equal(ftruncate(f->fd, 50 * 512), 0);
	assert_int_equal(virtio_blk_resize(f->rig->dev, 0, &err), 0);
	assert_int_equal(capacity(f), 50);
}

/* What waits for a limit is in order, and a stop does not wait for it. */
static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct throttle_limit none[THROTTLE_KINDS] = { 0 };
	unsigned int n;

	f->disk.iops = 1;
	f->disk.iops_burst = 1; /* and one as soon as it is not full */
	start(f);
	for (n = 0; n < 5; n++)
		add(f, 0, n, VIRTIO_BLK_T_IN, n);
	ring_bell(f, 0);
	wait_used(f, 0, 2);
	read_ok(f, 0, 0, 0);
	read_ok(f, 0, 1, 1);
	assert_int_equal(*status(f, 0, 4), UNTOUCHED);
	devices_stop(&f->rig->vm);
	assert_int_equal(rig_used(f->rig, 0, NULL), 3);
	read_ok(f, 0, 4, 4);
	devices_start(&f->rig->vm);

	throttle_set(virtio_blk_throttle(f->rig->dev), none);
	for (n = 0; n < 5; n++)
		add(f, 0, n, VIRTIO_BLK_T_IN, n);
	ring_bell(f, 0);
	wait_used(f, 0, 5);
}

static void refused(struct fixture *f, const char *why)
{
	struct error err = { "" };

	assert_int_equal(rig_init(&f->rig, &virtio_blk_class, &f->disk, &err),
			 -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("not clear: %s", err.text);
	rig_free(f->rig);
	f->rig = NULL;
}

static void test_options(void **state)
{
	struct fixture *f = *state;

	f->disk.cpus = (char *)"0-";
	refused(f, "no list of processors");
	f->disk.cpus = NULL;
	f->disk.block_size = 1000;
	refused(f, "multiple");
	f->disk.block_size = 1536;
	refused(f, "multiple");
	f->disk.block_size = 4096;
	f->disk.physical_size = 512;
	refused(f, "power of two");
	f->disk.physical_size = 8192;
	f->disk.cache = BLOCK_CACHE_WRITEBACK;
	f->disk.aio = AIO_LIBAIO;
	refused(f, "cache=none");
	f->disk.aio = AIO_AUTO;
	f->disk.min_io = 8192;
	f->disk.opt_io = 65536;
	f->disk.cpus = (char *)"0";
	start(f);
#define CONFIG(field)                                               \
	rig_read(f->rig,                                            \
		 VIRTIO_PCI_DEVICE +                                \
			 offsetof(struct virtio_blk_config, field), \
		 sizeof(((struct virtio_blk_config *)0)->field))
	assert_int_equal(CONFIG(blk_size), 4096);
	assert_int_equal(CONFIG(physical_block_exp), 1);
	assert_int_equal(CONFIG(min_io_size), 2);
	assert_int_equal(CONFIG(opt_io_size), 16);
}

static void test_cpu_list(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(cpu_list_parse("0-3:8", &set, NULL), 0);
	assert_int_equal(CPU_COUNT(&set), 5);
	assert_true(CPU_ISSET(8, &set));
	assert_int_equal(cpu_list_parse("5", &set, NULL), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
	assert_int_equal(cpu_list_parse("1,2", &set, NULL), 0);
	assert_int_equal(CPU_COUNT(&set), 2);
	assert_int_equal(cpu_list_parse("", &set, NULL), -EINVAL);
	assert_int_equal(cpu_list_parse("1:", &set, NULL), -EINVAL);
	assert_int_equal(cpu_list_parse("3-1", &set, NULL), -EINVAL);
	assert_int_equal(cpu_list_parse("1-", &set, NULL), -EINVAL);
	assert_int_equal(cpu_list_parse("-1", &set, NULL), -EINVAL);
	assert_int_equal(cpu_list_parse("99999999999999999999", &set, NULL),
			 -EINVAL);
	assert_int_equal(cpu_list_parse("1 ", &set, NULL), -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_thread, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_queues),	   TEST(test_main_thread),
		TEST(test_many_queues),	   TEST(test_polling),
		TEST(test_threads),	   TEST(test_io_uring),
		TEST(test_stop),	   TEST(test_reset),
		TEST(test_no_shared_lock), TEST(test_on_error_report),
		TEST(test_on_error_stop),  TEST(test_queue_reset),
		TEST(test_resize),	   TEST(test_limits),
		TEST(test_options),	   cmocka_unit_test(test_cpu_list),
	};

	return cmocka_run_group_tests_name("blk_device", tests, NULL, NULL);
}
