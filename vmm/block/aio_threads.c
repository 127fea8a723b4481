// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine that works everywhere: a pool of threads. */
#include "aio_engine.h"

#define THREADS 8

static int threads_open(struct aio *aio, struct error *err)
{
	aio->event.fd = -1;
	return aio_pool_open(aio, THREADS, err);
}

static void threads_close(struct aio *aio)
{
	aio_pool_close(aio->pool);
}

static void threads_start(struct aio *aio)
{
	aio_pool_start(aio->pool, &aio->queue);
}

/* The pool has all of it. */
static bool threads_reap(struct aio *aio)
{
	(void)aio;
	return false;
}

const struct aio_engine aio_threads = {
	.open = threads_open,
	.close = threads_close,
	.start = threads_start,
	.reap = threads_reap,
};
