// SPDX-License-Identifier: GPL-2.0
/*
 * Block queues of disks of several kinds: those that take their time, that are
 * taken away, and that do not answer any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "ring.h"

#define REQS 16

/* The first line that a script prints; false if it fails. */
static bool script(const char *text, char *line, size_t size)
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof(command), "( %s ) 2>/dev/null", text);
	f = popen(command, "r");
	if (!f)
		return false;
	if (!fgets(line, size, f))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	while (fgetc(f) != EOF)
		;
	return pclose(f) == 0;
}

static bool run(const char *text)
{
	char line[80];

	return script(text, line, sizeof(line));
}

static int disk_open(const char *up)
{
	char path[80];

	if (!script(up, path, sizeof(path)) || !path[0])
		return -ENODEV;
	for (int i = 0; i < 100; i++) {
		int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		usleep(20000);
	}
	return -ENODEV;
}

/* In flight, of a queue with all its own, in a process that waits then. */
static pid_t child_with_requests(int fd, bool packed)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		struct vireo_queue_add add;
		struct rig r;

		if (rig_open(&r) || rig_disk(&r, fd, RIG_DISK, 0))
			_exit(1);
		if (packed)
			rig_pack(&r);
		add = queue_template(&r);
		if (rig_add(&r, &add))
			_exit(1);
		for (int i = 0; i < REQS; i++)
			rig_put(&r, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				i * 8, RIG_DATA + i * PAGE, PAGE);
		rig_put(&r, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
		rig_put(&r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 2 << 20);
		rig_kick(&r);
		for (int i = 0; i < 500 && !rig_state(&r).in_flight; i++)
			usleep(1000);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static bool vm_there(pid_t pid)
{
	char dir[64];

	return stats_dir(pid, dir, sizeof(dir));
}

static bool module_in_use(void)
{
	return syscall(SYS_delete_module, "vireo", O_NONBLOCK) < 0 &&
	       errno == EWOULDBLOCK;
}

/* ---- disks that take their time ------------------------------------------------- */

FIXTURE(disk)
{
	int fd;
};

/*
 * Shell: what makes a disk of RIG_DISK bytes and prints its path; what takes it
 * away while it is in use, if that can be done; what makes all as it was.
 */
FIXTURE_VARIANT(disk)
{
	const char *up, *remove, *down;
};

FIXTURE_VARIANT_ADD(disk, loop) {
	.up = "modprobe -q loop; truncate -s 16M /tmp/vireo-loop &&"
	      "losetup -f --show /tmp/vireo-loop",
	.down = "losetup -D; rm -f /tmp/vireo-loop",
};
FIXTURE_VARIANT_ADD(disk, null_blk) {
	.up = "modprobe -q null_blk nr_devices=0 || exit 1;"
	      "mount -t configfs none /sys/kernel/config;"
	      "cd /sys/kernel/config/nullb && mkdir nullbv && cd nullbv &&"
	      "echo 16 >size && echo 1 >memory_backed && echo 2 >irqmode &&"
	      "echo 20000000 >completion_nsec && echo 1 >power || exit 1;"
	      "for d in nullbv nullb$(cat index); do"
	      "	[ ! -b /dev/$d ] || echo /dev/$d; done",
	.remove = "echo 0 >/sys/kernel/config/nullb/nullbv/power",
	.down = "rmdir /sys/kernel/config/nullb/nullbv; rmmod null_blk",
};
FIXTURE_VARIANT_ADD(disk, scsi_debug) {
	.up = "modprobe -q scsi_debug dev_size_mb=16 ndelay=20000000 &&"
	      "modprobe -q sd_mod || exit 1;"
	      "for i in $(seq 100); do"
	      "	for d in /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/"
	      "target*/*/block/*; do"
	      "		[ ! -b /dev/${d##*/} ] || { echo /dev/${d##*/}; exit; }"
	      "	done; sleep 0.05; done; false",
	.remove = "for d in /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/"
		  "target*/*/delete; do echo 1 >$d; done",
	.down = "for i in $(seq 50); do rmmod scsi_debug && break;"
		"sleep 0.1; done",
};
FIXTURE_VARIANT_ADD(disk, dm_delay) {
	.up = "modprobe -q brd rd_nr=1 rd_size=16384; modprobe -q dm-delay;"
	      "dmsetup --noudevsync create vireo-delay --table"
	      "	'0 32768 delay /dev/ram0 0 20' >&2 && dmsetup mknodes >&2 &&"
	      "echo /dev/mapper/vireo-delay",
	.remove = "dmsetup --noudevsync wipe_table vireo-delay",
	.down = "for i in $(seq 50); do dmsetup --noudevsync remove vireo-delay"
		"	&& break; sleep 0.1; done",
};

FIXTURE_SETUP(disk)
{
	self->fd = disk_open(variant->up);
	if (self->fd < 0) {
		run(variant->down);
		SKIP_SETUP("no such disk");
	}
}

FIXTURE_TEARDOWN(disk)
{
	close(self->fd);
	run(variant->down);
}

TEST_F(disk, writes_and_reads)
{
	struct vireo_queue_add add;
	struct rig r;
	uint16_t head[REQS];

	ASSERT_EQ(rig_open(&r), 0);
	ASSERT_EQ(rig_disk(&r, self->fd, RIG_DISK, 0), 0);
	rig_pack(&r);
	add = queue_template(&r);
	ASSERT_EQ(rig_add(&r, &add), 0);
	for (int round = 0; round < 4; round++) {
		uint32_t type = round % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;

		for (int i = 0; i < REQS; i++) {
			uint8_t *p = r.p + RIG_DATA + i * PAGE;

			if (round % 2)
				memset(p, 0, PAGE);
			else
				page_fill(p, i, round);
			head[i] = rig_put(&r, type, (i * 7 + round / 2) * 8,
					  RIG_DATA + i * PAGE, PAGE);
		}
		rig_kick(&r);
		ASSERT_TRUE(rig_wait(&r, REQS));
		for (int i = 0; i < REQS; i++) {
			ASSERT_EQ(rig_req(&r, head[i])->status, 0);
			ASSERT_TRUE(page_is(r.p + RIG_DATA + i * PAGE, i,
					    round & ~1));
		}
	}
	EXPECT_EQ(rig_do(&r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	EXPECT_EQ(rig_do(&r, VIRTIO_BLK_T_IN, 0, RIG_DATA, 2 << 20), 0);
	rig_close(&r);
}

/* The process is killed while its requests are in flight. */
TEST_F(disk, killed)
{
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		pid = child_with_requests(self->fd, i % 2);
		ASSERT_GT(pid, 0);
		EXPECT_TRUE(module_in_use());
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_TRUE(vm_gone(pid));
	}
}

/* The disk goes while it has requests: each has an answer. */
TEST_F(disk, removed)
{
	struct vireo_queue_add add;
	struct vireo_queue_del del = {};
	struct rig r;
	uint16_t head[REQS];

	if (!variant->remove)
		SKIP(return, "it stays as long as it is in use");
	ASSERT_EQ(rig_open(&r), 0);
	ASSERT_EQ(rig_disk(&r, self->fd, RIG_DISK, 0), 0);
	add = queue_template(&r);
	ASSERT_EQ(rig_add(&r, &add), 0);
	for (int i = 0; i < REQS; i++)
		head[i] = rig_put(&r, i % 2 ? VIRTIO_BLK_T_IN :
					      VIRTIO_BLK_T_OUT,
				  i * 8, RIG_DATA + i * PAGE, PAGE);
	rig_kick(&r);
	EXPECT_TRUE(run(variant->remove));
	ASSERT_TRUE(rig_wait(&r, REQS));
	for (int i = 0; i < REQS; i++)
		EXPECT_LE(rig_req(&r, head[i])->status, VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(rig_do(&r, VIRTIO_BLK_T_OUT, 8, RIG_DATA, PAGE),
		  VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(rig_do(&r, VIRTIO_BLK_T_IN, 8, RIG_DATA, PAGE),
		  VIRTIO_BLK_S_IOERR);
	EXPECT_NE(rig_do(&r, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 255);
	EXPECT_GE(rig_state(&r).errors, 2);
	EXPECT_EQ(rig_del(&r, &del), 0);
	rig_close(&r);
}

/* ---- a disk that does not answer ------------------------------------------------- */

FIXTURE(hung)
{
	int fd;
};

#define RESUME "dmsetup --noudevsync resume vireo-hangs"

FIXTURE_SETUP(hung)
{
	self->fd = disk_open(
		"modprobe -q brd rd_nr=1 rd_size=16384; modprobe -q dm-mod;"
		"dmsetup --noudevsync create vireo-hangs --table"
		" '0 32768 linear /dev/ram0 0' >&2 && dmsetup mknodes >&2 &&"
		"echo /dev/mapper/vireo-hangs");
	if (self->fd < 0)
		SKIP_SETUP("no device mapper");
	ASSERT_TRUE(run("dmsetup --noudevsync suspend --noflush --nolockfs "
			"vireo-hangs"));
}

FIXTURE_TEARDOWN(hung)
{
	run(RESUME);
	close(self->fd);
	run("for i in $(seq 50); do dmsetup --noudevsync remove vireo-hangs &&"
	    "break; sleep 0.1; done");
}

/* Its process ends all the same, and the module stays as long as it must. */
TEST_F_TIMEOUT(hung, killed, 120)
{
	int status;
	pid_t pid = child_with_requests(self->fd, false);

	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(vm_there(pid));
	EXPECT_TRUE(module_in_use());
	ASSERT_TRUE(run(RESUME));
	EXPECT_TRUE(vm_gone(pid));
}

/* A process closes its VM, and what was guest memory, and goes on. */
TEST_F_TIMEOUT(hung, closed, 120)
{
	struct vireo_queue_add add;
	struct vireo_queue_del del = { .timeout_ms = 50 };
	struct rig r;
	uint16_t head;

	ASSERT_EQ(rig_open(&r), 0);
	ASSERT_EQ(rig_disk(&r, self->fd, RIG_DISK, 0), 0);
	add = queue_template(&r);
	ASSERT_EQ(rig_add(&r, &add), 0);
	head = rig_put(&r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE);
	rig_kick(&r);
	for (int i = 0; i < 500 && !rig_state(&r).in_flight; i++)
		usleep(1000);
	EXPECT_EQ(rig_state(&r).in_flight, 1);
	EXPECT_EQ(rig_del(&r, &del), -ETIMEDOUT);
	EXPECT_EQ(rig_req(&r, head)->status, 0xff);
	rig_close(&r);
	EXPECT_TRUE(vm_there(getpid()));

	/* Another takes its place. */
	ASSERT_EQ(rig_open(&r), 0);
	ASSERT_TRUE(run(RESUME));
	ASSERT_EQ(rig_disk(&r, self->fd, RIG_DISK, 0), 0);
	add = queue_template(&r);
	ASSERT_EQ(rig_add(&r, &add), 0);
	EXPECT_EQ(rig_do(&r, VIRTIO_BLK_T_IN, 0, RIG_DATA, PAGE), 0);
	rig_close(&r);
	EXPECT_TRUE(vm_gone(getpid()));
}

TEST_HARNESS_MAIN
