// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory objects of vireo.ko, which log and freeze themselves. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vireo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "backend.h"

static int vireo_create(const struct mem_options *opt, int *fd,
			struct error *err)
{
	struct vireo_mem_create create = {
		.size = sizeof(create),
		.flags = opt->huge ? VIREO_MEM_HUGE : VIREO_MEM_HUGE_ADVISE,
		.bytes = opt->size,
		.node = opt->has_node ? (int)opt->node : -1,
		.name = "ram",
	};
	int dev, rc = 0;

	dev = open("/dev/vireo", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return error_sys(err, errno, "cannot open /dev/vireo");
	*fd = ioctl(dev, VIREO_MEM_CREATE, &create);
	if (*fd < 0 && errno == EINVAL && opt->has_node)
		rc = error_set(err, EINVAL,
			       "cannot take guest memory from node %u: there "
			       "is none with memory",
			       opt->node);
	else if (*fd < 0)
		rc = error_sys(err, errno,
			       "vireo.ko cannot make %llu MiB of guest memory",
			       (unsigned long long)(opt->size >> 20));
	close(dev);
	return rc;
}

/*
 * By a mapping for this alone, which is made so that they fit: to tell a part
 * of that of all memory would cut it into parts.
 */
static bool vireo_make_huge(const struct mem *mem, uint64_t offset,
			    uint64_t len)
{
	uint8_t *map, *p;
	bool can;

	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, mem->fd,
		   (off_t)offset);
	if (map == MAP_FAILED)
		return false;
	can = !madvise(map, len, MADV_HUGEPAGE);
	for (p = map; can && p < map + len; p += MEM_HUGE_PAGE)
		__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
	munmap(map, len);
	return can;
}

static int vireo_discard(struct mem *mem, uint64_t offset, uint64_t len)
{
	struct vireo_mem_range range = { .size = sizeof(range),
					 .start = offset,
					 .len = len };

	/* The module stops at signals, having done a part. */
	while (ioctl(mem->fd, VIREO_MEM_DISCARD, &range)) {
		if (errno != EINTR)
			return -errno;
		if (range.done >= range.len)
			return 0;
		range.start += range.done;
		range.len -= range.done;
	}
	return 0;
}

static int vireo_log_start(struct mem_log *log, struct error *err)
{
	struct vireo_dirty_log args = { .size = sizeof(args) };

	log->fd = ioctl(log->mem->fd, VIREO_MEM_DIRTY_LOG, &args);
	if (log->fd < 0)
		return error_sys(err, errno, "cannot log writes to memory");
	return 0;
}

static int64_t vireo_log_fetch(struct mem_log *log, uint64_t start,
			       uint64_t len, uint64_t *bitmap)
{
	struct vireo_dirty_fetch args = { .size = sizeof(args),
					  .start = start,
					  .len = len,
					  .bitmap = (uintptr_t)bitmap };
	int64_t pages = 0;

	/* As for discards; what was done is whole words of the bitmap. */
	while (ioctl(log->fd, VIREO_DIRTY_FETCH, &args)) {
		if (errno != EINTR)
			return -errno;
		pages += (int64_t)args.pages;
		if (args.done >= args.len)
			return pages;
		args.start += args.done;
		args.len -= args.done;
		args.bitmap += args.done / MEM_PAGE / 8;
	}
	return pages + (int64_t)args.pages;
}

static void vireo_log_stop(struct mem_log *log)
{
	close(log->fd);
}

static int vireo_snapshot_arm(struct mem_snapshot *s, struct error *err)
{
	struct vireo_mem_snapshot args = { .size = sizeof(args),
					   .limit = s->limit };

	s->fd = ioctl(s->mem->fd, VIREO_MEM_SNAPSHOT, &args);
	if (s->fd < 0)
		return error_sys(err, errno,
				 "cannot take a snapshot of memory");
	return 0;
}

static int vireo_snapshot_read(struct mem_snapshot *s, uint64_t offset,
			       void *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = pread(s->fd, buf, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		buf = (char *)buf + n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int vireo_snapshot_stat(struct mem_snapshot *s,
			       struct mem_snapshot_stat *stat)
{
	struct vireo_snapshot_stat args = { .size = sizeof(args) };

	if (ioctl(s->fd, VIREO_SNAPSHOT_STAT, &args))
		return -errno;
	*stat = (struct mem_snapshot_stat){
		.bytes = args.bytes,
		.limit = args.limit,
		.copied = args.copied,
		.zero = args.zero,
		.error = (int)args.error,
	};
	return 0;
}

static void vireo_snapshot_drop(struct mem_snapshot *s)
{
	close(s->fd);
}

const struct mem_backend mem_backend_vireo = {
	.name = "vireo",
	.page = MEM_PAGE,
	.file_ok = true,
	.create = vireo_create,
	.make_huge = vireo_make_huge,
	.prefault = mem_populate,
	.discard = vireo_discard,
	.log_start = vireo_log_start,
	.log_fetch = vireo_log_fetch,
	.log_stop = vireo_log_stop,
	.snapshot_arm = vireo_snapshot_arm,
	.snapshot_read = vireo_snapshot_read,
	.snapshot_stat = vireo_snapshot_stat,
	.snapshot_drop = vireo_snapshot_drop,
};
