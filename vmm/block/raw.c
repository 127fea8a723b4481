// SPDX-License-Identifier: GPL-2.0-or-later
/* Raw images: the bytes of the file are those of the disk. */
#include <errno.h>
#include <unistd.h>

#include "../error.h"
#include "block.h"

static int raw_open(struct block *block, const struct block_options *opt,
		    struct error *err)
{
	int rc = block_file_size(block, &block->size, err);

	(void)opt;
	if (rc)
		return rc;
	if (!block->size)
		return error_set(err, EINVAL, "disk image %s is empty",
				 block->path);
	if (block->size % BLOCK_SECTOR)
		return error_set(err, EINVAL,
				 "disk image %s has %llu bytes, which is not a "
				 "multiple of %d (is it a raw image? "
				 "truncate -s %%%d makes it one)",
				 block->path, (unsigned long long)block->size,
				 BLOCK_SECTOR, BLOCK_SECTOR);
	return 0;
}

static void raw_close(struct block *block)
{
	(void)block;
}

static void raw_done(struct aio_req *aio, int ret)
{
	struct block_req *req =
		(struct block_req *)((char *)aio -
				     offsetof(struct block_req, aio));

	req->done(req, ret);
}

static void raw_submit(struct block *block, struct aio *aio,
		       struct block_req *req)
{
	static const enum aio_op ops[] = {
		[BLOCK_READ] = AIO_READ,       [BLOCK_WRITE] = AIO_WRITE,
		[BLOCK_FLUSH] = AIO_FSYNC,     [BLOCK_ZERO] = AIO_ZERO,
		[BLOCK_DISCARD] = AIO_DISCARD,
	};
	struct aio_req *to = &req->aio;

	to->op = ops[req->op];
	to->fd = block->fd;
	to->sync = req->sync;
	to->punch = req->punch;
	to->align = block->align;
	to->offset = req->offset;
	to->len = req->len;
	to->iov = req->iov;
	to->nr_iov = req->nr_iov;
	to->done = raw_done;
	aio_submit(aio, to);
}

static int raw_resize(struct block *block, uint64_t size, struct error *err)
{
	uint64_t now;
	int rc;

	if (size && !block->device && ftruncate(block->fd, (off_t)size))
		return error_sys(err, errno, "cannot resize disk image %s",
				 block->path);
	rc = block_file_size(block, &now, err);
	if (rc)
		return rc;
	if (size > now)
		return error_set(err, EINVAL, "disk %s has only %llu bytes",
				 block->path, (unsigned long long)now);
	if (!size)
		size = now - now % BLOCK_SECTOR;
	__atomic_store_n(&block->size, size, __ATOMIC_RELAXED);
	return 0;
}

const struct block_format raw_format = {
	.name = "raw",
	.open = raw_open,
	.close = raw_close,
	.submit = raw_submit,
	.resize = raw_resize,
};
