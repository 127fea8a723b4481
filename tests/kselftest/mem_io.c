// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel writes into a memory object on a process's behalf: dirty
 * logs report it, and snapshots do not show it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "memory.h"

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE)
#define DISK (1UL << 20)
#define FILL 0xd5

FIXTURE(mem_io)
{
	int dev;
	int mem;
	int log;
	int snapshot;
	uint8_t *p;
};

/* Pages are written once, then frozen and logged. */
FIXTURE_SETUP(mem_io)
{
	ASSERT_EQ(object_open(&self->dev, &self->mem, &self->p, BYTES), 0);
	for (size_t i = 0; i < PAGES; i++)
		page_fill(self->p + i * PAGE, i, 1);
	self->log = mem_log(self->mem);
	ASSERT_GE(self->log, 0);
	self->snapshot = mem_snapshot(self->mem, 0);
	ASSERT_GE(self->snapshot, 0);
}

FIXTURE_TEARDOWN(mem_io)
{
	close(self->snapshot);
	close(self->log);
	object_close(self->dev, self->mem, self->p, BYTES);
}

static bool is_fill(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != FILL)
			return false;
	return true;
}

static bool frozen(int snapshot, size_t page)
{
	uint8_t buf[PAGE];

	return pread(snapshot, buf, PAGE, page * PAGE) == PAGE &&
	       page_is(buf, page, 1);
}

/* What is common: these pages were written, by I/O of a file of FILL. */
#define EXPECT_WRITTEN(first, nr) do {					\
	EXPECT_TRUE(is_fill(self->p + (first) * PAGE, (nr) * PAGE));	\
	for (size_t i_ = (first); i_ < (size_t)(first) + (nr); i_++)	\
		EXPECT_TRUE(frozen(self->snapshot, i_));		\
} while (0)

static int buffered_open(size_t bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint8_t fill[PAGE];

	memset(fill, FILL, sizeof(fill));
	for (size_t i = 0; i < bytes; i += PAGE)
		if (pwrite(fd, fill, PAGE, i) != PAGE)
			return -errno;
	return fd;
}

#define NEED_DISK(fd) do {						\
	if ((fd) < 0)							\
		SKIP(return, "no disk for O_DIRECT: %s", strerror(-(fd))); \
} while (0)

TEST_F(mem_io, read)
{
	int fd = buffered_open(DISK), pipefd[2];
	struct iovec v[2] = {
		{ self->p + 7 * PAGE, PAGE }, { self->p + 9 * PAGE, PAGE },
	};

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, self->p + 3 * PAGE, 2 * PAGE, 0), 2 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	EXPECT_WRITTEN(3, 2);
	ASSERT_EQ(preadv(fd, v, 2, 0), 2 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 7, 9));
	EXPECT_WRITTEN(7, 1);
	/* Out of it: no write. */
	ASSERT_EQ(pwrite(fd, self->p + 20 * PAGE, 3 * PAGE, 0), 3 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES));

	ASSERT_EQ(pipe(pipefd), 0);
	memset(self->p, FILL, PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 0));
	ASSERT_EQ(write(pipefd[1], self->p, PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES));
	ASSERT_EQ(read(pipefd[0], self->p + 11 * PAGE, PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 11));
	EXPECT_WRITTEN(11, 1);
	close(fd);
}

TEST_F(mem_io, socket)
{
	uint8_t buf[PAGE];
	int sock[2];

	memset(buf, FILL, sizeof(buf));
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	ASSERT_EQ(write(sock[0], buf, PAGE), PAGE);
	ASSERT_EQ(recv(sock[1], self->p + 5 * PAGE, PAGE, MSG_WAITALL), PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 5));
	EXPECT_WRITTEN(5, 1);
}

TEST_F_TIMEOUT(mem_io, direct, 60)
{
	int fd = direct_open(DISK, FILL);

	NEED_DISK(fd);
	ASSERT_EQ(pread(fd, self->p + 3 * PAGE, 4 * PAGE, 0), 4 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4, 5, 6));
	EXPECT_WRITTEN(3, 4);
	EXPECT_TRUE(LOG_IS(self->log, BYTES));
	ASSERT_EQ(pwrite(fd, self->p + 20 * PAGE, 3 * PAGE, 0), 3 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES));
	/* What was clean, clean again, and not there at all. */
	ASSERT_EQ(pread(fd, self->p + 3 * PAGE, PAGE, 4 * PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3));
	ASSERT_EQ(madvise(self->p, BYTES, MADV_DONTNEED), 0);
	ASSERT_EQ(pread(fd, self->p + 13 * PAGE, PAGE, 4 * PAGE), PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 13));
	EXPECT_WRITTEN(13, 1);
	close(fd);
}

TEST_F_TIMEOUT(mem_io, aio, 60)
{
	int fd = direct_open(DISK, FILL);
	aio_context_t ctx = 0;
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
		.aio_buf = (uintptr_t)(self->p + 3 * PAGE),
		.aio_nbytes = 2 * PAGE,
	}, *list[1] = { &cb };
	struct io_event event;

	NEED_DISK(fd);
	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	ASSERT_EQ(syscall(SYS_io_submit, ctx, 1L, list), 1);
	ASSERT_EQ(syscall(SYS_io_getevents, ctx, 1L, 1L, &event, NULL), 1);
	EXPECT_EQ(event.res, 2 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	EXPECT_WRITTEN(3, 2);
	syscall(SYS_io_destroy, ctx);
	close(fd);
}

/* One request, by hand. */
static int uring_read(int fd, void *at, size_t len)
{
	struct io_uring_params params = {};
	int ring = syscall(SYS_io_uring_setup, 4, &params), ret;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	uint8_t *sq, *cq;

	if (ring < 0)
		return -errno;
	sq = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_CQ_RING);
	sqe = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)sqe == MAP_FAILED)
		return -errno;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)at;
	sqe->len = len;
	*(uint32_t *)(sq + params.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(sq + params.sq_off.tail), 1,
			 __ATOMIC_RELEASE);
	ret = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		      NULL, 0);
	cqe = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	ret = ret < 0 ? -errno : cqe->res;
	munmap(sq, 2 * PAGE);
	munmap(cq, 2 * PAGE);
	munmap(sqe, PAGE);
	close(ring);
	return ret;
}

TEST_F_TIMEOUT(mem_io, io_uring, 60)
{
	int fd = direct_open(DISK, FILL), file = buffered_open(DISK), ret;

	ASSERT_GE(file, 0);
	ret = uring_read(file, self->p + 3 * PAGE, 2 * PAGE);
	if (ret == -ENOSYS || ret == -EPERM)
		SKIP(return, "io_uring: %s", strerror(-ret));
	ASSERT_EQ(ret, 2 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	EXPECT_WRITTEN(3, 2);
	NEED_DISK(fd);
	ASSERT_EQ(uring_read(fd, self->p + 6 * PAGE, 2 * PAGE), 2 * PAGE);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 6, 7));
	EXPECT_WRITTEN(6, 2);
	close(fd);
	close(file);
}

/* ---- I/O that takes its time --------------------------------------------- */

struct request {
	int fd;
	void *at;
	size_t len;
	ssize_t ret;
};

static void *read_thread(void *arg)
{
	struct request *r = arg;

	r->ret = pread(r->fd, r->at, r->len, 0);
	return NULL;
}

/* Begins to read pages of a disk that does not answer; false if it has none. */
#define HOLD(d, r, thread, first, nr) do {				\
	int ret_ = slow_open(&(d), FILL);				\
	if (ret_)							\
		SKIP(return, "no nbd: %s", strerror(-ret_));		\
	slow_answer(&(d), 0);						\
	slow_answer(&(d), __atomic_load_n(&(d).waiting, __ATOMIC_SEQ_CST)); \
	(r) = (struct request){ (d).fd, self->p + (first) * PAGE,	\
				(nr) * PAGE, 0 };			\
	pthread_create(&(thread), NULL, read_thread, &(r));		\
	ASSERT_TRUE(slow_wait(&(d), __atomic_load_n(&(d).open,		\
						    __ATOMIC_SEQ_CST) + 1)); \
} while (0)

#define LET_GO(d, r, thread, nr) do {					\
	slow_answer(&(d), 1 << 30);					\
	pthread_join(thread, NULL);					\
	EXPECT_EQ((r).ret, (nr) * PAGE);				\
} while (0)

/* A page that a disk will write is dirty each time it is asked about. */
TEST_F_TIMEOUT(mem_io, held_pages_stay_dirty, 60)
{
	struct slow_disk d;
	struct request r;
	pthread_t thread;
	uint8_t buf[PAGE];

	HOLD(d, r, thread, 3, 2);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	page_fill(self->p + 9 * PAGE, 9, 2);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4, 9));
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	LET_GO(d, r, thread, 2);
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3, 4));
	EXPECT_TRUE(LOG_IS(self->log, BYTES));
	EXPECT_WRITTEN(3, 2);
	ASSERT_EQ(pread(self->mem, buf, PAGE, 3 * PAGE), PAGE);
	EXPECT_TRUE(is_fill(buf, PAGE));
	slow_close(&d);
}

/* A log that is opened meanwhile. */
TEST_F_TIMEOUT(mem_io, held_when_a_log_begins, 60)
{
	struct slow_disk d;
	struct request r;
	pthread_t thread;
	int log;

	HOLD(d, r, thread, 3, 2);
	log = mem_log(self->mem);
	ASSERT_GE(log, 0);
	LET_GO(d, r, thread, 2);
	EXPECT_TRUE(LOG_IS(log, BYTES, 3, 4));
	EXPECT_TRUE(LOG_IS(log, BYTES));
	close(log);
	slow_close(&d);
}

/* A snapshot does not show what the disk writes after its instant. */
TEST_F_TIMEOUT(mem_io, held_when_a_snapshot_is_armed, 60)
{
	uint8_t before[2 * PAGE], after[2 * PAGE], *mapped;
	struct slow_disk d;
	struct request r;
	pthread_t thread;
	int snapshot;

	HOLD(d, r, thread, 3, 2);
	snapshot = mem_snapshot(self->mem, 0);
	ASSERT_GE(snapshot, 0);
	mapped = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, snapshot, 0);
	ASSERT_NE(mapped, MAP_FAILED);
	ASSERT_EQ(pread(snapshot, before, sizeof(before), 3 * PAGE),
		  sizeof(before));
	EXPECT_TRUE(page_is(before, 3, 1));
	EXPECT_TRUE(page_is(mapped + 4 * PAGE, 4, 1));
	LET_GO(d, r, thread, 2);
	EXPECT_TRUE(is_fill(self->p + 3 * PAGE, 2 * PAGE));
	ASSERT_EQ(pread(snapshot, after, sizeof(after), 3 * PAGE),
		  sizeof(after));
	EXPECT_EQ(memcmp(before, after, sizeof(after)), 0);
	EXPECT_TRUE(page_is(mapped + 3 * PAGE, 3, 1));
	EXPECT_TRUE(page_is(mapped + 4 * PAGE, 4, 1));
	EXPECT_TRUE(page_is(mapped + 5 * PAGE, 5, 1));
	munmap(mapped, BYTES);
	close(snapshot);
	slow_close(&d);
}

struct order {
	struct request r;
	volatile uint8_t *flag;
	struct slow_disk *d;
	unsigned int usec;
};

static void *read_then_flag(void *arg)
{
	struct order *o = arg;

	read_thread(&o->r);
	*o->flag = 1;
	return NULL;
}

static void *answer_later(void *arg)
{
	struct order *o = arg;

	usleep(o->usec);
	slow_answer(o->d, 1 << 30);
	return NULL;
}

/*
 * A disk writes the first page while a large object is armed; who waited for it
 * sets a flag in the last page.  A snapshot that has the flag has what was read.
 */
TEST_F_TIMEOUT(mem_io, ends_while_a_snapshot_is_armed, 600)
{
	const size_t bytes = 64UL << 20;
	int mem = mem_create(self->dev, bytes, 0), s, ret, waiting;
	uint8_t *p = mem_map(mem, bytes), buf[PAGE], flag;
	pthread_t reader, answerer;
	struct slow_disk d;
	struct order o = { .d = &d, .flag = p + bytes - PAGE };

	ASSERT_NE(p, NULL);
	ret = slow_open(&d, FILL);
	if (ret)
		SKIP(return, "no nbd: %s", strerror(-ret));
	for (int round = 0; round < 24; round++) {
		for (size_t i = 0; i < bytes; i += PAGE)
			p[i] = 0;
		waiting = __atomic_load_n(&d.waiting, __ATOMIC_SEQ_CST);
		slow_answer(&d, waiting);
		o.r = (struct request){ d.fd, p, PAGE, 0 };
		o.usec = round * 300;
		pthread_create(&reader, NULL, read_then_flag, &o);
		ASSERT_TRUE(slow_wait(&d, waiting + 1));
		pthread_create(&answerer, NULL, answer_later, &o);
		s = mem_snapshot(mem, 0);
		ASSERT_GE(s, 0);
		pthread_join(answerer, NULL);
		pthread_join(reader, NULL);
		ASSERT_EQ(pread(s, buf, PAGE, 0), PAGE);
		ASSERT_EQ(pread(s, &flag, 1, bytes - PAGE), 1);
		if (flag)
			EXPECT_TRUE(is_fill(buf, PAGE)) {
				TH_LOG("round %d", round);
			}
		close(s);
	}
	slow_close(&d);
	munmap(p, bytes);
	close(mem);
}

/* Freed while a disk will write it: neither hangs, nor is memory lost. */
TEST_F_TIMEOUT(mem_io, held_when_discarded, 60)
{
	struct slow_disk d;
	struct request r;
	pthread_t thread;

	HOLD(d, r, thread, 3, 2);
	EXPECT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	EXPECT_TRUE(page_is_zero(self->p + 3 * PAGE));
	LET_GO(d, r, thread, 2);
	EXPECT_EQ(mem_discard(self->mem, 0, BYTES), 0);
	EXPECT_EQ(mem_stat(self->mem).resident, 0);
	for (size_t i = 0; i < 6; i++)
		EXPECT_TRUE(frozen(self->snapshot, i));
	slow_close(&d);
}

/*
 * While a disk holds a page of a huge page, the others of it are as safe as
 * ever: taking a log lets nobody write them unseen.
 */
TEST_F_TIMEOUT(mem_io, held_huge_page, 60)
{
	int huge = mem_create(self->dev, HUGE, VIREO_MEM_HUGE), log, other, s;
	uint8_t *old = self->p, *p, buf[PAGE];
	struct slow_disk d;
	struct request r;
	pthread_t thread;
	struct dirty dirty;

	ASSERT_EQ(mem_prefault(huge, 0, HUGE), 0);
	if (mem_stat(huge).huge != HUGE)
		SKIP(return, "no huge pages to be had");
	/* Half of it is mapped, so by small pages. */
	p = mem_map(huge, HUGE / 2);
	for (int i = 0; i < 256; i++)
		page_fill(p + i * PAGE, i, 1);
	log = mem_log(huge);
	other = mem_log(huge);
	s = mem_snapshot(huge, 0);
	ASSERT_GE(s, 0);
	for (int i = 0; i < 256; i++)
		(void)*(volatile uint8_t *)(p + i * PAGE);
	self->p = p;
	HOLD(d, r, thread, 3, 1);
	self->p = old;
	ASSERT_GE(log_take(log, &dirty, HUGE), 1);
	EXPECT_TRUE(dirty_page(&dirty, 3));
	page_fill(p + 100 * PAGE, 100, 2);
	LET_GO(d, r, thread, 1);
	ASSERT_EQ(pread(s, buf, PAGE, 100 * PAGE), PAGE);
	EXPECT_TRUE(page_is(buf, 100, 1));
	ASSERT_GE(log_take(other, &dirty, HUGE), 1);
	EXPECT_TRUE(dirty_page(&dirty, 3));
	EXPECT_TRUE(dirty_page(&dirty, 100));
	ASSERT_GE(log_take(log, &dirty, HUGE), 1);
	EXPECT_TRUE(dirty_page(&dirty, 100));
	slow_close(&d);
	close(s);
	close(other);
	close(log);
	munmap(p, HUGE / 2);
	close(huge);
}

/* ---- back doors ---------------------------------------------------------- */

/* The file below, which a privileged process gets at by /proc. */
TEST_F(mem_io, map_files)
{
	char path[80];
	uint8_t *q;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)self->p, (unsigned long)self->p + BYTES);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "it cannot be opened: %s", strerror(errno));
	if (pwrite(fd, "x", 1, 3 * PAGE) == 1)
		EXPECT_TRUE(LOG_IS(self->log, BYTES, 3));
	EXPECT_LT(ftruncate(fd, PAGE), 0);
	EXPECT_LT(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    BYTES), 0);
	q = mem_map(fd, BYTES);
	if (q) {
		q[9 * PAGE] = 1;
		EXPECT_TRUE(LOG_IS(self->log, BYTES, 9));
		munmap(q, BYTES);
	}
	EXPECT_TRUE(frozen(self->snapshot, 3));
	EXPECT_TRUE(frozen(self->snapshot, 9));
	close(fd);
}

static int remap(void *at, size_t bytes)
{
	return syscall(SYS_remap_file_pages, at, bytes, 0, 0, 0) ? -errno : 0;
}

/* It maps what is below: refused, or seen all the same. */
TEST_F(mem_io, remap_file_pages)
{
	EXPECT_EQ(remap(self->p, BYTES), -EACCES);
	self->p[3 * PAGE] = 1;
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 3));
	EXPECT_TRUE(frozen(self->snapshot, 3));

	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ), 0);
	EXPECT_EQ(remap(self->p, BYTES), -EACCES);
	ASSERT_EQ(mprotect(self->p, BYTES, PROT_READ | PROT_WRITE), 0);
	self->p[9 * PAGE] = 1;
	EXPECT_TRUE(LOG_IS(self->log, BYTES, 9));
	EXPECT_TRUE(frozen(self->snapshot, 9));
}

/* A huge page that could be written there would be passed over, with a warning. */
TEST_F(mem_io, remap_huge_pages)
{
	int mem = mem_create(self->dev, 3 * HUGE, VIREO_MEM_HUGE), log;
	uint8_t *q = mem_map_aligned(mem, 3 * HUGE);

	ASSERT_NE(q, NULL);
	EXPECT_EQ(remap(q, 3 * HUGE), -EACCES);
	q[HUGE] = 1;
	EXPECT_EQ(pwrite(mem, "x", 1, 0), 1);
	EXPECT_EQ(pwrite(mem, "x", 1, 2 * HUGE), 1);
	log = mem_log(mem);
	EXPECT_GE(log, 0);
	close(log);
	munmap(q, 3 * HUGE);
	close(mem);
}

TEST_HARNESS_MAIN
