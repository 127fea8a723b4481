// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * io_uring, which takes files of any kind: what would wait for the disk is done
 * by threads of the kernel's own.  The loop watches the ring itself.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "../error.h"
#include "aio_engine.h"

/* In flight at once. */
#define ENTRIES 256

struct uring {
	struct io_uring ring;
	unsigned int in_flight;
};

static int uring_open(struct aio *aio, struct error *err)
{
	struct uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return error_sys(err, ENOMEM, "cannot set up I/O");
	rc = io_uring_queue_init(ENTRIES, &u->ring, 0);
	if (rc) {
		error_sys(err, -rc,
			  "cannot set up io_uring (aio=threads does without)");
		goto err_free;
	}
	rc = aio_event_open(aio, u->ring.ring_fd);
	if (rc) {
		error_sys(err, -rc, "cannot watch an io_uring");
		goto err_ring;
	}
	rc = aio_pool_open(aio, 1, err);
	if (rc)
		goto err_event;
	aio->priv = u;
	return 0;

err_event:
	loop_fd_del(aio->loop, &aio->event);
err_ring:
	io_uring_queue_exit(&u->ring);
err_free:
	free(u);
	return rc;
}

static void uring_close(struct aio *aio)
{
	struct uring *u = aio->priv;

	aio_pool_close(aio->pool);
	loop_fd_del(aio->loop, &aio->event);
	io_uring_queue_exit(&u->ring);
	free(u);
}

static bool suits(const struct aio_req *req)
{
	return req->op == AIO_FSYNC ||
	       ((req->op == AIO_READ || req->op == AIO_WRITE) &&
		aio_aligned(req));
}

static void prepare(struct io_uring_sqe *sqe, struct aio_req *req)
{
	switch (req->op) {
	case AIO_READ:
		if (req->nr_iov == 1)
			io_uring_prep_read(sqe, req->fd, req->iov->iov_base,
					   (unsigned int)req->iov->iov_len,
					   req->offset);
		else
			io_uring_prep_readv(sqe, req->fd, req->iov, req->nr_iov,
					    req->offset);
		break;
	case AIO_WRITE:
		io_uring_prep_writev2(sqe, req->fd, req->iov, req->nr_iov,
				      req->offset, req->sync ? RWF_DSYNC : 0);
		break;
	default:
		io_uring_prep_fsync(sqe, req->fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, req);
}

/*
 * What the kernel does not take for want of memory it takes when something has
 * completed; if nothing is on the way, there is only trying again.
 */
static void push(struct uring *u)
{
	int ret;

	do {
		ret = io_uring_submit(&u->ring);
	} while (ret == -EINTR ||
		 ((ret == -EAGAIN || ret == -EBUSY) &&
		  io_uring_sq_ready(&u->ring) == u->in_flight));
}

static void uring_start(struct aio *aio)
{
	struct uring *u = aio->priv;
	struct io_uring_sqe *sqe;
	struct aio_list rest;
	struct aio_req *req;

	aio_list_init(&rest);
	while (u->in_flight < ENTRIES && (req = aio_list_take(&aio->queue))) {
		sqe = suits(req) ? io_uring_get_sqe(&u->ring) : NULL;
		if (!sqe) {
			aio_list_add(&rest, req);
			continue;
		}
		prepare(sqe, req);
		u->in_flight++;
	}
	push(u);
	if (rest.first)
		aio_pool_start(aio->pool, &rest);
}

static bool uring_reap(struct aio *aio)
{
	struct uring *u = aio->priv;
	struct io_uring_cqe *cqe;
	struct aio_req *req;
	bool any = false;
	int res;

	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		req = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&u->ring, cqe);
		u->in_flight--;
		any = true;
		aio_result(aio, req, res);
	}
	if (any && io_uring_sq_ready(&u->ring))
		push(u);
	return any;
}

const struct aio_engine aio_uring = {
	.open = uring_open,
	.close = uring_close,
	.start = uring_start,
	.reap = uring_reap,
};
