// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Snapshots of memory that makes none, by userfaultfd(2).
 *
 * While there are snapshots, the mapping is registered, and all of it was write
 * protected when the last one was armed.  Who then writes to a page waits until
 * the freezer's thread has copied it for each snapshot that lacks it, and lifted
 * the protection.  That holds for KVM and for system calls that write to guest
 * memory, too, but not for pages that the kernel holds already for I/O, nor for
 * writes to the file.
 *
 * Pages that are not there yet are protected as well: in a mapping of a file
 * userfaultfd puts marks into the page table for them (since Linux 5.19).  That
 * costs 2 MiB of page tables for each GiB.
 *
 * The order that a reader relies on, who takes no lock: a page is copied,
 * then snapshot->have says so (or snapshot->error that it failed), then the
 * page is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "../log.h"
#include "../thread.h"
#include "backend.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00) /* Linux 6.1 */
#endif

#define NR_MESSAGES 16

struct mem_freezer {
	struct mem *mem;
	int uffd;
	int stop; /* eventfd: the thread is to end */
	pthread_t thread;
	/* From copying a page to lifting its protection, and while arming. */
	pthread_mutex_t lock;
	struct mem_snapshot *snapshots;
};

/* ---- one snapshot ---- */

static bool has_page(const struct mem_snapshot *s, uint64_t page)
{
	return __atomic_load_n(&s->have[page / 64], __ATOMIC_ACQUIRE) &
	       1ULL << page % 64;
}

static void set_has_page(struct mem_snapshot *s, uint64_t page)
{
	__atomic_fetch_or(&s->have[page / 64], 1ULL << page % 64,
			  __ATOMIC_SEQ_CST);
}

static bool is_zero(const uint64_t *page)
{
	uint64_t all = 0;
	size_t i;

	for (i = 0; i < MEM_PAGE / sizeof(*page); i++)
		all |= page[i];
	return !all;
}

static int write_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pwrite(fd, buf, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		buf = (const char *)buf + n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pread(fd, buf, len, (off_t)offset);
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

/* It is of no use any more: its copies make room. */
static void fail_snapshot(struct mem_snapshot *s, int error)
{
	__atomic_store_n(&s->error, error, __ATOMIC_SEQ_CST);
	if (ftruncate(s->fd, 0))
		log_warn("memory", "a failed snapshot keeps its memory: %s",
			 strerror(errno));
}

/* With freezer->lock. */
static void keep_page(struct mem_snapshot *s, uint64_t page, const void *data,
		      bool zero)
{
	int rc;

	if (zero) {
		s->zero += MEM_PAGE;
	} else if (s->limit && s->copied + MEM_PAGE > s->limit) {
		fail_snapshot(s, ENOSPC);
		return;
	} else {
		rc = write_all(s->fd, data, MEM_PAGE, page * MEM_PAGE);
		if (rc) {
			/* Of a file in memory, the two say the same. */
			fail_snapshot(s, rc == -ENOSPC ? ENOMEM : -rc);
			return;
		}
		s->copied += MEM_PAGE;
	}
	set_has_page(s, page);
}

/* With freezer->lock: for all that lack it. */
static void copy_page(struct mem_freezer *f, uint64_t page)
{
	uint64_t data[MEM_PAGE / sizeof(uint64_t)];
	bool loaded = false, zero = false;
	struct mem_snapshot *s;
	int rc;

	for (s = f->snapshots; s; s = s->next) {
		if (s->error || has_page(s, page))
			continue;
		if (!loaded) {
			/* Of the file: no page is made where there is none. */
			rc = read_all(f->mem->fd, data, sizeof(data),
				      page * MEM_PAGE);
			if (rc) {
				fail_snapshot(s, -rc);
				continue;
			}
			zero = is_zero(data);
			loaded = true;
		}
		keep_page(s, page, data, zero);
	}
}

static void copy_range(struct mem_freezer *f, uint64_t offset, uint64_t len)
{
	uint64_t page = offset / MEM_PAGE;
	uint64_t end = (offset + len + MEM_PAGE - 1) / MEM_PAGE;

	for (; page < end; page++)
		copy_page(f, page);
}

/* ---- the freezer ---- */

static int protect(struct mem_freezer *f, uint64_t offset, uint64_t len,
		   bool on)
{
	struct uffdio_writeprotect args = {
		.range = { (uintptr_t)f->mem->base + offset, len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	/* EAGAIN: mappings of the process are changing. */
	while (ioctl(f->uffd, UFFDIO_WRITEPROTECT, &args))
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	return 0;
}

static void handle(struct mem_freezer *f, const struct uffd_msg *msg)
{
	uint64_t page = f->mem->backend->page, offset;

	if (msg->event != UFFD_EVENT_PAGEFAULT)
		return;
	offset = (msg->arg.pagefault.address - (uintptr_t)f->mem->base) &
		 ~(page - 1);
	pthread_mutex_lock(&f->lock);
	copy_range(f, offset, page);
	/* Under the lock: it is not to undo what arming has protected since. */
	protect(f, offset, page, false);
	pthread_mutex_unlock(&f->lock);
}

static void *freezer_main(void *opaque)
{
	struct mem_freezer *f = opaque;
	struct pollfd fds[2] = { { .fd = f->uffd, .events = POLLIN },
				 { .fd = f->stop, .events = POLLIN } };
	struct uffd_msg msgs[NR_MESSAGES];
	ssize_t n, i;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			return NULL;
		n = read(f->uffd, msgs, sizeof(msgs));
		for (i = 0; i < n / (ssize_t)sizeof(*msgs); i++)
			handle(f, &msgs[i]);
	}
}

/*
 * The device first, whose permissions are for this; the call needs
 * CAP_SYS_PTRACE.  Faults of the kernel must be caught, as KVM's are.
 */
static int open_uffd(struct error *err)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd = -1;

	if (dev >= 0) {
		fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		close(dev);
	}
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		return error_set(err, EPERM,
				 "cannot take a snapshot of memory: userfaultfd "
				 "is refused (give access to /dev/userfaultfd, "
				 "or write 1 to "
				 "/proc/sys/vm/unprivileged_userfaultfd)");
	return error_sys(err, errno,
			 "cannot take a snapshot of memory: no userfaultfd");
}

static int set_up_uffd(struct mem_freezer *f, struct error *err)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)f->mem->base, f->mem->size },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int rc;

	f->uffd = open_uffd(err);
	if (f->uffd < 0)
		return f->uffd;
	if (ioctl(f->uffd, UFFDIO_API, &api))
		rc = error_set(err, EOPNOTSUPP,
			       "cannot take a snapshot of memory: userfaultfd "
			       "cannot protect shared memory (Linux 5.19 can)");
	else if (ioctl(f->uffd, UFFDIO_REGISTER, &reg))
		rc = error_sys(err, errno, "cannot take a snapshot of memory");
	else
		return 0;
	close(f->uffd);
	return rc;
}

static int start_thread(struct mem_freezer *f, struct error *err)
{
	int rc = thread_create(&f->thread, NULL, freezer_main, f);

	if (rc)
		return error_sys(err, rc,
				 "cannot start the thread of snapshots");
	pthread_setname_np(f->thread, "freezer");
	return 0;
}

/* With mem->lock. */
static int freezer_new(struct mem *mem, struct error *err)
{
	struct mem_freezer *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return error_sys(err, ENOMEM,
				 "cannot take a snapshot of memory");
	f->mem = mem;
	pthread_mutex_init(&f->lock, NULL);
	f->stop = eventfd(0, EFD_CLOEXEC);
	if (f->stop < 0) {
		rc = error_sys(err, errno, "cannot make an eventfd");
		goto err_free;
	}
	rc = set_up_uffd(f, err);
	if (rc)
		goto err_stop;
	rc = start_thread(f, err);
	if (rc)
		goto err_uffd;
	__atomic_store_n(&mem->freezer, f, __ATOMIC_RELEASE);
	return 0;

err_uffd:
	close(f->uffd);
err_stop:
	close(f->stop);
err_free:
	pthread_mutex_destroy(&f->lock);
	free(f);
	return rc;
}

/* With mem->lock: no snapshot is left, and all that wait go on. */
static void freezer_free(struct mem_freezer *f)
{
	struct uffdio_range range = { (uintptr_t)f->mem->base, f->mem->size };
	uint64_t one = 1;

	__atomic_store_n(&f->mem->freezer, NULL, __ATOMIC_RELEASE);
	protect(f, 0, f->mem->size, false);
	ioctl(f->uffd, UFFDIO_UNREGISTER, &range);
	while (write(f->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(f->thread, NULL);
	close(f->uffd);
	close(f->stop);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* ---- what the backends share ---- */

static int make_store(struct mem_snapshot *s, struct error *err)
{
	uint64_t words = (s->mem->size / MEM_PAGE + 63) / 64;

	s->have = calloc(words, sizeof(uint64_t));
	if (!s->have)
		return error_sys(err, ENOMEM,
				 "cannot take a snapshot of memory");
	s->fd = memfd_create("vireo-snapshot", MFD_CLOEXEC);
	if (s->fd >= 0 && !ftruncate(s->fd, (off_t)s->mem->size))
		return 0;
	error_sys(err, errno, "cannot make memory for a snapshot");
	if (s->fd >= 0)
		close(s->fd);
	free(s->have);
	return -errno;
}

static void free_store(struct mem_snapshot *s)
{
	close(s->fd);
	free(s->have);
}

int uffd_snapshot_arm(struct mem_snapshot *s, struct error *err)
{
	struct mem *mem = s->mem;
	struct mem_freezer *f;
	int rc;

	rc = make_store(s, err);
	if (rc)
		return rc;
	if (!mem->freezer) {
		rc = freezer_new(mem, err);
		if (rc)
			goto err_store;
	}
	f = mem->freezer;
	pthread_mutex_lock(&f->lock);
	rc = protect(f, 0, mem->size, true);
	if (!rc) {
		s->next = f->snapshots;
		f->snapshots = s;
	}
	pthread_mutex_unlock(&f->lock);
	if (rc) {
		error_sys(err, -rc, "cannot write protect guest memory");
		if (!f->snapshots)
			freezer_free(f);
		goto err_store;
	}
	return 0;

err_store:
	free_store(s);
	return rc;
}

void uffd_snapshot_drop(struct mem_snapshot *s)
{
	struct mem_freezer *f = s->mem->freezer;
	struct mem_snapshot **p = &f->snapshots;

	pthread_mutex_lock(&f->lock);
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	pthread_mutex_unlock(&f->lock);
	if (!f->snapshots)
		freezer_free(f);
	free_store(s);
}

void uffd_before_change(struct mem *mem, uint64_t offset, uint64_t len)
{
	struct mem_freezer *f = mem->freezer;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	copy_range(f, offset, len);
	pthread_mutex_unlock(&f->lock);
}

/*
 * First as it is now, then over it what was copied meanwhile or before: what
 * has no copy after it was read was not written before.
 */
int uffd_snapshot_read(struct mem_snapshot *s, uint64_t offset, void *buf,
		       size_t len)
{
	uint64_t at = offset, end = offset + len, next;
	bool copied;
	int rc;

	rc = read_all(s->mem->fd, buf, len, offset);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (; !rc && at < end; at = next) {
		copied = has_page(s, at / MEM_PAGE);
		next = (at / MEM_PAGE + 1) * MEM_PAGE;
		while (next < end && has_page(s, next / MEM_PAGE) == copied)
			next += MEM_PAGE;
		if (next > end)
			next = end;
		if (copied)
			rc = read_all(s->fd, (char *)buf + (at - offset),
				      next - at, at);
	}
	if (__atomic_load_n(&s->error, __ATOMIC_SEQ_CST))
		return -EIO;
	return rc;
}

int uffd_snapshot_stat(struct mem_snapshot *s, struct mem_snapshot_stat *stat)
{
	struct mem_freezer *f = s->mem->freezer;

	pthread_mutex_lock(&f->lock);
	*stat = (struct mem_snapshot_stat){
		.bytes = s->mem->size,
		.limit = s->limit,
		.copied = s->copied,
		.zero = s->zero,
		.error = s->error,
	};
	pthread_mutex_unlock(&f->lock);
	return 0;
}
