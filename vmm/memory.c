// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "memory/backend.h"

#define HUGE_PAGE MEM_HUGE_PAGE
const struct mem_backend *mem_choose(const struct mem_options *opt,
				     const char *no_vireo, struct error *err)
{
	switch (opt->kind) {
	case MEM_AUTO:
		return no_vireo ? &mem_backend_memfd : &mem_backend_vireo;
	case MEM_VIREO:
		if (!no_vireo)
			return &mem_backend_vireo;
		error_set(err, EOPNOTSUPP, "--memory backend=vireo: %s",
			  no_vireo);
		return NULL;
	case MEM_MEMFD:
		return &mem_backend_memfd;
	case MEM_HUGETLB:
		return &mem_backend_hugetlb;
	}
	return NULL;
}

const char *mem_backend_name(const struct mem *mem)
{
	return mem->backend->name;
}

/*
 * Maps the object at a 2 MiB boundary, so that huge pages fit.  @reserve: fail
 * now, not with a SIGBUS under the guest, if the pages are not there.
 */
static uint8_t *map_aligned(int fd, uint64_t size, bool reserve, bool private)
{
	int flags = (private ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED |
		    (reserve ? 0 : MAP_NORESERVE);
	uintptr_t start, want;
	uint8_t *p;

	p = mmap(NULL, size + HUGE_PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return MAP_FAILED;
	start = (uintptr_t)p;
	want = (start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	if (want > start)
		munmap(p, want - start);
	if (want < start + HUGE_PAGE)
		munmap((void *)(want + size), start + HUGE_PAGE - want);
	p = mmap((void *)want, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		munmap((void *)want, size);
	return p;
}

int mem_init(struct mem *mem, const struct mem_backend *backend,
	     const struct mem_options *opt, struct error *err)
{
	uint64_t low = opt->size < RAM_LOW_MAX ? opt->size : RAM_LOW_MAX;
	int rc;

	memset(mem, 0, sizeof(*mem));
	mem->backend = backend;
	mem->size = opt->size;
	rc = backend->create(opt, &mem->fd, err);
	if (rc)
		return rc;

	mem->base = map_aligned(mem->fd, opt->size, backend->reserve,
				backend->private);
	if (mem->base == MAP_FAILED) {
		rc = error_sys(err, errno,
			       "cannot map %llu MiB of guest memory%s",
			       (unsigned long long)(opt->size >> 20),
			       backend->reserve ?
				       " (see /proc/sys/vm/nr_hugepages)" :
				       "");
		goto err_close;
	}
	/* A wish: an old kernel may not know it. */
	madvise(mem->base, opt->size, MADV_DONTDUMP);
	if (backend->advise) {
		rc = backend->advise(mem, opt, err);
		if (rc)
			goto err_unmap;
	}
	if (opt->prefault) {
		rc = mem_prefault(mem, opt->prefault, err);
		if (rc)
			goto err_unmap;
	}
	pthread_mutex_init(&mem->lock, NULL);

	mem->blocks[0] = (struct mem_block){ 0, low, mem->base, 0 };
	mem->nr_blocks = 1;
	if (opt->size > low) {
		mem->blocks[1] = (struct mem_block){
			RAM_HIGH_BASE,
			opt->size - low,
			mem->base + low,
			low,
		};
		mem->nr_blocks = 2;
	}
	return 0;

err_unmap:
	munmap(mem->base, opt->size);
err_close:
	close(mem->fd);
	return rc;
}

void mem_destroy(struct mem *mem)
{
	munmap(mem->base, mem->size);
	close(mem->fd);
	free(mem->own_log);
	pthread_mutex_destroy(&mem->lock);
}

int mem_attach(struct mem *mem, struct accel *accel, struct error *err)
{
	const struct mem_block *b;
	unsigned int i;
	int rc;

	for (i = 0; i < mem->nr_blocks; i++) {
		b = &mem->blocks[i];
		rc = accel->ops->set_memory(accel, i, b->gpa, b->len, b->hva,
					    0);
		if (rc)
			return error_sys(err, -rc,
					 "cannot give the guest its memory");
	}
	mem->accel = accel;
	return 0;
}

void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len,
	      enum mem_prot prot)
{
	const struct mem_block *b;
	unsigned int i;
	uint8_t *p;

	for (i = 0; i < mem->nr_blocks; i++) {
		b = &mem->blocks[i];
		if (gpa < b->gpa || gpa - b->gpa >= b->len)
			continue;
		if (!len || len > b->len - (gpa - b->gpa))
			return NULL;
		p = b->hva + (gpa - b->gpa);
		if (prot == MEM_WRITE)
			mem_written(mem, p, len);
		return p;
	}
	return NULL;
}

bool mem_make_huge(const struct mem *mem, uint64_t offset, uint64_t len)
{
	return mem->backend->make_huge &&
	       mem->backend->make_huge(mem, offset, len);
}

bool mem_file_ok(const struct mem *mem)
{
	return mem->backend->file_ok ||
	       (!mem->backend->private &&
		!__atomic_load_n(&mem->freezer, __ATOMIC_ACQUIRE));
}

int mem_read(const struct mem *mem, uint64_t gpa, void *buf, uint64_t len)
{
	const void *p = mem_ptr(mem, gpa, len, MEM_READ);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

int mem_write(const struct mem *mem, uint64_t gpa, const void *buf,
	      uint64_t len)
{
	void *p = mem_ptr(mem, gpa, len, MEM_WRITE);

	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	mem_written(mem, p, len);
	return 0;
}

static bool in_range(const struct mem *mem, uint64_t offset, uint64_t len)
{
	return len && offset <= mem->size && len <= mem->size - offset;
}

int mem_discard(struct mem *mem, uint64_t offset, uint64_t len)
{
	uint64_t page = mem->backend->page;
	int rc;

	if (!in_range(mem, offset, len) || offset % page || len % page)
		return -EINVAL;
	pthread_mutex_lock(&mem->lock);
	rc = mem->backend->discard(mem, offset, len);
	pthread_mutex_unlock(&mem->lock);
	return rc;
}

int mem_log_start(struct mem *mem, struct mem_log **out, struct error *err)
{
	struct mem_log *log = calloc(1, sizeof(*log));
	int rc;

	if (!log)
		return error_sys(err, ENOMEM, "cannot log writes to memory");
	log->mem = mem;
	pthread_mutex_lock(&mem->lock);
	rc = mem->backend->log_start(log, err);
	pthread_mutex_unlock(&mem->lock);
	if (rc)
		free(log);
	else
		*out = log;
	return rc;
}

int64_t mem_log_fetch(struct mem_log *log, uint64_t start, uint64_t len,
		      uint64_t *bitmap)
{
	struct mem *mem = log->mem;
	int64_t rc;

	if (!in_range(mem, start, len) || start % MEM_HUGE_PAGE ||
	    len % MEM_PAGE)
		return -EINVAL;
	pthread_mutex_lock(&mem->lock);
	rc = mem->backend->log_fetch(log, start, len, bitmap);
	pthread_mutex_unlock(&mem->lock);
	return rc;
}

void mem_log_stop(struct mem_log *log)
{
	struct mem *mem = log->mem;

	pthread_mutex_lock(&mem->lock);
	mem->backend->log_stop(log);
	pthread_mutex_unlock(&mem->lock);
	free(log);
}

int mem_snapshot_arm(struct mem *mem, uint64_t limit, struct mem_snapshot **out,
		     struct error *err)
{
	struct mem_snapshot *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return error_sys(err, ENOMEM,
				 "cannot take a snapshot of memory");
	s->mem = mem;
	s->limit = limit;
	pthread_mutex_lock(&mem->lock);
	rc = mem->backend->snapshot_arm(s, err);
	pthread_mutex_unlock(&mem->lock);
	if (rc)
		free(s);
	else
		*out = s;
	return rc;
}

int mem_snapshot_read(struct mem_snapshot *s, uint64_t offset, void *buf,
		      size_t len)
{
	if (!in_range(s->mem, offset, len))
		return -EINVAL;
	return s->mem->backend->snapshot_read(s, offset, buf, len);
}

int mem_snapshot_stat(struct mem_snapshot *s, struct mem_snapshot_stat *stat)
{
	return s->mem->backend->snapshot_stat(s, stat);
}

void mem_snapshot_drop(struct mem_snapshot *s)
{
	struct mem *mem = s->mem;

	pthread_mutex_lock(&mem->lock);
	mem->backend->snapshot_drop(s);
	pthread_mutex_unlock(&mem->lock);
	free(s);
}
