// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"

#define HUGE_PAGE MEM_HUGE_PAGE
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static int memfd_backend_create(const struct mem_options *opt, int *out,
				struct error *err)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd, rc;

	if (opt->pages == MEM_PAGES_HUGETLB)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	fd = memfd_create("vireo-ram", flags);
	if (fd < 0)
		return error_sys(err, errno, "cannot make guest memory");
	if (ftruncate(fd, (off_t)opt->size)) {
		rc = error_sys(err, errno,
			       "cannot make %llu MiB of guest memory",
			       (unsigned long long)(opt->size >> 20));
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

const struct mem_backend mem_backend_memfd = {
	.name = "memfd",
	.create = memfd_backend_create,
};

/*
 * Maps the object at a 2 MiB boundary, so that huge pages fit.  @reserve: fail
 * now, not with a SIGBUS under the guest, if the pages are not there.
 */
static uint8_t *map_aligned(int fd, uint64_t size, bool reserve)
{
	int flags = MAP_SHARED | MAP_FIXED | (reserve ? 0 : MAP_NORESERVE);
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

	mem->base = map_aligned(mem->fd, opt->size,
				opt->pages == MEM_PAGES_HUGETLB);
	if (mem->base == MAP_FAILED) {
		rc = error_sys(err, errno,
			       "cannot map %llu MiB of guest memory%s",
			       (unsigned long long)(opt->size >> 20),
			       opt->pages == MEM_PAGES_HUGETLB ?
				       " (see /proc/sys/vm/nr_hugepages)" :
				       "");
		goto err_close;
	}
	/* Both are wishes: an old kernel may know neither. */
	madvise(mem->base, opt->size, MADV_DONTDUMP);
	if (opt->pages == MEM_PAGES_THP)
		madvise(mem->base, opt->size, MADV_HUGEPAGE);
	if (opt->prefault &&
	    madvise(mem->base, opt->size, MADV_POPULATE_WRITE)) {
		rc = error_sys(err, errno,
			       "cannot prefault %llu MiB of guest memory",
			       (unsigned long long)(opt->size >> 20));
		goto err_unmap;
	}

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
}

void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len,
	      enum mem_prot prot)
{
	const struct mem_block *b;
	unsigned int i;

	(void)prot; /* no log of the VMM's writes is kept by memfd memory */
	for (i = 0; i < mem->nr_blocks; i++) {
		b = &mem->blocks[i];
		if (gpa >= b->gpa && gpa - b->gpa < b->len)
			return len && len <= b->len - (gpa - b->gpa) ?
				       b->hva + (gpa - b->gpa) :
				       NULL;
	}
	return NULL;
}

bool mem_make_huge(const struct mem *mem, uint8_t *p)
{
	uint8_t *page = p - (size_t)(p - mem->base) % HUGE_PAGE;

	/* There must be a page table. */
	__atomic_fetch_or(page, 0, __ATOMIC_RELAXED);
	return !madvise(page, HUGE_PAGE, MADV_COLLAPSE);
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
	return 0;
}
