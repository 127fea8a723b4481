// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linux AIO.  Completions are read from the ring that the kernel maps into the
 * process, without a system call; an eventfd wakes the loop for them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../error.h"
#include "aio_engine.h"

/* In flight at once, and as many as one io_submit takes. */
#define EVENTS 256
#define BATCH 64

/* The head of the ring (struct aio_ring in the kernel's fs/aio.c). */
struct event_ring {
	uint32_t id;
	uint32_t nr;
	uint32_t head; /* ours */
	uint32_t tail; /* the kernel's */
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
	struct io_event events[];
};

#define RING_MAGIC 0xa10a10a1
#define RING_COMPAT 1

struct libaio {
	io_context_t ctx;
	struct event_ring *ring;
	unsigned int in_flight;
};

static int libaio_open(struct aio *aio, struct error *err)
{
	struct libaio *la = calloc(1, sizeof(*la));
	int rc, fd;

	if (!la)
		return error_sys(err, ENOMEM, "cannot set up I/O");
	rc = io_setup(EVENTS, &la->ctx);
	if (rc) {
		error_sys(err, -rc, "cannot set up Linux AIO%s",
			  rc == -EAGAIN ? " (raise the sysctl fs.aio-max-nr, "
					  "or use aio=threads)" :
					  " (aio=threads does without)");
		goto err_free;
	}
	la->ring = (struct event_ring *)la->ctx;
	if (la->ring->magic != RING_MAGIC ||
	    la->ring->compat_features != RING_COMPAT ||
	    la->ring->incompat_features ||
	    la->ring->header_length != sizeof(*la->ring)) {
		rc = error_set(err, EOPNOTSUPP,
			       "this kernel's AIO ring has a form unknown to "
			       "vireo (use aio=threads)");
		goto err_ctx;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		rc = error_sys(err, errno, "cannot make an eventfd");
		goto err_ctx;
	}
	aio->counts = true;
	rc = aio_event_open(aio, fd);
	if (rc) {
		error_sys(err, -rc, "cannot watch an eventfd");
		goto err_fd;
	}
	rc = aio_pool_open(aio, 1, err);
	if (rc)
		goto err_event;
	aio->priv = la;
	return 0;

err_event:
	loop_fd_del(aio->loop, &aio->event);
err_fd:
	close(fd);
err_ctx:
	io_destroy(la->ctx);
err_free:
	free(la);
	return rc;
}

static void libaio_close(struct aio *aio)
{
	struct libaio *la = aio->priv;

	aio_pool_close(aio->pool);
	loop_fd_del(aio->loop, &aio->event);
	close(aio->event.fd);
	io_destroy(la->ctx);
	free(la);
}

/* False: a thread has to do it. */
static bool prepare(const struct aio *aio, struct aio_req *req)
{
	struct iocb *cb = &req->iocb;

	switch (req->op) {
	case AIO_FSYNC:
		io_prep_fdsync(cb, req->fd);
		break;
	case AIO_READ:
	case AIO_WRITE:
		if (!aio_aligned(req))
			return false;
		if (req->op == AIO_READ && req->nr_iov == 1)
			io_prep_pread(cb, req->fd, req->iov->iov_base,
				      req->iov->iov_len,
				      (long long)req->offset);
		else if (req->op == AIO_READ)
			io_prep_preadv(cb, req->fd, req->iov, (int)req->nr_iov,
				       (long long)req->offset);
		else
			io_prep_pwritev(cb, req->fd, req->iov, (int)req->nr_iov,
					(long long)req->offset);
		if (req->op == AIO_WRITE && req->sync)
			cb->aio_rw_flags = RWF_DSYNC;
		break;
	default:
		return false;
	}
	cb->data = req;
	io_set_eventfd(cb, aio->event.fd);
	return true;
}

/* The first of the queue that are for the kernel; others go to @rest. */
static unsigned int gather(struct aio *aio, struct iocb **batch,
			   struct aio_list *rest)
{
	struct libaio *la = aio->priv;
	unsigned int n = 0;
	struct aio_req *req;

	while (n < BATCH && la->in_flight + n < EVENTS &&
	       (req = aio_list_take(&aio->queue))) {
		if (prepare(aio, req))
			batch[n++] = &req->iocb;
		else
			aio_list_add(rest, req);
	}
	return n;
}

/* What was gathered and not taken goes back to the front. */
static void put_back(struct aio *aio, struct iocb **batch, unsigned int n)
{
	struct aio_list list;
	unsigned int i;

	aio_list_init(&list);
	for (i = 0; i < n; i++)
		aio_list_add(&list, batch[i]->data);
	aio_list_join(&list, &aio->queue);
	aio->queue = list;
	if (!aio->queue.first)
		aio_list_init(&aio->queue);
}

static void libaio_start(struct aio *aio)
{
	struct libaio *la = aio->priv;
	struct iocb *batch[BATCH];
	struct aio_list rest;
	unsigned int n, taken;
	int ret;

	aio_list_init(&rest);
	while ((n = gather(aio, batch, &rest))) {
		do {
			ret = io_submit(la->ctx, n, batch);
		} while (ret == -EINTR);
		taken = ret > 0 ? (unsigned int)ret : 0;
		la->in_flight += taken;
		if (taken < n) {
			/* It says only of the first what is wrong. */
			if (!taken && (ret != -EAGAIN || !la->in_flight)) {
				aio_list_add(&rest, batch[0]->data);
				taken = 1;
			}
			put_back(aio, batch + taken, n - taken);
			if (ret == -EAGAIN && la->in_flight)
				break; /* until something has completed */
		}
	}
	if (rest.first)
		aio_pool_start(aio->pool, &rest);
}

static bool libaio_reap(struct aio *aio)
{
	struct libaio *la = aio->priv;
	struct event_ring *ring = la->ring;
	struct io_event event;
	bool any = false;

	/* The kernel writes the events before it moves the tail. */
	while (ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
		event = ring->events[ring->head];
		__atomic_store_n(&ring->head, (ring->head + 1) % ring->nr,
				 __ATOMIC_RELEASE);
		la->in_flight--;
		any = true;
		aio_result(aio, event.data, (int64_t)event.res);
	}
	return any;
}

const struct aio_engine aio_libaio = {
	.open = libaio_open,
	.close = libaio_close,
	.start = libaio_start,
	.reap = libaio_reap,
};
