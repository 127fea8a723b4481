// SPDX-License-Identifier: GPL-2.0
/*
 * Block queues that end while something is in flight, whose disk fails or is
 * limited, and what trackers of memory see of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "ring.h"

#define SLOW (16UL << 20)
#define FILL 0x5a

FIXTURE(slow)
{
	struct rig r;
	struct slow_disk d;
	int begun;
};

FIXTURE_VARIANT(slow)
{
	bool packed;
};

FIXTURE_VARIANT_ADD(slow, split) {};
FIXTURE_VARIANT_ADD(slow, packed) {
	.packed = true,
};

/* A queue to a disk that answers when the test says so. */
FIXTURE_SETUP(slow)
{
	struct vireo_queue_add add;

	if (slow_open(&self->d, FILL))
		SKIP_SETUP("no nbd");
	ASSERT_EQ(rig_open(&self->r), 0);
	ASSERT_EQ(rig_disk(&self->r, self->d.fd, SLOW, 0), 0);
	if (variant->packed)
		rig_pack(&self->r);
	add = queue_template(&self->r);
	ASSERT_EQ(rig_add(&self->r, &add), 0);
	self->begun = self->d.waiting;
	slow_answer(&self->d, self->begun);
}

FIXTURE_TEARDOWN(slow)
{
	slow_answer(&self->d, 1 << 30);
	rig_close(&self->r);
	slow_close(&self->d);
}

TEST_F(slow, del_waits)
{
	struct vireo_queue_del del = { .timeout_ms = 50 };
	struct rig *r = &self->r;
	uint16_t head = rig_put(r, VIRTIO_BLK_T_IN, 8, RIG_DATA, PAGE);

	rig_kick(r);
	ASSERT_TRUE(slow_wait(&self->d, self->begun + 1));
	EXPECT_EQ(rig_state(r).in_flight, 1);
	EXPECT_EQ(rig_del(r, &del), -ETIMEDOUT);
	/* It takes nothing any more. */
	rig_put(r, VIRTIO_BLK_T_IN, 8, RIG_DATA, PAGE);
	rig_kick(r);
	EXPECT_EQ(rig_del(r, &del), -ETIMEDOUT);
	EXPECT_EQ(rig_state(r).in_flight, 1);
	slow_answer(&self->d, self->begun + 1);
	del.timeout_ms = 0;
	EXPECT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(del.next_avail, variant->packed ? 0x8003 : 1);
	EXPECT_EQ(del.next_used, variant->packed ? 0x8003 : 1);
	EXPECT_GE(eventfd_take(r->call), 1);
	EXPECT_EQ(rig_req(r, head)->status, 0);
	EXPECT_EQ(r->p[RIG_DATA], FILL);
}

static void nothing(int sig __attribute__((unused)))
{
}

TEST_F(slow, del_is_interrupted)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerspec when = { .it_value.tv_nsec = 50000000 };
	struct vireo_queue_del del = {};
	struct rig *r = &self->r;
	timer_t timer;

	rig_put(r, VIRTIO_BLK_T_IN, 8, RIG_DATA, PAGE);
	rig_kick(r);
	ASSERT_TRUE(slow_wait(&self->d, self->begun + 1));
	sigaction(SIGALRM, &action, NULL);
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	timer_settime(timer, 0, &when, NULL);
	EXPECT_EQ(rig_del(r, &del), -EINTR);
	slow_answer(&self->d, self->begun + 1);
	EXPECT_EQ(rig_del(r, &del), 0);
}

/* What the device reads into memory is not in a snapshot, but in a log. */
TEST_F(slow, trackers)
{
	struct rig *r = &self->r;
	uint8_t page[PAGE];
	struct dirty dirty;
	int log, snapshot;

	memset(r->p + RIG_DATA, 1, 2 * PAGE);
	log = mem_log(r->mem);
	snapshot = mem_snapshot(r->mem, 0);
	rig_put(r, VIRTIO_BLK_T_IN, 8, RIG_DATA, PAGE);
	rig_kick(r);
	ASSERT_TRUE(slow_wait(&self->d, self->begun + 1));
	ASSERT_GE(log_take(log, &dirty, RIG_BYTES), 0);
	EXPECT_TRUE(dirty_page(&dirty, RIG_DATA / PAGE));
	slow_answer(&self->d, self->begun + 1);
	ASSERT_TRUE(rig_wait(r, 1));
	EXPECT_EQ(r->p[RIG_DATA], FILL);
	/* It was in flight when the log was taken. */
	ASSERT_GE(log_take(log, &dirty, RIG_BYTES), 0);
	EXPECT_TRUE(dirty_page(&dirty, RIG_DATA / PAGE));
	EXPECT_FALSE(dirty_page(&dirty, RIG_DATA / PAGE + 1));
	EXPECT_TRUE(dirty_page(&dirty, RIG_USED / PAGE));
	ASSERT_EQ(pread(snapshot, page, PAGE, RIG_DATA), PAGE);
	for (int i = 0; i < (int)PAGE; i++)
		ASSERT_EQ(page[i], 1);
	close(snapshot);
	close(log);
}

/* The VM's descriptor is the last of a process that is killed. */
TEST_F(slow, killed)
{
	struct rig *r = &self->r;
	struct vireo_queue_del del = {};
	int status;
	pid_t pid;

	ASSERT_EQ(rig_del(r, &del), 0);
	pid = fork();
	if (!pid) {
		struct vireo_queue_add add;
		struct rig c;

		if (rig_open(&c) || rig_disk(&c, self->d.fd, SLOW, 0))
			_exit(1);
		if (variant->packed)
			rig_pack(&c);
		add = queue_template(&c);
		if (rig_add(&c, &add))
			_exit(1);
		for (int i = 0; i < 8; i++)
			rig_put(&c, VIRTIO_BLK_T_IN, i * 8, RIG_DATA + i * PAGE,
				PAGE);
		rig_kick(&c);
		pause();
	}
	ASSERT_TRUE(slow_wait(&self->d, self->begun + 1));
	kill(pid, SIGKILL);
	usleep(50000);
	slow_answer(&self->d, 1 << 30);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(vm_gone(pid));
}

/* ---- disks that fail --------------------------------------------------------- */

FIXTURE(failing)
{
	struct rig r;
	int fd;
};

/* 8 MiB that work, 8 MiB of errors. */
FIXTURE_SETUP(failing)
{
	int ram = ram_open();

	if (ram < 0 ||
	    system("modprobe -q dm-mod; printf '0 16384 linear /dev/ram0 0\\n"
		   "16384 16384 error\\n' | dmsetup --noudevsync create "
		   "vireo-fails >/dev/null 2>&1"))
		SKIP_SETUP("no device mapper");
	close(ram);
	self->fd = open("/dev/mapper/vireo-fails", O_RDWR | O_DIRECT);
	if (self->fd < 0) {
		system("dmsetup mknodes vireo-fails");
		self->fd = open("/dev/mapper/vireo-fails", O_RDWR | O_DIRECT);
	}
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(rig_open(&self->r), 0);
	ASSERT_EQ(rig_disk(&self->r, self->fd, RIG_DISK, 0), 0);
}

FIXTURE_TEARDOWN(failing)
{
	rig_close(&self->r);
	close(self->fd);
	for (int i = 0; i < 50 && system("dmsetup --noudevsync remove "
					 "vireo-fails >/dev/null 2>&1"); i++)
		usleep(20000);
}

TEST_F(failing, gives_back_errors)
{
	struct vireo_queue_add add = queue_template(&self->r);
	struct rig *r = &self->r;
	struct vireo_queue_state state;

	ASSERT_EQ(rig_add(r, &add), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 0, RIG_DATA, PAGE), 0);
	EXPECT_EQ(eventfd_take(r->event), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 20000, RIG_DATA, PAGE), 1);
	EXPECT_EQ(eventfd_take(r->event), 1);
	state = rig_state(r);
	EXPECT_EQ(state.errors, 1);
	EXPECT_EQ(state.error, EIO);
	EXPECT_EQ(state.error_type, VIRTIO_BLK_T_OUT);
	EXPECT_EQ(state.error_sector, 20000);
	EXPECT_EQ(state.held, 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE), 0);
	/* Also of one that is done in pieces. */
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 16384 - 4096, RIG_DATA, 4U << 20),
		  1);
}

TEST_F(failing, holds_errors)
{
	struct vireo_queue_add add = queue_template(&self->r);
	struct vireo_queue_del del = {};
	struct rig *r = &self->r;
	uint16_t held[4] = { 9999 }, bad, good;

	add.flags = VIREO_QUEUE_HOLD_ERRORS;
	ASSERT_EQ(rig_add(r, &add), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 0, RIG_DATA, PAGE), 0);
	bad = rig_put(r, VIRTIO_BLK_T_OUT, 20000, RIG_DATA, PAGE);
	rig_kick(r);
	for (int i = 0; i < 500 && !rig_state(r).held; i++)
		usleep(10000);
	EXPECT_EQ(rig_state(r).held, 1);
	EXPECT_EQ(eventfd_take(r->event), 1);
	/* Nothing more is taken. */
	good = rig_put(r, VIRTIO_BLK_T_OUT, 8, RIG_DATA, PAGE);
	rig_kick(r);
	usleep(50000);
	EXPECT_EQ(r->used->idx, 1);
	EXPECT_EQ(rig_del(r, &del), -EINVAL);
	del.held = (uintptr_t)held;
	del.nr_held = 4;
	ASSERT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(del.nr_held, 1);
	EXPECT_EQ(held[0], bad);
	EXPECT_EQ(del.next_avail, 2);
	EXPECT_EQ(del.next_used, 1);

	/* Once more, where it works now. */
	rig_req(r, bad)->header.sector = 16;
	add.next_avail = del.next_avail;
	add.next_used = del.next_used;
	add.held = (uintptr_t)held;
	add.nr_held = 1;
	ASSERT_EQ(rig_add(r, &add), 0);
	ASSERT_TRUE(rig_wait(r, 2));
	EXPECT_EQ(r->used->ring[1].id, bad);
	EXPECT_EQ(rig_req(r, bad)->status, 0);
	EXPECT_EQ(rig_req(r, good)->status, 0);
}

/* ---- limits, files -------------------------------------------------------------- */

FIXTURE(other)
{
	struct rig r;
};

FIXTURE_SETUP(other)
{
	ASSERT_EQ(rig_open(&self->r), 0);
}

FIXTURE_TEARDOWN(other)
{
	rig_close(&self->r);
}

static void limits(struct __test_metadata *_metadata, struct rig *r,
		   bool packed)
{
	struct vireo_disk_set set = {
		.size = sizeof(set), .flags = VIREO_DISK_SET_LIMITS,
		.limits = { .iops = 1, .iops_burst = 1 },
	};
	struct vireo_queue_add add;
	struct vireo_queue_del del = {};
	int fd = ram_open();

	if (fd < 0)
		SKIP(return, "no RAM disk");
	ASSERT_EQ(rig_disk(r, fd, RIG_DISK, 0), 0);
	close(fd);
	if (packed)
		rig_pack(r);
	ASSERT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), 0);
	add = queue_template(r);
	ASSERT_EQ(rig_add(r, &add), 0);
	for (int i = 0; i < 10; i++)
		rig_put(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512);
	rig_kick(r);
	ASSERT_TRUE(rig_wait(r, 1));
	usleep(20000);
	EXPECT_LT(rig_given(r), 10);
	/* The one that waits counts as not taken. */
	ASSERT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(del.next_avail, del.next_used);
	rig_given(r);
	EXPECT_EQ(del.next_used, packed ? r->look : r->given);

	set.limits.iops = 100;
	ASSERT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), 0);
	add.next_avail = del.next_avail;
	add.next_used = del.next_used;
	ASSERT_EQ(rig_add(r, &add), 0);
	r->seen = rig_given(r);
	ASSERT_TRUE(rig_wait(r, 10 - r->seen));
	/* No limit: those that wait see it when they ask again. */
	memset(&set.limits, 0, sizeof(set.limits));
	ASSERT_EQ(IOCTL(r->disk, VIREO_DISK_SET, &set), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
}

TEST_F(other, readonly_and_writethrough)
{
	struct vireo_queue_add add;
	struct rig *r = &self->r;
	int fd = ram_open();

	if (fd < 0)
		SKIP(return, "no RAM disk");
	ASSERT_EQ(rig_disk(r, fd, RIG_DISK, VIREO_DISK_READONLY), 0);
	add = queue_template(r);
	ASSERT_EQ(rig_add(r, &add), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 512), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 0, RIG_DATA, 512), 1);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	close(r->disk);
	close(r->vm);
	r->vm = vireo_vm_open(r->dev, r->kvm, "queue");
	ASSERT_EQ(mem_tell(r->vm, r->mem, RIG_GPA, RIG_BYTES, 0), 0);
	ASSERT_EQ(rig_disk(r, fd, RIG_DISK, VIREO_DISK_WRITETHROUGH), 0);
	close(fd);
	add = queue_template(r);
	add.next_avail = add.next_used = r->used->idx;
	ASSERT_EQ(rig_add(r, &add), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 0, RIG_DATA, 512), 0);
}

TEST_F(other, limits)
{
	limits(_metadata, &self->r, false);
}

TEST_F(other, limits_of_a_packed_ring)
{
	limits(_metadata, &self->r, true);
}

#define DIR "/tmp/vireo-queue"

/* A file of a file system on the RAM disk. */
static int file_open(const char *fs)
{
	char command[120];
	int fd = ram_open();

	if (fd < 0)
		return fd;
	close(fd);
	snprintf(command, sizeof(command),
		 "modprobe -q %s; mkfs.%s -q %s /dev/ram0 >/dev/null 2>&1", fs, fs,
		 strcmp(fs, "xfs") ? "" : "-f");
	mkdir(DIR, 0700);
	if (system(command) || mount("/dev/ram0", DIR, fs, 0, ""))
		return -ENODEV;
	fd = open(DIR "/disk", O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd >= 0 && ftruncate(fd, 8 << 20)) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

TEST_F(other, file)
{
	struct vireo_queue_add add;
	struct rig *r = &self->r;
	int fd = file_open("ext4");
	uint16_t head;

	if (fd < 0) {
		umount2(DIR, MNT_DETACH);
		SKIP(return, "no ext4 on a RAM disk");
	}
	ASSERT_EQ(rig_disk(r, fd, 8 << 20, 0), 0);
	close(fd);
	add = queue_template(r);
	ASSERT_EQ(rig_add(r, &add), 0);
	for (int i = 0; i < 20; i++) {
		page_fill(r->p + RIG_DATA, i, 1);
		EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, i * 8, RIG_DATA, PAGE),
			  0);
	}
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, i * 8, RIG_DATA + 8, PAGE),
			  0);
		memcpy(r->p + RIG_DATA + 2 * PAGE, r->p + RIG_DATA + 8, PAGE);
		EXPECT_TRUE(page_is(r->p + RIG_DATA + 2 * PAGE, i, 1));
	}
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 4096, RIG_DATA, 3 << 20), 0);
	EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, 4096, RIG_DATA, 3 << 20), 0);
	head = rig_put_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0);
	rig_put_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1);
	rig_put_range(r, VIRTIO_BLK_T_DISCARD, 16, 8, 0);
	rig_kick(r);
	ASSERT_TRUE(rig_wait(r, 3));
	EXPECT_EQ(rig_req(r, head)->status, 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_IN, i * 8, RIG_DATA, PAGE), 0);
		EXPECT_TRUE(page_is_zero(r->p + RIG_DATA));
	}
	EXPECT_EQ(rig_state(r).errors, 0);
	close(r->vm);
	close(r->disk);
	r->disk = -1;
	r->vm = -1;
	for (int i = 0; i < 100 && umount(DIR); i++)
		usleep(10000);
}

/* ---- statistics ------------------------------------------------------------------ */

TEST_F(other, statistics)
{
	struct vireo_queue_add add;
	struct vireo_queue_del del = {};
	struct rig *r = &self->r;
	int fd = ram_open();
	char dir[64], path[80], text[4096];
	size_t n;
	FILE *f;

	if (fd < 0)
		SKIP(return, "no RAM disk");
	ASSERT_EQ(rig_disk(r, fd, RIG_DISK, 0), 0);
	close(fd);
	add = queue_template(r);
	ASSERT_EQ(rig_add(r, &add), 0);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(rig_do(r, VIRTIO_BLK_T_OUT, 0, RIG_DATA, 512), 0);
	ASSERT_TRUE(stats_dir(getpid(), dir, sizeof(dir)));
	snprintf(path, sizeof(path), "%s/queues", dir);
	f = fopen(path, "r");
	ASSERT_NE(f, NULL);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	EXPECT_NE(strstr(text, "latency 0 disk:"), NULL);
	EXPECT_NE(strstr(text, " write_bytes "), NULL);
	EXPECT_NE(strstr(text, " 2560 "), NULL) TH_LOG("%s", text);
	EXPECT_EQ(rig_del(r, &del), 0);
}

TEST_HARNESS_MAIN
