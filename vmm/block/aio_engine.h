/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What engines and aio.c share. */
#ifndef VIREO_BLOCK_AIO_ENGINE_H
#define VIREO_BLOCK_AIO_ENGINE_H

#include "../loop.h"
#include "aio.h"

struct aio_pool;

struct aio_list {
	struct aio_req *first, **end;
};

struct aio_engine {
	int (*open)(struct aio *aio, struct error *err);
	void (*close)(struct aio *aio);
	/*
	 * Starts what is in aio->queue, in order; what it cannot take now stays
	 * there for when something has completed.
	 */
	void (*start)(struct aio *aio);
	/* Calls aio_done for what has completed; true if anything had. */
	bool (*reap)(struct aio *aio);
};

struct aio {
	const struct aio_engine *engine;
	struct loop *loop;
	enum sandbox sandbox;
	struct aio_pool *pool;
	struct loop_fd event; /* the engine's: something has completed */
	bool counts;	      /* event.fd is an eventfd */
	void *priv;
	struct aio_list queue;
	struct loop_call flush;
	unsigned int in_flight; /* from aio_submit to done */
	unsigned int at_once;	/* batches in a row that were done at once */
};

extern const struct aio_engine aio_libaio;
extern const struct aio_engine aio_uring;
extern const struct aio_engine aio_threads;

static inline void aio_list_init(struct aio_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void aio_list_add(struct aio_list *list, struct aio_req *req)
{
	req->next = NULL;
	*list->end = req;
	list->end = &req->next;
}

static inline struct aio_req *aio_list_take(struct aio_list *list)
{
	struct aio_req *req = list->first;

	if (req) {
		list->first = req->next;
		if (!list->first)
			list->end = &list->first;
	}
	return req;
}

/* All of @from goes to the end of @list. */
static inline void aio_list_join(struct aio_list *list, struct aio_list *from)
{
	if (!from->first)
		return;
	*list->end = from->first;
	list->end = from->end;
	aio_list_init(from);
}

/* An eventfd in the loop; -errno. */
int aio_event_open(struct aio *aio, int fd);

/* The kernel gave @res for what was left of @req: bytes, or -errno. */
void aio_result(struct aio *aio, struct aio_req *req, int64_t res);
void aio_done(struct aio *aio, struct aio_req *req, int ret);

/* ---- aio_pool.c: threads ---- */

int aio_pool_open(struct aio *aio, unsigned int threads, struct error *err);
void aio_pool_close(struct aio_pool *pool);
/* Takes all of @list. */
void aio_pool_start(struct aio_pool *pool, struct aio_list *list);
bool aio_pool_reap(struct aio_pool *pool);
int aio_pool_fd(const struct aio_pool *pool);

/* ---- aio_sync.c: in the calling thread ---- */

/* Whether the kernel takes it as it is. */
bool aio_aligned(const struct aio_req *req);
/* Does what is left of a request; 0 or -errno. */
int aio_sync(struct aio_req *req);

#endif
