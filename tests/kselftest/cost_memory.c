// SPDX-License-Identifier: GPL-2.0
/*
 * What memory objects cost the host, in nanoseconds of its clock; in a lab whose
 * clock counts instructions, in instructions.  Beside it, the same by
 * userfaultfd(2) with a thread that copies 4 KiB and lifts the protection.  A
 * test of nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "memory.h"

#define N 2000
/* A quarter of a GiB; what is told is four times what it takes. */
#define ARM_BYTES (256UL << 20)
#define PER_GIB ((1UL << 30) / ARM_BYTES)
#define SHMEM_HUGE "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "cost_memory: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void row(const char *what, long long cost)
{
	printf("%-28s %lld\n", what, cost);
	fflush(stdout);
}

/* A store into each of N pages: what one takes. */
static long long store_each(uint8_t *p)
{
	long long start = now();

	for (size_t i = 0; i < N; i++)
		((volatile uint8_t *)p)[i * PAGE]++;
	return (now() - start) / N;
}

static uint8_t *map_aligned(int fd, size_t bytes)
{
	uint8_t *p = mem_map_aligned(fd, bytes);

	if (!p)
		die("mmap");
	return p;
}

/* ---- userfaultfd --------------------------------------------------------- */

struct uffd {
	int fd;
	uint8_t copy[PAGE];
	pthread_t thread;
};

static void *handle_faults(void *arg)
{
	struct uffd *u = arg;
	struct uffd_msg msg;

	while (read(u->fd, &msg, sizeof(msg)) == sizeof(msg)) {
		uint64_t at = msg.arg.pagefault.address & ~(PAGE - 1ULL);
		struct uffdio_writeprotect w = {
			.range = { at, PAGE },
		};

		if (msg.event != UFFD_EVENT_PAGEFAULT)
			break;
		memcpy(u->copy, (void *)at, PAGE);
		if (ioctl(u->fd, UFFDIO_WRITEPROTECT, &w))
			break;
	}
	return NULL;
}

/* False if this kernel has none for shared memory. */
static bool uffd_open(struct uffd *u, void *p, size_t bytes)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					     UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, bytes },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	u->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (u->fd < 0)
		return false;
	if (ioctl(u->fd, UFFDIO_API, &api) ||
	    ioctl(u->fd, UFFDIO_REGISTER, &reg)) {
		close(u->fd);
		return false;
	}
	return true;
}

static long long uffd_arm(struct uffd *u, void *p, size_t bytes)
{
	struct uffdio_writeprotect w = {
		.range = { (uintptr_t)p, bytes },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	long long start = now();

	if (ioctl(u->fd, UFFDIO_WRITEPROTECT, &w))
		die("UFFDIO_WRITEPROTECT");
	return now() - start;
}

/* ---- first writes -------------------------------------------------------- */

static void first_writes(int dev)
{
	const size_t bytes = N * PAGE;
	struct dirty *d = malloc(sizeof(*d));
	int file = memfd_create("cost", MFD_CLOEXEC), mem, log, s;
	uint8_t *p;
	struct uffd u;

	/* Pages that are there, but not in the page table. */
	if (ftruncate(file, bytes))
		die("ftruncate");
	p = mem_map(file, bytes);
	memset(p, 1, bytes);
	madvise(p, bytes, MADV_DONTNEED);
	row("first-write-memfd", store_each(p));
	if (uffd_open(&u, p, bytes)) {
		uffd_arm(&u, p, bytes);
		pthread_create(&u.thread, NULL, handle_faults, &u);
		row("first-write-snapshot-uffd", store_each(p));
	}

	mem = mem_create(dev, bytes, 0);
	p = mem_map(mem, bytes);
	if (!p)
		die("memory object");
	memset(p, 1, bytes);
	madvise(p, bytes, MADV_DONTNEED);
	row("first-write-object", store_each(p));
	row("next-write-object", store_each(p));

	log = mem_log(mem);
	log_take(log, d, bytes);
	row("first-write-logged", store_each(p));
	log_take(log, d, bytes);
	madvise(p, bytes, MADV_DONTNEED);
	row("first-write-logged-unmapped", store_each(p));
	close(log);

	s = mem_snapshot(mem, 0);
	row("first-write-snapshot", store_each(p));
	row("next-write-snapshot", store_each(p));
	close(s);
	s = mem_snapshot(mem, 0);
	log = mem_log(mem);
	row("first-write-both", store_each(p));
	close(log);
	close(s);
	munmap(p, bytes);
	close(mem);
	free(d);
}

/* ---- arming -------------------------------------------------------------- */

static void touch(uint8_t *p, size_t step)
{
	for (size_t i = 0; i < ARM_BYTES; i += step)
		((volatile uint8_t *)p)[i]++;
}

static void arm_object(int dev, uint32_t flags, const char *what)
{
	int mem = mem_create(dev, ARM_BYTES, flags), s;
	uint8_t *p = map_aligned(mem, ARM_BYTES);
	long long start;

	if (mem_prefault(mem, 0, ARM_BYTES))
		die("prefault");
	if (flags && mem_stat(mem).huge != ARM_BYTES)
		die("huge pages");
	touch(p, flags ? HUGE : PAGE);
	start = now();
	s = mem_snapshot(mem, 0);
	row(what, (now() - start) * PER_GIB);
	close(s);
	munmap(p, ARM_BYTES);
	close(mem);
}

static void arm_uffd(bool huge, const char *what)
{
	int file = memfd_create("cost", MFD_CLOEXEC), setting;
	struct uffd u;
	uint8_t *p;

	if (huge) {
		setting = open(SHMEM_HUGE, O_WRONLY);
		if (write(setting, "advise", 6) != 6)
			die(SHMEM_HUGE);
		close(setting);
	}
	if (ftruncate(file, ARM_BYTES))
		die("ftruncate");
	p = map_aligned(file, ARM_BYTES);
	if (huge && madvise(p, ARM_BYTES, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	touch(p, huge ? HUGE : PAGE);
	if (uffd_open(&u, p, ARM_BYTES)) {
		row(what, uffd_arm(&u, p, ARM_BYTES) * PER_GIB);
		close(u.fd);
	}
	munmap(p, ARM_BYTES);
	close(file);
}

int main(void)
{
	int dev = vireo_open();

	if (dev < 0) {
		fprintf(stderr, "cost_memory: no /dev/vireo\n");
		return 4;
	}
	first_writes(dev);
	arm_object(dev, 0, "arm-gib-4k");
	arm_uffd(false, "arm-gib-4k-uffd");
	arm_object(dev, VIREO_MEM_HUGE, "arm-gib-2m");
	arm_uffd(true, "arm-gib-2m-uffd");
	return 0;
}
