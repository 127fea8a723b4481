// SPDX-License-Identifier: GPL-2.0-or-later
/* What the engines have in common. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../error.h"
#include "aio_engine.h"

/* By edge: then nobody has to read it. */
#define EVENT_ON (EPOLLIN | EPOLLET)
/* Batches in a row that were complete at once. */
#define AT_ONCE 16

static const struct aio_engine *engine_of(enum aio_kind kind)
{
	switch (kind) {
	case AIO_LIBAIO:
		return &aio_libaio;
#ifdef HAVE_LIBURING
	case AIO_IO_URING:
		return &aio_uring;
#endif
	case AIO_THREADS:
		return &aio_threads;
	default:
		return NULL;
	}
}

bool aio_has(enum aio_kind kind)
{
	return engine_of(kind) != NULL;
}

static void on_flush(void *opaque)
{
	aio_flush(opaque);
}

static void on_event(void *opaque, uint32_t events)
{
	(void)events;
	aio_poll(opaque);
}

int aio_event_open(struct aio *aio, int fd)
{
	aio->event.fd = fd;
	aio->event.events = EVENT_ON;
	aio->event.fn = on_event;
	aio->event.opaque = aio;
	return loop_fd_add(aio->loop, &aio->event);
}

int aio_open(struct aio **out, struct loop *loop, enum aio_kind kind,
	     enum sandbox sandbox, struct error *err)
{
	const struct aio_engine *engine = engine_of(kind);
	struct aio *aio;
	int rc;

	if (!engine)
		return error_set(err, EOPNOTSUPP,
				 "this vireo was built without io_uring");
	aio = calloc(1, sizeof(*aio));
	if (!aio)
		return error_sys(err, ENOMEM, "cannot set up I/O");
	aio->engine = engine;
	aio->loop = loop;
	aio->sandbox = sandbox;
	aio->flush.fn = on_flush;
	aio->flush.opaque = aio;
	aio_list_init(&aio->queue);
	rc = engine->open(aio, err);
	if (rc) {
		free(aio);
		return rc;
	}
	*out = aio;
	return 0;
}

void aio_close(struct aio *aio)
{
	assert(!aio->in_flight);
	loop_undefer(aio->loop, &aio->flush);
	aio->engine->close(aio);
	free(aio);
}

void aio_submit(struct aio *aio, struct aio_req *req)
{
	req->begun = 0;
	aio->in_flight++;
	aio_list_add(&aio->queue, req);
	loop_defer(aio->loop, &aio->flush);
}

/*
 * Where each request is complete when it has been submitted, as on a RAM disk,
 * the loop does not listen for it: it would wake up once more each time.
 */
static void listen(struct aio *aio)
{
	if (aio->in_flight) {
		aio->at_once = 0;
		loop_fd_set(aio->loop, &aio->event, EVENT_ON);
	} else if (aio->at_once < AT_ONCE && ++aio->at_once == AT_ONCE) {
		loop_fd_set(aio->loop, &aio->event, 0);
	}
}

void aio_flush(struct aio *aio)
{
	while (aio->queue.first) {
		aio->engine->start(aio);
		/* A RAM disk has completed it already. */
		if (!aio->engine->reap(aio))
			break;
	}
	listen(aio);
}

bool aio_poll(struct aio *aio)
{
	bool any = aio->engine->reap(aio);

	if (aio->pool)
		any |= aio_pool_reap(aio->pool);
	/* Now there may be room for what did not fit. */
	if (any)
		aio_flush(aio);
	return any;
}

void aio_wait(struct aio *aio)
{
	struct pollfd fds[2] = {
		{ .fd = aio->event.fd, .events = POLLIN },
		{ .fd = aio_pool_fd(aio->pool), .events = POLLIN },
	};
	unsigned int before = aio->in_flight;
	uint64_t count;
	int i;

	aio_flush(aio);
	if (!before || aio->in_flight < before)
		return;
	for (;;) {
		/* Nobody else does; first, lest a later event be lost. */
		for (i = 0; i < 2; i++)
			if (fds[i].fd >= 0 && (i || aio->counts) &&
			    read(fds[i].fd, &count, sizeof(count)) < 0)
				continue;
		if (aio_poll(aio))
			return;
		poll(fds, 2, -1);
	}
}

void aio_done(struct aio *aio, struct aio_req *req, int ret)
{
	aio->in_flight--;
	req->done(req, ret);
}

void aio_result(struct aio *aio, struct aio_req *req, int64_t res)
{
	struct aio_list list;

	if (res < 0) {
		aio_done(aio, req, (int)res);
		return;
	}
	req->begun += (uint64_t)res;
	if (req->op == AIO_FSYNC || req->begun >= req->len) {
		aio_done(aio, req, 0);
		return;
	}
	/* Rare: the end of the file, or of the space; finds out which. */
	aio_list_init(&list);
	aio_list_add(&list, req);
	aio_pool_start(aio->pool, &list);
}
