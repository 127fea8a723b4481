// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of memfd_create(2): of ordinary pages, huge where the host likes, or
 * of pages reserved in hugetlbfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "backend.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define LONG_BITS (8 * sizeof(unsigned long))

static int make_memfd(uint64_t size, unsigned int flags, int *out,
		      struct error *err)
{
	int fd, rc;

	fd = memfd_create("vireo-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (fd < 0)
		return error_sys(err, errno, "cannot make guest memory");
	if (ftruncate(fd, (off_t)size)) {
		rc = error_sys(err, errno,
			       "cannot make %llu MiB of guest memory",
			       (unsigned long long)(size >> 20));
		goto err_close;
	}
	/* Nobody who is given the descriptor can pull pages from under us. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
		rc = error_sys(err, errno, "cannot seal guest memory");
		goto err_close;
	}
	*out = fd;
	return 0;

err_close:
	close(fd);
	return rc;
}

static int memfd_backend_create(const struct mem_options *opt, int *fd,
				struct error *err)
{
	return make_memfd(opt->size, 0, fd, err);
}

static int hugetlb_create(const struct mem_options *opt, int *fd,
			  struct error *err)
{
	return make_memfd(opt->size, MFD_HUGETLB | MFD_HUGE_2MB, fd, err);
}

/* libnuma would be a library for this one call. */
static int bind_to_node(const struct mem *mem, unsigned int node,
			struct error *err)
{
	unsigned long mask[MEM_MAX_NODE / LONG_BITS + 1] = { 0 };

	mask[node / LONG_BITS] = 1UL << node % LONG_BITS;
	/* The kernel takes one bit less than it is told of. */
	if (syscall(SYS_mbind, mem->base, mem->size, MPOL_BIND, mask,
		    MEM_MAX_NODE + 2, 0))
		return error_sys(err, errno,
				 "cannot take guest memory from node %u", node);
	return 0;
}

static int memfd_advise(const struct mem *mem, const struct mem_options *opt,
			struct error *err)
{
	/* A wish: shmem_enabled says whether the host grants it. */
	if (opt->huge)
		madvise(mem->base, mem->size, MADV_HUGEPAGE);
	return opt->has_node ? bind_to_node(mem, opt->node, err) : 0;
}

/* Unless shmem_enabled allows them, there are none but by this. */
static bool memfd_make_huge(const struct mem *mem, uint64_t offset,
			    uint64_t len)
{
	uint8_t *p = mem->base + offset, *end = p + len;

	for (; p < end; p += MEM_HUGE_PAGE) {
		/* There must be a page table. */
		__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
		if (madvise(p, MEM_HUGE_PAGE, MADV_COLLAPSE))
			return false;
	}
	return true;
}

static int memfd_discard(struct mem *mem, uint64_t offset, uint64_t len)
{
	int rc;

	uffd_before_change(mem, offset, len);
	do
		rc = fallocate(mem->fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)offset, (off_t)len);
	while (rc && errno == EINTR);
	rc = rc ? -errno : 0;
	mem_written(mem, mem->base + offset, len);
	return rc;
}

#define WATCHED_BY_THE_VMM                                           \
	.log_start = own_log_start, .log_fetch = own_log_fetch,      \
	.log_stop = own_log_stop, .snapshot_arm = uffd_snapshot_arm, \
	.snapshot_read = uffd_snapshot_read,                         \
	.snapshot_stat = uffd_snapshot_stat,                         \
	.snapshot_drop = uffd_snapshot_drop

const struct mem_backend mem_backend_memfd = {
	.name = "memfd",
	.page = MEM_PAGE,
	.create = memfd_backend_create,
	.advise = memfd_advise,
	.make_huge = memfd_make_huge,
	.prefault = mem_populate,
	.discard = memfd_discard,
	WATCHED_BY_THE_VMM,
};

const struct mem_backend mem_backend_hugetlb = {
	.name = "hugetlb",
	.page = MEM_HUGE_PAGE,
	.reserve = true,
	.create = hugetlb_create,
	.advise = memfd_advise,
	.prefault = mem_populate,
	.discard = memfd_discard,
	WATCHED_BY_THE_VMM,
};
