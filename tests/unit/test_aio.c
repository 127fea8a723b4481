// SPDX-License-Identifier: GPL-2.0-or-later
/* The engines of asynchronous I/O, all by the same tests. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "block/aio.h"
#include "error.h"
#include "loop.h"

#define SIZE (1U << 20)
#define SECTOR 512
#define NR 600 /* more than any engine takes at once */

struct fixture {
	enum aio_kind kind;
	struct loop *loop;
	struct aio *aio;
	int fd;	       /* the file, cached */
	int direct;    /* with O_DIRECT, or -1 */
	uint8_t *mem;  /* SIZE bytes, aligned */
	uint8_t *want; /* what the file holds */
	unsigned int done;
	int last; /* result */
};

struct test_req {
	struct aio_req req;
	struct iovec iov;
	struct fixture *f;
	int ret;
	bool done;
};

static int setup(void **state, enum aio_kind kind)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[] = "/var/tmp/vireo-test-aio-XXXXXX";
	struct error err = { "" };
	unsigned int i;

	assert_non_null(f);
	*state = f;
	f->fd = -1;
	f->direct = -1;
	f->kind = kind;
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	if (!aio_has(kind))
		return 0;
	if (aio_open(&f->aio, f->loop, kind, SANDBOX_OFF, &err)) {
		print_message("%s\n", err.text);
		f->aio = NULL;
		return 0;
	}
	f->fd = mkostemp(path, O_CLOEXEC);
	assert_true(f->fd >= 0);
	f->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	unlink(path);
	f->mem = aligned_alloc(4096, SIZE);
	f->want = malloc(SIZE);
	assert_non_null(f->mem);
	assert_non_null(f->want);
	for (i = 0; i < SIZE; i++)
		f->want[i] = (uint8_t)(i * 7 + i / SECTOR);
	assert_int_equal(pwrite(f->fd, f->want, SIZE, 0), SIZE);
	return 0;
}

static int setup_libaio(void **state)
{
	return setup(state, AIO_LIBAIO);
}

static int setup_uring(void **state)
{
	return setup(state, AIO_IO_URING);
}

static int setup_threads(void **state)
{
	return setup(state, AIO_THREADS);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->aio)
		aio_close(f->aio);
	loop_free(f->loop);
	if (f->fd >= 0)
		close(f->fd);
	if (f->direct >= 0)
		close(f->direct);
	free(f->mem);
	free(f->want);
	free(f);
	return 0;
}

static struct fixture *engine(void **state)
{
	struct fixture *f = *state;

	if (!f->aio)
		skip();
	return f;
}

static struct fixture *engine_direct(void **state)
{
	struct fixture *f = engine(state);

	if (f->direct < 0)
		skip();
	return f;
}

static void on_done(struct aio_req *req, int ret)
{
	struct test_req *t = (struct test_req *)req;

	assert_false(t->done);
	t->done = true;
	t->ret = ret;
	if (!--t->f->done)
		loop_stop(t->f->loop);
}

/* Submits @n requests, runs the loop until all are done. */
static void run(struct fixture *f, struct test_req *reqs, unsigned int n)
{
	unsigned int i;

	f->done = n;
	for (i = 0; i < n; i++) {
		reqs[i].f = f;
		reqs[i].done = false;
		reqs[i].req.done = on_done;
		if (!reqs[i].req.iov) {
			reqs[i].req.iov = &reqs[i].iov;
			reqs[i].req.nr_iov = 1;
		}
		aio_submit(f->aio, &reqs[i].req);
	}
	assert_int_equal(loop_run(f->loop), 0);
	for (i = 0; i < n; i++)
		assert_true(reqs[i].done);
}

static int one(struct fixture *f, enum aio_op op, int fd, uint64_t offset,
	       void *buf, uint64_t len)
{
	struct test_req t = {
		.req = {
			.op = op,
			.fd = fd,
			.align = fd == f->direct ? SECTOR : 0,
			.offset = offset,
			.len = len,
		},
		.iov = { .iov_base = buf, .iov_len = len },
	};

	run(f, &t, 1);
	return t.ret;
}

static void test_read(void **state)
{
	struct fixture *f = engine(state);

	assert_int_equal(one(f, AIO_READ, f->fd, 0, f->mem, SIZE), 0);
	assert_memory_equal(f->mem, f->want, SIZE);
	assert_int_equal(one(f, AIO_READ, f->fd, 1234, f->mem, 77), 0);
	assert_memory_equal(f->mem, f->want + 1234, 77);
}

static void test_write(void **state)
{
	struct fixture *f = engine(state);
	uint8_t back[3 * SECTOR];
	struct iovec iov[3] = {
		{ f->mem, 100 },
		{ f->mem + 200, 300 },
		{ f->mem + 600, 112 },
	};
	struct test_req t = {
		.req = { .op = AIO_WRITE,
			 .fd = f->fd,
			 .sync = true,
			 .offset = SECTOR,
			 .len = SECTOR,
			 .iov = iov,
			 .nr_iov = 3 },
	};

	memset(f->mem, 0xab, 800);
	run(f, &t, 1);
	assert_int_equal(t.ret, 0);
	assert_int_equal(one(f, AIO_FSYNC, f->fd, 0, NULL, 0), 0);
	assert_int_equal(pread(f->fd, back, sizeof(back), 0), sizeof(back));
	memset(f->want + SECTOR, 0xab, SECTOR);
	assert_memory_equal(back, f->want, sizeof(back));
}

/* Many at once, to places of their own, then back. */
static void many(struct fixture *f, int fd)
{
	struct test_req *reqs = calloc(NR, sizeof(*reqs));
	unsigned int i, pass;

	assert_non_null(reqs);
	for (i = 0; i < NR * SECTOR; i++)
		f->mem[i] = (uint8_t)(i * 13 + i / SECTOR);
	memcpy(f->want, f->mem, NR * SECTOR);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < NR; i++) {
			reqs[i].req = (struct aio_req){
				.op = pass ? AIO_READ : AIO_WRITE,
				.fd = fd,
				.align = fd == f->direct ? SECTOR : 0,
				.offset = (NR - 1 - i) * SECTOR,
				.len = SECTOR,
			};
			reqs[i].iov.iov_base = f->mem + (NR - 1 - i) * SECTOR;
			reqs[i].iov.iov_len = SECTOR;
		}
		run(f, reqs, NR);
		for (i = 0; i < NR; i++)
			assert_int_equal(reqs[i].ret, 0);
		if (!pass)
			memset(f->mem, 0, NR * SECTOR);
	}
	assert_memory_equal(f->mem, f->want, NR * SECTOR);
	free(reqs);
}

static void test_many(void **state)
{
	struct fixture *f = engine(state);

	many(f, f->fd);
}

static void test_many_direct(void **state)
{
	struct fixture *f = engine_direct(state);

	many(f, f->direct);
}

/* What O_DIRECT does not take goes by another buffer. */
static void test_misaligned(void **state)
{
	struct fixture *f = engine_direct(state);
	struct iovec iov[2] = { { f->mem + 3, 100 }, { f->mem + 1000, 924 } };
	struct test_req t = {
		.req = { .op = AIO_WRITE,
			 .fd = f->direct,
			 .align = SECTOR,
			 .offset = 4 * SECTOR,
			 .len = 1024,
			 .iov = iov,
			 .nr_iov = 2 },
	};
	uint8_t back[1024];
	unsigned int i;

	/* Of a read, neither offset nor length need be aligned. */
	assert_int_equal(one(f, AIO_READ, f->direct, 77, f->mem + 1, 600000),
			 0);
	assert_memory_equal(f->mem + 1, f->want + 77, 600000);

	for (i = 0; i < 2000; i++)
		f->mem[i] = (uint8_t)(i * 3);
	run(f, &t, 1);
	assert_int_equal(t.ret, 0);
	assert_int_equal(pread(f->fd, back, 1024, 4 * SECTOR), 1024);
	assert_memory_equal(back, f->mem + 3, 100);
	assert_memory_equal(back + 100, f->mem + 1000, 924);

	/* Of a write they do: what lies beside belongs to somebody else. */
	assert_int_equal(one(f, AIO_WRITE, f->direct, 5, f->mem, 100), -EINVAL);
}

static void test_short_file(void **state)
{
	struct fixture *f = engine(state);

	assert_int_equal(ftruncate(f->fd, 3000), 0);
	assert_int_equal(one(f, AIO_READ, f->fd, 2048, f->mem, 2048), -EIO);
	assert_int_equal(one(f, AIO_READ, f->fd, 8192, f->mem, 512), -EIO);
	assert_int_equal(one(f, AIO_READ, f->fd, 2048, f->mem, 952), 0);
	assert_memory_equal(f->mem, f->want + 2048, 952);
	if (f->direct < 0)
		return;
	assert_int_equal(one(f, AIO_READ, f->direct, 2048, f->mem, 2048), -EIO);
	assert_int_equal(one(f, AIO_READ, f->direct, 0, f->mem, 2048), 0);
}

static void test_errors(void **state)
{
	struct fixture *f = engine(state);
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	int ro = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	assert_true(full >= 0 && ro >= 0);
	assert_int_equal(one(f, AIO_WRITE, full, 0, f->mem, 512), -ENOSPC);
	assert_int_equal(one(f, AIO_WRITE, ro, 0, f->mem, 512), -EBADF);
	assert_int_equal(one(f, AIO_READ, -1, 0, f->mem, 512), -EBADF);
	assert_int_equal(one(f, AIO_FSYNC, -1, 0, NULL, 0), -EBADF);
	assert_int_equal(one(f, AIO_ZERO, -1, 0, NULL, 512), -EBADF);
	close(full);
	close(ro);
}

/* A bad request among good ones harms none of them. */
static void test_bad_one(void **state)
{
	struct fixture *f = engine(state);
	struct test_req reqs[9] = { 0 };
	unsigned int i;

	for (i = 0; i < 9; i++) {
		reqs[i].req.op = AIO_READ;
		reqs[i].req.fd = i % 4 == 1 ? -1 : f->fd;
		reqs[i].req.offset = i * SECTOR;
		reqs[i].req.len = SECTOR;
		reqs[i].iov.iov_base = f->mem + i * SECTOR;
		reqs[i].iov.iov_len = SECTOR;
	}
	run(f, reqs, 9);
	for (i = 0; i < 9; i++) {
		assert_int_equal(reqs[i].ret, i % 4 == 1 ? -EBADF : 0);
		if (i % 4 != 1)
			assert_memory_equal(f->mem + i * SECTOR,
					    f->want + i * SECTOR, SECTOR);
	}
}

static void test_zero(void **state)
{
	struct fixture *f = engine(state);
	struct test_req t = {
		.req = { .op = AIO_ZERO,
			 .fd = f->fd,
			 .punch = true,
			 .offset = 8192,
			 .len = 8192 },
	};

	run(f, &t, 1);
	assert_int_equal(t.ret, 0);
	assert_int_equal(one(f, AIO_ZERO, f->fd, 512, NULL, 1024), 0);
	memset(f->want + 8192, 0, 8192);
	memset(f->want + 512, 0, 1024);
	assert_int_equal(one(f, AIO_DISCARD, f->fd, 65536, NULL, 65536), 0);
	assert_int_equal(pread(f->fd, f->mem, SIZE, 0), SIZE);
	assert_memory_equal(f->mem, f->want, 65536);
	assert_memory_equal(f->mem + 131072, f->want + 131072, SIZE - 131072);
}

/* Who stops waits without the loop. */
static void test_wait(void **state)
{
	struct fixture *f = engine(state);
	struct test_req reqs[40] = { 0 };
	unsigned int i;

	f->done = 40;
	for (i = 0; i < 40; i++) {
		reqs[i].f = f;
		reqs[i].req.op = i % 5 ? AIO_READ : AIO_FSYNC;
		reqs[i].req.fd = f->fd;
		reqs[i].req.offset = i * SECTOR;
		reqs[i].req.len = i % 5 ? SECTOR : 0;
		reqs[i].req.iov = &reqs[i].iov;
		reqs[i].req.nr_iov = 1;
		reqs[i].req.done = on_done;
		reqs[i].iov.iov_base = f->mem + i * SECTOR;
		reqs[i].iov.iov_len = SECTOR;
		aio_submit(f->aio, &reqs[i].req);
	}
	while (f->done)
		aio_wait(f->aio);
	for (i = 0; i < 40; i++)
		assert_int_equal(reqs[i].ret, 0);
	aio_wait(f->aio); /* at once */
}

struct chain {
	struct test_req t;
	unsigned int left;
};

static void chain_done(struct aio_req *req, int ret)
{
	struct chain *c = (struct chain *)req;

	assert_int_equal(ret, 0);
	if (!c->left--) {
		loop_stop(c->t.f->loop);
		return;
	}
	aio_submit(c->t.f->aio, req);
	/* From within, as a format may. */
	if (c->left % 3 == 0)
		aio_flush(c->t.f->aio);
}

static void test_from_done(void **state)
{
	struct fixture *f = engine(state);
	struct chain c = {
		.t = { .req = { .op = AIO_READ,
				.fd = f->fd,
				.len = SECTOR,
				.nr_iov = 1,
				.done = chain_done },
		       .iov = { f->mem, SECTOR },
		       .f = f },
		.left = 100,
	};

	c.t.req.iov = &c.t.iov;
	aio_submit(f->aio, &c.t.req);
	assert_int_equal(loop_run(f->loop), 0);
}

int main(void)
{
#define TEST(fn, kind)                                          \
	{                                                       \
#fn "_" #kind, fn, setup_##kind, teardown, NULL \
	}
#define ALL(fn) TEST(fn, libaio), TEST(fn, uring), TEST(fn, threads)
	const struct CMUnitTest tests[] = {
		ALL(test_read),	      ALL(test_write),
		ALL(test_many),	      ALL(test_many_direct),
		ALL(test_misaligned), ALL(test_short_file),
		ALL(test_errors),     ALL(test_bad_one),
		ALL(test_zero),	      ALL(test_wait),
		ALL(test_from_done),
	};

	return cmocka_run_group_tests_name("aio", tests, NULL, NULL);
}
