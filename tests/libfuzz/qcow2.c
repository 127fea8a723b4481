// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A qcow2 image from anybody: opened, checked, read, written, resized, its
 * snapshots used, checked again.  The input is the file; the last byte says
 * what is done.  Nothing may be written over the header, and an image that was
 * sound stays so.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/block.h"
#include "block/qcow2.h"
#include "block/qcow2_format.h"
#include "error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- an aio without threads: the VMM's own is not linked -------------------- */

struct aio {
	struct aio_req *first;
	struct aio_req **end;
};

int aio_open(struct aio **aio, struct loop *loop, enum aio_kind kind,
	     enum sandbox sandbox, struct error *err)
{
	(void)sandbox;
	(void)aio;
	(void)loop;
	(void)kind;
	return error_set(err, ENOSYS, "not here");
}

void aio_close(struct aio *aio)
{
	(void)aio;
}

bool aio_has(enum aio_kind kind)
{
	(void)kind;
	return true;
}

bool aio_poll(struct aio *aio)
{
	(void)aio;
	return false;
}

void aio_submit(struct aio *aio, struct aio_req *req)
{
	req->next = NULL;
	*aio->end = req;
	aio->end = &req->next;
}

static int carry_out(const struct aio_req *req)
{
	ssize_t n;

	if (req->op == AIO_FSYNC)
		return 0;
	assert(req->op == AIO_READ || req->op == AIO_WRITE);
	if (req->offset > INT64_MAX)
		return -EINVAL;
	n = req->op == AIO_READ ? preadv(req->fd, req->iov, (int)req->nr_iov,
					 (off_t)req->offset) :
				  pwritev(req->fd, req->iov, (int)req->nr_iov,
					  (off_t)req->offset);
	if (n < 0)
		return -errno;
	return (uint64_t)n == req->len ? 0 : -EIO;
}

void aio_flush(struct aio *aio)
{
	struct aio_req *req;

	while ((req = aio->first)) {
		aio->first = req->next;
		if (!aio->first)
			aio->end = &aio->first;
		req->done(req, carry_out(req));
	}
}

void aio_wait(struct aio *aio)
{
	aio_flush(aio);
}

/* ---- requests --------------------------------------------------------------- */

#define JOBS 4
#define JOB_BYTES 8192

struct job {
	struct block_req req; /* first: on_done casts */
	struct iovec iov;
	uint8_t buf[JOB_BYTES];
	bool busy;
};

static void on_done(struct block_req *req, int ret)
{
	(void)ret;
	((struct job *)req)->busy = false;
}

static void submit(struct block *block, struct aio *aio, struct job *job,
		   uint32_t seed)
{
	static const enum block_op ops[] = { BLOCK_WRITE, BLOCK_READ,
					     BLOCK_ZERO,  BLOCK_DISCARD,
					     BLOCK_FLUSH, BLOCK_WRITE };
	uint64_t sectors = block_size(block) / BLOCK_SECTOR, first, n;

	first = (seed >> 8) % (sectors ? sectors : 1);
	n = 1 + (seed >> 4) % (JOB_BYTES / BLOCK_SECTOR);
	/* Near the end, too. */
	if (seed & 8 && sectors > 8)
		first = sectors - 1 - first % 8;
	if (n > sectors - first)
		n = sectors - first;
	job->req.op = sectors ? ops[seed % 6] : BLOCK_FLUSH;
	job->req.sync = seed & 64;
	job->req.punch = seed & 128;
	job->req.offset = first * BLOCK_SECTOR;
	job->req.len = n * BLOCK_SECTOR;
	memset(job->buf, (int)seed, sizeof(job->buf));
	job->iov = (struct iovec){ job->buf, n * BLOCK_SECTOR };
	job->req.iov = &job->iov;
	job->req.nr_iov = 1;
	job->req.done = on_done;
	job->busy = true;
	block_submit(block, aio, &job->req);
}

static void use(struct block *block, uint32_t seed)
{
	static struct job jobs[JOBS];
	struct aio aio = { .first = NULL };
	unsigned int i, n;

	aio.end = &aio.first;
	for (n = 0; n < 12; n++) {
		for (i = 0; i < JOBS; i++) {
			seed = seed * 1664525 + 1013904223;
			submit(block, &aio, &jobs[i], seed >> 3);
		}
		aio_flush(&aio);
		for (i = 0; i < JOBS; i++)
			assert(!jobs[i].busy);
	}
}

static struct block *open_image(const char *path, bool readonly, bool repair)
{
	struct block_options opt = {
		.path = path,
		.format = "qcow2",
		.readonly = readonly,
		.no_backing = true,
		.for_repair = repair,
		.cache = BLOCK_CACHE_WRITEBACK,
		.aio = AIO_THREADS,
	};
	struct block *block;
	struct error err;

	return block_open(&block, &opt, &err) ? NULL : block;
}

/* True if there is nothing wrong. */
static bool sound(const char *path, enum qcow2_repair repair)
{
	struct block *block = open_image(path, repair == QCOW2_NO_REPAIR, true);
	struct qcow2_check check = { 0 };
	struct qcow2_info info;
	struct error err;
	bool good;

	if (!block)
		return false;
	good = !qcow2_check(qcow2_of(block), repair, &check, &err) &&
	       !check.corruptions && !check.errors;
	qcow2_info(qcow2_of(block), &info);
	block_close(block);
	return good && !info.corrupt && !info.dirty;
}

static void change(struct block *block, uint8_t how)
{
	static uint8_t cluster[65536];
	const struct qcow2_snapshot_info *s;
	struct qcow2 *q = qcow2_of(block);
	struct qcow2_info info;
	struct error err;

	qcow2_info(q, &info);
	if (how & 1)
		qcow2_grow(q, info.size + 5000 * 512, how & 2 ? info.size : 0,
			   &err);
	if (how & 2)
		qcow2_snapshot_create(q, "new", &err);
	s = qcow2_snapshot_at(q, 0);
	if (how & 4 && s)
		qcow2_snapshot_apply(q, s->id, &err);
	s = qcow2_snapshot_at(q, 0);
	if (how & 8 && s)
		qcow2_snapshot_delete(q, s->id, &err);
	if (how & 16)
		qcow2_shrink(q, info.size / 1024 * 512, &err);
	qcow2_info(q, &info);
	block->size = info.size & ~511ULL;
	if (how & 32 && info.cluster_size <= sizeof(cluster) && info.size)
		qcow2_write_compressed(q, 0, cluster, info.cluster_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40];
	uint8_t head[QH_CRYPT_METHOD];
	struct block *block;
	uint8_t how;
	bool was_sound;
	int fd;

	if (size < sizeof(head))
		return 0;
	how = data[size - 1];
	fd = memfd_create("image", MFD_CLOEXEC);
	assert(fd >= 0);
	if (write(fd, data, size - 1) != (ssize_t)size - 1)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	was_sound = sound(path, QCOW2_NO_REPAIR);
	block = open_image(path, how & 128, false);
	if (block) {
		use(block, how + (uint32_t)size);
		if (!block->readonly) {
			change(block, how);
			use(block, how * 7U + (uint32_t)size);
		}
		block_close(block);
	}
	assert(pread(fd, head, sizeof(head), 0) == sizeof(head));
	assert(!memcmp(head, data, QH_CLUSTER_BITS + 4));
	if (was_sound)
		assert(sound(path, QCOW2_NO_REPAIR));
	else if (how & 64)
		sound(path, QCOW2_REPAIR_ALL);
	assert(pread(fd, head, sizeof(head), 0) == sizeof(head));
	assert(!memcmp(head, data, QH_CLUSTER_BITS + 4));
	close(fd);
	return 0;
}
