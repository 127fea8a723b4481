// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A flush of a qcow2 image does not hold up other requests while what they have
 * written goes to the disk.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_unit.h"
#include "block/block.h"
#include "block/qcow2.h"
#include "error.h"
#include "loop.h"

#define SIZE 65536

/* The first sync lasts until a read has ended, if it can. */
static struct {
	sem_t read_ended;
	unsigned int syncs;
	bool held_up;
} disk;

int fdatasync(int fd)
{
	struct timespec until;

	if (!__atomic_fetch_add(&disk.syncs, 1, __ATOMIC_SEQ_CST)) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 5;
		disk.held_up = sem_timedwait(&disk.read_ended, &until);
	}
	return (int)syscall(SYS_fdatasync, fd);
}

struct request {
	struct block_req req;
	struct iovec iov;
	struct loop *loop;
	unsigned int *left;
	int ret;
};

static void on_done(struct block_req *req, int ret)
{
	struct request *r = (struct request *)req;

	r->ret = ret;
	if (req->op == BLOCK_READ)
		sem_post(&disk.read_ended);
	if (!--*r->left)
		loop_stop(r->loop);
}

static void request(struct request *r, struct loop *loop, enum block_op op,
		    void *buf, unsigned int *left)
{
	*r = (struct request){
		.req = { .op = op,
			 .len = op == BLOCK_FLUSH ? 0 : SIZE,
			 .iov = &r->iov,
			 .nr_iov = op == BLOCK_FLUSH ? 0 : 1,
			 .done = on_done },
		.iov = { buf, SIZE },
		.loop = loop,
		.left = left,
	};
	++*left;
}

static void test_flush(void **state)
{
	const struct qcow2_create how = { .size = 1 << 20,
					  .version = 3,
					  .cluster_size = 65536,
					  .refcount_bits = 16 };
	char path[] = "/var/tmp/vireo-test-flush-XXXXXX";
	struct block_options options = { .path = path,
					 .format = "qcow2",
					 .cache = BLOCK_CACHE_WRITEBACK,
					 .aio = AIO_THREADS };
	struct request write, read, flush;
	struct error err = { "" };
	unsigned int left = 0;
	struct block *block;
	struct loop *loop;
	struct aio *aio;
	char *buf = calloc(1, SIZE);
	int fd = mkstemp(path);

	(void)state;
	assert_non_null(buf);
	assert_int_equal(qcow2_create(fd, &how, &err), 0);
	close(fd);
	if (block_open(&block, &options, &err))
		fail_msg("%s", err.text);
	unlink(path);
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(aio_open(&aio, loop, AIO_THREADS, SANDBOX_OFF, &err),
			 0);
	sem_init(&disk.read_ended, 0, 0);

	/* A cluster of which the tables on disk do not know yet */
	request(&write, loop, BLOCK_WRITE, buf, &left);
	block_submit(block, aio, &write.req);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(write.ret, 0);
	request(&read, loop, BLOCK_READ, buf, &left);
	request(&flush, loop, BLOCK_FLUSH, NULL, &left);
	disk.syncs = 0;
	block_submit(block, aio, &read.req);
	block_submit(block, aio, &flush.req);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(read.ret, 0);
	assert_int_equal(flush.ret, 0);
	assert_false(disk.held_up);
	/* And the tables have followed. */
	assert_in_range(disk.syncs, 3, 4);

	aio_close(aio);
	loop_free(loop);
	block_close(block);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests_name("qcow2_flush", tests, NULL, NULL);
}
