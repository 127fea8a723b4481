// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>

#include "../loop.h"
#include "img.h"

struct one {
	struct block_req req;
	bool done;
	int ret;
};

int img_io_open(struct img_io *io, const struct block *block, struct error *err)
{
	int rc = loop_new(&io->loop, err);

	if (rc)
		return rc;
	rc = aio_open(&io->aio, io->loop, block->aio, SANDBOX_OFF, err);
	if (rc)
		loop_free(io->loop);
	return rc;
}

void img_io_close(struct img_io *io)
{
	aio_close(io->aio);
	loop_free(io->loop);
}

static void on_done(struct block_req *req, int ret)
{
	struct one *one = (struct one *)req;

	one->ret = ret;
	one->done = true;
}

int img_io(struct img_io *io, struct block *block, enum block_op op,
	   uint64_t offset, uint64_t len, void *buf)
{
	struct iovec iov = { buf, len };
	struct one one = {
		.req = {
			.op = op,
			.punch = true,
			.offset = offset,
			.len = len,
			.iov = &iov,
			.nr_iov = 1,
			.done = on_done,
		},
	};

	_Static_assert(offsetof(struct one, req) == 0, "cast in on_done");
	block_submit(block, io->aio, &one.req);
	while (!one.done)
		aio_wait(io->aio);
	return one.ret;
}
