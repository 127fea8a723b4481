// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that begins as a file says, which it does not change: a private mapping,
 * so that machines of one snapshot share the pages that none of them has written.
 * There is no object that others could map, and nothing that could be frozen.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../error.h"
#include "backend.h"

static int file_create(const struct mem_options *opt, int *out,
		       struct error *err)
{
	struct stat st;
	int fd;

	/* What is missing would be SIGBUS. */
	if (fstat(opt->file, &st) || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != opt->size)
		return error_set(err, EINVAL,
				 "its memory is of another size than %llu MiB",
				 (unsigned long long)(opt->size >> 20));
	fd = fcntl(opt->file, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return error_sys(err, errno, "cannot keep a memory file");
	*out = fd;
	return 0;
}

/* Not the file's pages again, but zeros. */
static int file_discard(struct mem *mem, uint64_t offset, uint64_t len)
{
	void *p = mmap(mem->base + offset, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	mem_written(mem, mem->base + offset, len);
	return 0;
}

static int file_snapshot_arm(struct mem_snapshot *snapshot, struct error *err)
{
	(void)snapshot;
	return error_set(
		err, EOPNOTSUPP,
		"memory that is a file's cannot be frozen: take the snapshot without --live");
}

const struct mem_backend mem_backend_file = {
	.name = "file",
	.page = MEM_PAGE,
	.private = true,
	.create = file_create,
	.prefault = mem_populate,
	.discard = file_discard,
	.log_start = own_log_start,
	.log_fetch = own_log_fetch,
	.log_stop = own_log_stop,
	.snapshot_arm = file_snapshot_arm,
};
